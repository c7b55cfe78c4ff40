"""Sensors: how hot the machine was, how much power it took, and whether it slowed itself down, as the system tells.

Linux tells it in files (hwmon, thermal zones, RAPL through powercap, Intel's throttle counters, a Raspberry Pi's
firmware), NVIDIA by nvidia-smi. Each may be absent, as most are in a virtual machine, or may not be read without the
rights for it: then nothing is said of it.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from poseline.bench.schema import Sensors

_EVERY = 0.5
"""Seconds between two looks."""
_PACKAGE = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
"""What Linux's drivers of CPU temperatures are called (hwmon)."""
_ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc_thermal", "cpu0-thermal")
"""What thermal zones of a CPU are called."""
_PACKAGE_LABELS = ("Package id", "Tctl", "Tdie")
"""What hwmon calls the temperature of the whole package; without such a label it is the first one."""
_PLAUSIBLE = (1.0, 150.0)
"""Degrees Celsius; a sensor that says anything else is not connected."""
_PI_THROTTLED = 0x4
"""The bit of a Raspberry Pi's firmware that says: throttled right now."""
_GPU_SLOWED = 0x8 | 0x20 | 0x40 | 0x80
"""NVML's reasons for a slower clock that are faults: slowdown by hardware, for heat (software, hardware), power brake.

Idleness and a power cap that is kept to are none.
"""
_GPU_QUERY = "temperature.gpu,power.draw,clocks_throttle_reasons.active"
_GPU_TIMEOUT = 5.0


@dataclass
class _Seen:
    """What was seen while something was measured."""

    celsius: list[float] = field(default_factory=list)
    gpu_celsius: list[float] = field(default_factory=list)
    gpu_watts: list[float] = field(default_factory=list)
    throttled: bool = False
    gpu_throttled: bool = False


class SensorReader:
    """Looks at the sensors while runs are measured.

    Args:
        root: where /sys and /proc are; another one for tests.
        gpu: whether to ask nvidia-smi, which is a process each time.
    """

    def __init__(self, root: Path = Path("/"), *, gpu: bool = False) -> None:
        self._sys = root / "sys"
        self._temperature = _temperature_file(self._sys)
        self._energy = list(_energy_files(self._sys))
        self._throttle = _throttle_files(self._sys)
        self._pi = self._sys / "devices/platform/soc/soc:firmware/get_throttled"
        self._gpu = shutil.which("nvidia-smi") if gpu else None

    @contextmanager
    def watching(self) -> Iterator[Callable[[], Sensors | None]]:
        """While this is open, look every half second; what it gives tells, after that, what was seen; None: nothing."""
        seen, over = _Seen(), threading.Event()
        energy, count, began = self._joules(), self._throttle_count(), time.monotonic()
        looker = threading.Thread(target=self._look_again, args=(seen, over), name="sensors", daemon=True)
        told: list[Sensors | None] = []
        looker.start()
        try:
            yield lambda: told[0] if told else None
        finally:
            over.set()
            looker.join()
            told.append(self._told(seen, energy, count, time.monotonic() - began))

    def _look_again(self, seen: _Seen, over: threading.Event) -> None:
        while True:
            self._look(seen)
            if over.wait(_EVERY):
                return

    def _look(self, seen: _Seen) -> None:
        millidegrees = None if self._temperature is None else _number(self._temperature)
        if millidegrees is not None and _PLAUSIBLE[0] <= millidegrees / 1000 <= _PLAUSIBLE[1]:
            seen.celsius.append(millidegrees / 1000)
        pi = _number(self._pi, base=16)
        seen.throttled |= pi is not None and bool(pi & _PI_THROTTLED)
        for celsius, watts, reasons in self._gpus():
            seen.gpu_celsius += [] if celsius is None else [celsius]
            seen.gpu_watts += [] if watts is None else [watts]
            seen.gpu_throttled |= bool(reasons & _GPU_SLOWED)

    def _told(self, seen: _Seen, energy: list[int | None], count: int | None, seconds: float) -> Sensors | None:
        after = self._throttle_count()
        counted = None if count is None or after is None else after > count
        throttled = counted if not seen.throttled else True
        if throttled is None and self._pi.exists():
            throttled = False
        found = Sensors(
            celsius=max(seen.celsius, default=None),
            watts=self._watts(energy, seconds),
            throttled=throttled,
            gpu_celsius=max(seen.gpu_celsius, default=None),
            gpu_watts=sum(seen.gpu_watts) / len(seen.gpu_watts) if seen.gpu_watts else None,
            gpu_throttled=seen.gpu_throttled if seen.gpu_celsius or seen.gpu_watts else None,
        )
        return None if found == Sensors() else found

    def _joules(self) -> list[int | None]:
        """The energy counter of each package, in microjoules."""
        return [_number(file) for file, _ in self._energy]

    def _watts(self, before: list[int | None], seconds: float) -> float | None:
        """Mean power of all packages since `before`; their counters begin anew at a number that the system tells."""
        used = 0
        for (_, turn), first, last in zip(self._energy, before, self._joules(), strict=True):
            if first is None or last is None:
                return None
            used += last - first if last >= first else last - first + turn
        return used / 1e6 / seconds if self._energy and seconds > 0 else None

    def _throttle_count(self) -> int | None:
        counts = [count for count in map(_number, self._throttle) if count is not None]
        return sum(counts) if counts else None

    def _gpus(self) -> Iterator[tuple[float | None, float | None, int]]:
        """Degrees, watts and reasons for a slower clock of each of NVIDIA's cards."""
        if self._gpu is None:
            return
        try:
            asked = subprocess.run(  # noqa: S603 # found on the PATH, constant arguments
                [self._gpu, f"--query-gpu={_GPU_QUERY}", "--format=csv,noheader,nounits"],
                capture_output=True, text=True, timeout=_GPU_TIMEOUT, check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            self._gpu = None
            return
        for line in asked.stdout.splitlines():
            parts = [part.strip() for part in line.split(",")]
            if len(parts) == len(_GPU_QUERY.split(",")):
                yield _real(parts[0]), _real(parts[1]), _hexadecimal(parts[2])


def _temperature_file(system: Path) -> Path | None:
    """The file of the CPU package's temperature, in thousandths of a degree."""
    for chip in sorted(system.glob("class/hwmon/hwmon*")):
        if _text(chip / "name") in _PACKAGE:
            inputs = sorted(chip.glob("temp*_input"))
            labelled = [file for file in inputs if _label(file).startswith(_PACKAGE_LABELS)]
            if inputs:
                return (labelled or inputs)[0]
    zones = [zone for zone in sorted(system.glob("class/thermal/thermal_zone*")) if _text(zone / "type") in _ZONES]
    return zones[0] / "temp" if zones else None


def _label(file: Path) -> str:
    return _text(file.with_name(file.name.replace("_input", "_label")))


def _energy_files(system: Path) -> Iterator[tuple[Path, int]]:
    """The energy counter of each CPU package, and the number at which it begins anew (RAPL; AMD's has Intel's name)."""
    for zone in sorted(system.glob("class/powercap/intel-rapl:*")):
        if zone.name.count(":") == 1 and _text(zone / "name").startswith("package"):
            yield zone / "energy_uj", _number(zone / "max_energy_range_uj") or 0


def _throttle_files(system: Path) -> list[Path]:
    """The counters of how often a package or a core slowed down for its heat; Intel's alone."""
    return sorted(system.glob("devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count"))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(file: Path, base: int = 10) -> int | None:
    try:
        return int(_text(file), base)
    except ValueError:
        return None


def _real(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # such as [N/A]
        return None


def _hexadecimal(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0
