from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from output_worlds import header, poses, seen
from poseline.errors import OutputError
from poseline.log import KeypointLog
from poseline.output import folder as folder_module
from poseline.output import lock, prepare

HOLDER = """
import sys
from pathlib import Path
from poseline.output import lock, prepare
directory = Path(sys.argv[1]) if len(sys.argv) > 1 else None
with prepare(directory, "clip", True, []) as folder:
    print(folder.path, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hold(*arguments: str | Path) -> subprocess.Popen[str]:
    """A process that prepares a folder, says which, and keeps it until it reads a line."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_each_run_gets_a_folder_of_its_own() -> None:
    paths = []
    for _ in range(3):
        with prepare(None, "clip", False, []) as folder:
            folder.summary.write_text("{}")
            paths.append(folder.path)
    assert paths == [Path("runs/clip"), Path("runs/clip-2"), Path("runs/clip-3")]


@pytest.mark.parametrize(
    ("name", "folder"),
    [("a b/../c", "a-b-..-c"), ("rtsp://cam:554/x", "rtsp-cam-554-x"), ("..", "run"), ("", "run"), ("Füße", "Füße")],
)
def test_a_folders_name_is_fit_for_a_file_system(name: str, folder: str) -> None:
    with prepare(None, name, False, []) as made:
        assert made.path == Path("runs") / folder


def test_processes_that_start_together_never_share_a_folder() -> None:
    children = [hold() for _ in range(4)]
    paths = []
    for child in children:
        assert child.stdout is not None
        paths.append(child.stdout.readline().strip())
    for child in children:
        child.communicate("\n", timeout=30)
    assert sorted(paths) == sorted(str(Path("runs") / name) for name in ("clip", "clip-2", "clip-3", "clip-4"))


def test_the_paths_are_the_documented_ones() -> None:
    with prepare(Path("a/b"), "clip", False, []) as folder:
        paths = (
            folder.video,
            folder.journal,
            *map(folder.keypoints, ("csv", "parquet")),
            folder.summary,
            folder.pictures,
        )
    names = ["annotated.mp4", "keypoints.jsonl", "keypoints.csv", "keypoints.parquet", "summary.json", "pictures"]
    assert [path.relative_to("a/b").as_posix() for path in paths] == names


def test_an_unused_folder_leaves_no_trace_and_a_used_one_stays() -> None:
    with prepare(Path("unused"), "clip", False, []):
        pass
    assert not Path("unused").exists()
    Path("mine").mkdir()
    with prepare(Path("mine"), "clip", False, []):
        pass
    assert list(Path("mine").iterdir()) == []


RESULTS = ["annotated.mp4", "annotated.mp4.part", "annotated-2.mp4", "keypoints.jsonl", "keypoints.csv",
           "keypoints.parquet", "summary.json"]  # fmt: skip


@pytest.mark.parametrize("result", [*RESULTS, "pictures/one.jpg"])
def test_results_are_never_replaced_unasked(result: str) -> None:
    path = Path("old") / result
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    with pytest.raises(OutputError, match=rf"old already holds {result.partition('/')[0]}.*--overwrite.*-o"):
        prepare(Path("old"), "clip", False, [])
    assert path.read_text() == "precious"
    assert sorted(os.listdir("old")) == [result.partition("/")[0]]


@pytest.mark.parametrize(
    ("left", "remedy"),
    [
        (["annotated.piece-1", "annotated.piece-2.part"], "another folder with -o; .*`poseline render` draws it"),
        (["annotated.mp4.part", "annotated.piece-4.part"], "another folder with -o; `poseline recover` makes"),
        (["annotated.mp4.part"], "another folder with -o; `poseline recover` makes"),
        (["annotated-2.mp4.part"], "another folder with -o$"),
        (["annotated-2.mp4.part", "annotated.piece-4"], "another folder with -o; .*`poseline render` draws it"),
        (["annotated.mp4"], "another folder with -o$"),
    ],
)
def test_what_a_killed_run_has_left_is_told_with_what_helps(left: list[str], remedy: str) -> None:
    Path("old").mkdir()
    for name in ("keypoints.jsonl", *left):
        (Path("old") / name).write_bytes(b"\0\0\0\x08moov" if name == "annotated.mp4.part" else b"")
    with pytest.raises(OutputError, match=remedy):
        prepare(Path("old"), "clip", False, [])


def test_overwrite_removes_our_results_and_nothing_else() -> None:
    others = ["annotated.mp4.bak", "notes.txt", "my-annotated.mp4", "summary.json.old", "pictures"]
    Path("old").mkdir()
    for name in (*RESULTS, *others):
        (Path("old") / name).write_text("x")
    with prepare(Path("old"), "clip", True, []) as folder:
        assert sorted(path.name for path in folder.path.iterdir() if path.name[0] != ".") == sorted(others)


def test_a_log_that_names_files_elsewhere_removes_none_of_them() -> None:
    Path("old/pictures/deeper").mkdir(parents=True)
    for name in ("a.png", "old/b.png", "old/pictures/deeper/c.png", "old/pictures/d.png", "old/pictures/e.png"):
        Path(name).write_text("precious")
    with KeypointLog(Path("old/keypoints.jsonl"), header(video=None)) as log:
        for index, name in enumerate(("../a.png", "b.png", "pictures/deeper/c.png", "pictures/d.png", "deeper", "/")):
            log.frame(seen(index, poses(1)), name)
    with prepare(Path("old"), "clip", True, []):
        left = sorted(path.as_posix() for path in Path().rglob("*.png"))
    assert left == ["a.png", "old/b.png", "old/pictures/deeper/c.png", "old/pictures/e.png"]


def test_a_link_in_the_place_of_a_result_is_replaced_and_not_followed() -> None:
    Path("old").mkdir()
    Path("old/annotated.mp4.part").symlink_to("elsewhere")
    with pytest.raises(OutputError, match=r"annotated\.mp4\.part"):
        prepare(Path("old"), "clip", False, [])
    with prepare(Path("old"), "clip", True, []):
        assert not Path("old/annotated.mp4.part").is_symlink()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("how", ["itself", "hard link", "symbolic link"])
def test_the_input_is_never_overwritten(how: str, overwrite: bool) -> None:
    Path("old").mkdir()
    result, source = Path("old/annotated.mp4"), Path("clip.mp4")
    result.write_text("precious")
    if how == "itself":
        source = Path("old/../old/annotated.mp4")
    elif how == "hard link":
        os.link(result, source)
    else:
        source.symlink_to(result)
    with pytest.raises(OutputError, match="would overwrite the input"):
        prepare(Path("old"), "clip", overwrite, [Path("other.mp4"), source])
    assert result.read_text() == "precious"


def test_pictures_are_not_written_over_those_that_are_read() -> None:
    Path("old/pictures").mkdir(parents=True)
    Path("old/pictures/one.jpg").write_text("precious")
    with pytest.raises(OutputError, match=r"holds the input old/pictures/one\.jpg"):
        prepare(Path("old"), "clip", True, [Path("old/pictures/one.jpg")])


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    Path("file").write_text("x")
    for place in (Path("file"), Path("file/below"), Path("file/below/deeper")):
        with pytest.raises(OutputError, match=rf"^{place}.*-o"):
            prepare(place, "clip", True, [])
    Path("runs").write_text("x")
    with pytest.raises(OutputError, match=r"runs.*-o"):
        prepare(None, "clip", False, [])


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that nobody may write to")
def test_a_read_only_file_system_is_refused() -> None:
    for place in (Path("/proc/poseline"), Path("/proc/self")):
        with pytest.raises(OutputError, match=rf"^{place}.*-o"):
            prepare(place, "clip", False, [])


def test_a_full_disk_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "START_RESERVE", 10**18)
    with pytest.raises(OutputError, match=r"only \d+ MB are free"):
        prepare(Path("new"), "clip", False, [])
    assert not Path("new").exists()


def test_what_an_earlier_run_left_stays_where_the_disk_is_full_without_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("old").mkdir()
    Path("old/annotated.mp4").write_bytes(bytes(300))
    monkeypatch.setattr(folder_module, "free_bytes", lambda _: 900)
    monkeypatch.setattr(folder_module, "START_RESERVE", 1201)
    with pytest.raises(OutputError, match="are free on its disk"):
        prepare(Path("old"), "clip", True, [])
    assert Path("old/annotated.mp4").stat().st_size == 300
    monkeypatch.setattr(folder_module, "START_RESERVE", 1200)
    with prepare(Path("old"), "clip", True, []):
        assert not Path("old/annotated.mp4").exists(), "it makes the room that is needed"


def test_a_second_process_is_refused_until_the_first_is_gone() -> None:
    with hold(Path("run")) as child:
        assert child.stdout is not None
        child.stdout.readline()
        for overwrite in (False, True):
            with pytest.raises(OutputError, match=f"run is in use by process {child.pid}"):
                prepare(Path("run"), "clip", overwrite, [])
        child.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        child.wait(timeout=30)
    with prepare(Path("run"), "clip", False, []):
        pass


def test_the_same_process_is_refused_too_and_may_come_again() -> None:
    with prepare(Path("run"), "clip", False, []) as folder:
        with pytest.raises(OutputError, match=f"in use by process {os.getpid()}"):
            prepare(Path("run"), "clip", False, [])
        folder.close()
        with prepare(Path("run"), "clip", False, []):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_a_lock_that_its_holder_removes_while_we_wait_for_it_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    flock = fcntl.flock
    locked: list[int] = []

    def released_in_between(handle: int, how: int) -> None:
        if not locked:
            Path(lock.LOCK_NAME).unlink()
        locked.append(handle)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", released_in_between)
    held = lock.FolderLock(Path())
    with pytest.raises(OutputError, match="in use"):
        lock.FolderLock(Path())
    held.release()
    assert not Path(lock.LOCK_NAME).exists()


def test_a_folder_that_is_called_like_a_format_and_holds_something_else_stays(tmp_path: Path) -> None:
    (tmp_path / "keypoints.yolo").mkdir()
    (tmp_path / "keypoints.yolo" / "thesis.txt").write_text("years of work")
    (tmp_path / "annotated.mp4").write_text("precious")
    with pytest.raises(OutputError, match=r"already holds annotated\.mp4, keypoints\.yolo"):
        prepare(tmp_path, "clip", False, [])
    with pytest.raises(OutputError, match="holds something else than yolo, and is not removed"):
        prepare(tmp_path, "clip", True, [])
    assert (tmp_path / "keypoints.yolo" / "thesis.txt").read_text() == "years of work"
    assert (tmp_path / "annotated.mp4").read_text() == "precious", "nothing is removed where not all can be"


@pytest.mark.parametrize("name", ["annotated.mp4", "summary.json", "keypoints.csv", "keypoints-2.jsonl"])
def test_a_folder_that_is_called_like_a_file_of_a_run_stays(name: str) -> None:
    (Path("old") / name).mkdir(parents=True)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=re.escape(name)):
            prepare(Path("old"), "clip", overwrite, [])
        assert os.listdir("old") == [name]


def test_a_folder_that_somebody_removes_meanwhile_holds_nothing() -> None:
    with prepare(None, "clip", False, []) as folder:
        folder.journal.write_text("{}\n")
        assert folder.results() == [folder.journal]
        shutil.rmtree(folder.path)
        assert folder.results() == []
