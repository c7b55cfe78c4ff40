"""The soaks of tools/soak for a short while: cameras that break off, a dead one, and an RTSP camera in trouble."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from stream_worlds import needs_gstreamer

TOOLS = Path(__file__).parents[1] / "tools" / "soak"


OUTAGES = "stopped and started", "stall beyond the time-out", "killed, back with the other size", "another password"
"""The troubles of hours.py after which the log has one gap more."""


def soaked(tool: str, tmp_path: Path, *options: str, seconds: float = 280) -> Any:
    """What a soak found, which ended well."""
    command = [sys.executable, str(TOOLS / tool), *options, "--json", str(tmp_path / "found.json")]
    output = tmp_path / "printed.txt"
    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the run that it watches
            process.wait()
    assert code == 0, output.read_text()
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["faults"] == []
    return found


def test_two_cameras_that_break_off_and_a_dead_third(tmp_path: Path) -> None:
    found = soaked("live.py", tmp_path, "--seconds", "15", "--busy")
    states, events = found["states, looks"], found["events of two viewers"]
    assert set(states["dead"]) == {"lost"}
    for name in ("front", "back"):
        assert "lost" in states[name]
        assert set(states[name]) & {"live", "late"}
    assert min(events[kind] for kind in ("enter", "leave", "gap")) >= 1
    assert set(found["pictures of two viewers, by camera"]) == {"0", "1"}, "none of the dead one"


@pytest.mark.system
@pytest.mark.browser
@pytest.mark.timeout(700)
def test_a_minute_of_an_rtsp_camera_in_trouble_ten_times_as_often(tmp_path: Path) -> None:
    needs_gstreamer()
    found = soaked("hours.py", tmp_path, "--seconds", "60", "--pace", "10", seconds=680)
    assert len(found["troubles"]) >= 4, "of six; a busy computer has no time for all of them"
    assert found["end"]["ended"] == "interrupted"
    _, after = found["first and last"]
    outages = sum(found["troubles"].get(name, 0) for name in OUTAGES)
    assert outages == after["gap records"] >= 2
    assert after["visits"] >= 2


@pytest.mark.parametrize(
    ("ages", "words"),
    [
        ([100.0] * 9, []),
        ([100.0, None, 110.0, 120.0, None, 90.0, 100.0, None, 130.0], []),
        ([100.0, None, 110.0, 120.0, None, 90.0, 400.0, None, 500.0], ["age of a picture: 95 % within"]),
    ],
    ids=["steady", "minutes without a picture", "growing"],
)
def test_ages_of_pictures_are_judged_whether_or_not_some_came_in_every_minute(
    ages: list[float | None], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    hours = import_module("hours")
    soak = hours.Soak(camera=None, log=None, pace=1.0, folder=Path())
    soak.minutes = [{"age of a picture, ms": {"95 %": age}, "pictures seen": 30} for age in ages]
    hours.judge_growth(soak)
    assert [fault[:29] for fault in soak.faults] == words
