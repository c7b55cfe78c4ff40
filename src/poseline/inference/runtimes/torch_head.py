"""A pose head's last step on a GPU: boxes and keypoints of the best anchors alone, instead of all and then a choice.

Formulas: ultralytics' Pose head (distribution focal loss, Li et al. 2020; anchors at the cells' centres).
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import torch

Tensor: TypeAlias = Any


def is_plain(head: Any) -> bool:
    """Whether it is the head of YOLOv8 and YOLO11, which `decode_best` knows."""
    return type(head).__name__ == "Pose" and not head.end2end


def decode_best(head: Any, strides: tuple[float, ...], raw: dict[str, Any], most: int) -> Tensor:
    """What `head` makes of its raw answers, for the `most` anchors of each picture with the best scores.

    Args:
        head: one that `is_plain`.
        strides: input pixels of a cell of each of its scales.
        raw: its branches' answers: boxes (B, 4·bins, A), scores (B, classes, A), kpts (B, K·values, A), and feats, the
            (B, C, H, W) feature maps of its scales.
        most: no more than so many; A if that is less.

    Returns:
        (B, 4 + classes + K·values, N) float32, best first: centre, size, scores and keypoints in input pixels.
    """
    scores = raw["scores"]
    chosen = scores.amax(dim=1).topk(min(most, scores.shape[2]), dim=1).indices
    boxes, scores, keypoints = (_taken(raw[name], chosen).float() for name in ("boxes", "scores", "kpts"))
    sizes = tuple(tuple(feature.shape[2:]) for feature in raw["feats"])
    places, pixels = _anchors(sizes, strides, scores.device)
    place, stride = places[:, chosen].transpose(0, 1), pixels[chosen][:, None]
    before, behind = head.dfl(boxes).chunk(2, dim=1)
    points = keypoints.unflatten(1, tuple(head.kpt_shape))
    xy = (points[:, :, :2] * 2 + (place - 0.5)[:, None]) * stride[:, None]
    points = torch.cat([xy, points[:, :, 2:].sigmoid()], dim=2).flatten(1, 2)
    centre = (place + (behind - before) / 2) * stride
    return torch.cat([centre, (before + behind) * stride, scores.sigmoid(), points], dim=1)


def _taken(values: Tensor, chosen: Tensor) -> Tensor:
    return values.gather(2, chosen[:, None].expand(-1, values.shape[1], -1))


@cache
def _anchors(sizes: tuple[tuple[int, int], ...], strides: tuple[float, ...], device: Any) -> tuple[Tensor, Tensor]:
    """(2, A) x and y of each anchor in cells of its scale, and (A,) the input pixels of such a cell.

    Kept for ever, a hundred kilobytes a size: a recorded graph goes on reading them.
    """
    places, pixels = [], []
    for (height, width), stride in zip(sizes, strides, strict=True):
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        places.append(torch.stack([x.flatten(), y.flatten()]))
        pixels.append(torch.full((height * width,), stride))
    return torch.cat(places, dim=1).to(device), torch.cat(pixels).to(device)
