"""Greedy non-maximum suppression (NMS) of a whole batch on its device, in a fixed number of steps without a wait."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch

Tensor: TypeAlias = Any

MOST_CANDIDATES = 512
"""Best boxes of a picture that are looked at; a person gives about ten of more than a little confidence."""
_CLASS_OFFSET = 7680.0
"""Moves boxes of different classes apart, as in `decode`."""
_PASSES = 24
"""Each settles one more link of every chain of boxes in which one saves the next but one."""


def final_rows(output: Tensor, classes: int, iou: Tensor) -> Tensor:
    """Rows as an end-to-end network gives them, best score first; what is suppressed has score -1.

    Args:
        output: (B, 4 + classes + V, A) float32: centre, size, class scores and V more values of each anchor.
        classes: how many.
        iou: () float32, a box that overlaps a better one of its class by more than this goes.

    Returns:
        (B, N, 6 + V) float32: x1 y1 x2 y2 score class, and the values.
    """
    best, labels = output[:, 4 : 4 + classes].max(dim=1)
    scores, chosen = best.topk(min(MOST_CANDIDATES, best.shape[1]), dim=1)
    rows = output.gather(2, chosen[:, None].expand(-1, output.shape[1], -1)).transpose(1, 2)
    labels = labels.gather(1, chosen).to(output.dtype)[:, :, None]
    centre, half = rows[:, :, :2], rows[:, :, 2:4] / 2
    boxes = torch.cat([centre - half, centre + half], dim=2)
    lost = ~keep(boxes + labels * _CLASS_OFFSET, iou)
    scores = scores.masked_fill(lost, -1)[:, :, None]
    return torch.cat([boxes, scores, labels, rows[:, :, 4 + classes :]], dim=2)


def keep(boxes: Tensor, iou: Tensor) -> Tensor:
    """Which of (B, N, 4) boxes x1 y1 x2 y2, best first, greedy suppression keeps: (B, N) bool.

    A box stays unless a better one that stays overlaps it. Taken as an equation for all boxes at once and solved by
    repetition from "all stay", every pass settles at least the best box not yet settled, and in pictures of people all
    of them within a few.
    """
    x1, y1, x2, y2 = boxes.unbind(dim=2)
    areas = (x2 - x1) * (y2 - y1)
    union = (areas[:, :, None] + areas[:, None]).sub_(shared := _shared(x1, x2).mul_(_shared(y1, y2)))
    small = torch.float16 if boxes.is_cuda else torch.float32
    # [b, i, j]: -1 where i is better than j, and covers it. A sum with 1 is positive for those whom nobody covers.
    covers = (shared > union.mul_(iou)).to(small).triu_(1).neg_()
    everyone = torch.ones((boxes.shape[0], 1, boxes.shape[1]), dtype=small, device=boxes.device)
    kept = everyone
    for _ in range(_PASSES):
        kept = torch.baddbmm(everyone, kept, covers).relu_()
    return kept[:, 0] > 0


def _shared(low: Tensor, high: Tensor) -> Tensor:
    """(B, N, N) the lengths that two of N stretches from `low` to `high`, (B, N), have in common."""
    ends = torch.minimum(high[:, :, None], high[:, None])
    return ends.sub_(torch.maximum(low[:, :, None], low[:, None])).clamp_(min=0)
