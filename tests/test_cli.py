"""The command line in real processes: exit codes, signals, what is said and what is left behind."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import Told
from media_worlds import WAIT, joined, until, write_clip
from output_worlds import decoded, lines, seconds
from poseline import cli, session
from poseline.cli import command
from poseline.interruption import Interruption
from test_capture_images import save

POSELINE = (sys.executable, "-m", "poseline")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")}


def poseline(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What the command says, and its exit code."""
    command = [*POSELINE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=4 * WAIT, cwd=cwd, env=ENVIRONMENT)


def scripted(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """What a Python process of its own says that runs `code`, the command's parts put together otherwise."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=4 * WAIT, env=ENVIRONMENT)


def refused(*arguments: object, cwd: Path | None = None) -> tuple[int, str]:
    """Code and text of an error: one line, and no traceback."""
    done = poseline(*arguments, cwd=cwd)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    return done.returncode, done.stderr


def logged(folder: Path) -> list[Any]:
    """The frames of a run's journal."""
    return [record for record in lines(folder / "keypoints.jsonl") if record["type"] == "frame"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("batch", "CLIP", "-m", "builtin", "-o", "LONG"), 4),
        (("batch", "CLIP", "-m", "builtin", "--output=LONG"), 4),
        (("batch", "CLIP", "-m", "builtin", "-o", "LONG/folder"), 4),
        (("bench", "CLIP", "-m", "builtin", "--json", "LONG"), 4),
        (("batch", "CLIP", "-m", "builtin", "-oLONG"), 4),
        (("evaluate", "builtin", "LONG", "--json", "out.json"), 3),
        (("inspect", "LONG", "--list"), 3),
        (("inspect", "--json", "LONG"), 3),
        (("recover", "LONG"), 3),
        (("render", "LONG", "-o", "out.mp4"), 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_name_that_the_system_refuses_is_a_source_or_an_output(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    clip, long = write_clip(tmp_path / "clip.mp4", range(3)), "x" * 300
    words = [word.replace("CLIP", str(clip)).replace("LONG", long) for word in arguments]
    found, told = refused(*words, cwd=tmp_path)
    assert found == code
    assert "File name too long" in told


@pytest.mark.parametrize(
    ("words", "path", "expected"),
    [
        ("run in.mp4 -o out", "out", True),
        ("run in.mp4 -o out", "out/in/x.part", True),
        ("run in.mp4 --output=a/b/c", "a/b", True),
        ("verify in.mp4 -o verify", "verify", True),
        ("run out2/in.mp4 -o out", "out2/in.mp4", False),
        ("run out/in.mp4 -o out/put", "out/in.mp4", False),
        ("run out/in.mp4 -o out", "out/in.mp4", False),
        ("batch clips -o clips/out", "clips", False),
        ("inspect --json runs/a", "runs/a/keypoints.jsonl", False),
    ],
)
def test_which_path_is_an_output(words: str, path: str, expected: bool) -> None:
    assert cli._is_output(path, words.split()) is expected


@pytest.mark.parametrize("file", [None, 3])
def test_a_refusal_that_names_no_file_stays_as_it_is(file: int | None) -> None:
    refusal = PermissionError(errno.EPERM, "Operation not permitted", file)
    assert cli._in_words(refusal) is refusal


def main_job(clip: Path, model: object, folder: Path, frames: int, persons: int) -> None:
    """A whole run of a clip of so many frames, each of which shows about so many persons."""
    done = poseline("run", clip, "-m", model, "-o", folder, "--log", "jsonl,csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(logged(folder)) == frames
    assert decoded(folder / "annotated.mp4") == frames
    assert seconds(folder / "annotated.mp4") == seconds(clip)
    found = sum(len(frame["persons"]) for frame in logged(folder))
    assert found >= persons * frames
    assert f"{frames} frames read, {frames} processed, 0 dropped, 0 bad; {found} persons" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert len(done.stdout.splitlines()) < 20, "quiet where nobody watches"
    assert json.loads((folder / "summary.json").read_text())["bottleneck"] in done.stdout


def test_the_main_job(clip: Path, tmp_path: Path) -> None:
    main_job(joined(tmp_path / "crowd.mp4", clip, packets=60), "builtin", tmp_path / "out", 60, 6)


def test_the_main_job_with_other_weights_on_a_real_clip(shared: Path, tmp_path: Path) -> None:
    weights = shared / "models" / "yolov8n-pose_int8_openvino_model"
    main_job(shared / "clips" / "openpose_video.avi", weights, tmp_path / "out", 205, 4)


def test_a_picture_is_told_as_the_tutorial_tells_it(picture: Path, builtin: Path, tmp_path: Path) -> None:
    done = poseline("run", picture, "-m", builtin, "-o", tmp_path / "out")
    assert done.returncode == 0
    line = re.search(rf"^image 1/1 {re.escape(str(picture))}: (\d+)x(\d+) \d+ persons?, [\d.]+ms$", done.stdout, re.M)
    assert line is not None
    assert "Speed: " in done.stdout
    assert f"per image at shape (1, 3, {line[1]}, {line[2]})" in done.stdout


def test_what_is_logged_is_one_line_where_nobody_watches() -> None:
    code = (
        "import logging\nfrom poseline.batch import show_log\nshow_log()\nshow_log()\n"
        "logging.getLogger('poseline').info('kept in %s', '/a path[0]/' + 'x' * 200)"
    )
    done = scripted(code)
    assert done.stdout == "kept in /a path[0]/" + "x" * 200 + "\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--conf", "2"], "inference.conf"),
        (["--classes", "a"], "--classes: 'a' is not a list of numbers"),
        (["--cam-size", "large"], "--cam-size: 'large' is not a size"),
        (["--log", "xml"], "output.log.0: a format of the keypoint log is jsonl, csv, parquet, "),
        (["--source-fps", "fast"], "capture.source_fps"),
        (["--source-fps", "30000/0"], "capture.source_fps"),
        (["--cam-fps", "-1/2"], "capture.cam_fps"),
        (["--augment"], "--augment"),
        (["-c", "none.yaml"], "none.yaml"),
        (["-c", "mine.yaml"], "unknown setting 'inference.konf'"),
    ],
)
def test_a_bad_option_is_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    (tmp_path / "mine.yaml").write_text("inference:\n  konf: 0.5\n")
    monkeypatch.chdir(tmp_path)
    code, said, text = told("run", "clip.mp4", *arguments)
    assert (code, said) == (2, "")
    assert words in text
    assert re.fullmatch("error: .*\n", text)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize(
    "arguments", [["run", "clip.mp4", "-o", "-"], ["skeleton", "-o", "-"], ["bench", "clip.mp4", "--json", "-"]]
)
def test_nothing_is_made_that_is_called_as_standard_output_is(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, text = told(*arguments)
    assert code == 2
    assert "standard output" in text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        "render run -o -", "export run --to coco -o -", "import x.json --from coco -o -", "compare a b -o -",
        "evaluate builtin a.yaml --json -",
    ],
)  # fmt: skip
def test_no_command_makes_a_file_that_is_called_as_standard_output_is(
    arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["poseline", *arguments.split()])
    assert command(Interruption()) == 2
    assert "cannot go to standard output" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", ["", "  "])
def test_an_empty_source_is_3_and_not_the_whole_folder(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    write_clip(tmp_path / "clip.mp4", range(3))
    monkeypatch.chdir(tmp_path)
    code, _, text = told("run", source, "-m", "builtin")
    assert code == 3
    assert "a SOURCE is empty" in text
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_folder_is_searched_to_the_bottom_where_that_is_asked_for(tmp_path: Path, told: Told) -> None:
    (tmp_path / "clips" / "sub").mkdir(parents=True)
    write_clip(tmp_path / "clips" / "a.mp4", range(3))
    write_clip(tmp_path / "clips" / "sub" / "a.mp4", range(3))
    (tmp_path / "clips" / "notes.txt").write_text("x")
    run = ("run", tmp_path / "clips", "-m", "builtin", "--imgsz", "64", "--no-video", "--deinterlace", "no")
    _, said, _ = told(*run, "-o", tmp_path / "flat")
    assert "clips: 1 file passed over: .txt; 1 folder not searched: sub (--recursive searches folders)" in said
    assert (tmp_path / "flat" / "keypoints.jsonl").exists()
    assert '"deinterlace":"no"' in (tmp_path / "flat" / "keypoints.jsonl").read_text(encoding="utf-8").splitlines()[0]
    code, said, _ = told(*run, "-o", tmp_path / "deep", "--recursive")
    assert code == 0
    assert "clips: 1 file passed over: .txt\n" in said
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["a", "batch.jsonl", "sub-a"]


@pytest.mark.parametrize("arguments", [["run"], ["run", "x", "--nonsense"], ["run", "x", "--crf", "low"], ["nonsense"]])
def test_bad_usage_is_2(arguments: list[str], told: Told) -> None:
    code, said, text = told(*arguments)
    assert (code, said) == (2, "")
    assert "Traceback" not in text


def test_bad_usage_and_a_bad_option_are_2_for_whoever_started_the_process() -> None:
    assert poseline("nonsense").returncode == 2
    assert refused("run", "clip.mp4", "--conf", "2")[0] == 2


@pytest.mark.parametrize(("jobs", "cores"), [(1, 2), (2, 2), (1, 16), (2, 16)])  # by which it is drawn here or not
def test_a_source_that_cannot_be_read_is_3_before_anything_is_made(
    jobs: int, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    monkeypatch.setattr(session, "cores", lambda: cores)
    (tmp_path / "text.mp4").write_text("no film")
    assert refused("run", "none.mp4", "-m", "none.pt", cwd=tmp_path)[0] == 3
    monkeypatch.chdir(tmp_path)
    for source, words in (("none.mp4", "no such file"), ("text.mp4", "not a video"), ("concat:a|b", "no such file")):
        code, _, text = told("run", source, "-m", "none.pt", "--jobs", jobs)
        assert code == 3
        assert words in text
    assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]


def test_a_model_that_cannot_be_read_is_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told) -> None:
    write_clip(tmp_path / "clip.mp4", range(3))
    (tmp_path / "text.pt").write_text("no weights")
    assert refused("run", "clip.mp4", "-m", "none.pt", cwd=tmp_path)[0] == 5
    monkeypatch.chdir(tmp_path)
    for model in ("none.pt", "text.pt", "clip.mp4"):
        code, _, text = told("run", "clip.mp4", "-m", model)
        assert code == 5
        assert model in text
    assert not (tmp_path / "runs").exists()


def test_results_are_not_replaced_unasked_and_the_input_never(builtin: Path, tmp_path: Path, told: Told) -> None:
    clip = write_clip(tmp_path / "annotated.mp4", range(3))
    before = clip.read_bytes()
    code, text = refused("run", clip, "-m", builtin, "-o", tmp_path, "--overwrite")
    assert code == 4
    assert "would overwrite the input" in text
    assert clip.read_bytes() == before
    assert told("run", clip, "-m", builtin, "-o", tmp_path / "out")[0] == 0
    code, _, text = told("run", clip, "-m", builtin, "-o", tmp_path / "out")
    assert code == 4
    assert "already holds annotated.mp4" in text
    assert told("run", clip, "-m", builtin, "-o", tmp_path / "out", "--overwrite")[0] == 0


def test_a_place_that_cannot_be_written_is_4(builtin: Path, tmp_path: Path, told: Told) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(3))
    place = Path("/proc/poseline") if Path("/proc").is_dir() else clip / "out"
    for folder in (place, clip):
        code, _, text = told("run", clip, "-m", builtin, "-o", folder)
        assert code == 4
        assert str(folder) in text


def test_a_source_that_fails_on_the_way_is_no_success(builtin: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    code, text = refused("run", tmp_path, "-m", builtin, "-o", tmp_path / "out")
    assert code == 3
    assert "none of 2 pictures could be read" in text
    assert "none of 2" in lines(tmp_path / "out" / "keypoints.jsonl")[-1]["error"]


def test_several_sources_have_a_folder_each_even_under_one_name(builtin: Path, tmp_path: Path, told: Told) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        write_clip(tmp_path / name / "clip.mp4", range(3))
    sources = [tmp_path / "a" / "clip.mp4", tmp_path / "b" / "clip.mp4"]
    for _ in range(2):  # the second time over the first's results
        assert told("run", *sources, "-m", builtin, "-o", tmp_path / "out", "--overwrite")[0] == 0
    kept = {path.parent.name: lines(path)[0]["source"] for path in (tmp_path / "out").rglob("keypoints.jsonl")}
    assert kept == {"clip": str(sources[0]), "clip-2": str(sources[1])}


def test_one_bad_source_among_several_stops_none_of_the_others(builtin: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no film")
    write_clip(tmp_path / "b.mp4", range(3))
    save(tmp_path / "c.png", 1)
    code, text = refused("run", tmp_path, "-m", builtin, "-o", tmp_path / "out")
    assert code == 3
    assert "a.mp4" in text
    assert len(logged(tmp_path / "out" / "b")) == 3
    assert len(logged(tmp_path / "out" / "c")) == 1


def test_no_password_is_told_anywhere(builtin: Path, told: Told) -> None:
    for password in ("hunter2", "a/hunter2[1]"):
        code, said, text = told("run", f"rtsp://admin:{password}@127.0.0.1:1/x", "-m", builtin)
        assert code == 3
        assert "error: rtsp://***@127.0.0.1:1/x: " in text
        assert "admin" not in said + text
        assert "hunter2" not in said + text


def test_a_fault_of_ours_is_1_with_its_traceback_and_no_password() -> None:
    code = (
        "import sys, poseline.__main__, poseline.batch as batch\n"
        "def torn(*_, **__): raise ZeroDivisionError('rtsp://me:secret@host/x')\n"
        "batch.run_batch = torn\nsys.argv = ['poseline', 'run', 'x']\nposeline.__main__.main()"
    )
    done = scripted(code)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError: rtsp://***@host/x" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_help_is_there(arguments: list[str]) -> None:
    done = poseline(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "poseline" in done.stdout


@pytest.mark.parametrize("arguments", [["run", "--help"], ["recover", "-h"], ["skeleton", "-h"]])
def test_each_command_has_its_help(arguments: list[str], told: Told) -> None:
    code, said, text = told(*arguments)
    assert (code, text) == (0, "")
    assert "poseline" in said


def test_every_option_of_run_has_a_word_of_help(told: Told) -> None:
    _, said, _ = told("run", "--help")
    for option in (
        "--model",
        "--live",
        "--every-frame",
        "--no-track",
        "--overwrite",
        "--vid-stride",
        "--fourcc",
        "--log",
    ):
        assert option in said


def test_doctor_and_skeleton(tmp_path: Path) -> None:
    assert poseline("doctor").returncode == 0
    done = poseline("skeleton", "-o", tmp_path / "skeleton.png")
    assert done.returncode == 0
    assert "left_shoulder" in done.stdout
    assert (tmp_path / "skeleton.png").read_bytes()[:4] == b"\x89PNG"


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of three minutes: longer than any test has patience."""
    return write_clip(tmp_path_factory.mktemp("long") / "endless.mp4", range(5400), options={"preset": "ultrafast"})


class Running:
    """A run in a process of its own, up to the moment when it has written so many frames."""

    def __init__(
        self, clip: Path, model: Path, folder: Path, frames: int, poseline: tuple[str, ...] = POSELINE
    ) -> None:
        self.folder = folder
        command = [*poseline, "run", str(clip), "-m", str(model), "-o", str(folder), "--live"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        journal = folder / "keypoints.jsonl"
        came = until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > frames)
        if not came:
            self.process.kill()
            pytest.fail(f"it never wrote {frames} frames: {self.process.communicate()}")

    def end(self) -> tuple[int, str]:
        """Exit code and what was said on stderr."""
        _, told = self.process.communicate(timeout=WAIT)
        return self.process.returncode, told


posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_good_order(
    number: signal.Signals, endless: Path, builtin: Path, tmp_path: Path
) -> None:
    running = Running(endless, builtin, tmp_path / "out", 5)
    running.process.send_signal(number)
    code, told = running.end()
    assert (code, told) == (130, "")
    end = lines(running.folder / "keypoints.jsonl")[-1]
    assert end["type"] == "end"
    counts = end["counts"]
    assert counts["read"] == counts["processed"] + counts["dropped"] + counts["bad"]
    assert counts["processed"] == len(logged(running.folder)) == decoded(running.folder / "annotated.mp4")
    assert not list(running.folder.glob("*.part"))
    assert json.loads((running.folder / "summary.json").read_text())["interrupted"] is True


@posix
@pytest.mark.parametrize(
    "numbers", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)]
)
def test_a_second_signal_ends_it_at_once(
    numbers: tuple[signal.Signals, signal.Signals], endless: Path, builtin: Path, tmp_path: Path
) -> None:
    patient = "from poseline import __main__ as poseline, watchdog; watchdog.GRACE = 60; poseline.main()"
    running = Running(endless, builtin, tmp_path / "out", 5, (sys.executable, "-c", patient))
    for number in numbers:
        running.process.send_signal(number)
    time.sleep(0.02)
    running.process.send_signal(signal.SIGINT)
    code, told = running.end()
    assert (code, told) == (130, "")
    assert lines(running.folder / "keypoints.jsonl")[-1]["type"] == "end"
    assert decoded(running.folder / "annotated.mp4") == len(logged(running.folder))
    assert not list(running.folder.glob("*.part"))


@posix
def test_a_signal_between_two_sources_ends_all(builtin: Path, tmp_path: Path) -> None:
    sources = [write_clip(tmp_path / name, range(3)) for name in ("a.mp4", "b.mp4")]
    code = (
        "import os, signal, sys, poseline.__main__, poseline.batch as batch\n"
        "run_one = batch.run_source\n"
        "def torn(*arguments, **options):\n"
        "    report = run_one(*arguments, **options)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return report\n"
        "batch.run_source = torn\nposeline.__main__.main()"
    )
    done = scripted(code, "run", *sources, "-m", builtin, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (130, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "batch.jsonl"]
    assert lines(tmp_path / "out" / "a" / "keypoints.jsonl")[-1]["type"] == "end"


@posix
@pytest.mark.parametrize("seconds", [0.4, 0.9, 1.4])
def test_a_signal_before_the_first_frame_leaves_nothing_torn(
    seconds: float, endless: Path, builtin: Path, tmp_path: Path
) -> None:
    command = [*POSELINE, "run", str(endless), "--live", "-m", str(builtin), "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    time.sleep(seconds)  # during imports, the loading of the model, or the first frames: wherever this machine is then
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=WAIT)
    assert (process.returncode, told) == (130, "")
    assert not list(tmp_path.rglob("*.part"))
    assert all(lines(journal)[-1]["type"] == "end" for journal in tmp_path.rglob("keypoints.jsonl"))


@posix
def test_a_signal_while_nothing_runs_yet_is_130_too() -> None:
    code = (
        "import os, signal, sys, poseline.__main__, poseline.batch as batch\n"
        "batch.run_batch = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['poseline', 'run', 'x']\nposeline.__main__.main()"
    )
    done = scripted(code)
    assert (done.returncode, done.stderr) == (130, "")


@posix
def test_a_killed_run_is_recovered(endless: Path, builtin: Path, tmp_path: Path) -> None:
    running = Running(endless, builtin, tmp_path / "out", 40)
    running.process.kill()
    running.end()
    journal = (running.folder / "keypoints.jsonl").read_bytes()
    whole = [json.loads(line) for line in journal.splitlines(keepends=True) if line.endswith(b"\n")]
    assert len(whole) > 40, "every line that was there when it was killed"
    assert {record["type"] for record in whole} <= {"run", "frame"}
    done = poseline("recover", running.folder)
    assert done.returncode == 0, done.stderr
    video = seconds(running.folder / "annotated.mp4")
    times = [record["time"] for record in whole if record["type"] == "frame"]
    assert decoded(running.folder / "annotated.mp4") == len(video)
    assert times[-1] - video[-1] <= 0.5
    assert (running.folder / "keypoints.jsonl").read_bytes() == journal
