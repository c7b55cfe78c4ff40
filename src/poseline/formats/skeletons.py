"""Skeletons: keypoints in the order of another program, found by their names; what it has besides is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from poseline.errors import SettingsError, SourceError
from poseline.log import Tracks
from poseline.pose import Floats
from poseline.skeleton import COCO17, UNKNOWN_SIGMA, Skeleton

_FEET = tuple(
    (f"{side}_{first}", f"{side}_{second}")
    for side in ("left", "right")
    for first, second in (("ankle", "big_toe"), ("ankle", "heel"), ("big_toe", "small_toe"))
)
_LINES = (
    *((COCO17.names[first], COCO17.names[second]) for first, second in COCO17.edges),
    *_FEET, ("nose", "neck"), ("head", "neck"), ("neck", "mid_hip"),
)  # fmt: skip
"""Body parts that a line joins, where a file says nothing of lines."""


def skeleton_of(path: Path, names: Sequence[str], edges: Sequence[tuple[int, int]] = ()) -> Skeleton:
    """The skeleton that a file names; edges, where it has none, and sigmas are those of the body parts so named.

    Raises:
        SourceError: it cannot be one: two points of one name, or an edge to none.
    """
    if tuple(names) == COCO17.names and not edges:
        return COCO17
    place = {name: index for index, name in enumerate(names)}
    known = dict(zip(COCO17.names, COCO17.sigmas, strict=True))
    lines = edges or [(place[a], place[b]) for a, b in _LINES if a in place and b in place]
    try:
        return Skeleton(tuple(names), tuple(lines), tuple(known.get(name, UNKNOWN_SIGMA) for name in names))
    except SettingsError as error:
        raise SourceError(f"{path}: {error}") from None


def by_name(tracks: Tracks, names: Sequence[str]) -> tuple[Floats, list[str]]:
    """The keypoints of all poses in another order.

    Args:
        tracks: with K keypoints.
        names: of the M keypoints that are wanted.

    Returns:
        (N, M, 3) keypoints, NaN where there is none of the name; and the names of ours that are not wanted.
    """
    own = {name: place for place, name in enumerate(tracks.skeleton.names)}
    points = np.full((len(tracks.rows), len(names), 3), np.nan, np.float32)
    for place, name in enumerate(names):
        if name in own:
            points[:, place] = tracks.rows.keypoints[:, own[name]]
    return points, [name for name in own if name not in names]
