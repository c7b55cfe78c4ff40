"""A slim installation: without torch, ultralytics, polars and scipy a CPU does all its work; the rest is named."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from poseline.doctor import LARGE
from poseline.log import LogReader

ROOT = Path(__file__).parents[1]
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))  # None: as if it were not installed
from poseline.__main__ import main
main()
"""


def poseline(*arguments: object, cache: Path) -> subprocess.CompletedProcess[str]:
    """The command where the large packages are not installed."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, ",".join(LARGE.values()), *map(str, arguments)],
        env=os.environ | {"COLUMNS": "200", "POSELINE_CACHE": str(cache)}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip


def test_a_new_pt_is_converted_tracked_drawn_and_logged(builtin: Path, clip: Path, tmp_path: Path) -> None:
    model = shutil.copy(builtin, tmp_path / "mine.pt")
    out = tmp_path / "out"
    done = poseline("run", clip, "-m", model, "-o", out, "--vid-stride", "10", cache=tmp_path / "cache")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in out.iterdir()} >= {"annotated.mp4", "keypoints.jsonl"}
    ids = [person["id"] for frame, _ in LogReader(out / "keypoints.jsonl").records() for person in frame["persons"]]
    assert len(set(ids)) >= 8


NAMED = {
    "polars for tables": (("run", "{clip}", "-m", "builtin", "--log", "jsonl,csv"), "the format csv needs polars", 2),
    "polars for an analysis": (("analyze", "{clip}"), "an analysis, in its tables, needs polars", 2),
    "torch": (("run", "{clip}", "-m", "builtin", "--device", "mps"), "mps|ultralytics", 5),
    "torch for its runtime": (("run", "{clip}", "-m", "builtin", "--runtime", "torch"), "pip install ultralytics", 5),
}


@pytest.mark.parametrize("kind", NAMED)
def test_what_is_left_out_says_its_name(kind: str, clip: Path, tmp_path: Path) -> None:
    words, expected, code = NAMED[kind]
    done = poseline(*(word.format(clip=clip) for word in words), "-o", tmp_path / "out", cache=tmp_path / "cache")
    assert done.returncode == code, done.stderr
    assert re.search(expected, done.stderr + done.stdout)
    assert "Traceback" not in done.stderr


def test_the_documented_packages_are_those_that_a_run_requires() -> None:
    """Those of the two lines for pip, against the project's own list, with the versions that are too new."""
    lines = re.findall(r"^pip install (?!poseline)(.*)$", (ROOT / "docs/install.md").read_text(), re.M)
    [packages] = [line for line in lines if "numpy" in line]
    content = (ROOT / "pyproject.toml").read_text()
    required = re.search(r"^dependencies = \[(.*?)^\]", content, re.M | re.S)
    assert required is not None
    needed = re.findall(r'^\s*"([\w-]+)[^"<]*(<[^",]+)?', required[1], re.M)
    wanted = {name + below for name, below in needed if name not in {*LARGE, "opencv-python"}}
    assert {package.strip("'") for package in packages.split()} == wanted | {"opencv-python-headless"}
