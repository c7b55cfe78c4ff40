"""One rule for files and folders: what would open by itself is taken, and what is passed over is named."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

from media_worlds import CAPTURE, write_clip
from poseline.capture import Location, locate, open_source
from poseline.errors import SourceError
from test_capture_images import save

DATA = Path(__file__).parent / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a phone, a camera and a recorder leave in one folder, with what does not belong there."""
    root = tmp_path / "clips"
    (root / "sub" / "deep").mkdir(parents=True)
    write_clip(root / "a.mp4", range(3))
    write_clip(root / "x.h264", range(3))
    shutil.copy(DATA / "grid.heic", root / "photo.HEIC")
    shutil.copy(DATA / "cam.dav", root / "cam.dav")
    (root / "y.mjpeg").write_bytes(b"".join(save(tmp_path / "one.jpg", n).read_bytes() for n in range(3)))
    write_clip(tmp_path / "proxy.mp4", range(3)).rename(root / "GL01.unheard")
    save(root / "bare.png", 1).rename(root / "bare")
    write_clip(root / "sub" / "a.mp4", range(3))
    write_clip(root / "sub" / "deep" / "b.mp4", range(3))
    save(root / "sub" / "deep" / "p.png", 4)
    for name in ("notes.txt", "more.txt", "truth.json", ".DS_Store", "._a.mp4", "song.mp3"):
        (root / name).write_bytes(b"ID3\x03" if name == "song.mp3" else b"no medium")
    (root / "index.ts").write_text("export const x = 1;\n")
    return root


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "poseline"]


def test_all_that_opens_by_itself_is_taken(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = locate([folder])
    assert found == [
        Location("clips", pictures=(folder / "bare", folder / "photo.HEIC")),
        *(
            Location(Path(name).stem, video=folder / name)
            for name in ("GL01.unheard", "a.mp4", "cam.dav", "x.h264", "y.mjpeg")
        ),
    ]
    for location in found[1:]:
        assert location.video is not None
        assert locate([location.video]) == [location], "as by itself"
        assert next(iter(open_source(location, CAPTURE).frames())).width
    files, folders = said(caplog)[0].split("; ")
    assert files == f"{folder}: 7 files passed over: 2 .txt, 2 hidden, 1 .json, 1 .mp3, 1 .ts"
    assert folders == "1 folder not searched: sub (--recursive searches folders)"


def test_what_is_passed_over_does_not_open_by_itself(folder: Path) -> None:
    for name in ("notes.txt", "truth.json", "song.mp3", "index.ts"):
        with pytest.raises(SourceError, match="it is"):
            open_source(folder / name, CAPTURE)


def test_recursive_takes_the_folders_within_and_keeps_their_names_apart(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        found = locate([folder], recursive=True)
    assert found[0] == Location(
        "clips", pictures=(folder / "bare", folder / "photo.HEIC", folder / "sub" / "deep" / "p.png")
    )
    assert [(location.name, location.video) for location in found if "sub" in location.name] == [
        ("sub-a", folder / "sub" / "a.mp4"), ("sub-deep-b", folder / "sub" / "deep" / "b.mp4"),
    ]  # fmt: skip
    assert "not searched" not in said(caplog)[0]


def test_recursive_passes_over_results_and_links_that_lead_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_clip(tmp_path / "a.mp4", range(3))
    results = tmp_path / "runs" / "a"
    results.mkdir(parents=True)
    write_clip(results / "annotated.mp4", range(3))
    (results / "keypoints.jsonl").write_text("{}\n")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    with caplog.at_level(logging.INFO):
        assert [location.name for location in locate([tmp_path], recursive=True)] == ["a"]
    assert said(caplog) == [f"{tmp_path}: 1 link to a folder not followed: loop; 1 folder of results passed over"]
    assert [location.name for location in locate([results])] == ["annotated"], "asked for by name, it is what it is"


def test_a_folder_within_that_cannot_be_read_is_named(no_one: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_clip(no_one / "a.mp4", range(3))
    (no_one / "closed").mkdir(mode=0)
    with caplog.at_level(logging.INFO):
        assert [location.name for location in locate([no_one], recursive=True)] == ["a"]
    assert said(caplog) == [f"{no_one}: 1 folder that cannot be read: {no_one / 'closed'}"]


def test_a_pattern_follows_the_same_rule(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = locate([f"{folder}/*a*[!n]"])
    assert [path.name for location in found for path in location.inputs] == ["bare", "GL01.unheard", "a.mp4", "cam.dav"]
    assert said(caplog) == []
    with caplog.at_level(logging.INFO):
        locate([f"{folder}/*"])
        locate([f"{folder}/**/*.*"])
    first, second = said(caplog)
    assert "1 folder not searched: sub" in first
    assert "hidden" not in first, "a pattern does not match what is hidden"
    assert "folder" not in second, "what ** matches is searched already"


def test_nothing_at_all_says_what_was_seen(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SourceError) as caught:
        locate([tmp_path])
    assert str(caught.value) == (
        f"{tmp_path}: holds no picture or video "
        "(1 file passed over: .txt; 1 folder not searched: sub (--recursive searches folders))"
    )
    with pytest.raises(SourceError, match=r"\*\.txt: matches no picture or video \(1 file passed over: \.txt\)"):
        locate([f"{tmp_path}/*.txt"])


def test_what_is_not_finished_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_clip(tmp_path / "a.mp4", range(3))
    write_clip(tmp_path / "b.mp4", range(3)).rename(tmp_path / "b.mp4.part")
    with caplog.at_level(logging.INFO):
        assert [location.name for location in locate([tmp_path])] == ["a"]
    assert said(caplog) == [f"{tmp_path}: 1 file passed over: .part"]
    assert locate([tmp_path / "b.mp4.part"])[0].video, "by itself it is opened"


def test_many_kinds_are_named_in_one_short_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_clip(tmp_path / "a.mp4", range(3))
    for number in range(30):
        (tmp_path / f"a.k{number}").write_text("x")
    with caplog.at_level(logging.INFO):
        locate([tmp_path])
    (line,) = said(caplog)
    assert line.startswith(f"{tmp_path}: 30 files passed over: 1 .k0, ")
    assert line.endswith(" ...")
    assert len(line) - len(str(tmp_path)) < 90


def test_a_folder_of_media_has_nothing_to_tell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_clip(tmp_path / "a.mp4", range(3))
    with caplog.at_level(logging.INFO):
        locate([tmp_path])
    assert said(caplog) == []


def test_what_is_called_a_medium_and_is_none_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("<html>log in</html>")
    (tmp_path / "photo.jpg").write_bytes(b"")
    photo, clip = locate([tmp_path])
    with pytest.raises(SourceError, match="it is a web page"):
        open_source(clip, CAPTURE)
    with pytest.raises(SourceError, match="the file is empty"):
        open_source(photo, CAPTURE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", range(3))
    os.mkfifo(tmp_path / "pipe.mp4")
    assert [location.name for location in locate([tmp_path])] == ["a"]


@pytest.mark.parametrize("source", ["", " ", "\t\n"])
def test_an_empty_source_is_an_error_and_not_this_folder(
    source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(SourceError, match="a SOURCE is empty"):
        locate([source])
    with pytest.raises(SourceError, match="a SOURCE is empty"):
        locate(["a.mp4", source], recursive=True)


def test_links_that_lead_nowhere_and_pipes_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_clip(tmp_path / "a.mp4", range(3))
    for name in ("dang.mp4", "gone"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    special = ""
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        special = "; 1 device or pipe passed over: pipe.mp4"
    with caplog.at_level(logging.INFO):
        assert [location.name for location in locate([tmp_path])] == ["a"]
        assert [location.name for location in locate([f"{tmp_path}/*.mp4"])] == ["a"]
    assert said(caplog) == [
        f"{tmp_path}: 2 links that lead nowhere: dang.mp4, gone{special}",
        f"{tmp_path}/*.mp4: 1 link that leads nowhere: dang.mp4{special}",
    ]


def test_a_link_to_a_folder_is_followed_where_it_is_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "a.mp4", range(3))
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "linked").symlink_to(tmp_path / "clips", target_is_directory=True)
    with caplog.at_level(logging.INFO):
        assert [location.name for location in locate([tmp_path / "all" / "linked"])] == ["a"]
        with pytest.raises(SourceError) as caught:
            locate([tmp_path / "all"], recursive=True)
    assert str(caught.value).endswith("holds no picture or video (1 link to a folder not followed: linked)")


@pytest.mark.parametrize(
    "given",
    [
        ("*.mp4", "**/*.mp4"), ("**/*.mp4", "*.mp4", "sub/*.mp4"), ("**",), ("**/*",),
        ("sub/b.mp4", "a.mp4", "**/*.mp4"), ("a.mp4", "a.mp4", "sub/b.mp4", "sub/../a.mp4"),
        ("s**/*.mp4", "*.mp4"), ("*/loop/*.mp4", "sub/*"),
    ],
)  # fmt: skip
def test_a_file_that_is_reached_in_several_ways_is_taken_once(
    given: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("a.mp4", "sub/b.mp4", ".hidden/c.mp4"):
        write_clip(tmp_path / name, range(3))
    for number in range(4):  # followed, they would give ways without end
        (tmp_path / "sub" / f"loop{number or ''}").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    found = [path.resolve() for location in locate(given) for path in location.inputs]
    assert sorted(found) == [tmp_path / "a.mp4", tmp_path / "sub" / "b.mp4"]


def test_a_file_that_is_given_again_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_clip(tmp_path / "a.mp4", range(3))
    (tmp_path / "b.mp4").symlink_to(tmp_path / "a.mp4")
    save(tmp_path / "p.png", 1)
    with caplog.at_level(logging.INFO):
        found = locate([tmp_path, tmp_path / "p.png", "0", "0", "http://host/p.png", "http://host/p.png"])
    assert [(location.name, len(location.pictures)) for location in found] == [
        ("p", 1), ("a", 0), ("camera-0", 0), ("camera-0", 0), ("pictures", 2),
    ]  # fmt: skip
    assert said(caplog) == [
        f"1 file passed over, given before: {tmp_path / 'b.mp4'}",
        f"1 file passed over, given before: {tmp_path / 'p.png'}",
    ]


def test_what_is_hidden_is_matched_where_the_pattern_says_so(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    write_clip(tmp_path / ".hidden" / "c.mp4", range(3))
    write_clip(tmp_path / "a.mp4", range(3))
    assert [location.name for location in locate([f"{tmp_path}/**/*.mp4"])] == ["a"]
    assert [location.name for location in locate([f"{tmp_path}/.hidden/**/*.mp4"])] == ["c"]
    assert [location.name for location in locate([f"{tmp_path}/.h*/**/*.mp4"])] == ["c"]
