"""Reads files as a run does, one path a line on standard input, and says in JSON, one line each, what came of it."""

from __future__ import annotations

import gc
import json
import resource
import sys
import threading
import time
import traceback
from itertools import pairwise
from pathlib import Path

import psutil

from poseline.capture import open_source
from poseline.errors import SourceError
from poseline.settings import CaptureSettings

_ADDRESSES = 6 << 30
"""Bytes of addresses that this process may have: more ends in a MemoryError before the machine runs out."""


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    for line in sys.stdin:
        print(json.dumps(answer(Path(line.rstrip("\n")))), flush=True)


def answer(path: Path) -> dict[str, object]:
    """What reading the file gives: counts, notes, or the error, and what it took."""
    process = psutil.Process()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the most memory that was held so far
    before, files, threads, started = _most_memory(), process.num_fds(), process.num_threads(), time.monotonic()
    found: dict[str, object] = {}
    try:
        found |= _read(path)
    except SourceError as error:
        found |= {"error": str(error), "code": error.exit_code}
    except BaseException as error:  # noqa: BLE001 # what is looked for
        found |= {"raised": f"{type(error).__name__}: {error}", "where": traceback.format_exc()[-2000:]}
    found |= {"seconds": time.monotonic() - started, "megabytes": _most_memory() - before}
    gc.collect()
    left = threading.active_count() - 1, process.num_fds() - files, process.num_threads() - threads
    return found | {"python threads left": left[0], "files left": left[1], "threads left": left[2]}


def _read(path: Path) -> dict[str, object]:
    settings = CaptureSettings()
    source = open_source(path, settings)
    times, corrupt, gaps, sizes, odd = [], 0, 0, set(), ""
    for frame in source.frames():
        times.append(frame.time)
        corrupt += frame.corrupt
        gaps += frame.gap is not None
        height, width, channels = frame.bgr.shape
        sizes.add((width, height))
        if channels != 3 or width * height > settings.max_pixels:
            odd = f"a picture of {frame.bgr.shape}"
    if not all(later > earlier for earlier, later in pairwise(times)):
        odd = "times that do not move on"
    return {
        "frames": len(times), "bad": source.bad, "corrupt": corrupt, "gaps": gaps, "stated": source.info.frames,
        "duration": source.info.duration, "notes": source.notes, "times": times, "sizes": sorted(sizes), "odd": odd,
    }  # fmt: skip


def _most_memory() -> float:
    """Megabytes of memory that this process held at most."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
