from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from poseline import machine


def test_what_it_says_is_plausible() -> None:
    assert machine.cpu_name()
    assert 1 <= machine.cores() <= (os.cpu_count() or 1)
    assert machine.memory() > 100e6
    clock = machine.clock()
    assert clock is None or 100 < clock < 10_000, "MHz"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux's way of lending cores")
def test_cores_are_those_that_may_be_used() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert machine.cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs Linux")
def test_flags_are_those_of_the_system_that_matter() -> None:
    told = subprocess.run(["grep", "-m1", "-w", "avx2", "/proc/cpuinfo"], capture_output=True).returncode == 0
    assert ("avx2" in machine.cpu_flags()) is told
    assert "fpu" not in machine.cpu_flags()


def test_the_governor_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_GOVERNOR", tmp_path / "scaling_governor")
    assert machine.governor() is None
    (tmp_path / "scaling_governor").write_text("performance\n")
    assert machine.governor() == "performance"


def test_gpus_are_what_the_drivers_tool_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.nvidia() == ""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA A, 10 MiB, 555'\necho 'NVIDIA B, 20 MiB, 555'\n")
    tool.chmod(0o755)
    assert machine.nvidia() == "NVIDIA A, 10 MiB, 555; NVIDIA B, 20 MiB, 555"
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert machine.nvidia() == ""
