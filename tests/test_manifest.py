"""A batch goes on where it stopped: what is done is kept, all else is run, and nothing is done twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from media_worlds import WAIT, write_clip
from poseline import batch
from poseline.capture import Location
from poseline.errors import ModelError, OutputError, SourceError
from poseline.interruption import Interruption
from poseline.log import Log, read_log
from poseline.manifest import MANIFEST_NAME, Manifest, read_status
from poseline.output.lock import FolderLock
from poseline.settings import Settings, load
from poseline.workers.worker import STOP_TIMEOUT

FRAMES = 3


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    first = write_clip(folder / "clip0.mp4", range(FRAMES))
    for number in range(1, 3):
        shutil.copy(first, folder / f"clip{number}.mp4")
    return folder


def chosen(out: Path, **output: Any) -> Settings:
    return load(
        overrides={
            "inference": {"model": "builtin", "imgsz": 64},
            "output": {"directory": out, "video": False, **output},
        }
    )


def log_in(folder: Path) -> Log:
    return read_log(folder / "keypoints.jsonl")


def start(clips: Path, out: Path, **options: Any) -> tuple[int, list[str]]:
    """The exit code of a start of the batch, and the folders of the sources that were run by it."""
    path = out / MANIFEST_NAME
    before = len(path.read_text().splitlines()) if path.exists() else 0
    settings = options.pop("settings", None) or chosen(out)
    code = batch.run_batch([str(clips)], settings, Interruption(), **options)
    new = map(json.loads, path.read_text().splitlines()[before:])
    return code, [record["folder"] for record in new if record.get("state") in ("done", "failed")]


def test_a_second_start_keeps_what_is_done(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert start(clips, out) == (0, ["clip0", "clip1", "clip2"])
    assert all(len(log_in(out / f"clip{number}").frames) == FRAMES for number in range(3))
    capsys.readouterr()
    assert start(clips, out) == (0, [])
    said = capsys.readouterr().out
    assert "3 of 3 sources were done before" in said
    assert "3 sources: 3 done (3 before); 9 frames" in said


@pytest.mark.parametrize("change", ["file", "settings", "results", "overwrite"])
def test_what_has_changed_is_run_again(change: str, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    start(clips, out)
    settings, again = chosen(out), ["clip0", "clip1", "clip2"]
    if change == "file":
        write_clip(clips / "clip1.mp4", range(FRAMES + 1))
        again = ["clip1"]
    elif change == "settings":
        settings = load(
            overrides={"inference": {"model": "builtin", "imgsz": 96}, "output": settings.output.model_dump()}
        )
    elif change == "results":
        shutil.rmtree(out / "clip2")
        again = ["clip2"]
    else:
        settings = chosen(out, overwrite=True)
    assert start(clips, out, settings=settings) == (0, again)
    assert len(log_in(out / "clip1").frames) == FRAMES + (change == "file")


def test_pictures_are_known_by_all_their_names_sizes_and_times(tmp_path: Path) -> None:
    pictures = {name: tmp_path / f"{name}.png" for name in "abc"}
    for number, path in enumerate(pictures.values()):
        path.write_bytes(bytes(10 + number))
        os.utime(path, ns=(0, 10**9 * number))
    sources = [
        Location(name, pictures=(pictures["a"], pictures[other])) for name, other in (("one", "b"), ("two", "c"))
    ]
    settings = chosen(tmp_path / "out")
    with Manifest(tmp_path / "out") as manifest:
        planned = manifest.plan(sources, settings)
        assert [location.name for location in planned] == ["one", "two"]
        for location in planned:
            manifest.record(location, "done")
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.plan(sources, settings) == []
    first, second = (path.stat() for path in (pictures["a"], pictures["b"]))
    for path, other in (
        (pictures["a"], second),
        (pictures["b"], first),
    ):  # as many bytes, same latest time
        path.write_bytes(bytes(other.st_size))
        os.utime(path, ns=(0, other.st_mtime_ns))
    with Manifest(tmp_path / "out") as manifest:
        assert [location.name for location in manifest.plan(sources[:1], settings)] == ["one"]


def test_names_that_are_no_utf_8_are_known_again(tmp_path: Path) -> None:
    odd, other = tmp_path / "caf\udce9.mp4", tmp_path / "caf\udce9.png"
    sources = [
        Location(odd.stem, video=odd),
        Location(odd.stem, pictures=(other,)),
        Location("pictures", pictures=(other, tmp_path / "b.png")),
    ]
    settings = chosen(tmp_path / "out")
    with Manifest(tmp_path / "out") as manifest:
        planned = manifest.plan(sources, settings)
        assert [location.name for location in planned] == ["caf-", "caf--2", "pictures"]
        for location in planned:
            manifest.record(location, "done")
    with Manifest(tmp_path / "out") as manifest:
        assert manifest.plan(sources, settings) == []


def test_a_models_own_file_is_part_of_the_settings(tmp_path: Path, clips: Path) -> None:
    model = tmp_path / "model.onnx"
    location = batch.with_unique_names(_located(clips))[0]
    settings = load(overrides={"inference": {"model": str(model)}, "output": {"directory": tmp_path / "out"}})

    def planned() -> int:
        with Manifest(tmp_path / "out") as manifest:
            missing = manifest.plan([location], settings)
            for each in missing:
                (tmp_path / "out" / each.name).mkdir(exist_ok=True)
                (tmp_path / "out" / each.name / "keypoints.jsonl").write_text("{}\n")
                manifest.record(each, "done")
            return len(missing)

    model.write_bytes(b"first")
    assert planned() == 1
    assert planned() == 0
    model.write_bytes(b"other")
    assert planned() == 1


def test_a_new_source_gets_a_folder_of_its_own_and_the_others_keep_theirs(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    start(clips, out)
    other = tmp_path / "clip0.mp4"
    shutil.copy(clips / "clip0.mp4", other)
    assert batch.run_batch([str(other), str(clips)], chosen(out), Interruption()) == 0
    assert log_in(out / "clip0-2").run["source"] == str(other)
    assert log_in(out / "clip0").run["source"] == str(clips / "clip0.mp4")


def test_a_bad_clip_ends_alone_and_is_tried_again(clips: Path, tmp_path: Path) -> None:
    (clips / "clip1.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    assert start(clips, out, retry=2) == (3, ["clip0", "clip1", "clip2", "clip1", "clip1"])
    [failed] = [entry for entry in read_status(out).entries if entry.state == "failed"]
    assert (failed.code, failed.frames) == (3, 0)
    assert "not a video" in failed.error
    shutil.copy(clips / "clip0.mp4", clips / "clip1.mp4")
    assert start(clips, out) == (0, ["clip1"])


def test_one_that_is_whole_at_the_second_try_is_done(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: Counter[str] = Counter()
    real = batch.run_source

    def flaky(request: Any, *rest: Any, **named: Any) -> Any:
        tries[request.source.name] += 1
        if tries["clip1"] == 1 and request.source.name == "clip1":
            raise SourceError("the share was away for a moment")
        return real(request, *rest, **named)

    monkeypatch.setattr(batch, "run_source", flaky)
    assert start(clips, tmp_path / "out", retry=1) == (0, ["clip0", "clip1", "clip2", "clip1"])
    assert tries == {"clip0": 1, "clip1": 2, "clip2": 1}


def test_what_is_wrong_for_all_is_not_made_good_by_another_try_of_one(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = list[str]()
    real = batch.run_source

    def flaky(request: Any, *rest: Any, **named: Any) -> Any:
        run.append(request.source.name)
        if run == ["clip0"]:
            raise SourceError("the share was away for a moment")
        if run[-1] == "clip1":
            raise ModelError("the network cannot be run")
        return real(request, *rest, **named)

    monkeypatch.setattr(batch, "run_source", flaky)
    assert batch.run_batch([str(clips)], chosen(tmp_path / "out"), Interruption(), retry=1) == 5
    assert run == ["clip0", "clip1"]
    assert dict(read_status(tmp_path / "out").states) == {"failed": 1, "waiting": 2}


def test_a_single_source_is_a_batch_where_one_is_asked_for(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    only = clips / "clip0.mp4"
    assert batch.run_batch([str(only)], chosen(out), Interruption(), as_batch=True) == 0
    assert (out / "clip0" / "keypoints.jsonl").exists()
    assert start(clips, out) == (0, ["clip1", "clip2"])


def test_a_single_source_of_a_batch_may_be_cut_into_pieces(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Noted(batch._SourceWork):
        def __init__(self, workers: int) -> None:
            asked.append(workers)
            super().__init__(1)

    monkeypatch.setattr(batch, "_SourceWork", Noted)
    assert start(clips / "clip0.mp4", tmp_path / "out", as_batch=True, jobs=3) == (0, ["clip0"])
    assert asked == [3]


def test_results_that_no_batch_made_are_not_replaced(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "clip1").mkdir(parents=True)
    (out / "clip1" / "keypoints.jsonl").write_text("mine\n")
    for _ in range(2):
        with pytest.raises(OutputError, match=r"clip1 already holds keypoints.jsonl, .*try --overwrite"):
            start(clips, out)
    assert (out / "clip1" / "keypoints.jsonl").read_text() == "mine\n"
    assert sorted(os.listdir(out)) == ["clip1"]


def test_a_model_that_cannot_be_run_changes_nothing_that_is_done(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    start(clips, out)
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"no network")
    settings = load(overrides={"inference": {"model": str(bad)}, "output": {"directory": out}})
    assert start(clips, out, settings=settings) == (5, [])
    assert start(clips, out) == (0, [])


def test_a_start_with_other_settings_that_was_cut_off_is_not_taken_for_the_first(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    start(clips, out)
    with (out / "clip1" / "keypoints.jsonl").open("a") as log:  # as a run that was killed leaves another log
        log.write("{}\n")
    assert start(clips, out) == (0, ["clip1"])


def test_a_line_that_a_kill_cut_short_is_passed_over(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    start(clips, out)
    path = out / MANIFEST_NAME
    path.write_bytes(path.read_bytes()[:-30])
    assert start(clips, out) == (0, ["clip2"])
    assert start(clips, out) == (0, [])


def test_one_process_at_a_time(clips: Path, tmp_path: Path) -> None:
    with Manifest(tmp_path / "out"), pytest.raises(OutputError, match="in use by process"):
        start(clips, tmp_path / "out")


def test_a_manifest_that_cannot_be_read_is_an_error_of_the_output(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / MANIFEST_NAME).mkdir(parents=True)
    with pytest.raises(OutputError, match=r"batch\.jsonl: cannot be read: .*try another -o"):
        batch.run_batch([str(clips)], chosen(out), Interruption())
    assert os.listdir(out) == [MANIFEST_NAME], "it is given free"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that nobody can read from its beginning")
def test_a_model_that_cannot_be_read_is_an_error_of_the_model(clips: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.symlink_to("/proc/self/mem")
    settings = load(overrides={"inference": {"model": str(model)}, "output": {"directory": tmp_path / "out"}})
    assert batch.run_batch([str(clips)], settings, Interruption()) == 5


def test_the_status_of_no_batch_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="name the folder that a batch was given"):
        read_status(tmp_path)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "poseline", *words]


@pytest.mark.parametrize(
    "line",
    [
        {"type": "source", "source": "clip.mp4"},
        {"type": "source", "source": 5, "folder": "clip", "settings": "x"},
        {"type": "source", "source": "clip.mp4", "folder": "clip", "settings": "x", "frames": "many"},
        {"type": "source", "source": "clip.mp4", "folder": "clip", "settings": "x", "size": []},
        {"type": "start", "time": 1.0, "sources": 3},
        {"type": "start", "time": None, "sources": 3, "kept": 0},
    ],
)
def test_a_line_that_was_garbled_is_passed_over(line: dict[str, Any], clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert start(clips, out) == (0, ["clip0", "clip1", "clip2"])
    before = read_status(out)
    with (out / MANIFEST_NAME).open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert read_status(out) == before
    assert start(clips, out) == (0, []), "all are done"


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_that_is_set_changes_nothing(
    hours: int, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, real, set_ = tmp_path / "out", time.time, [0]
    monkeypatch.setattr("poseline.manifest.time.time", lambda: real() + 3600 * hours * (set_[0] > 1))
    recorded = Manifest.record

    def record(self: Manifest, *arguments: Any, **ended: Any) -> None:
        set_[0] += 1  # before the second source is entered
        recorded(self, *arguments, **ended)

    monkeypatch.setattr(Manifest, "record", record)
    began = time.monotonic()
    assert start(clips, out) == (0, ["clip0", "clip1", "clip2"])
    status = read_status(out)
    assert (status.ended, status.left) == (3, 0)
    assert 0 < status.since_start <= time.monotonic() - began
    assert "3 sources: 3 done; 9 frames" in capsys.readouterr().out
    assert start(clips, out) == (0, []), "what is done is not looked for by the clock"


def test_a_batch_waits_for_the_workers_of_one_that_was_killed(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "clip1").mkdir(parents=True)
    (out / MANIFEST_NAME).write_text("")
    lock = FolderLock(out / "clip1")
    release = threading.Timer(1.0, lock.release)
    release.start()
    assert start(clips, out) == (0, ["clip0", "clip1", "clip2"])
    release.join()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_the_wait_for_a_folder_that_is_in_use(jobs: str, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "clip2").mkdir(parents=True)
    (out / MANIFEST_NAME).write_text("")
    lock = FolderLock(out / "clip2")
    words = command("batch", str(clips), "-o", str(out), "-m", "builtin", "--imgsz", "64", "--no-video", "--jobs", jobs)
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + WAIT
        while _ended(out) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(1.0)  # the third has been opened, and waits
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=WAIT)
        assert time.monotonic() - began < STOP_TIMEOUT / 4
    lock.release()
    assert process.returncode == 130
    assert "clip2" not in errors, "it did not fail"
    assert dict(read_status(out).states) == {"done": 2, "waiting": 1}


def test_many_sources_are_told_briefly_and_killed_starts_are_gone_on_with(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    first = write_clip(clips / "clip00.mp4", range(FRAMES))
    for number in range(1, 24):
        shutil.copy(first, clips / f"clip{number:02}.mp4")
    (clips / "clip07.mp4").write_bytes(first.read_bytes()[:300])
    words = command("batch", str(clips), "-o", str(out), "-m", "builtin", "--imgsz", "64", "--no-video", "--jobs", "2")
    chance = random.Random(1)  # noqa: S311 # where it is killed, the same each time
    for _ in range(3):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ended = _ended(out)
        deadline = time.monotonic() + WAIT
        while process.poll() is None and _ended(out) <= ended + chance.randrange(4) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()  # its workers still finish their files: the next start waits for them
    assert _ended(out) < 24, "killed before the end"
    last = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert last.returncode == 3
    assert len(last.stdout.splitlines()) <= 6, last.stdout
    assert "24 sources: 23 done" in last.stdout
    assert last.stdout.count("failed: ") == 1
    assert "clip07.mp4" in last.stdout.splitlines()[-1]
    records = list(map(json.loads, (out / MANIFEST_NAME).read_text().splitlines()))
    done = Counter(record["source"] for record in records if record.get("state") == "done")
    assert len(done) == 23
    assert set(done.values()) == {1}, "nothing is done twice"
    for source in done:
        assert len(log_in(out / Path(source).stem).frames) == FRAMES
    shown = subprocess.run(command("batch", "status", str(out)), capture_output=True, text=True, timeout=280)
    assert shown.returncode == 0
    assert shown.stdout.startswith("24 sources: 23 done, 1 failed; 69 frames")


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_sources_that_are_all_done_are_kept(
    jobs: int, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MANY", 2)
    out = tmp_path / "out"
    code, run = start(clips, out, jobs=jobs)
    assert (code, sorted(run)) == (0, ["clip0", "clip1", "clip2"])
    assert start(clips, out, jobs=jobs) == (0, [])


def test_a_batch_needs_a_folder(clips: Path) -> None:
    done = subprocess.run(command("batch", str(clips), "-m", "builtin"), capture_output=True, text=True, timeout=280)
    assert done.returncode == 2
    assert "name the folder of the results with -o" in done.stderr


def _ended(out: Path) -> int:
    path = out / MANIFEST_NAME
    return path.read_text().count('"state":"done"') if path.exists() else 0


def _located(clips: Path) -> list[Any]:
    from poseline.capture import locate

    return locate([str(clips)])
