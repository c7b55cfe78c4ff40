"""The README's first command as a newcomer's machine has it: the wheel, the samples, no cache, no other folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import av
import numpy as np

from output_worlds import decoded, lines

PROJECT = Path(__file__).parents[1]


def first_command() -> list[str]:
    """What it runs after the installation: the arguments of `poseline`."""
    block = re.search(r"^## Try it\n+```sh\n(.*?)\n```", (PROJECT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert block is not None
    _, install, run = block[1].split(" && ")
    assert install == ".venv/bin/pip install -q ."
    command, *arguments = shlex.split(run)
    assert command == ".venv/bin/poseline"
    return arguments


def test_the_first_command_needs_nothing_but_the_project(tmp_path: Path) -> None:
    wheel, home = tmp_path / "wheel", tmp_path / "project"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(wheel), str(PROJECT)]
    subprocess.run(install, check=True, timeout=280)
    (home / "samples").mkdir(parents=True)
    (home / "samples" / "crossing.mp4").write_bytes((PROJECT / "samples" / "crossing.mp4").read_bytes())
    kept = {key: value for key, value in os.environ.items() if not key.startswith("POSELINE_")}
    ours = f"import poseline; assert poseline.__file__.startswith({str(wheel)!r})"
    code = f"{ours}; from poseline.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *first_command()], cwd=home, capture_output=True, text=True, timeout=280,
        env={**kept, "PYTHONPATH": str(wheel), "HOME": str(tmp_path / "home"), "YOLO_OFFLINE": "True"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    out = home / "runs" / "first"
    frames = [record for record in lines(out / "keypoints.jsonl") if record["type"] == "frame"]
    assert decoded(out / "annotated.mp4") == len(frames) == 233
    assert np.mean([len(frame["persons"]) for frame in frames]) > 1.5
    assert drawn_on(out / "annotated.mp4", home / "samples" / "crossing.mp4") > 1000


def drawn_on(annotated: Path, plain: Path) -> int:
    """Pixels of the hundredth picture that are another colour than in the clip."""
    one, other = (hundredth(path).astype(int) for path in (annotated, plain))
    return int((np.abs(one - other).max(axis=2) > 60).sum())


def hundredth(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with av.open(str(path)) as container:
        picture = next(frame for index, frame in enumerate(container.decode(video=0)) if index == 100)
    return np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
