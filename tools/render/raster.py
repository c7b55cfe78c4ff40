"""Triangles to pixels: a z-buffer without a loop over triangles or pixels, on any device.

Every triangle is spread over the pixels of its bounding box, pixels outside it are dropped, and one scatter keeps the
nearest.
"""

from __future__ import annotations

import torch
from torch import Tensor

FRAGMENTS = 24_000_000
"""How many candidate pixels are held at once; more triangles are drawn in several rounds."""


def rasterise(
    points: Tensor, faces: Tensor, picture: Tensor, shape: tuple[int, int, int], cull: bool = True
) -> tuple[Tensor, Tensor]:
    """The nearest triangle at each pixel centre.

    points (V, 3): x, y in pixels (the first pixel's centre is 0.5, 0.5) and depth in metres, which must be positive
    for a triangle to be drawn; faces (F, 3); picture (F,) which of the N pictures a triangle belongs to; shape (N, H,
    W). Counter-clockwise triangles (y upward) face the camera; `cull` drops the others.
    Returns face (N, H, W) int64, -1 where there is none, and depth (N, H, W), infinite there.
    """
    count, height, width = shape
    none = torch.iinfo(torch.int64).max
    nearest = torch.full((count * height * width,), none, dtype=torch.int64, device=points.device)
    x, y, z = (points[:, k][faces] for k in range(3))
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    left, right = (x.amin(1) - 0.5).ceil().clamp(0, width), (x.amax(1) - 0.5).floor().clamp(-1, width - 1)
    top, bottom = (y.amin(1) - 0.5).ceil().clamp(0, height), (y.amax(1) - 0.5).floor().clamp(-1, height - 1)
    columns, rows = (right - left + 1).clamp_min(0), (bottom - top + 1).clamp_min(0)
    good = (z.amin(1) > 0.05) & (area.abs() > 1e-9) & (columns * rows > 0)
    if cull:
        good &= area < 0  # pixel rows run downward
    drawn = good.nonzero()[:, 0]
    if len(drawn) == 0:
        return torch.full(shape, -1, dtype=torch.int64, device=points.device), torch.full(
            shape, float("inf"), device=points.device
        )
    columns, boxes = columns[drawn].long(), (columns * rows)[drawn].long()
    total = boxes.cumsum(0)
    first = 0
    while first < len(drawn):
        before = 0 if first == 0 else int(total[first - 1])
        last = max(first + 1, int(torch.searchsorted(total, before + FRAGMENTS)))
        some = drawn[first:last]
        triangle = torch.repeat_interleave(
            torch.arange(first, min(last, len(drawn)), device=points.device), boxes[first:last]
        )
        inside_box = torch.arange(len(triangle), device=points.device) + before - (total - boxes)[triangle]
        across = columns[triangle]
        face = drawn[triangle]
        column = left[face].long() + inside_box % across
        row = top[face].long() + torch.div(inside_box, across, rounding_mode="floor")
        px, py = column + 0.5, row + 0.5
        x0, x1, x2 = x[face].unbind(1)
        y0, y1, y2 = y[face].unbind(1)
        w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area[face]
        w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area[face]
        w2 = 1 - w0 - w1
        hit = ((w0 >= 0) & (w1 >= 0) & (w2 >= 0)).nonzero()[:, 0]
        face = face[hit]
        inverse = 1 / z[face]
        depth = 1 / (w0[hit] * inverse[:, 0] + w1[hit] * inverse[:, 1] + w2[hit] * inverse[:, 2])
        # positive floats order as their bits do: depth above, triangle below, one integer to minimise
        key = (depth.view(torch.int32).long() << 32) | face
        place = (picture[face] * height + row[hit]) * width + column[hit]
        nearest.scatter_reduce_(0, place, key, "amin")
        first += len(some)
    empty = nearest == none
    face = torch.where(empty, -1, nearest & 0xFFFFFFFF)
    depth = torch.where(empty, float("inf"), (nearest >> 32).to(torch.int32).view(torch.float32))
    return face.view(shape), depth.view(shape)


def barycentric(points: Tensor, faces: Tensor, px: Tensor, py: Tensor) -> Tensor:
    """(M, 3) perspective-correct weights of pixel centres px, py (M,) in their triangles `faces` (M, 3)."""
    (x0, x1, x2), (y0, y1, y2) = points[:, 0][faces].unbind(1), points[:, 1][faces].unbind(1)
    w0 = (x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)
    w1 = (x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)
    w2 = (x0 - px) * (y1 - py) - (x1 - px) * (y0 - py)
    weights = torch.stack([w0, w1, w2], 1) / points[:, 2][faces]
    return weights / weights.sum(1, keepdim=True)
