"""Looks: memory, threads and open files of a process and its children, over hours."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil


@dataclass(frozen=True)
class Look:
    """What was found at one moment."""

    at: float
    """Seconds since the start."""
    megabytes: float
    """Memory that they have allocated, in use or not."""
    resident: float
    """Megabytes with libraries and other files, of which the system keeps as much as it likes."""
    threads: int
    files: int
    """Open ones, and sockets."""
    on_disk: int
    """Files that the run has written and kept."""
    cpu: float
    """Seconds on cores so far."""


def look(began: float, process: psutil.Process, folder: Path) -> Look:
    """One look at `process`, its children, and the files in its folder."""
    all_of_them = [process, *process.children(recursive=True)]
    times = [each.cpu_times() for each in all_of_them]
    return Look(
        time.monotonic() - began,
        sum(map(allocated, all_of_them)) / 1e6,
        sum(each.memory_info().rss for each in all_of_them) / 1e6,
        sum(each.num_threads() for each in all_of_them),
        sum(each.num_fds() for each in all_of_them),
        sum(1 for path in folder.rglob("*") if path.is_file()),
        sum(each.user + each.system for each in times),
    )


def allocated(process: psutil.Process) -> int:
    """Bytes of a process that are not a file's: anonymous and shared memory, also where it is swapped out."""
    found = 0
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")):
            found += 1024 * int(line.split()[1])
    return found


def slope(looks: list[Look], after: float) -> float | None:
    """Megabytes an hour, by a line of least squares through the looks from `after` seconds on; None of too few."""
    fitted = [(each.at, each.megabytes) for each in looks if each.at >= after]
    if len(fitted) < 10:
        return None
    times, memory = np.array(fitted).T
    return float(np.polyfit(times / 3600, memory, 1)[0])
