"""From a network's raw output to poses, against ultralytics' own suppression and scaling."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poseline.errors import ModelError
from poseline.inference import Letterbox, decode, suppress
from poseline.inference.spec import ModelSpec
from poseline.pose import Floats, Poses
from poseline.settings import InferenceSettings
from poseline.skeleton import Skeleton
from reference import Arrays, asked

LETTERBOX = Letterbox.fit(1279, 721, 640, 32)
ANCHORS = 900

REFERENCE = """
import json
import torch
from ultralytics.utils.nms import non_max_suppression
from ultralytics.utils.ops import scale_boxes, scale_coords
for name, case in json.loads(str(given["cases"])).items():
    found = non_max_suppression(torch.from_numpy(given[name])[None], **case["options"])[0]
    source, size = case["source"], case["size"]
    answer[name + ".boxes"] = scale_boxes(size, found[:, :4], source).numpy()
    answer[name + ".scores"], answer[name + ".classes"] = found[:, 4].numpy(), found[:, 5].numpy()
    answer[name + ".keypoints"] = scale_coords(size, found[:, 6:].reshape(-1, *case["shape"]), source).numpy()
"""


@dataclass(frozen=True)
class Case:
    """A raw output with the shape of its model, and what is asked of it."""

    shape: tuple[int, int]
    classes: int
    end2end: bool
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{'end2end ' if self.end2end else ''}{self.shape} x{self.classes} {self.options}"

    @property
    def raw(self) -> Floats:
        return rows(self) if self.end2end else columns(self)

    @property
    def question(self) -> dict[str, Any]:
        """The same for ultralytics, whose shapes are (height, width)."""
        options = {"conf_thres": 0.25, "iou_thres": 0.7, "nc": self.classes, "end2end": self.end2end}
        names = {"conf": "conf_thres", "iou": "iou_thres"}
        options |= {names.get(option, option): value for option, value in self.options.items()}
        source, size = LETTERBOX.source[::-1], LETTERBOX.size[::-1]
        return {"options": options, "shape": self.shape, "source": source, "size": size}

    def decoded(self) -> Poses:
        return decode(self.raw, spec(self), LETTERBOX, InferenceSettings(**self.options))


def crowd(chance: np.random.Generator) -> NDArray[np.float64]:
    """(4, ANCHORS) centre and size of boxes that overlap in heaps, some of them beyond the input's edge."""
    heap = chance.integers(0, 25, ANCHORS)
    centre = chance.uniform(0, LETTERBOX.size, (25, 2))[heap] + chance.normal(0, 12, (ANCHORS, 2))
    return np.concatenate(
        [centre, chance.uniform(40, 120, (25, 2))[heap] * chance.uniform(0.8, 1.25, (ANCHORS, 2))], 1
    ).T


def keypoints(case: Case, chance: np.random.Generator) -> NDArray[np.float64]:
    """(K·values, ANCHORS): anywhere in the input and a little beyond, and confidence."""
    values = chance.uniform(0, 1, (*case.shape, ANCHORS))
    values[:, :2] = values[:, :2] * 700 - 30
    return values.reshape(-1, ANCHORS)


def columns(case: Case) -> Floats:
    """As YOLOv8 and YOLO11 answer; few scores are high."""
    chance = np.random.default_rng(case.shape[0] + 10 * case.classes)
    scores = chance.uniform(0, 1, (case.classes, ANCHORS)) ** 3
    return np.concatenate([crowd(chance), scores, keypoints(case, chance)]).astype(np.float32)


def rows(case: Case) -> Floats:
    """As YOLO26 answers: corners, best first."""
    chance = np.random.default_rng(case.shape[0] + 10 * case.classes)
    centre, size = np.split(crowd(chance), 2)
    scores = np.sort(chance.uniform(0, 1, ANCHORS))[::-1]
    classes = chance.integers(0, case.classes, ANCHORS)
    parts = [centre - size / 2, centre + size / 2, np.stack([scores, classes]), keypoints(case, chance)]
    return np.concatenate(parts).T.astype(np.float32)[:300]


def spec(case: Case) -> ModelSpec:
    skeleton = Skeleton(tuple(f"k{index}" for index in range(case.shape[0])))
    names = {number: f"class {number}" for number in range(case.classes)}
    return ModelSpec("raw", Path("raw.xml"), "openvino", "0" * 64, names, case.shape, 32, case.end2end, skeleton)


OPTIONS: list[dict[str, Any]] = [
    {}, {"conf": 0.6}, {"conf": 0.01, "iou": 0.3}, {"iou": 0.0}, {"iou": 1.0}, {"max_det": 5}, {"classes": [0, 3]},
    {"classes": [4], "max_det": 3},
]  # fmt: skip
CASES = [
    Case((count, values), classes, end2end, options)
    for count, values in ((17, 3), (5, 3), (17, 2), (5, 2))
    for classes in (1, 5)
    for end2end in (False, True)
    for options in (OPTIONS[:-1] if classes == 1 else OPTIONS)
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    questions = {str(number): case.question for number, case in enumerate(CASES)}
    raw = {str(number): case.raw for number, case in enumerate(CASES)}
    return asked(REFERENCE, tmp_path_factory.mktemp("decode"), cases=np.array(json.dumps(questions)), **raw)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_the_poses_are_ultralytics_own(number: int, reference: Arrays) -> None:
    found, expected = CASES[number].decoded(), {part: reference[f"{number}.{part}"] for part in PARTS}
    assert len(found) == len(expected["boxes"]) > 0
    np.testing.assert_array_equal(found.scores, expected["scores"])
    np.testing.assert_array_equal(found.classes, expected["classes"])
    np.testing.assert_allclose(found.boxes, expected["boxes"], rtol=1e-6, atol=1e-3)
    values = CASES[number].shape[1]
    np.testing.assert_allclose(found.keypoints[:, :, :values], expected["keypoints"], rtol=1e-6, atol=1e-3)
    if values == 2:
        assert (found.keypoints[:, :, 2] == 1).all(), "a model without a keypoint's confidence is sure of all"


PARTS = ("boxes", "scores", "classes", "keypoints")
ONE = Case((5, 3), 1, False, {})
FINAL = Case((5, 3), 1, True, {})


@pytest.mark.parametrize("case", [ONE, FINAL, Case((17, 2), 5, False, {}), Case((17, 2), 5, True, {})])
def test_nobody_is_nobody(case: Case) -> None:
    nothing = case.raw
    nothing[(slice(None), 4) if case.end2end else slice(4, 4 + case.classes)] = 0.25  # conf itself is not above it
    for output in (nothing, nothing[:0] if case.end2end else nothing[:, :0]):
        found = decode(output, spec(case), LETTERBOX, InferenceSettings())
        assert len(found) == 0
        assert found.keypoints.shape == (0, case.shape[0], 3)


@pytest.mark.parametrize("case", [ONE, FINAL])
@pytest.mark.parametrize("change", ["narrow", "wide", "turned", "flat"])
def test_an_output_of_another_shape_is_a_model_error(case: Case, change: str) -> None:
    raw = case.raw.T if case.end2end else case.raw  # the parts of an instance first
    wrong = {"narrow": raw[:-1], "wide": np.concatenate([raw, raw[:1]]), "turned": raw.T, "flat": raw[0]}[change]
    wrong = wrong.T if case.end2end else wrong
    with pytest.raises(ModelError, match=r"the network gives \(.*, not \(.*metadata of another model"):
        decode(wrong, spec(case), LETTERBOX, InferenceSettings())


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("case", [ONE, FINAL, Case((17, 3), 5, False, {"iou": 0.3})])
def test_an_overflow_in_one_place_costs_nobody_else(case: Case, value: float) -> None:
    whole = case.decoded()
    raw = case.raw if case.end2end else case.raw.T
    best = int(np.argmax(raw[:, 4 : 4 + (1 if case.end2end else case.classes)].max(axis=1)))
    alone = np.delete(raw, best, axis=0)
    raw[best, :4] = value
    raw[best, 10:] = value
    found = decode(raw if case.end2end else raw.T, spec(case), LETTERBOX, InferenceSettings(**case.options))
    rest = decode(alone if case.end2end else alone.T, spec(case), LETTERBOX, InferenceSettings(**case.options))
    assert found.scores[0] == whole.scores[0], "it is told with what is known of it"
    np.testing.assert_array_equal(found.boxes[1:], rest.boxes)
    np.testing.assert_array_equal(found.keypoints[1:], rest.keypoints)


@pytest.mark.parametrize("case", [ONE, FINAL, Case((17, 3), 5, False, {}), Case((17, 3), 5, True, {})])
def test_a_score_or_class_of_nan_is_nobodys(case: Case) -> None:
    raw = case.raw
    raw[(slice(0, 9), 4) if case.end2end else (slice(4, 4 + case.classes), slice(0, 9))] = np.nan
    if case.end2end:
        raw[9:20, 5] = np.nan
    found = decode(raw, spec(case), LETTERBOX, InferenceSettings(conf=0.0, iou=1.0, max_det=1000))
    expected = len(raw) - 20 if case.end2end else ANCHORS - 9
    assert len(found) == expected
    assert np.isfinite(found.scores).all()
    assert (found.classes >= 0).all()


def test_rows_of_a_network_that_does_not_sort_are_sorted() -> None:
    raw = FINAL.raw
    mixed = raw[np.random.default_rng(0).permutation(len(raw))]
    found = decode(mixed, spec(FINAL), LETTERBOX, InferenceSettings(max_det=10))
    np.testing.assert_array_equal(found.scores, raw[:10, 4])


def test_the_weaker_of_two_goes_only_above_the_limit() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [20, 0, 30, 10], [20, 0, 30, 10]], np.float32)
    assert suppress(boxes, 0.5, 300).tolist() == [0, 1, 2], "an overlap of exactly 0.5 is allowed"
    assert suppress(boxes, 0.49, 300).tolist() == [0, 2]
    assert suppress(boxes, 1.0, 3).tolist() == [0, 1, 2]
    assert suppress(boxes[:0], 0.5, 300).tolist() == []
