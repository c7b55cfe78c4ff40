"""tools/soak/live.py for a short while: two cameras that break off, and a dead third."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

TOOL = Path(__file__).parents[1] / "tools" / "soak" / "live.py"


def test_two_cameras_that_break_off_and_a_dead_third(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOL), "--seconds", "15", "--busy", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["faults"] == []
    assert set(found["states, looks"]["dead"]) == {"lost"}
    front = set(found["states, looks"]["front"])
    assert "lost" in front
    assert front & {"live", "late"}
