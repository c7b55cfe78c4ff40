from __future__ import annotations

from pathlib import Path

import pytest

from media_worlds import CAPTURE, write_clip
from poseline.capture import Location, SimulatedCamera, VideoFile, locate, open_source
from poseline.errors import SourceError
from poseline.settings import CaptureSettings
from test_capture_images import save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, two clips, and what is neither."""
    for number in range(2):
        save(tmp_path / f"{number}.png", number)
        write_clip(tmp_path / f"clip{number}.mp4", range(3))
    (tmp_path / "readme.txt").write_text("no medium")
    return tmp_path


def test_a_mixed_folder_is_its_pictures_and_each_clip(folder: Path) -> None:
    found = locate([folder])
    assert found == [
        Location(folder.name, pictures=(folder / "0.png", folder / "1.png")),
        Location("clip0", video=folder / "clip0.mp4"),
        Location("clip1", video=folder / "clip1.mp4"),
    ]
    assert found[0].inputs == (folder / "0.png", folder / "1.png")
    assert found[1].inputs == (folder / "clip0.mp4",)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*.png", ["0.png", "1.png"]), ("clip?.mp4", ["clip0.mp4", "clip1.mp4"]), ("**/*1*", ["1.png", "clip1.mp4"])],
)
def test_a_glob_is_what_it_matches(pattern: str, names: list[str], folder: Path) -> None:
    found = locate([str(folder / pattern)])
    assert [path.name for location in found for path in location.inputs] == names


def test_a_file_whose_name_looks_like_a_glob_is_a_file(folder: Path) -> None:
    odd = (folder / "clip0.mp4").rename(folder / "clip[0].mp4")
    assert locate([odd]) == [Location("clip[0]", video=odd)]


def test_order_is_kept_and_neighbouring_pictures_join(folder: Path) -> None:
    found = locate([folder / "0.png", folder / "1.png", folder / "clip0.mp4", save(folder / "z.png", 2)])
    assert [len(location.pictures) for location in found] == [2, 0, 1]
    assert found[0].name == "pictures"


@pytest.mark.parametrize("number", ["0", "3", "12"])
def test_a_number_is_a_camera(number: str) -> None:
    assert locate([number]) == [Location(f"camera-{number}", camera=int(number))]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("rtsp://10.0.0.7:554/live?channel=1", "rtsp-10.0.0.7-554"),
        ("RTSP://cam.local/a/b", "RTSP-cam.local"),
        ("http://user:secret@host/video", "http-host"),
        ("rtsp://user:se/cr#et?@host:8554/x", "rtsp-host-8554"),
        ("rtsp://user:sec[ret@host/x", "rtsp-host"),
        ("rtsp://user:a@b@host/x", "rtsp-host"),
        ("http://[::1]:8080/x", "http-1-8080"),
        ("srt://", "srt-stream"),
    ],
)
def test_the_folder_of_an_address_is_named_after_its_host_alone(url: str, name: str) -> None:
    found = locate([url])
    assert found == [Location(name, url=url)]
    assert found[0].inputs == ()


@pytest.mark.parametrize(
    "source",
    [
        "concat:a.mp4|b.mp4",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "file:/etc/passwd",
        "data:video/mp4;base64,AAAA",
        "-",
    ],
)
def test_ffmpegs_other_protocols_are_only_file_names(source: str) -> None:
    with pytest.raises(SourceError, match="no such file"):
        locate([source])


@pytest.mark.parametrize("scheme", ["file", "ftp", "concat", "async+http", "gopher", "sftp", ""])
def test_an_unknown_scheme_is_refused(scheme: str) -> None:
    with pytest.raises(SourceError, match="is not among rtsp, rtsps, http"):
        locate([f"{scheme}://user:secret@host/x"])
    with pytest.raises(SourceError, match="is not among") as caught:
        locate([f"{scheme}://user:secret@host/x"])
    assert "secret" not in str(caught.value) or not scheme


def test_an_address_with_a_space_is_refused_without_telling_it() -> None:
    with pytest.raises(SourceError, match="holds a space") as caught:
        locate(["rtsp://user:my secret@host/x"])
    assert "secret" not in str(caught.value)


def test_what_leads_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no picture or video"):
        locate([tmp_path])
    with pytest.raises(SourceError, match=r"\*\.mp4: matches no file"):
        locate([tmp_path / "*.mp4"])
    with pytest.raises(SourceError, match=r"x\.mp4: no such file"):
        locate([tmp_path / "x.mp4"])
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    with pytest.raises(SourceError, match=r"link\.mp4: no such file: it is a link to .*gone\.mp4, which is not there"):
        locate([tmp_path / "link.mp4"])
    with pytest.raises(SourceError, match="File name too long"):
        locate(["x" * 5000])


def test_a_folder_without_permission_is_told(no_one: Path) -> None:
    (no_one / "closed").mkdir(mode=0)
    with pytest.raises(SourceError, match="closed: the folder cannot be read: Permission denied"):
        locate([no_one / "closed"])


def test_open_source_picks_the_source(folder: Path) -> None:
    assert isinstance(open_source(folder / "clip0.mp4", CAPTURE), VideoFile)
    assert isinstance(open_source(folder / "clip0.mp4", CaptureSettings(live=True)), SimulatedCamera)
    with pytest.raises(SourceError, match="holds 3 sources"):
        open_source(folder, CAPTURE)


def test_the_home_folder_may_be_a_tilde(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert locate(["~/clip0.mp4"]) == [Location("clip0", video=folder / "clip0.mp4")]
