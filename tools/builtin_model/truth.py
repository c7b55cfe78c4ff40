"""What is true of the people on a canvas, and which of them the teacher means where it says that somebody is.

The teacher swaps legs and arms that cross in side view, so on rendered people the student learns the places of
keypoints from the truth. Who is found, and how surely, stays what the teacher says. Everything here is of fixed shape
with no value read back, so a CUDA graph can hold it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MIDDLES = ((0, 0), (5, 6), (11, 12), (13, 14), (15, 16))
"""Pairs of keypoints whose middle stays where it is when left and right are taken for one another; the nose alone."""
OVERLAP, AGREEMENT = 0.4, 0.9
"""Least intersection over union of two boxes of one person, and least sum of it and of how near the middles are."""
REACH = 0.12
"""Deviation of a middle, in square roots of the box's area, at which its agreement has fallen to 0.61."""


@dataclass(frozen=True)
class Truth:
    """The people in each of a canvas's `side` x `side` cells, P at most, in pixels of the canvas."""

    rows: Tensor
    """(B, side - 1) y of the borders between rows of cells."""
    columns: Tensor
    """(B, side - 1) x of the borders between columns of cells."""
    boxes: Tensor
    """(B * side * side, P, 4) x1, y1, x2, y2; empty where there is nobody."""
    keypoints: Tensor
    """(B * side * side, P, 17, 3) x, y, and 1 visible, 0.5 hidden, 0 not on the canvas."""


def meant(truth: Truth, boxes: Tensor, keypoints: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """The true keypoints (B, 17, 3, A) of the person that the teacher means at each anchor, and whether there is one.

    The second is (B, 1, A), 1 or 0. `boxes` (B, 4, A) and `keypoints` (B, 17, 2, A) are the teacher's, in pixels, and
    `anchors` (2, A) the anchors' places. An anchor looks for its person in its own cell of the canvas only.
    """
    cell = _cells(truth, anchors)
    candidates = truth.boxes[cell]
    overlap = _overlap(boxes.transpose(1, 2)[:, :, None], candidates)
    size = _area(candidates).clamp(min=64).sqrt()
    middles, known = _middles(truth.keypoints)
    said = torch.stack([(keypoints[:, i] + keypoints[:, j]) / 2 for i, j in MIDDLES], 2).permute(0, 3, 2, 1)
    apart = (said[:, :, None] - middles[cell]).square().sum(-1) / (REACH * size[..., None]) ** 2
    weight = known[cell]
    near = ((-apart / 2).exp() * weight).sum(-1) / weight.sum(-1).clamp(min=1)
    agreement = torch.where(overlap > OVERLAP, overlap + near, 0.0)
    best, index = agreement.max(-1)
    people = truth.boxes.shape[1]
    chosen = truth.keypoints.flatten(0, 1)[cell * people + index]
    return chosen.permute(0, 2, 3, 1), (best > AGREEMENT).float()[:, None]


def _cells(truth: Truth, anchors: Tensor) -> Tensor:
    """(B, A) the cell that each anchor lies in."""
    x, y = anchors
    row = (y[None, :, None] >= truth.rows[:, None]).sum(-1)
    column = (x[None, :, None] >= truth.columns[:, None]).sum(-1)
    side = truth.rows.shape[1] + 1
    canvas = torch.arange(len(truth.rows), device=row.device)[:, None]
    return (canvas * side + row) * side + column


def _middles(keypoints: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 5, 2) the middles of `MIDDLES`, and (..., 5) 1 where both ends are on the canvas."""
    middles = torch.stack([(keypoints[..., i, :2] + keypoints[..., j, :2]) / 2 for i, j in MIDDLES], -2)
    both = torch.stack([torch.minimum(keypoints[..., i, 2], keypoints[..., j, 2]) > 0 for i, j in MIDDLES], -1)
    return middles, both.float()


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0)


def _overlap(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) that broadcast."""
    common = torch.cat([torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])], -1)
    shared = _area(common)
    return shared / (_area(one) + _area(other) - shared).clamp(min=1)
