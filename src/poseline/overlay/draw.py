"""What is drawn: poses, the paths of ids, and a panel of text. Where it is drawn is the canvas's affair."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from poseline.frame import Pixels
from poseline.overlay.canvas import Canvas, Colour
from poseline.overlay.style import BLACK, KEYPOINT_COLOURS, LIMB_COLOURS, WHITE, Style, id_colour, ink_on
from poseline.pose import UNTRACKED, Floats, Poses
from poseline.skeleton import Side, Skeleton

_SIDES: tuple[Side, ...] = ("middle", "right", "left")


def draw_poses(
    canvas: Canvas,
    poses: Poses,
    skeleton: Skeleton,
    style: Style,
    names: dict[int, str],
    colours: Sequence[Colour] | None = None,
    labels: Sequence[str] | None = None,
) -> None:
    """Draw boxes, limbs, keypoints and labels, as far as `style.settings` want them.

    Args:
        canvas: drawn on in place.
        poses: in pixels of the canvas; entries that are not finite, or far outside, are harmless.
        skeleton: of as many keypoints as `poses` have.
        style: made for the canvas's size.
        names: of the model's classes.
        colours: of each person's box and label; those of their ids if None.
        labels: each person's; id or class, and score, if None.
    """
    wanted = style.settings
    if colours is None:
        colours = [id_colour(number) for number in poses.ids.tolist()]
    best_last = range(len(poses) - 1, -1, -1)  # so that the surest person's box and label lie on top
    if wanted.boxes:
        for person in best_last:
            canvas.rectangle(poses.boxes[person], colours[person], style.line_width)
    if wanted.keypoints:
        _draw_keypoints(canvas, poses.keypoints, skeleton, style)
    if wanted.labels:
        labels = _labels(poses, style, names) if labels is None else labels
        corners = poses.boxes[:, :2].tolist()
        for person in np.flatnonzero(np.isfinite(poses.boxes).all(axis=1))[::-1].tolist():
            _draw_label(canvas, labels[person], corners[person], colours[person], style)


def draw_hud(canvas: Canvas, style: Style, lines: list[str]) -> None:
    """Write `lines` on a small dark panel in the top left corner; nothing where there are none."""
    if lines:
        margin = 2 * style.line_width
        canvas.stamp((margin, margin), style.font.mask(*lines), BLACK, WHITE)


class Trails:
    """Where each id has been in the last seconds. Bounded: older points, and ids without any, are forgotten."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._now = -np.inf
        self._paths: dict[int, deque[tuple[float, float, float]]] = {}

    def update(self, poses: Poses, time: float) -> None:
        """Take in where the tracked ids stand (the middle of the box's lower side) at `time`, in seconds.

        A time that does not advance begins anew: it is another source's.
        """
        if time <= self._now:
            self._paths.clear()
        self._now = time
        for number, (x1, _, x2, y2) in zip(poses.ids.tolist(), poses.boxes.tolist(), strict=True):
            if number != UNTRACKED and np.isfinite((x1, x2, y2)).all():
                self._paths.setdefault(number, deque()).append((time, (x1 + x2) / 2, y2))
        for path in self._paths.values():
            while path and path[0][0] < time - self._seconds:
                path.popleft()
        self._paths = {number: path for number, path in self._paths.items() if path}

    def __len__(self) -> int:
        """Points held, of all ids together."""
        return sum(len(path) for path in self._paths.values())

    def draw(self, canvas: Canvas, style: Style) -> None:
        """Draw each path in its id's colour."""
        for number, path in self._paths.items():
            places = np.array(path, np.float32)[:, 1:]
            canvas.lines(np.stack((places[:-1], places[1:]), axis=1), id_colour(number), style.limb_width)


def _draw_keypoints(canvas: Canvas, keypoints: Floats, skeleton: Skeleton, style: Style) -> None:
    places, seen = keypoints[:, :, :2], keypoints[:, :, 2] >= style.settings.kpt_conf
    limbs, joints = by_side(skeleton)
    for side in _SIDES:
        both_seen = seen.take(limbs[side], axis=1).all(axis=2)
        canvas.lines(places.take(limbs[side], axis=1)[both_seen], LIMB_COLOURS[side], style.limb_width)
    for side in _SIDES:
        centres = places.take(joints[side], axis=1)[seen.take(joints[side], axis=1)]
        canvas.discs(centres, KEYPOINT_COLOURS[side], style.radius)


def _draw_label(canvas: Canvas, label: str, corner: list[float], ground: Colour, style: Style) -> None:
    mask = style.font.mask(label)
    canvas.stamp(_label_corner(corner, mask, canvas.size, style.line_width), mask, ground, ink_on(ground))


def _labels(poses: Poses, style: Style, names: dict[int, str]) -> list[str]:
    """`#3 0.91`; `person 0.91` where untracked; both where the model knows several classes."""
    labels = []
    for number, kind, score in zip(poses.ids.tolist(), poses.classes.tolist(), poses.scores.tolist(), strict=True):
        words = [] if number != UNTRACKED and len(names) <= 1 else [names.get(kind, f"class {kind}")]
        words += [] if number == UNTRACKED else [f"#{number}"]
        words += [f"{score:.2f}"] if style.settings.conf else []
        labels.append(" ".join(words))
    return labels


def _label_corner(corner: list[float], mask: Pixels, size: tuple[int, int], line_width: int) -> tuple[int, int]:
    """Top left of a label that stands on the box, or hangs inside it where there is no room; never outside."""
    height, width = mask.shape
    outline = line_width // 2
    left, top = (int(min(max(place, 0.0), max(size))) - outline for place in corner)
    above = top - height
    return max(0, min(left, size[0] - width)), max(0, min(above if above >= 0 else top, size[1] - height))


@lru_cache(maxsize=8)
def by_side(skeleton: Skeleton) -> tuple[dict[Side, NDArray[np.intp]], dict[Side, NDArray[np.intp]]]:
    """Edges (E, 2) and keypoints (J,) of each side of the body; what joins two sides belongs to the middle."""
    edges: dict[Side, list[tuple[int, int]]] = {side: [] for side in _SIDES}
    for first, second in skeleton.edges:
        edges[skeleton.limb_side(first, second)].append((first, second))
    limbs = {side: np.array(pairs, np.intp).reshape(-1, 2) for side, pairs in edges.items()}
    joints = {
        side: np.array([index for index in range(len(skeleton)) if skeleton.side(index) == side], np.intp)
        for side in _SIDES
    }
    return limbs, joints
