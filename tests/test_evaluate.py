"""`poseline evaluate`: average precision and identities where the right answer is known beforehand."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from media_worlds import joined
from output_worlds import SAMPLES
from poseline.cli import command
from poseline.errors import SettingsError, SourceError
from poseline.evaluation import (
    Dataset,
    PoseScores,
    Tracked,
    TrackedFrame,
    average_precision,
    identities,
    of_run,
    read_dataset,
    read_labels,
    read_truth,
)
from poseline.evaluation.dataset import matched_classes
from poseline.interruption import Interruption
from poseline.pose import Poses
from poseline.skeleton import COCO17, Skeleton
from worlds import Person

SIZE = (320, 240)
COCO = pytest.mark.system("pycocotools")
TRACKEVAL = pytest.mark.system("pycocotools", "trackeval")
PEOPLE = (((80.0, 120.0), (240.0, 120.0)), ((160.0, 130.0),))
"""Where people stand in each of two pictures."""


def poses(*people: tuple[float, float], move: float = 0.0, score: float = 0.9) -> Poses:
    bodies = [Person(lambda _, at=at: at, height=160) for at in people]  # type: ignore[misc] # a default cannot be typed
    keypoints = np.ones((len(people), 17, 3), np.float32)
    for points, body in zip(keypoints, bodies, strict=True):
        points[:, :2] = body.keypoints(0) + np.array([move, 0])
    boxes = np.array([body.box(0) for body in bodies], np.float32).reshape(-1, 4)
    return Poses.of(boxes, np.full(len(people), score, np.float32), keypoints)


@pytest.fixture(scope="module")
def yolo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLO dataset of two pictures and three persons; a third picture has nobody and no file of labels."""
    root = tmp_path_factory.mktemp("yolo")
    (root / "images" / "val").mkdir(parents=True)
    (root / "labels" / "val").mkdir(parents=True)
    for number, people in enumerate((*PEOPLE, ())):
        Image.new("RGB", SIZE).save(root / "images" / "val" / f"{number}.png")
        found = poses(*people)
        rows = []
        for box, points in zip(found.boxes / (SIZE * 2), found.keypoints, strict=True):
            centre = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]]
            flat = np.column_stack((points[:, :2] / SIZE, np.full(17, 2))).ravel()
            rows.append(" ".join(map(str, [0, *centre, *flat])))
        if rows:
            (root / "labels" / "val" / f"{number}.txt").write_text("\n".join(rows) + "\n")
    content = {"path": ".", "val": "images/val", "kpt_shape": [17, 3], "names": {0: "person"}}
    (root / "data.yaml").write_text(yaml.safe_dump(content))
    return root / "data.yaml"


def found_in(dataset: Dataset, change: Callable[[int], Poses]) -> dict[int, Poses]:
    """By the pictures' ids, what `change` makes of each picture's number."""
    return {picture.id: change(int(picture.path.stem)) for picture in dataset.pictures}


def truly(number: int) -> Poses:
    return poses(*(*PEOPLE, ())[number])


def scores(dataset: Dataset, change: Callable[[int], Poses]) -> PoseScores:
    return average_precision(dataset, found_in(dataset, change), {0: 0})


# Datasets


def test_a_yolo_dataset_is_read_in_pixels(yolo: Path) -> None:
    dataset = read_dataset(yolo)
    assert [picture.path.name for picture in dataset.pictures] == ["0.png", "1.png", "2.png"]
    assert dataset.persons == 3
    first = dataset.coco["annotations"][0]
    box = poses(PEOPLE[0][0]).boxes[0]
    np.testing.assert_allclose(first["bbox"], [box[0], box[1], box[2] - box[0], box[3] - box[1]], atol=1e-3)
    np.testing.assert_allclose(np.reshape(first["keypoints"], (17, 3))[:, :2], truly(0).keypoints[0, :, :2], atol=1e-3)
    assert first["num_keypoints"] == 17
    assert dataset.skeleton.names == COCO17.names


def test_two_numbers_a_keypoint_and_a_list_of_files_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    Image.new("RGB", (100, 50)).save(tmp_path / "images" / "a.png")
    (tmp_path / "labels" / "a.txt").write_text("1 0.5 0.5 0.2 0.4 0.4 0.4 0 0\n")
    (tmp_path / "list.txt").write_text("images/a.png\n")
    content = {"train": "list.txt", "kpt_shape": [2, 2], "names": ["ball", "dog"], "kpt_names": {0: ["head", "tail"]}}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(content))
    dataset = read_dataset(tmp_path / "data.yaml", split="train")
    annotation = dataset.coco["annotations"][0]
    assert (annotation["category_id"], annotation["num_keypoints"]) == (1, 1)
    assert annotation["keypoints"] == pytest.approx([40, 20, 2, 0, 0, 0])
    assert dataset.skeleton == Skeleton(("head", "tail"))


@pytest.mark.parametrize(("change", "message"), [
    ({"val": "nowhere"}, "nowhere is not there"), ({"val": None}, "has no 'val'"),
    ({"kpt_shape": [5, 3]}, "line 1: has 56 numbers, not 20"),
    ({"names": {3: "dog"}}, "line 1: a class that the dataset does not name"),
    ({"names": None}, "not a YOLO pose dataset"), ({"kpt_shape": "many"}, "has no kpt_shape"),
    ({"names": 7}, "no names of classes"), ({"kpt_names": ["nose"]}, "has 17 keypoints, and 1 names"),
    ({"kpt_names": 5}, "data.yaml: is not the YAML"), ({"kpt_names": {0: 5}}, "data.yaml: is not the YAML"),
    ({"kpt_oks_sigmas": ["a"] * 17}, "data.yaml: is not the YAML"),
    ({"kpt_oks_sigmas": 5}, "data.yaml: is not the YAML"),
    ({"kpt_oks_sigmas": [0.1]}, "data.yaml: has 17 keypoints, and 1 kpt_oks_sigmas"),
    ({"kpt_oks_sigmas": [0.0] * 17}, "kpt_oks_sigmas: each is a number above 0"),
    ({"val": "x" * 300}, "is not there"), ({"path": "x" * 300, "val": "nowhere"}, "nowhere is not there"),
])  # fmt: skip
def test_what_is_wrong_with_a_dataset_is_said(
    yolo: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    content = {**yaml.safe_load(yolo.read_text()), "path": str(yolo.parent), **change}
    content = {key: value for key, value in content.items() if value is not None}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(SourceError, match=message):
        read_dataset(tmp_path / "data.yaml")


def test_a_truth_that_is_garbled_is_said(tmp_path: Path) -> None:
    lines = (SAMPLES / "squat.truth.jsonl").read_text().splitlines()[:3]
    for key, value in (("visible", "x"), ("visible", None)):
        record = json.loads(lines[1])
        record["persons"][0][key] = value
        (tmp_path / "t.jsonl").write_text("\n".join([lines[0], json.dumps(record), lines[2], ""]))
        with pytest.raises(SourceError, match=r"t\.jsonl: is not a keypoint log of a truth"):
            read_truth(tmp_path / "t.jsonl")
    for source in ("", "/", "x" * 300, "a\0b"):
        first = json.loads(lines[0]) | {"source": source}
        (tmp_path / "t.jsonl").write_text("\n".join([json.dumps(first), *lines[1:], ""]))
        assert read_truth(tmp_path / "t.jsonl").clip is None


def test_names_that_are_too_long_are_of_pictures_that_are_not_there(yolo: Path, tmp_path: Path) -> None:
    name = "x" * 300 + ".png"
    (tmp_path / "list.txt").write_text(f"{name}\n")
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({**yaml.safe_load(yolo.read_text()), "val": "list.txt"}))
    with pytest.raises(SourceError, match="is not there, or is no picture"):
        read_dataset(tmp_path / "data.yaml")
    kinds = [{"id": 1, "name": "person", "keypoints": list(COCO17.names)}]
    content = {"images": [{"id": 1, "file_name": name}], "annotations": [], "categories": kinds}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    with pytest.raises(SourceError, match="not found in"):
        read_dataset(tmp_path / "coco.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1, 2, 2]}, "annotation 7: a person has 3 numbers for each of 17 keypoints"),
        ({"keypoints": [None] * 51}, "annotation 7: a person has 3 numbers"), ({"bbox": [1, 2, 3]}, "a box of 4"),
        ({"area": -1}, ", an area, "), ({"area": 1e300}, ", an area, "), ({"bbox": None}, "not COCO's labels of"),
        ({"image_id": None}, "not COCO's labels of"), ({"image_id": 10**30}, "not COCO's labels of"),
        ({"iscrowd": "x"}, "an iscrowd of 0 or 1"), ({"iscrowd": -1}, "an iscrowd of 0 or 1"),
    ],
)  # fmt: skip
def test_an_annotation_that_cocos_evaluation_could_not_read_is_said(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    Image.new("RGB", SIZE).save(tmp_path / "1.png")
    person = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [1, 2, 2] * 17}
    kinds = [{"id": 1, "name": "person", "keypoints": list(COCO17.names)}]
    content = {"images": [{"id": 1, "file_name": "1.png"}], "annotations": [person], "categories": kinds}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    assert read_dataset(tmp_path / "coco.json").persons == 1
    person.update(change)
    (tmp_path / "coco.json").write_text(json.dumps(content))
    with pytest.raises(SourceError, match=message):
        read_dataset(tmp_path / "coco.json")
    person.update(keypoints=[1, 2, 2] * 17)
    (tmp_path / "coco.json").write_text(json.dumps({**content, "images": content["images"] * 2, "annotations": []}))
    with pytest.raises(SourceError, match="two of its images have one id"):
        read_dataset(tmp_path / "coco.json")


@COCO
@pytest.mark.parametrize("number", [0, None, "x"])
def test_a_person_counts_whatever_its_annotation_is_numbered(tmp_path: Path, number: object) -> None:
    """COCO's evaluation takes a person whose annotation has the number 0 for one who was not found."""
    Image.new("RGB", SIZE).save(tmp_path / "1.png")
    found = poses((80, 120))
    left, top, right, bottom = found.boxes[0].tolist()
    points = np.column_stack((found.keypoints[0, :, :2], np.full(17, 2))).ravel().tolist()
    person = {"id": number, "image_id": 1, "category_id": 1, "keypoints": points}
    person["bbox"] = [left, top, right - left, bottom - top]
    kinds = [{"id": 1, "name": "person", "keypoints": list(COCO17.names)}]
    content = {"images": [{"id": 1, "file_name": "1.png"}], "annotations": [person], "categories": kinds}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    scores = average_precision(read_dataset(tmp_path / "coco.json"), {1: found}, {0: 1})
    assert scores.pose["AP"] == pytest.approx(1)


def test_a_dataset_that_is_no_yaml_is_a_source_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("names: [person\n")
    with pytest.raises(SourceError, match="is not YAML"):
        read_dataset(tmp_path / "data.yaml")


def test_classes_belong_together_by_name_or_as_the_only_ones(yolo: Path) -> None:
    dataset = read_dataset(yolo)
    assert matched_classes(dataset, {0: "player"}) == {0: 0}
    assert matched_classes(dataset, {0: "ball", 4: "person"}) == {4: 0}
    with pytest.raises(SettingsError, match=r"the model has the classes ball, dog, and data\.yaml person"):
        matched_classes(dataset, {0: "ball", 1: "dog"})


# Average precision


@COCO
def test_the_truth_scores_one_and_nobody_nothing(yolo: Path) -> None:
    dataset = read_dataset(yolo)
    best = scores(dataset, truly)
    assert (best.pose["AP"], best.pose["AR"], best.box["AP"]) == (1, 1, 1)
    assert (best.pictures, best.persons, best.found) == (3, 3, 3)
    assert best.pose["APm"] == 1  # 10,240 square pixels a box, of which 53 % are the person's
    assert best.pose["APl"] is None
    assert scores(dataset, lambda _: Poses.none(17)).pose["AP"] == 0


@COCO
def test_a_missed_person_costs_a_third_of_the_recall(yolo: Path) -> None:
    missed = scores(read_dataset(yolo), lambda number: truly(number)[1:] if number == 0 else truly(number))
    assert missed.pose["AR"] == pytest.approx(2 / 3)
    assert missed.pose["AP"] == pytest.approx(67 / 101)  # COCO reads precision at 101 recalls from 0 to 1


@COCO
def test_a_false_person_of_high_score_costs_precision_and_one_of_low_score_does_not(yolo: Path) -> None:
    def with_false(score: float) -> PoseScores:
        return scores(
            read_dataset(yolo), lambda number: poses((60, 100), score=score) if number == 2 else truly(number)
        )

    assert with_false(0.99).pose["AP"] == pytest.approx(0.75)  # 3 of 4 at every recall
    assert with_false(0.1).pose["AP"] == 1


@COCO
def test_moved_keypoints_pass_the_lower_thresholds_only(yolo: Path) -> None:
    dataset = read_dataset(yolo)
    moved = scores(dataset, lambda number: poses(*(*PEOPLE, ())[number], move=8.0))
    assert moved.pose["AP50"] == 1
    assert 0 < (moved.pose["AP"] or 0) < 1
    assert moved.box["AP"] == 1


@COCO
def test_a_keypoint_that_is_no_number_is_refused(yolo: Path) -> None:
    broken = poses((80, 120))
    keypoints = broken.keypoints.copy()
    keypoints[0, 3, 0] = np.nan
    with pytest.raises(SourceError, match="not a number"):
        scores(read_dataset(yolo), lambda _: Poses.of(broken.boxes, broken.scores, keypoints))


@COCO
def test_coco_labels_score_as_yolo_labels_do(yolo: Path, tmp_path: Path) -> None:
    dataset = read_dataset(yolo)
    (tmp_path / "labels.json").write_text(json.dumps(dataset.coco))
    same = read_dataset(tmp_path / "labels.json", yolo.parent / "images" / "val")

    def change(number: int) -> Poses:
        return poses(*(*PEOPLE, ())[number], move=5.0)

    assert scores(same, change).pose == scores(dataset, change).pose
    with pytest.raises(SourceError, match="name the folder of the pictures with --pictures"):
        read_dataset(tmp_path / "labels.json")


@COCO
@pytest.mark.shared
def test_ultralytics_own_validation_says_the_same(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own detections within 0.01: it interpolates and pairs a little otherwise than COCO's evaluation.

    Its validation pads pictures otherwise than its prediction (and we) do, so that the detections differ: of four
    pictures that moves the mean by some hundredths.
    """
    for name in ("images", "labels"):
        shutil.copytree(shared / "coco8-pose" / name, tmp_path / name)
    content = {"path": str(tmp_path), "train": "images/train", "val": "images/val", "kpt_shape": [17, 3]}
    path = tmp_path / "data.yaml"
    path.write_text(yaml.safe_dump({**content, "names": {0: "person"}, "flip_idx": list(range(17))}))
    weights = shared / "models" / "yolo11n-pose.pt"
    monkeypatch.setenv("YOLO_OFFLINE", "True")
    monkeypatch.chdir(tmp_path)
    from ultralytics import YOLO

    theirs = YOLO(str(weights)).val(
        data=str(path), imgsz=640, batch=1, device="cpu", plots=False, verbose=False, save_json=True, workers=0,
        project=str(tmp_path / "out"),
    )  # fmt: skip
    dataset = read_dataset(path)
    rows = json.loads((Path(theirs.save_dir) / "predictions.json").read_text())
    found = {picture.id: as_poses([row for row in rows if int(row["image_id"]) == int(picture.path.stem)])
             for picture in dataset.pictures}  # fmt: skip
    ours = average_precision(dataset, found, {0: 0})
    assert ours.pose["AP"] == pytest.approx(theirs.pose.map, abs=0.01)
    assert ours.pose["AP50"] == pytest.approx(theirs.pose.map50, abs=0.01)
    assert ours.box["AP"] == pytest.approx(theirs.box.map, abs=0.01)
    assert run(weights, path, "--precision", "fp32", "--json", tmp_path / "found.json") == 0
    whole = json.loads((tmp_path / "found.json").read_text())
    assert whole["pose"]["AP"] == pytest.approx(theirs.pose.map, abs=0.05)
    assert whole["box"]["AP"] == pytest.approx(theirs.box.map, abs=0.05)


def as_poses(rows: list[dict[str, list[float]]]) -> Poses:
    """ultralytics' predictions of one picture."""
    boxes = np.array([row["bbox"] for row in rows], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    keypoints = np.array([row["keypoints"] for row in rows], np.float32).reshape(-1, 17, 3)
    return Poses.of(boxes, np.array([row["score"] for row in rows], np.float32), keypoints)


# Identities


def walkers(ids: Callable[[int], tuple[int, ...]], frames: int = 20, keypoints: bool = True) -> Tracked:
    """Two people apart, for whom `ids` gives numbers in each frame."""
    here = {}
    for index in range(frames):
        found = poses((80 + index, 120), (240 - index, 120))
        here[index] = TrackedFrame(np.array(ids(index)), found.boxes, found.keypoints if keypoints else None)
    return Tracked("walkers", here, COCO17 if keypoints else None, length=frames)


@TRACKEVAL
@pytest.mark.parametrize("keypoints", [True, False])
def test_kept_ids_are_perfect_and_exchanged_ones_half_as_good(keypoints: bool) -> None:
    truth = walkers(lambda _: (1, 2), keypoints=keypoints)
    best = identities(truth, walkers(lambda _: (7, 5)))
    assert (best.idf1, best.hota, best.mota, best.switches, best.people, best.ids) == (1, 1, 1, 0, 2, 2)
    assert best.measure == ("oks" if keypoints else "box")
    exchanged = identities(truth, walkers(lambda index: (7, 5) if index < 10 else (5, 7)))
    assert (exchanged.idf1, exchanged.switches) == (0.5, 2)
    assert exchanged.association == pytest.approx(1 / 3, abs=1e-6)  # 10 of 20 + 20 - 10
    assert exchanged.hota == pytest.approx(np.sqrt(1 / 3), abs=1e-6)


@TRACKEVAL
def test_frames_in_which_nobody_is_cost_nothing() -> None:
    truth = replace(walkers(lambda _: (1, 2)), length=10**15, unlabelled=frozenset({25}))
    found = identities(truth, walkers(lambda _: (7, 5), frames=22))
    assert (found.frames, found.missed, found.false) == (10**15 - 1, 0, 4)


@TRACKEVAL
@pytest.mark.parametrize("keypoints", [True, False])
def test_what_is_missing_or_too_large_is_compared_as_what_is_not_there(keypoints: bool) -> None:
    truth, found = walkers(lambda _: (1, 2), keypoints=keypoints), walkers(lambda _: (7, 5), keypoints=keypoints)
    for walker, place, value in ((truth, 5, np.nan), (found, 6, np.nan), (found, 7, 1e30), (truth, 8, -np.inf)):
        persons = walker.frames[place]
        boxes, points = persons.boxes.copy(), None
        boxes[0] = value
        if persons.keypoints is not None:
            points = persons.keypoints.copy()
            points[0, 3:, :2] = value
        walker.frames[place] = TrackedFrame(persons.ids, boxes, points)
    seen = identities(truth, found)
    assert (seen.missed, seen.false) == ((2, 2) if keypoints else (4, 4))


@TRACKEVAL
def test_who_need_not_be_found_is_neither_missed_nor_false() -> None:
    truth = walkers(lambda _: (1, 2))
    ignored = Tracked("ignored", {
        index: TrackedFrame(frame.ids, frame.boxes, frame.keypoints, np.array([False, True]))
        for index, frame in truth.frames.items()
    }, COCO17, length=20)  # fmt: skip
    both = identities(ignored, walkers(lambda _: (1, 2)))
    assert (both.idf1, both.missed, both.false, both.people) == (1, 0, 0, 1)
    alone = {
        index: TrackedFrame(np.array([1]), found.boxes, found.keypoints)
        for index, found in ((index, poses((80 + index, 120))) for index in range(20))
    }
    one = identities(ignored, Tracked("one", alone, COCO17, length=20))
    assert (one.idf1, one.missed, one.false) == (1, 0, 0)


@TRACKEVAL
def test_motchallenge_is_read_from_one_and_its_distractors_are_left_out(tmp_path: Path) -> None:
    sequence = tmp_path / "MOT-1"
    (sequence / "gt").mkdir(parents=True)
    truth = walkers(lambda _: (1, 2))
    lines = []
    for index, frame in truth.frames.items():
        for number, box in zip(frame.ids, frame.boxes, strict=True):
            left, top, right, bottom = (box + 1).tolist()
            kind = (1, 1) if number == 1 else (0, 8)  # a person, and a distractor
            lines.append(f"{index + 1},{number},{left},{top},{right + -left},{bottom - top},{kind[0]},{kind[1]},1.0")
    (sequence / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")
    (sequence / "seqinfo.ini").write_text("[Sequence]\nname=MOT-1\nframeRate=14\nimDir=img1\n")
    read = read_truth(sequence)
    assert (read.rate, read.length, read.skeleton) == (14, 20, None)
    np.testing.assert_allclose(read.frames[3].boxes, truth.frames[3].boxes, atol=1e-4)
    found = identities(read, walkers(lambda _: (1, 2)))
    assert (found.people, found.idf1, found.false, found.measure) == (1, 1, 0, "box")


@TRACKEVAL
def test_posetrack_is_compared_by_the_keypoints_of_the_same_name(tmp_path: Path) -> None:
    names = ["nose", "head_bottom", "head_top", *COCO17.names[3:]]
    truth = walkers(lambda _: (4, 9))
    annotations = []
    for index, frame in truth.frames.items():
        assert frame.keypoints is not None
        for number, points in zip(frame.ids.tolist(), frame.keypoints, strict=True):
            other = points.copy()
            other[1:3, :2] = 0  # what COCO's eyes are has another meaning here
            annotations.append({"image_id": 100 + index, "track_id": number, "keypoints": other.ravel().tolist()})
    images = [{"id": 100 + index, "file_name": f"images/{index:06}.jpg"} for index in truth.frames]
    content = {"images": images, "annotations": annotations, "categories": [{"name": "person", "keypoints": names}]}
    (tmp_path / "posetrack.json").write_text(json.dumps(content))
    found = identities(read_truth(tmp_path / "posetrack.json"), walkers(lambda _: (1, 2)))
    assert (found.idf1, found.measure, found.people) == (1, "oks", 2)


@TRACKEVAL
def test_frames_that_nobody_labelled_are_not_compared(tmp_path: Path) -> None:
    """PoseTrack has labels for some frames of a video alone: whoever is found in the others is not false."""
    names, truth, annotations = list(COCO17.names), walkers(lambda _: (1, 2)), []
    for index, frame in truth.frames.items():
        assert frame.keypoints is not None
        for number, points in zip(frame.ids.tolist(), frame.keypoints.tolist(), strict=True):
            if index % 4 == 0:
                annotations.append({"image_id": index, "track_id": number, "keypoints": np.ravel(points).tolist()})
    images = [{"id": index, "file_name": f"{index:06}.jpg", "is_labeled": index % 4 == 0} for index in truth.frames]
    content = {"images": images, "annotations": annotations, "categories": [{"name": "person", "keypoints": names}]}
    (tmp_path / "posetrack.json").write_text(json.dumps(content))
    found = identities(read_truth(tmp_path / "posetrack.json"), truth)
    assert (found.frames, found.false, found.missed, found.hota) == (5, 0, 0, 1)


def test_motchallenge_counted_from_zero_and_its_length(tmp_path: Path) -> None:
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text("0,1,1,1,5,5,1,1,1\n1,1,1,1,5,5,1,1,1\n")
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nframeRate=25\nseqLength=9\n")
    truth = read_truth(tmp_path)
    assert (sorted(truth.frames), truth.length, truth.rate) == ([0, 1], 9, 25)


TORN: dict[str, object] = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose"]}],
}


@pytest.mark.parametrize("annotation", [
    {"track_id": 1, "image_id": 7, "keypoints": [1, 2, 2]}, {"track_id": "x", "image_id": 1, "keypoints": [1, 2, 2]},
    {"track_id": 1, "image_id": 1, "keypoints": [1, 2]}, {"track_id": 1},
    {"image_id": 1, "category_id": 1, "keypoints": None}, {"image_id": 1}, 5,
])  # fmt: skip
def test_labels_that_are_torn_are_a_source_that_cannot_be_read(annotation: object, tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text(json.dumps({**TORN, "annotations": [annotation]}))
    with pytest.raises(SourceError, match=r"torn\.json: is not .*, or not whole"):
        read_labels(tmp_path / "torn.json")


def test_labels_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from poseline.evaluation import labels

    person = {"image_id": 1, "category_id": 1, "keypoints": [1, 2, 2], "bbox": [1, 2, 3, 4]}
    Image.new("RGB", SIZE).save(tmp_path / "a.jpg")
    (tmp_path / "coco.json").write_text(json.dumps({**TORN, "annotations": [person]}))
    asked: list[Path] = []

    def read_json(path: Path) -> Any:
        asked.append(path)
        return json.loads(path.read_text())

    monkeypatch.setattr(labels, "read_json", read_json)
    assert isinstance(read_labels(tmp_path / "coco.json"), Dataset)
    assert asked == [tmp_path / "coco.json"]


@TRACKEVAL
def test_the_truth_of_a_sample_is_its_own_best_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = SAMPLES / "crossing.truth.jsonl"
    assert run(path, path, "--json", tmp_path / "ids.json") == 0
    assert "IDF1 0.99" in capsys.readouterr().out  # those who leave have a box without width, as nobody found has
    written = json.loads((tmp_path / "ids.json").read_text())
    assert (written["people"], written["ids"], written["switches"]) == (3, 3, 0)


@TRACKEVAL
def test_too_few_common_keypoints_ask_for_boxes() -> None:
    other = Tracked("other", walkers(lambda _: (1, 2)).frames, Skeleton.numbered(17), length=20)
    with pytest.raises(SettingsError, match="--measure box"):
        identities(walkers(lambda _: (1, 2)), other)


# The command


def run(*arguments: str | Path) -> int:
    sys.argv[1:] = ["evaluate", *map(str, arguments)]
    return command(Interruption())


@COCO
def test_a_run_of_pictures_is_scored_by_their_names(yolo: Path, tmp_path: Path) -> None:
    lines = [
        {"type": "run", "schema": 1, "source": "3 pictures", "skeleton": {"names": list(COCO17.names)}, "video": None}
    ]
    for number in range(3):
        found = truly(number)
        persons = [
            {"id": -1, "score": 0.9, "box": box.tolist(), "keypoints": points.tolist()}
            for box, points in zip(found.boxes, found.keypoints, strict=True)
        ]
        lines.append({"type": "frame", "frame": number, "pts": number, "time": float(number), "persons": persons,
                      "dropped_before": 0, "corrupt": False, "source": f"elsewhere/{number}.png"})  # fmt: skip
    log = tmp_path / "keypoints.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    dataset = read_dataset(yolo)
    assert len(of_run(log, dataset)) == 3
    assert run(tmp_path, yolo, "--json", tmp_path / "found.json") == 0
    assert json.loads((tmp_path / "found.json").read_text())["pose"]["AP"] == 1


def test_a_missing_package_is_named_with_its_extra(
    yolo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    monkeypatch.setitem(sys.modules, "trackeval.metrics", None)
    assert run("builtin", yolo, "--imgsz", "64") == 2
    assert "pip install 'poseline[evaluate]'" in capsys.readouterr().err
    truth = SAMPLES / "crossing.truth.jsonl"
    assert run(truth, truth) == 2
    assert "HOTA and IDF1 needs trackeval" in capsys.readouterr().err


@pytest.mark.parametrize("labels", ["nowhere.yaml", "nowhere.json", "nowhere.txt", "a.csv"])
def test_labels_that_cannot_be_read_are_named(labels: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("builtin", labels) == 3
    assert labels in capsys.readouterr().err


@TRACKEVAL
def test_the_examples_of_the_page_run(yolo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (SAMPLES.parent / "docs" / "verify.md").read_text(encoding="utf-8")
    examples = re.findall(r"^poseline evaluate ([^#\n]+)", page, re.MULTILINE)
    assert len(examples) >= 4
    shutil.copytree(yolo.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "labels.json").write_text(json.dumps(read_dataset(yolo).coco))
    for name in ("truth.jsonl", "run/keypoints.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        lines = (SAMPLES / "squat.truth.jsonl").read_text().splitlines()
        (tmp_path / name).write_text("\n".join(lines[:20]) + "\n")
    joined(tmp_path / "squat.mp4", SAMPLES / "squat.mp4", packets=8)
    monkeypatch.chdir(tmp_path)
    for example in examples:
        assert run(*example.split(), *(("--imgsz", "160") if "builtin" in example else ())) == 0, example
