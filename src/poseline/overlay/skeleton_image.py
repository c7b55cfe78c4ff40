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
_LINE: Colour = (190, 190, 190)
_BODY: Colour = (240, 240, 240)
_MARGIN = 20
_RADIUS = 15
_FEW = 40
"""Keypoints up to which there is room for a number in each dot."""
_NAME_FONT, _NUMBER_FONT, _SIDE_FONT = Font(20), Font(16), Font(20)
_STEP = 30
"""Pixels from one name to the next, at least."""

_STANDING = np.array(
    [
        (230, 182),
        (266, 132), (194, 132), (314, 160), (146, 160),
        (326, 302), (134, 302), (374, 430), (86, 430), (404, 556), (56, 556),
        (286, 536), (174, 536), (298, 684), (162, 684), (306, 822), (154, 822),
    ],
    np.float32,
)  # fmt: skip
"""(17, 2) x, y of COCO's keypoints on a person who faces us, so that the left is on our right."""


def skeleton_image(skeleton: Skeleton) -> Pixels:
    """(H, W, 3) uint8 BGR, white: `skeleton`'s keypoints, numbered, joined, and named at the side.

    COCO's 17 stand as a person who faces us, others round a circle. The picture is 900 pixels high, and higher where
    the names need it.
    """
    standing = skeleton.names == COCO17.names
    count = len(skeleton)
    names = [_NAME_FONT.mask(f"{number}  {name.replace('_', ' ')}") for number, name in enumerate(skeleton.names)]
    column = max((name.shape[1] for name in names), default=0) + _MARGIN
    height = max(_FIGURE_HEIGHT, (count // 2 + 1) * _STEP + 5 * _MARGIN)
    pixels = np.full((height, _FIGURE_WIDTH + 2 * column, 3), 255, np.uint8)
    canvas = BgrCanvas(pixels)
    places = (_STANDING if standing else _circle(count, height)) + np.array((column, 0), np.float32)
    if standing:
        _draw_body(canvas, places)
    on_right = places[:, 0] >= pixels.shape[1] / 2
    for chosen, to_the_right in ((on_right, True), (~on_right, False)):
        _write_names(canvas, skeleton, places, names, np.flatnonzero(chosen), to_the_right)
    _draw_figure(canvas, skeleton, places, _RADIUS if count <= _FEW else _RADIUS // 2)
    if standing:
        _write_sides(canvas)
    return pixels


def _circle(count: int, height: int) -> Floats:
    """(count, 2) places on an ellipse, clockwise from the top, none exactly above another."""
    turn = 2 * np.pi * (np.arange(count) + 0.5) / max(count, 1)
    middle = np.array((_FIGURE_WIDTH, height)) / 2
    places: Floats = (middle + (middle - 3 * _MARGIN) * np.stack((np.sin(turn), -np.cos(turn)), axis=1)).astype(
        np.float32
    )
    return places


def _draw_body(canvas: BgrCanvas, places: Floats) -> None:
    """A pale figure behind COCO's keypoints, so that one sees at a glance what they belong to."""
    head, shoulders, hips = places[1:5].mean(axis=0), places[5:7], places[11:13]
    _draw_smooth_discs(canvas, head[None], _BODY, 92)
    canvas.lines(np.stack((head, shoulders.mean(axis=0)))[None], _BODY, 70)
    canvas.lines(places[np.array(COCO17.edges[:12])], _BODY, 64)
    canvas.lines(np.linspace((shoulders[0], hips[0]), (shoulders[1], hips[1]), 8, dtype=np.float32), _BODY, 64)


def _write_names(
    canvas: BgrCanvas, skeleton: Skeleton, places: Floats, names: list[Pixels], chosen: NDArray[np.intp], right: bool
) -> None:
    """Write the chosen keypoints' names in a column, each as near to its keypoint's height as the others let it."""
    width, height = canvas.size
    column = (width - _FIGURE_WIDTH) // 2
    order = chosen[np.argsort(places[chosen, 1], kind="stable")]
    rows = _spread(places[order, 1], _STEP, 2 * _MARGIN, height - 3 * _MARGIN)
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
        canvas.lines(places[pairs], LIMB_COLOURS[side], max(3, 2 * radius // 3))
    for side, chosen in joints.items():
        _draw_smooth_discs(canvas, places[chosen], KEYPOINT_COLOURS[side], radius)
        for keypoint in chosen.tolist() if radius == _RADIUS else ():
            _write_centred(
                canvas,
                places[keypoint].tolist(),
                _NUMBER_FONT.mask(str(keypoint))[2:-2, 2:-2],
                KEYPOINT_COLOURS[side],
                WHITE,
            )


def _draw_smooth_discs(canvas: BgrCanvas, centres: Floats, colour: Colour, radius: int) -> None:
    """As lines without length, whose round ends are smoothed: here beauty comes before speed."""
    canvas.lines(np.stack((centres, centres), axis=1), colour, 2 * radius)


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
