"""Average precision of poses and boxes, by COCO's own evaluation (pycocotools)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from poseline.errors import SourceError
from poseline.evaluation.dataset import Dataset
from poseline.evaluation.extra import needed, quiet
from poseline.pose import Poses

_POSE = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
_BOX = ("AP", "AP50", "AP75", "APs", "APm", "APl")


@dataclass(frozen=True)
class PoseScores:
    """COCO's measures, 0..1; None where nothing is labelled that they are about."""

    pictures: int
    persons: int
    """Labelled ..."""
    found: int
    """... and found, at any score."""
    pose: dict[str, float | None]
    """By object keypoint similarity: AP (the mean over 0.50 to 0.95), AP50, AP75, of medium and large persons, and
    likewise the recall AR, of at most 20 persons in a picture."""
    box: dict[str, float | None]
    """By overlap of boxes (IoU), of at most 100 persons in a picture."""
    classes: dict[str, float | None]
    """AP of poses of each class, where there are several."""


def average_precision(dataset: Dataset, found: Mapping[int, Poses], categories: Mapping[int, int]) -> PoseScores:
    """Score what was found.

    Args:
        dataset: the truth; each of its pictures counts, also one that `found` lacks.
        found: poses by the pictures' ids, of scores as low as there are any.
        categories: from the poses' classes to the dataset's; poses of other classes are left out.

    Raises:
        SettingsError: pycocotools is not installed.
        SourceError: a keypoint is not a finite number: COCO's evaluation would count it as exact.
    """
    results = list(_results(found, categories))
    pose = _evaluated(dataset, [_without(result, "bbox") for result in results], "keypoints")
    box = _evaluated(dataset, [_without(result, "keypoints") for result in results], "bbox")
    classes = {}
    if len(dataset.classes) > 1:
        for number, name in dataset.classes.items():
            one = _evaluated(dataset, [_without(result, "bbox") for result in results], "keypoints", number)
            classes[name] = _named(_POSE, one)["AP"]
    return PoseScores(
        len(dataset.pictures), dataset.persons, len(results), _named(_POSE, pose), _named(_BOX, box), classes
    )


def _results(found: Mapping[int, Poses], categories: Mapping[int, int]) -> Any:
    """COCO's results, box and keypoints together."""
    for picture, poses in found.items():
        if not (np.isfinite(poses.keypoints).all() and np.isfinite(poses.boxes).all()):
            raise SourceError(
                f"picture {picture}: a keypoint or a box is not a number, which COCO's evaluation takes for exact; "
                "a precision that overflows? Try --precision fp32"
            )
        corners = poses.boxes.astype(float)
        sides = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
        each = zip(poses.classes.tolist(), poses.scores.tolist(), sides.tolist(), poses.keypoints, strict=True)
        for kind, score, box, keypoints in each:
            if kind in categories:
                yield {
                    "image_id": picture,
                    "category_id": categories[kind],
                    "score": score,
                    "bbox": box,
                    "keypoints": keypoints.astype(float).ravel().tolist(),
                }


def _evaluated(dataset: Dataset, results: list[dict[str, Any]], kind: str, category: int | None = None) -> list[float]:
    """COCO's list of measures; -1 stands for what nothing is labelled of."""
    coco = needed("pycocotools.coco", "average precision")
    evaluation = needed("pycocotools.cocoeval", "average precision")
    with quiet():
        truth = coco.COCO()
        truth.dataset = dataset.coco
        truth.createIndex()
        if not results:
            return [0.0] * 12
        judged = evaluation.COCOeval(truth, truth.loadRes(results), kind)
        judged.params.imgIds = [picture.id for picture in dataset.pictures]
        judged.params.catIds = [category] if category is not None else sorted(dataset.classes)
        if kind == "keypoints":
            judged.params.kpt_oks_sigmas = np.array(dataset.skeleton.sigmas)
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return [float(value) for value in judged.stats]


def _without(result: dict[str, Any], key: str) -> dict[str, Any]:
    """A result of one kind: a box beside keypoints would make COCO's evaluation take the box's area for a person's."""
    return {name: value for name, value in result.items() if name != key}


def _named(names: tuple[str, ...], values: list[float]) -> dict[str, float | None]:
    return {name: None if value < 0 else value for name, value in zip(names, values, strict=False)}
