"""PoseTrack's JSON: keypoints by name, tracks, results and annotations of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from format_worlds import FPS, SIZE, read_by, write_log
from poseline.errors import OutputError, SourceError
from poseline.formats import FORMATS
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import read_tracks


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "keypoints.jsonl")


def test_what_both_skeletons_have_comes_back_by_name(log: Path) -> None:
    exported = export_log(log, "posetrack")
    assert exported.notes == ["posetrack: without left_eye, right_eye", "posetrack: 1 person without an id left out"]
    truth = read_tracks(log)
    read = import_log(exported.paths[0], "posetrack", size=SIZE).tracks
    known = truth.rows[truth.rows.id >= 0]
    np.testing.assert_allclose(read.times, truth.times, atol=1e-6)
    assert read.frames.tolist() == truth.frames.tolist()
    assert read.rows.id.tolist() == known.id.tolist()
    names = read.skeleton.names
    assert [name for name in names if name not in truth.skeleton.names] == ["head_bottom", "head_top"]
    for place, name in enumerate(names):
        if name in truth.skeleton.names:
            expected = known.keypoints[:, truth.skeleton.names.index(name)]
            np.testing.assert_allclose(read.rows.keypoints[:, place], expected, atol=0.0101)
        else:
            assert np.isnan(read.rows.keypoints[:, place]).all()
    np.testing.assert_allclose(read.rows.box, known.box, atol=0.0201)
    with pytest.raises(Exception, match="does not hold the size of the picture"):
        import_log(exported.paths[0], "posetrack")


def test_results_of_others_whose_v_says_nothing(tmp_path: Path) -> None:
    person = {"image_id": 7, "track_id": 0, "bbox": [1, 2, 30, 40]}
    points = [[10.0 + place, 20.0, 0] for place in range(17)]
    points[3] = [0, 0, 0]
    content = {
        "images": [{"id": 7, "frame_id": 7, "file_name": "images/val/000001_x/000004.jpg"}],
        "annotations": [{**person, "keypoints": np.ravel(points).tolist(), "scores": [0.7] * 17}],
    }
    (tmp_path / "x.json").write_text(json.dumps(content))
    read = import_log(tmp_path / "x.json", "posetrack", fps=FPS, size=SIZE).tracks
    assert (read.frames.tolist(), read.rows.id.tolist()) == ([4], [0])
    found = read.rows.keypoints[0]
    assert np.flatnonzero(np.isnan(found[:, 0])).tolist() == [3]
    np.testing.assert_allclose(found[[0, 16]], [[10, 20, 0.7], [26, 20, 0.7]], atol=1e-6)


def test_frames_that_nobody_has_labelled_are_not_frames_without_persons(log: Path) -> None:
    path = export_log(log, "posetrack").paths[0]
    content = json.loads(path.read_text())
    for image in content["images"][4:]:
        image["is_labeled"] = False
    path.write_text(json.dumps(content))
    assert import_log(path, "posetrack", size=SIZE).tracks.frames.tolist() == [0, 1, 2, 3]


def test_what_is_torn_or_twice_is_refused(log: Path) -> None:
    path = export_log(log, "posetrack").paths[0]
    whole = json.loads(path.read_text())
    contents: tuple[Any, ...] = (
        {"images": 7},
        {**whole, "annotations": whole["annotations"] * 2},
        {**whole, "images": []},
        [],
    )
    for broken in contents:
        path.write_text(json.dumps(broken))
        with pytest.raises(OutputError, match="posetrack.json"):
            FORMATS["posetrack"].validate(path)
    with pytest.raises(SourceError, match="is not posetrack"):
        import_log(path, "posetrack", fps=FPS, size=SIZE)


COUNT = """
import contextlib, io, sys
from pycocotools.coco import COCO
with contextlib.redirect_stdout(io.StringIO()):
    data = COCO(sys.argv[1])
print(len(data.imgs), len(data.anns), len(data.loadCats(1)[0]["keypoints"]), len(data.getAnnIds(imgIds=10000010002)))
"""


@pytest.mark.formats("pycocotools")
def test_the_cocos_reader_on_which_posetracks_tools_stand_reads_it(log: Path, format_readers: str) -> None:
    path = export_log(log, "posetrack").paths[0]
    assert read_by(format_readers, COUNT, path).split() == ["11", "29", "17", "2"]
