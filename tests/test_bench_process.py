from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from media_worlds import until
from poseline.bench.process import command_line, python, watch
from poseline.errors import ModelError, PoselineError, SourceError, StageStalled


def test_the_time_the_memory_and_the_first_sign(tmp_path: Path) -> None:
    code = (
        "import time, pathlib\n"
        "time.sleep(0.3); pathlib.Path('sign').touch()\n"
        "held = b'x' * 200_000_000; time.sleep(1.5); print('done')"
    )
    watched = watch(python("-c", code), tmp_path, 60, cwd=tmp_path, sign=(tmp_path / "sign").exists)
    assert 0.8 <= watched.wall < 60
    assert watched.first is not None
    assert 0.3 <= watched.first < watched.wall - 0.3
    assert 200e6 <= watched.memory < 300e6
    assert watched.output == "done\n"


def test_a_sign_that_never_comes(tmp_path: Path) -> None:
    assert watch(python("-c", ""), tmp_path, 60).first is None


@pytest.mark.parametrize(("code", "kind"), [(3, SourceError), (5, ModelError), (1, PoselineError), (77, PoselineError)])
def test_our_own_childs_error_is_told_as_it_told_it(code: int, kind: type[PoselineError], tmp_path: Path) -> None:
    script = f"import sys; sys.stderr.write('error: clip.mp4: no such file\\n'); sys.exit({code})"
    with pytest.raises(PoselineError, match=r"^clip.mp4: no such file$") as caught:
        watch(python("-c", script), tmp_path, 60)
    assert type(caught.value) is kind


def test_a_peers_last_line_is_the_reason(tmp_path: Path) -> None:
    with pytest.raises(PoselineError, match="failed with exit code 1: ZeroDivisionError: division by zero"):
        watch(python("-c", "1 / 0"), tmp_path, 60)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PoselineError, match="cannot be started: No such file"):
        watch(["/nowhere/program"], tmp_path, 60)


def test_what_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(300)'])\n"
        "open('child', 'w').write(str(child.pid)); time.sleep(300)"
    )
    with pytest.raises(StageStalled, match="did not end within 4 s; allow more: --timeout"):
        watch(python("-S", "-c", code), tmp_path, 4, cwd=tmp_path)
    child = int((tmp_path / "child").read_text())
    assert until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_what_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poseline.bench.process._STOP_TIMEOUT", 0.5)
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open('child', 'w').write(str(os.getpid())); time.sleep(99)"
    )
    with pytest.raises(StageStalled):
        watch(python("-S", "-c", code), tmp_path, 4, cwd=tmp_path)
    assert not psutil.pid_exists(int((tmp_path / "child").read_text()))


def test_a_command_is_told_without_its_folders() -> None:
    command = ["/usr/bin/yolo", "pose", "model=/home/me/a.pt", "save=True", "/home/me/clip.mp4"]
    assert command_line(command) == "yolo pose model=a.pt save=True clip.mp4"
