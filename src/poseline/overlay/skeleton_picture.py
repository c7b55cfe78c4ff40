"""A picture that shows which keypoint is which body part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from poseline.frame import Pixels
from poseline.overlay.canvas import BgrCanvas, Colour
from poseline.overlay.draw import by_side
from poseline.overlay.style import KEYPOINT_COLOURS, LIMB_COLOURS, WHITE
from poseline.overlay.text import Font
from poseline.pose import Floats
from poseline.skeleton import COCO17, Side, Skeleton

_FIGURE_WIDTH, _FIGURE_HEIGHT = 460, 900
_LINE: Colour = (205, 205, 205)
_LEAST_STEP = 24
"""Pixels from one name to the next."""
_MARGIN = 20
_RADIUS = 13
_FEW = 40
"""Keypoints up to which there is room for a number in each dot."""
_NUMBER_FONT, _SIDE_FONT = Font(13), Font(20)

_STANDING = np.array(
    [
        (230, 205),
        (266, 158), (194, 158), (312, 188), (148, 188),
        (326, 320), (134, 320), (374, 445), (86, 445), (404, 560), (56, 560),
        (288, 545), (172, 545), (298, 690), (162, 690), (306, 825), (154, 825),
    ],
    np.float32,
)  # fmt: skip
"""(17, 2) x, y of COCO's keypoints on a person who faces us, so that the left is on our right."""


def skeleton_picture(skeleton: Skeleton) -> Pixels:
    """(H, W, 3) uint8 BGR, white: `skeleton`'s keypoints, numbered, joined, and named at the side.

    COCO's 17 stand as a person who faces us, others round a circle. The picture is 900 pixels high, and higher where
    the names need it.
    """
    standing = skeleton.names == COCO17.names
    count = len(skeleton)
    height = max(_FIGURE_HEIGHT, (count + 1) // 2 * _LEAST_STEP + 4 * _MARGIN)
    font = Font(22 if standing else 16)
    names = [font.mask(f"{number}  {name.replace('_', ' ')}") for number, name in enumerate(skeleton.names)]
    column = max((name.shape[1] for name in names), default=0) + _MARGIN
    pixels = np.full((height, _FIGURE_WIDTH + 2 * column, 3), 255, np.uint8)
    canvas = BgrCanvas(pixels)
    places = (_STANDING if standing else _circle(count, height)) + np.array((column, 0), np.float32)
    on_right = places[:, 0] >= pixels.shape[1] / 2
    for chosen, to_the_right in ((on_right, True), (~on_right, False)):
        _write_names(canvas, skeleton, places, names, np.flatnonzero(chosen), to_the_right)
    _draw_figure(canvas, skeleton, places, _RADIUS if count <= _FEW else _RADIUS // 2)
    if standing:
        _write_sides(canvas)
    return pixels


def _circle(count: int, height: int) -> Floats:
    """(count, 2) places on a circle, clockwise from the top, none exactly above another."""
    turn = 2 * np.pi * (np.arange(count) + 0.5) / max(count, 1)
    radius = _FIGURE_WIDTH / 2 - 2 * _MARGIN
    return np.stack(
        (_FIGURE_WIDTH / 2 + radius * np.sin(turn), height / 2 - radius * np.cos(turn)), axis=1, dtype=np.float32
    )


def _write_names(
    canvas: BgrCanvas, skeleton: Skeleton, places: Floats, names: list[Pixels], chosen: NDArray[np.intp], right: bool
) -> None:
    """Write the chosen keypoints' names in a column, each as near to its keypoint's height as the others let it."""
    width, height = canvas.size
    column = (width - _FIGURE_WIDTH) // 2
    order = chosen[np.argsort(places[chosen, 1], kind="stable")]
    rows = _spread(places[order, 1], _LEAST_STEP, 2 * _MARGIN, height - 3 * _MARGIN)
    for keypoint, row in zip(order.tolist(), rows.tolist(), strict=True):
        name = names[keypoint]
        inner_edge = width - column if right else column
        canvas.lines(np.array([[(inner_edge, row), places[keypoint]]], np.float32), _LINE, 1)
        corner = (inner_edge if right else inner_edge - name.shape[1], int(row) - name.shape[0] // 2)
        canvas.stamp(corner, name, WHITE, KEYPOINT_COLOURS[skeleton.side(keypoint)])


def _spread(wanted: Floats, step: float, first: float, last: float) -> Floats:
    """Rows at least `step` apart from `first` to `last`, in the order of `wanted` and near it."""
    rows = wanted.copy()
    for index in range(len(rows)):
        rows[index] = max(rows[index], first if index == 0 else rows[index - 1] + step)
    for index in reversed(range(len(rows))):
        rows[index] = min(rows[index], last if index == len(rows) - 1 else rows[index + 1] - step)
    return rows


def _draw_figure(canvas: BgrCanvas, skeleton: Skeleton, places: Floats, radius: int) -> None:
    limbs, joints = by_side(skeleton)
    for side, pairs in limbs.items():
        canvas.lines(places[pairs], LIMB_COLOURS[side], max(3, radius // 2))
    for side, chosen in joints.items():
        canvas.discs(places[chosen], KEYPOINT_COLOURS[side], radius)
        for keypoint in chosen.tolist() if radius == _RADIUS else ():
            _write_centred(
                canvas, places[keypoint].tolist(), _NUMBER_FONT.mask(str(keypoint)), KEYPOINT_COLOURS[side], WHITE
            )


def _write_sides(canvas: BgrCanvas) -> None:
    """Say under the figure which side of it is which."""
    width, height = canvas.size
    sides: tuple[tuple[float, Side], ...] = ((-0.25, "right"), (0.25, "left"))
    for share, side in sides:
        place = (width / 2 + share * _FIGURE_WIDTH, height - 1.5 * _MARGIN)
        _write_centred(canvas, place, _SIDE_FONT.mask(f"{side} side"), WHITE, KEYPOINT_COLOURS[side])


def _write_centred(canvas: BgrCanvas, place: Sequence[float], mask: Pixels, ground: Colour, ink: Colour) -> None:
    height, width = mask.shape
    canvas.stamp((round(place[0] - width / 2 + 0.5), round(place[1] - height / 2 + 0.5)), mask, ground, ink)
