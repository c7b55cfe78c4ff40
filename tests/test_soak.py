"""The soaks of tools/soak for a short while: cameras that break off, a dead one, and an RTSP camera in trouble."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from stream_worlds import needs_gstreamer

TOOLS = Path(__file__).parents[1] / "tools" / "soak"


def soaked(tool: str, tmp_path: Path, *options: str) -> Any:
    """What a soak found, which ended well."""
    command = [sys.executable, str(TOOLS / tool), *options, "--json", str(tmp_path / "found.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["faults"] == []
    return found


def test_two_cameras_that_break_off_and_a_dead_third(tmp_path: Path) -> None:
    found = soaked("live.py", tmp_path, "--seconds", "15", "--busy")
    assert set(found["states, looks"]["dead"]) == {"lost"}
    front = set(found["states, looks"]["front"])
    assert "lost" in front
    assert front & {"live", "late"}


@pytest.mark.system
@pytest.mark.browser
@pytest.mark.timeout(700)
def test_a_minute_of_an_rtsp_camera_in_trouble_ten_times_as_often(tmp_path: Path) -> None:
    needs_gstreamer()
    found = soaked("hours.py", tmp_path, "--seconds", "60", "--pace", "10")
    assert len(found["troubles"]) >= 4, "of six; a busy computer has no time for all of them"
    assert found["end"]["ended"] == "interrupted"
    _, after = found["first and last"]
    assert after["outages made"] == after["gap records"] >= 2
    assert after["visits"] >= 2
