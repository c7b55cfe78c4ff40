"""A folder that looks like a machine's /sys, whose numbers the test knows and changes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from media_worlds import until
from poseline.bench.schema import Sensors
from poseline.bench.sensors import SensorReader


def write(root: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        path = root / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


RAPL = "class/powercap/intel-rapl:0"
HWMON = "class/hwmon/hwmon1"
PACKAGE = {
    "class/hwmon/hwmon0/name": "nvme", "class/hwmon/hwmon0/temp1_input": 90_000,
    f"{HWMON}/name": "coretemp",
    f"{HWMON}/temp1_input": 50_000, f"{HWMON}/temp1_label": "Core 0",
    f"{HWMON}/temp2_input": 61_500, f"{HWMON}/temp2_label": "Package id 0",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is watched takes two seconds."""
    times = iter(range(0, 1000, 2))
    monkeypatch.setattr("poseline.bench.sensors.time", SimpleNamespace(monotonic=lambda: next(times)))


def seen(root: Path, changes: dict[str, object] | None = None) -> Sensors | None:
    """What is told when the files change meanwhile."""
    with SensorReader(root).watching() as told:
        write(root, changes or {})
    return told()


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    assert seen(tmp_path) is None


def test_the_packages_temperature_and_no_other(tmp_path: Path) -> None:
    write(tmp_path, PACKAGE)
    assert seen(tmp_path) == Sensors(celsius=61.5)


def test_the_highest_temperature_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poseline.bench.sensors._EVERY", 0.001)
    look, looks = SensorReader._look, list[object]()
    monkeypatch.setattr(SensorReader, "_look", lambda *given: looks.append(look(*given)))
    write(tmp_path, PACKAGE)
    with SensorReader(tmp_path).watching() as told:
        for millidegrees in (70_000, 65_000):
            write(tmp_path, {f"{HWMON}/temp2_input": millidegrees})
            before = len(looks)
            assert until(lambda before=before: len(looks) >= before + 2)  # type: ignore[misc] # one may have begun before
    assert told() == Sensors(celsius=70.0)


@pytest.mark.parametrize("text", ["-40000", "999000", "none", ""])
def test_a_sensor_that_is_not_connected_says_nothing(text: str, tmp_path: Path) -> None:
    write(tmp_path, {**PACKAGE, f"{HWMON}/temp2_input": text})
    assert seen(tmp_path) is None


def test_a_thermal_zone_where_there_is_no_driver_of_the_package(tmp_path: Path) -> None:
    zone = "class/thermal/thermal_zone"
    write(tmp_path, {f"{zone}0/type": "acpitz", f"{zone}0/temp": 20_000})
    assert seen(tmp_path) is None
    write(tmp_path, {f"{zone}1/type": "cpu-thermal", f"{zone}1/temp": 48_000})
    assert seen(tmp_path) == Sensors(celsius=48.0)


def test_watts_are_the_energy_of_all_packages_by_time(tmp_path: Path) -> None:
    other = "class/powercap/intel-rapl:1"
    write(tmp_path, {
        f"{RAPL}/name": "package-0", f"{RAPL}/energy_uj": 1_000_000, f"{RAPL}/max_energy_range_uj": 262_143_000_000,
        f"{other}/name": "package-1", f"{other}/energy_uj": 5, f"{other}/max_energy_range_uj": 262_143_000_000,
        f"{RAPL}:0/name": "core", f"{RAPL}:0/energy_uj": 0,
        "class/powercap/intel-rapl:2/name": "psys", "class/powercap/intel-rapl:2/energy_uj": 0,
    })  # fmt: skip
    told = seen(
        tmp_path, {f"{RAPL}/energy_uj": 31_000_000, f"{other}/energy_uj": 10_000_005, f"{RAPL}:0/energy_uj": 9e9}
    )
    assert told == Sensors(watts=20.0), "30 J and 10 J in two seconds"


def test_a_counter_of_energy_that_begins_anew(tmp_path: Path) -> None:
    write(tmp_path, {f"{RAPL}/name": "package-0", f"{RAPL}/energy_uj": 90, f"{RAPL}/max_energy_range_uj": 20_000_000})
    told = seen(tmp_path, {f"{RAPL}/energy_uj": 80})
    assert told is not None
    assert told.watts == pytest.approx(10, rel=1e-4)


def test_energy_that_may_not_be_read_is_not_told(tmp_path: Path) -> None:
    write(tmp_path, {f"{RAPL}/name": "package-0", f"{RAPL}/max_energy_range_uj": 20})
    assert seen(tmp_path) is None


def test_throttling_by_its_counters(tmp_path: Path) -> None:
    counters = {
        "devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": 7,
        "devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": 0,
    }
    write(tmp_path, dict(counters))
    assert seen(tmp_path) == Sensors(throttled=False), "what was before does not count"
    assert seen(tmp_path, {name: count + 1 for name, count in counters.items()}) == Sensors(throttled=True)


@pytest.mark.parametrize(("bits", "throttled"), [("0", False), ("50000", False), ("50005", True), ("4", True)])
def test_a_raspberry_pi(bits: str, throttled: bool, tmp_path: Path) -> None:
    write(tmp_path, {"devices/platform/soc/soc:firmware/get_throttled": bits})
    assert seen(tmp_path) == Sensors(throttled=throttled), "the upper bits tell of the time since it was started"


def nvidia(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> SensorReader:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return SensorReader(folder, gpu=True)


@pytest.mark.parametrize(("reasons", "throttled"), [("0x1", False), ("0x4", False), ("0x20", True), ("0x48", True)])
def test_a_gpu(reasons: str, throttled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"39, 82.5, 0x0000000000000001\\n71, 117.5, {reasons}\\n"
    with nvidia(tmp_path, monkeypatch, f"printf '{said}'").watching() as told:
        pass
    assert told() == Sensors(gpu_celsius=71.0, gpu_watts=100.0, gpu_throttled=throttled)


def test_a_gpu_that_does_not_tell_its_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with nvidia(tmp_path, monkeypatch, "echo '45, [N/A], [N/A]'").watching() as told:
        pass
    assert told() == Sensors(gpu_celsius=45.0, gpu_throttled=False)


@pytest.mark.parametrize("script", ["exit 9", "echo 'no devices were found'"])
def test_a_driver_that_fails_says_nothing(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with nvidia(tmp_path, monkeypatch, script).watching() as told:
        pass
    assert told() is None


def test_nothing_is_told_before_the_end_and_an_error_passes(tmp_path: Path) -> None:
    write(tmp_path, PACKAGE)
    with pytest.raises(ValueError, match="it failed"), SensorReader(tmp_path).watching() as told:
        assert told() is None
        raise ValueError("it failed")
