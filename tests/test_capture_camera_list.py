"""A list of cameras in a file: names, settings of their own, and what is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from poseline.capture import locate, open_source
from poseline.errors import PoselineError, SettingsError, SourceError
from poseline.request import RunRequest
from poseline.settings import CaptureSettings, load

LIST = """
- source: 0
  name: front
  cam_size: 1280x720
  cam_fps: 30000/1001
  fourcc: MJPG
- {source: "rtsp://me:secret@cam/1", rtsp_transport: udp, max_outage: 600}
- 2
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cameras.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_has_its_name_and_settings(tmp_path: Path) -> None:
    front, gate, third = locate([written(tmp_path, LIST)])
    assert (front.name, front.camera, front.live) == ("front", 0, True)
    assert dict(front.own) == {"cam_size": (1280, 720), "cam_fps": pytest.approx(29.97, abs=0.001), "fourcc": "MJPG"}
    assert gate.url == "rtsp://me:secret@cam/1"
    assert dict(gate.own) == {"rtsp_transport": "udp", "max_outage": 600}
    assert (third.camera, third.own) == (2, ())


def test_they_win_over_the_runs_and_leave_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[int, CaptureSettings] = {}

    def opened(index: int, settings: CaptureSettings) -> Any:
        given[index] = settings

    monkeypatch.setattr(sys.modules["poseline.capture.locate"], "Camera", opened)  # the function hides the module
    settings = CaptureSettings(cam_size=(640, 480), fourcc="YUYV", read_timeout=7)
    for location in locate([written(tmp_path, LIST)])[::2]:
        open_source(location, settings)
    assert (given[0].cam_size, given[0].fourcc, given[0].read_timeout) == ((1280, 720), "MJPG", 7)
    assert given[2] == settings


def test_every_way_in_has_them_in_its_request(tmp_path: Path) -> None:
    """So that the pipeline waits for a camera that may be gone as long as it asks for."""
    _, gate, third = locate([written(tmp_path, LIST)])
    common = load(overrides={"capture": {"max_outage": 30, "read_timeout": 7}})
    own = RunRequest(gate, common).settings.capture
    assert (own.max_outage, own.rtsp_transport, own.read_timeout) == (600, "udp", 7)
    assert RunRequest(third, common).settings is common


def test_other_sources_stand_beside_a_list(tmp_path: Path) -> None:
    assert [location.camera for location in locate(["5", str(written(tmp_path, "[0, 1]"))])] == [5, 0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a list"), ("source: 0", "expected a list"), ("[]", "expected a list"), ("- {", "not valid YAML"),
        ("- name: front", "camera 1 has no source"), ("- 0\n- {source: }", "camera 2 has no source"),
        ("- {source: true}", "has no source"), ("- {source: 0, cam_size: big}", "camera 1: cam_size"),
        ("- {source: 0, cam_fps: -1}", "cam_fps"), ("- {source: 0, fourcc: MJPEG}", "fourcc"),
        ("- {source: 0, size: 1}", "unknown setting 'size'; known here: source, name, cam_size"),
        ("- {source: 0, name: [a]}", "is not one of letters"), ("- {source: 0, name: ../x}", "is not one of letters"),
        ("- {source: 0, live: true}", "unknown setting 'live'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as told:
        locate([written(tmp_path, text)])
    assert words in str(told.value)
    assert "cameras.yaml" in str(told.value)


def test_a_list_that_is_not_there_and_lists_of_lists_are_told(tmp_path: Path) -> None:
    with pytest.raises(PoselineError, match=r"none.yaml"):
        locate([str(tmp_path / "none.yaml")])
    with pytest.raises(SourceError, match="is a list too"):
        locate([written(tmp_path, "- other.yaml")])


def test_a_name_for_several_is_refused(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypmp42" + bytes(32))
    with pytest.raises(SourceError, match="stands for 2 sources"):
        locate([written(tmp_path, f"- {{source: '{tmp_path}/*.mp4', name: both}}")])
