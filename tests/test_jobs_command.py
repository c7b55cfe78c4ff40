"""`--jobs`: what is true of all sources is said once, and what nobody can run ends the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from media_worlds import write_clip
from poseline.interruption import Interruption
from poseline.workers import Outcome, ProcessExecutor
from test_workers import Scripted


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(folder / f"clip{number}.mp4", range(4))) for number in range(4)]


def command(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    words = ["run", *words, "-o", str(folder / "out"), "--no-video", "--jobs", "2"]
    return subprocess.run([sys.executable, "-m", "poseline", *words], capture_output=True, text=True, timeout=280)


def test_the_model_is_told_once_and_each_source_has_its_report(clips: list[str], tmp_path: Path) -> None:
    done = command([*clips, "-m", "builtin"], tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert sum("17 keypoints, on OpenVINO" in line for line in said) == 1
    assert said[0].startswith("poseline-builtin.pt (")
    assert sorted(line.partition(":")[0] for line in said if "4 frames read, 4 processed" in line) == clips


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_bad_model_is_told_once_and_ends_with_5(fault: str, clips: list[str], tmp_path: Path) -> None:
    model = tmp_path / "bad.pt"
    if fault == "damaged":
        model.write_bytes(b"this is no network")
    done = command([*clips, "-m", str(model)], tmp_path)
    assert done.returncode == 5
    reason = {"missing": "no such model file; ", "damaged": "not PyTorch weights"}[fault]
    assert done.stderr.startswith(f"error: {model}: {reason}")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_a_bad_source_is_its_own_trouble(clips: list[str], tmp_path: Path) -> None:
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(b"no video at all")
    done = command([clips[0], str(torn), clips[1], "-m", "builtin"], tmp_path)
    assert done.returncode == 3
    assert sum("4 frames read, 4 processed" in line for line in done.stdout.splitlines()) == 2
    assert sum(line.startswith(f"error: {torn}") for line in (done.stdout + done.stderr).splitlines()) == 1


def test_no_job_is_begun_after_one_that_says_so() -> None:
    ended: list[int] = []

    def stop_after_the_second(index: int, _: Outcome) -> bool:
        ended.append(index)
        return index != 1

    outcomes = ProcessExecutor(1).run(
        [f"count {number}" for number in range(5)], Scripted(), Interruption(),
        lambda *_: None, stop_after_the_second,
    )  # fmt: skip
    assert ended == [0, 1]
    assert [outcome.started for outcome in outcomes] == [True, True, False, False, False]
