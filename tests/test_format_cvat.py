"""CVAT's XML with skeletons: by our reader, and by one that does with each element what CVAT's own loader does."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from format_worlds import FPS, SIZE, assert_same, seen_or_hidden, write_log, write_pictures_log
from poseline.errors import OutputError, SourceError
from poseline.formats import FORMATS
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import Tracks, read_tracks


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "keypoints.jsonl")


def test_tracks_come_back_with_their_ids(log: Path) -> None:
    truth = read_tracks(log)
    folder = export_log(log, "cvat").paths[0]
    assert sorted(path.name for path in folder.iterdir()) == ["annotations.xml", "labels.json"]
    read = import_log(folder, "cvat", fps=FPS).tracks
    assert read.size == SIZE
    assert read.skeleton == truth.skeleton
    assert read.frames[read.rows.frame].tolist() == truth.frames[truth.rows.frame].tolist()
    for found, expected in zip(_by_place(read), _by_place(truth), strict=True):
        np.testing.assert_allclose(found, expected, atol=0.0101)
    order = [np.lexsort((tracks.rows.keypoints[:, 0, 0], tracks.rows.frame)) for tracks in (read, truth)]
    assert read.rows.id[order[0]].tolist() == truth.rows.id[order[1]].tolist()
    np.testing.assert_array_equal(read.rows.keypoints[order[0], :, 2], seen_or_hidden(truth)[order[1]])


def _by_place(tracks: Tracks) -> list[Any]:
    """The x and y of all poses, frame by frame, from left to right."""
    order = np.lexsort((tracks.rows.keypoints[:, 0, 0], tracks.rows.frame))
    return list(tracks.rows.keypoints[order, :, :2])


def loaded(path: Path) -> dict[str, dict[int, dict[str, Any]]]:
    """What CVAT has after it has loaded a file, by track and frame: keyframes hold until the next one.

    It takes `frame` from the skeleton, and label, keyframe, outside, occluded and points from each of its points, which
    it does not do without; only keyframes count.
    """
    tracks: dict[str, dict[int, dict[str, Any]]] = {}
    for track in ElementTree.parse(path).iter("track"):  # noqa: S314 # our own file
        frames = tracks.setdefault(track.attrib["id"], {})
        assert track.attrib["label"] == "person"
        int(track.attrib.get("group_id", 0))
        for skeleton in track.iter("skeleton"):
            assert skeleton.attrib["keyframe"] == "1"
            points = {}
            for point in skeleton:
                assert point.tag == "points"
                assert point.attrib["keyframe"] == "1"
                x, y = map(float, point.attrib["points"].split(","))
                outside, occluded = point.attrib["outside"] == "1", point.attrib["occluded"] == "1"
                points[point.attrib["label"]] = None if outside else (x, y, occluded)
            frames[int(skeleton.attrib["frame"])] = points
    return tracks


def test_cvat_sees_each_person_in_its_own_frames_only(log: Path) -> None:
    truth = read_tracks(log)
    tracks = loaded(export_log(log, "cvat").paths[0] / "annotations.xml")
    assert len(tracks) == 4, "three persons, and somebody without an id"
    assert all(set(points) == set(truth.skeleton.names) for track in tracks.values() for points in track.values())
    for frame in truth.frames.tolist():
        place = int(np.flatnonzero(truth.frames == frame)[0])
        expected = int((truth.rows.frame == place).sum())
        there = 0
        for track in tracks.values():
            holding = [number for number in track if number <= frame]  # a track holds until the next keyframe
            there += bool(holding) and any(track[max(holding)].values())
        assert there == expected, f"frame {frame}"
    assert tracks["0"][3] == dict.fromkeys(truth.skeleton.names), "nobody is in frame 3"
    assert tracks["0"][2]["left_wrist"] is None


def test_the_labels_name_and_join_all_points(log: Path) -> None:
    truth = read_tracks(log)
    label = json.loads((export_log(log, "cvat").paths[0] / "labels.json").read_text())[0]
    assert (label["name"], label["type"]) == ("person", "skeleton")
    assert [each["name"] for each in label["sublabels"]] == list(truth.skeleton.names)
    drawing = ElementTree.fromstring(f"<svg>{label['svg']}</svg>")  # noqa: S314 # our own file
    nodes = {each.attrib["data-node-id"]: each.attrib["data-label-name"] for each in drawing.iter("circle")}
    assert list(nodes.values()) == list(truth.skeleton.names)
    names = truth.skeleton.names
    joined = [
        (nodes[each.attrib["data-node-from"]], nodes[each.attrib["data-node-to"]]) for each in drawing.iter("line")
    ]
    assert joined == [(names[a], names[b]) for a, b in truth.skeleton.edges]


def as_cvat_exports(folder: Path) -> str:
    """Our file as CVAT gives it back: tracks renumbered, interpolated frames listed, other elements in between."""
    text = (folder / "annotations.xml").read_text()
    text = text.replace("</annotations>", '<track id="9" label="ball"><box frame="0" xtl="1"/></track></annotations>')
    text = re.sub(r'<track id="(\d)"', lambda found: f'<track id="{int(found[1]) + 40}"', text)
    return text.replace("<meta>", "<meta>\n<dumped>2026-01-01</dumped>").replace('keyframe="1"', 'keyframe="0"')


def test_what_cvat_exports_is_read_also_from_its_archive(log: Path, tmp_path: Path) -> None:
    folder = export_log(log, "cvat").paths[0]
    expected = import_log(folder, "cvat", fps=FPS).tracks
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.writestr("annotations.xml", as_cvat_exports(folder))
        archive.writestr("images/frame_000000.png", b"")
    assert_same(import_log(tmp_path / "task.zip", "cvat", fps=FPS).tracks, expected)
    (tmp_path / "x.xml").write_text(as_cvat_exports(folder))
    assert_same(import_log(tmp_path / "x.xml", "cvat", fps=FPS).tracks, expected)


def test_a_track_drawn_in_cvat_has_a_new_id_and_a_single_skeleton_none(tmp_path: Path) -> None:
    point = '<points label="nose" keyframe="1" outside="0" occluded="0" points="{},2.00"/>'
    frame = '<skeleton frame="{}" keyframe="1" z_order="0">{}</skeleton>'

    def track(number: int, frames: range, group: str = "") -> str:
        inner = "".join(frame.format(each, point.format(10 * number + each)) for each in frames)
        return f'<track id="{number}" label="person" {group}>{inner}</track>'

    tracks = track(0, range(3), 'group_id="7"') + track(1, range(3)) + track(2, range(1, 2))
    (tmp_path / "a.xml").write_text(f"<annotations>{tracks}</annotations>")
    read = import_log(tmp_path / "a.xml", "cvat", fps=FPS, size=SIZE).tracks
    by_x = sorted(zip(read.rows.keypoints[:, 0, 0].tolist(), read.rows.id.tolist(), strict=True))
    assert [number for _, number in by_x] == [7, 7, 7, 8, 8, 8, -1]
    assert read.skeleton.names == ("nose",)


def test_a_project_of_several_tasks_is_refused(tmp_path: Path) -> None:
    tracks = "".join(f'<track id="{n}" label="person" task_id="{n}"></track>' for n in (1, 2))
    (tmp_path / "a.xml").write_text(f"<annotations>{tracks}</annotations>")
    with pytest.raises(SourceError, match="several tasks"):
        import_log(tmp_path / "a.xml", "cvat", fps=FPS, size=SIZE)


def test_separate_pictures_are_a_task_for_images(tmp_path: Path) -> None:
    names, sizes = ["in/a & b.jpg", "in/c.jpg"], [(640, 480), (800, 600)]
    log = write_pictures_log(tmp_path / "keypoints.jsonl", names, sizes)
    truth = read_tracks(log)
    folder = export_log(log, "cvat").paths[0]
    images = list(ElementTree.parse(folder / "annotations.xml").iter("image"))  # noqa: S314 # our own file
    assert [image.attrib["name"] for image in images] == ["a & b.jpg", "c.jpg"]
    assert [len(list(image.iter("skeleton"))) for image in images] == [2, 2]
    read = import_log(folder, "cvat", tmp_path / "again")
    assert_same(read.tracks, truth, times=False, ids=False, confidences=False, scores=False, boxes=False)
    np.testing.assert_array_equal(read_tracks(tmp_path / "again" / "keypoints.jsonl").shapes, truth.shapes)


@pytest.mark.parametrize(
    "text",
    [
        "", "<a/>", "<annotations>", "{}", "<annotations/>",
        '<annotations><track label="p"><skeleton frame="x"/></track></annotations>',
        '<annotations><track><skeleton frame="1"><points outside="0"/></skeleton></track></annotations>',
        '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><annotations>&d;</annotations>',
    ],
)  # fmt: skip
def test_what_is_not_cvats_is_refused(text: str, log: Path, tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(SourceError, match=r"x\.xml"):
        import_log(tmp_path / "x.xml", "cvat", fps=FPS, size=SIZE)
    (tmp_path / "x.zip").write_text(text)
    with pytest.raises(SourceError, match=r"x\.zip"):
        import_log(tmp_path / "x.zip", "cvat", fps=FPS, size=SIZE)
    folder = export_log(log, "cvat").paths[0]
    (folder / "annotations.xml").write_text(text)
    if "annotations/" not in text:
        with pytest.raises(OutputError, match="is not CVAT's"):
            FORMATS["cvat"].validate(folder)


@pytest.mark.parametrize("bomb", ["claims", "text", "none"])
def test_an_archive_that_unpacks_to_gigabytes_is_refused(
    bomb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poseline.formats.cvat._LARGE", 3 << 20)
    path = tmp_path / "bomb.zip"
    content = b"<annotations><meta><task><source>" + b" " * ((4 if bomb == "claims" else 2) << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.xml" if bomb == "none" else "annotations.xml", content)
    said = {"claims": "more than CVAT's hold", "text": "a text of more than 10000 letters", "none": "holds no annot"}
    with pytest.raises(SourceError, match=said[bomb]):
        import_log(path, "cvat", fps=FPS, size=SIZE)


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 1), (2, 99), (2, zipfile.ZIP_LZMA), (2, zipfile.ZIP_BZIP2), (2, zipfile.ZIP_STORED)],
    ids=["encrypted", "unknown method", "no lzma", "no bzip2", "not compressed"],
)
def test_an_archive_that_cannot_be_unpacked_is_refused(log: Path, place: int, value: int) -> None:
    path = log.with_name("task.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(export_log(log, "cvat").paths[0] / "annotations.xml", "annotations.xml")
    content = bytearray(path.read_bytes())
    for begin in (6, content.rindex(b"PK\1\2") + 8):  # flags and method, in the file's header and in the directory
        content[begin + place] = value
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"task\.zip: (is not CVAT's XML|cannot be read: Invalid data)"):
        import_log(path, "cvat", fps=FPS)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "[7]", "\xff"])
def test_labels_that_are_none_are_not_valid(text: str, log: Path) -> None:
    folder = export_log(log, "cvat").paths[0]
    (folder / "labels.json").write_text(text, encoding="latin-1")
    with pytest.raises(OutputError, match="is not CVAT's annotations and labels"):
        FORMATS["cvat"].validate(folder)


def test_an_archive_whose_content_is_damaged_is_refused(log: Path) -> None:
    path = log.with_name("task.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(export_log(log, "cvat").paths[0] / "annotations.xml", "annotations.xml")
    whole = path.read_bytes()
    for begin in range(60, 400, 40):
        path.write_bytes(whole[:begin] + bytes(20) + whole[begin + 20 :])
        with pytest.raises(SourceError, match=r"task\.zip: is not CVAT's XML"):
            import_log(path, "cvat", fps=FPS)
