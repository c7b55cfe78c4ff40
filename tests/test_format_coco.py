"""COCO's keypoints, ground truth and results: by our reader, and by both evaluators of the field."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from format_worlds import FPS, SIZE, assert_same, read_by, write_log, write_pictures_log
from poseline.errors import OutputError, SourceError
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import read_tracks
from poseline.skeleton import Skeleton


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "keypoints.jsonl")


def test_ground_truth_comes_back_with_times_ids_and_confidences(log: Path) -> None:
    labels = export_log(log, "coco").paths[0]
    read = import_log(labels, "coco")
    assert_same(read.tracks, read_tracks(log))
    assert read.notes == []
    assert read.tracks.size == SIZE
    assert read.tracks.header["source"] == "clip.mp4"


def test_ground_truth_is_what_the_format_asks_for(log: Path) -> None:
    content = json.loads(export_log(log, "coco").paths[0].read_text())
    truth = read_tracks(log)
    assert [image["id"] for image in content["images"]] == [number + 1 for number in truth.frames]
    assert content["images"][0]["file_name"] == "clip_000000.jpg"
    assert [each["id"] for each in content["annotations"]] == list(range(1, len(truth.rows) + 1))
    assert "NaN" not in (log.parent / "keypoints.coco.json").read_text()
    missing = next(each for each in content["annotations"] if each["image_id"] == 3)
    assert (missing["keypoints"][27:30], missing["num_keypoints"]) == ([0, 0, 0], 16)
    for each, points, box in zip(content["annotations"], truth.rows.keypoints, truth.rows.box, strict=True):
        seen = np.array(each["keypoints"]).reshape(17, 3)[:, 2]
        expected = np.where(np.isnan(points[:, 0]), 0, np.where(points[:, 2] >= 0.5, 2, 1))
        assert seen.tolist() == expected.tolist()
        assert each["bbox"] == pytest.approx([box[0], box[1], box[2] - box[0], box[3] - box[1]], abs=0.01)
        assert each["area"] == pytest.approx(each["bbox"][2] * each["bbox"][3], abs=0.01)


def test_results_have_no_box_and_no_nan(log: Path) -> None:
    text = export_log(log, "coco-results").paths[0].read_text()
    assert "NaN" not in text
    assert "null" not in text
    results = json.loads(text)
    assert all(set(each) <= {"image_id", "category_id", "keypoints", "score", "track_id"} for each in results)
    assert {each["category_id"] for each in results} == {1}
    read = import_log(log.parent / "keypoints.coco-results.json", "coco-results", fps=FPS, size=SIZE).tracks
    assert_same(read, read_tracks(log), times=False, boxes=False, frames=False)


def test_labels_of_others_have_stated_confidences(tmp_path: Path) -> None:
    """Without our keys: v makes the confidence, numbers in the names of pictures make the frames."""
    names = ["nose", "left_hip"]
    content = {
        "images": [
            {"id": 7, "file_name": "take_0004.png", "width": 100, "height": 80},
            {"id": 3, "file_name": "take_0002.png", "width": 100, "height": 80},
        ],
        "categories": [{"id": 5, "name": "person", "keypoints": names, "skeleton": [[1, 2]]}, {"id": 6}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 5,
                "keypoints": [10, 20, 2, 30.5, 40.25, 1],
                "bbox": [1, 2, 50, 60],
            },
            {"id": 2, "image_id": 3, "category_id": 5, "keypoints": [0, 0, 0, 11, 12, 2]},
            {"id": 3, "image_id": 3, "category_id": 5, "keypoints": [0] * 6, "bbox": [1, 2, 3, 4]},
            {"id": 4, "image_id": 3, "category_id": 6, "bbox": [1, 2, 3, 4]},
        ],
    }
    (tmp_path / "labels.json").write_text(json.dumps(content))
    read = import_log(tmp_path / "labels.json", "coco", fps=10)
    assert read.tracks.frames.tolist() == [2, 4]
    assert read.tracks.times.tolist() == [0.2, 0.4]
    assert read.tracks.rows.frame.tolist() == [0, 1]
    np.testing.assert_array_equal(read.tracks.rows.keypoints[0], np.array([[np.nan] * 3, [11, 12, 1]], np.float32))
    np.testing.assert_array_equal(read.tracks.rows.keypoints[1], np.array([[10, 20, 1], [30.5, 40.25, 0.25]]))
    np.testing.assert_array_equal(read.tracks.rows.box, [[11, 12, 11, 12], [1, 2, 51, 62]])
    assert (read.tracks.skeleton.names, read.tracks.skeleton.edges) == (("nose", "left_hip"), ((0, 1),))
    renamed = import_log(tmp_path / "labels.json", "coco", fps=10, skeleton=Skeleton(("tip", "root")))
    assert renamed.tracks.skeleton.names == ("tip", "root")
    with pytest.raises(SourceError, match="has 2 keypoints, and --skeleton names 1"):
        import_log(tmp_path / "labels.json", "coco", fps=10, skeleton=Skeleton(("tip",)))
    assert read.notes == [
        "1 person without keypoints left out",
        "no confidences: a point that is seen has 1, one that is hidden 0.25",
        "no ids of persons (track_id)",
    ]


def test_separate_pictures_keep_their_names_sizes_and_cocos_numbers(tmp_path: Path) -> None:
    sizes = [(640, 480), (800, 600)]
    log = write_pictures_log(tmp_path / "keypoints.jsonl", ["in/000000000139.jpg", "in/000000000285.jpg"], sizes)
    content = json.loads(export_log(log, "coco").paths[0].read_text())
    assert [(image["id"], image["file_name"]) for image in content["images"]] == [
        (139, "000000000139.jpg"), (285, "000000000285.jpg"),
    ]  # fmt: skip
    assert [(image["width"], image["height"]) for image in content["images"]] == sizes
    read = import_log(tmp_path / "keypoints.coco.json", "coco", tmp_path / "again")
    assert_same(read.tracks, read_tracks(log), times=False, frames=False)
    again = read_tracks(tmp_path / "again" / "keypoints.jsonl")
    assert again.sources == ["000000000139.jpg", "000000000285.jpg"]
    np.testing.assert_array_equal(again.shapes, read_tracks(log).shapes)


def test_what_cannot_be_one_log_is_refused(tmp_path: Path, log: Path) -> None:
    good = json.loads(export_log(log, "coco").paths[0].read_text())
    path = tmp_path / "x.json"
    for change, said in (
        ({"images": [{**image, "video_id": place} for place, image in enumerate(good["images"])]}, "several videos"),
        ({"categories": [{"id": 1, "name": "person"}], "annotations": good["annotations"][:1]}, None),
        ({"annotations": [{**good["annotations"][0], "image_id": 999}]}, "999"),
        ({"annotations": [{**good["annotations"][0], "keypoints": [1, 2, 3]}]}, "is not coco"),
    ):
        path.write_text(json.dumps({**good, **change}))
        if said is None:
            assert import_log(path, "coco").tracks.skeleton.names[0] == "nose"
            continue
        with pytest.raises(SourceError, match=said):
            import_log(path, "coco")


def test_files_that_are_not_whole_are_not_valid(log: Path) -> None:
    from poseline.formats import FORMATS

    for name in ("coco", "coco-results"):
        path = export_log(log, name).paths[0]
        whole = path.read_bytes()
        for torn in (whole[:-2], b"", b"{}", b'[{"keypoints": [1]}]'):
            path.write_bytes(torn)
            with pytest.raises(OutputError, match=path.name):
                FORMATS[name].validate(path)


EVALUATE = """
import contextlib, io, json, sys
truth, results = sys.argv[1:]
found = []
for library in ("pycocotools", "faster_coco_eval"):
    if library == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    else:
        from faster_coco_eval import COCO, COCOeval_faster as COCOeval
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(truth)
        evaluation = COCOeval(gt, gt.loadRes(results), "keypoints")
        evaluation.evaluate(); evaluation.accumulate(); evaluation.summarize()
    found.append([round(float(value), 6) for value in evaluation.stats[:10]])
print(json.dumps(found))
"""


@pytest.mark.formats("pycocotools", "faster_coco_eval")
def test_both_evaluators_agree_and_see_what_was_moved(tmp_path: Path, format_readers: str) -> None:
    log = write_log(tmp_path / "keypoints.jsonl", 30)
    truth = export_log(log, "coco").paths[0]
    same = export_log(log, "coco-results").paths[0]
    ours, faster = json.loads(read_by(format_readers, EVALUATE, truth, same))
    assert ours == faster
    assert ours[0] == ours[5] == 1.0
    results = json.loads(same.read_text())
    for place, each in enumerate(results):
        if place % 3 == 0:  # a third of all persons is elsewhere
            each["keypoints"] = [value + 300 * (index % 3 == 0) for index, value in enumerate(each["keypoints"])]
    (tmp_path / "moved.json").write_text(json.dumps(results))
    ours, faster = json.loads(read_by(format_readers, EVALUATE, truth, tmp_path / "moved.json"))
    assert ours == faster
    assert 0.3 < ours[0] < 0.75
    assert ours[5] == pytest.approx(2 / 3, abs=0.02)


def test_pictures_whose_names_are_too_long_are_not_there(tmp_path: Path) -> None:
    log = write_pictures_log(tmp_path / "keypoints.jsonl", [f"{'x' * 300}.jpg"], [(64, 48)])
    with pytest.raises(SourceError, match=r"x\.jpg: no such picture"):
        export_log(log, "coco", pictures=True)
