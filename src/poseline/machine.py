"""Machine: what this computer is, as far as it decides how fast a run goes."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from itertools import takewhile
from pathlib import Path

from poseline.errors import DeviceError
from poseline.settings import card_numbers

_CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_NAME_OF_A_CARD = re.compile(r"\d|GPU-|MIG-")
"""How a name in CUDA_VISIBLE_DEVICES begins."""
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cpu_flags() -> list[str]:
    """The vector instructions that matter for a network, where the system states them."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return []
    return [flag for flag in _CPU_FLAGS if flag in words]


def cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def clock() -> float | None:
    """The processor's present clock in MHz; None where the system does not state it."""
    import psutil  # a run asks this module for the number of its cores alone, and goes without

    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        return None
    return round(frequency.current, 1) if frequency and frequency.current else None


def governor() -> str | None:
    """How Linux chooses the processor's clock; None where it is not stated, as in most virtual machines."""
    try:
        return _GOVERNOR.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def load() -> float | None:
    """Programs that wanted a core, on average of the last minute; None where the system does not state it."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def memory() -> int:
    """Bytes of main memory."""
    import psutil

    return psutil.virtual_memory().total


def hides_cards() -> bool:
    """Whether CUDA_VISIBLE_DEVICES hides all NVIDIA GPUs from this process, as an empty one and -1 do."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible is not None and _NAME_OF_A_CARD.match(visible.strip()) is None


def cards() -> list[str]:
    """NVIDIA GPUs that this process may use, in the order of their numbers, as CUDA_VISIBLE_DEVICES calls them.

    Empty where there is none, or nobody says.
    """
    lines = nvidia()
    installed = [str(number) for number in range(len(lines.split("; ")))] if lines else []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return installed

    def is_there(name: str) -> bool:
        return name in installed if name.isdecimal() and installed else _NAME_OF_A_CARD.match(name) is not None

    # CUDA too stops at the first that is none
    return list(takewhile(is_there, (name.strip() for name in visible.split(","))))


def worker_cards(device: str) -> list[str]:
    """The GPUs over which workers are spread, as `cards` has them; empty where all are to use the same.

    Args:
        device: as in the settings: cuda is all that are there, `cuda:0,1` these.

    Raises:
        DeviceError: one that is named is not there.
    """
    numbers = card_numbers(device)
    if device not in ("auto", "cuda") and len(numbers) < 2:
        return []
    there = cards()
    if not numbers:
        return there if len(there) > 1 else []
    if not there:  # nobody says; PyTorch will know
        return [str(number) for number in numbers]
    if absent := [number for number in numbers if number >= len(there)]:
        known = ", ".join(f"cuda:{number}" for number in range(len(there)))
        raise DeviceError(f"cuda:{absent[0]} was asked for, but this machine has no such GPU (found: {known})")
    return [there[number] for number in numbers]


def nvidia() -> str:
    """Name, memory and driver of NVIDIA's GPUs; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        asked = subprocess.run(  # noqa: S603 # found on the PATH, constant arguments
            [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(asked.stdout.strip().splitlines())
