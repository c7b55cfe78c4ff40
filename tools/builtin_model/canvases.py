"""Training canvases, painted on the training device: pictures cut, turned, scaled and laid side by side.

A canvas is a grid of 1 to 24 cells with uneven borders; each cell shows one picture through its own similarity
transform. One cell fills the canvas with one scene; many cells give persons of 20 to 100 pixels, as a street does.
Everything here is tensor arithmetic of fixed shape with no value read back, so a CUDA graph can hold it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .export import MIRRORED
from .network import KEYPOINTS
from .pictures import LEVELS, Atlas
from .truth import Truth

SIDE = 6
"""Most rows or columns of cells."""
LAYOUTS = ((1, 1), (1, 2), (2, 2), (2, 3), (3, 4), (4, 6))
"""Cells along the canvas's short and long side."""
LAYOUT_ODDS = (0.40, 0.20, 0.14, 0.13, 0.08, 0.05)
GREY = 114 / 255
"""What ultralytics' letterbox pads with."""


@dataclass(frozen=True)
class _Cells:
    """What each cell shows, (B * SIDE * SIDE, ...): pixel (x, y) of the canvas is texel (u, v) of the picture."""

    affine: Tensor
    """(n, 6): u = a x + b y + c, v = d x + e y + f."""
    size: Tensor
    """(n, 2) width and height of the picture's level, texels."""
    start: Tensor
    """(n,) int64 offset of the level in the atlas."""
    tint: Tensor
    """(n, 3) gain of each colour."""
    fill: Tensor
    """(n, 3) colour outside the picture, 0..1; negative where the picture is mirrored at its borders instead."""


class Painter:
    """Paints batches of canvases from an atlas.

    `odds` are the shares of the atlas's groups, one row for canvases of one or two cells, one row for the others.
    """

    def __init__(self, atlas: Atlas, odds: tuple[Sequence[float], Sequence[float]], compiled: bool = False) -> None:
        device = atlas.texels.device
        self.atlas = atlas
        self.device = device
        self._layouts = torch.tensor(LAYOUTS, device=device)
        self._layout_odds = torch.tensor(LAYOUT_ODDS, device=device).cumsum(0)
        self._odds = torch.tensor(odds, device=device, dtype=torch.float32).cumsum(1)
        self._first = torch.tensor([first for first, _ in atlas.groups], device=device)
        self._count = torch.tensor([count for _, count in atlas.groups], device=device)
        self._kernels = _kernels().to(device)
        self._kernel_odds = torch.tensor(KERNEL_ODDS, device=device).cumsum(0)
        self._slots = torch.arange(SIDE, device=device)
        self._mirrored = torch.tensor(MIRRORED, device=device)
        self._sample: Callable[..., Tensor] = torch.compile(_sample, dynamic=False) if compiled else _sample
        self._develop: Callable[..., Tensor] = torch.compile(_develop, dynamic=False) if compiled else _develop
        self._axes: dict[int, Tensor] = {}

    def paint(self, batch: int, height: int, width: int) -> tuple[Tensor, Truth]:
        """(batch, 3, height, width) float32 RGB 0..1, and what is true of the rendered people on it."""
        layout = self._draw(self._layout_odds, batch)
        grid = self._layouts[layout]
        if width < height:
            grid = grid.flip(1)
        rows, columns = self._borders(grid[:, 0], height), self._borders(grid[:, 1], width)
        bars = self._bars(batch, height, width)
        cells, shown = self._cells(rows, columns, layout)
        truth = self._truth(cells.affine, *shown, rows, columns, self._view(bars, height, width))
        x, y = self._axis(width), self._axis(height)
        canvas = self._sample(x, y, rows[:, 1:-1], columns[:, 1:-1], self.atlas.texels, *vars(cells).values())
        canvas = self._focus(canvas)
        other = torch.where(self._rand(batch, 1) < 0.1, self._rand(batch, 1) * 0.4, 0.0)
        canvas = self._develop(
            canvas,
            torch.rand_like(canvas),
            share=other[:, :, None, None],
            gain=(self._randn(batch, 1) * 0.22 + self._randn(batch, 3) * 0.05).exp()[:, :, None, None],
            contrast=(self._randn(batch, 1) * 0.2).exp()[:, :, None, None],
            grey=(self._rand(batch, 1) < 0.06).float()[:, :, None, None],
            noise=(self._rand(batch, 1) ** 3 * 0.08)[:, :, None, None],
            bars=bars,
            x=x,
            y=y,
        )
        return canvas, truth

    def _view(self, bars: Tensor, height: int, width: int) -> Tensor:
        """(B, 4) x1, y1, x2, y2 of what the letterbox's bars leave to see."""
        far = torch.stack([width - bars[:, 0], height - bars[:, 1]], 1)
        return torch.cat([bars, far], 1)

    def _truth(
        self, affine: Tensor, picture: Tensor, scale: Tensor, flip: Tensor, rows: Tensor, columns: Tensor, view: Tensor
    ) -> Truth:
        """The people of each cell's picture, moved as the picture is, seen where the cell and the bars leave them."""
        people = self.atlas.people[picture]
        corners, keypoints = people[..., :4], people[..., 4:].unflatten(-1, KEYPOINTS)
        keypoints = torch.where(flip[:, None, None, None] < 0, keypoints[:, :, self._mirrored], keypoints)
        bounds = self._bounds(rows, columns, view)

        def moved(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            shape = (-1, *(1,) * (x.ndim - 1))
            a, b, c, d, e, f = (part.view(shape) for part in affine.unbind(1))
            u, v = x * scale[:, 0].view(shape) - c, y * scale[:, 1].view(shape) - f
            area = a * e - b * d
            return (e * u - b * v) / area, (a * v - d * u) / area

        x1, y1, x2, y2 = corners.unbind(-1)
        x, y = moved(torch.stack([x1, x2, x1, x2], -1), torch.stack([y1, y1, y2, y2], -1))
        near, far = torch.stack([x.amin(-1), y.amin(-1)], -1), torch.stack([x.amax(-1), y.amax(-1)], -1)
        box = torch.cat([near.maximum(bounds[:, None, :2]), far.minimum(bounds[:, None, 2:])], -1)
        someone = (x2 > x1)[..., None]
        x, y = moved(keypoints[..., 0], keypoints[..., 1])
        left, top, right, bottom = bounds[:, :, None, None].unbind(1)
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        return Truth(
            rows=rows[:, 1:-1],
            columns=columns[:, 1:-1],
            boxes=torch.where(someone, box, 0.0),
            keypoints=torch.stack([x, y, keypoints[..., 2] * inside], -1),
        )

    def _bounds(self, rows: Tensor, columns: Tensor, view: Tensor) -> Tensor:
        """(B * SIDE * SIDE, 4) what is seen of each cell: x1, y1, x2, y2."""
        shape = (len(rows), SIDE, SIDE)
        near = torch.stack([columns[:, None, :-1].expand(shape), rows[:, :-1, None].expand(shape)], -1)
        far = torch.stack([columns[:, None, 1:].expand(shape), rows[:, 1:, None].expand(shape)], -1)
        near, far = near.maximum(view[:, None, None, :2]), far.minimum(view[:, None, None, 2:])
        return torch.cat([near, far], -1).flatten(0, 2)

    def _axis(self, length: int) -> Tensor:
        """Pixel centres 0.5, 1.5, ...; kept, because a graph must not allocate its constants."""
        if length not in self._axes:
            self._axes[length] = torch.arange(length, device=self.device, dtype=torch.float32) + 0.5
        return self._axes[length]

    def _rand(self, *shape: int) -> Tensor:
        return torch.rand(*shape, device=self.device)

    def _randn(self, *shape: int) -> Tensor:
        return torch.randn(*shape, device=self.device)

    def _between(self, low: float, high: float, *shape: int) -> Tensor:
        return self._rand(*shape) * (high - low) + low

    def _draw(self, cumulated: Tensor, *shape: int) -> Tensor:
        """Indices drawn with the given cumulated odds."""
        return (self._rand(*shape, 1) >= cumulated[:-1]).sum(-1)

    def _borders(self, count: Tensor, length: int) -> Tensor:
        """(B, SIDE + 1) borders from 0 to `length` of `count` (B,) cells of uneven size; unused cells are empty."""
        sizes = (self._randn(len(count), SIDE) * 0.35).exp() * (self._slots < count[:, None])
        ends = sizes.cumsum(1) / sizes.sum(1, keepdim=True) * length
        return functional.pad(ends, (1, 0))

    def _cells(self, rows: Tensor, columns: Tensor, layout: Tensor) -> tuple[_Cells, tuple[Tensor, Tensor, Tensor]]:
        """What each cell shows; of which picture (n,), how much its level is scaled (n, 2), -1 if mirrored (n,)."""
        shape = (len(rows), SIDE, SIDE)
        top, left = rows[:, :-1, None].expand(shape), columns[:, None, :-1].expand(shape)
        height = (rows[:, 1:] - rows[:, :-1])[:, :, None].expand(shape).clamp(min=8)
        width = (columns[:, 1:] - columns[:, :-1])[:, None, :].expand(shape).clamp(min=8)
        crowded = (layout >= 2).long()[:, None, None, None].expand(*shape, 1)
        group = (self._rand(*shape, 1) >= self._odds[:, :-1][crowded[..., 0]]).sum(-1)
        count = self._count[group]
        picture = self._first[group] + (self._rand(*shape) * count).long().clamp(max=count - 1)

        full_width, full_height = self.atlas.widths[picture, 0], self.atlas.heights[picture, 0]
        contain = torch.minimum(width / full_width, height / full_height)
        cover = torch.maximum(width / full_width, height / full_height)
        share = self._rand(*shape)
        zoom = (contain.log() * (1 - share) + cover.log() * share + self._between(-0.4, 0.6, *shape)).exp().clamp(max=5)
        # The halving whose texels are nearest to, and not much finer than, the canvas's pixels.
        level = (-zoom.log2() + 0.3).floor().clamp(0, LEVELS - 1).long()
        level_width, level_height = self.atlas.widths[picture, level], self.atlas.heights[picture, level]
        step = level_width / full_width / zoom

        turned = self._rand(*shape) < 0.06
        angle = torch.where(turned, self._between(-math.pi, math.pi, *shape), self._randn(*shape) * math.radians(9))
        stretch = (self._randn(*shape) * 0.07).exp()
        flip = (self._rand(*shape) < 0.5).float() * 2 - 1
        cos, sin = torch.cos(angle) * step, torch.sin(angle) * step
        a, b, d, e = cos * stretch * flip, -sin / stretch * flip, sin * stretch, cos / stretch
        # The middle of the cell shows a point of the picture that leaves most of the picture in view.
        u = level_width * (0.5 + self._between(-0.28, 0.28, *shape))
        v = level_height * (0.5 + self._between(-0.28, 0.28, *shape))
        x, y = left + width / 2, top + height / 2
        affine = torch.stack([a, b, u - a * x - b * y, d, e, v - d * x - e * y], -1)

        mirrored = self._rand(*shape, 1) < 0.55
        plain = torch.where(self._rand(*shape, 1) < 0.4, GREY, self._rand(*shape, 3))
        tint = (self._randn(*shape, 1) * 0.15 + self._randn(*shape, 3) * 0.04).exp()
        scale = torch.stack([level_width / full_width, level_height / full_height], -1)
        cells = _Cells(
            affine=affine.flatten(0, 2),
            size=torch.stack([level_width, level_height], -1).flatten(0, 2),
            start=self.atlas.offsets[picture, level].flatten(),
            tint=tint.flatten(0, 2),
            fill=torch.where(mirrored, -1.0, plain).flatten(0, 2),
        )
        return cells, (picture.flatten(), scale.flatten(0, 2), flip.flatten())

    def _focus(self, canvas: Tensor) -> Tensor:
        """Each canvas through one 5 x 5 kernel: as it is, sharpened, out of focus or smeared by motion."""
        batch, colours, height, width = canvas.shape
        kernel = self._kernels[self._draw(self._kernel_odds, batch)].repeat_interleave(colours, 0)[:, None]
        flat = functional.pad(canvas.view(1, batch * colours, height, width), (2, 2, 2, 2), mode="replicate")
        return functional.conv2d(flat, kernel, groups=batch * colours).view_as(canvas)

    def _bars(self, batch: int, height: int, width: int) -> Tensor:
        """(B, 2) thickness of the letterbox bars, left-right and top-bottom; none for half of the canvases."""
        thick = self._rand(batch, 1) ** 2 * torch.stack([self._rand(batch), self._rand(batch)], 1).round()
        deep = self._rand(batch, 1) < 0.12
        most = torch.where(deep, 0.28, 24 / max(height, width))
        return (thick * most * max(height, width)).floor()


KERNEL_ODDS = (0.5, 0.12, 0.12, 0.06, 0.08, 0.06, 0.06)


def _kernels() -> Tensor:
    """(7, 5, 5): identity, sharpen, sharpen strongly, soft, softer, smear along x, smear along y."""
    line = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    identity = torch.zeros(5, 5)
    identity[2, 2] = 1
    soft, softer = (torch.exp(-(line[:, None] ** 2 + line[None] ** 2) / (2 * s * s)) for s in (0.8, 1.6))
    soft, softer = soft / soft.sum(), softer / softer.sum()
    along = torch.zeros(5, 5)
    along[2] = 0.2
    return torch.stack([identity, 2 * identity - soft, 3 * identity - 2 * softer, soft, softer, along, along.T])


def _sample(
    x: Tensor, y: Tensor, rows: Tensor, columns: Tensor, texels: Tensor,
    affine: Tensor, size: Tensor, start: Tensor, tint: Tensor, fill: Tensor,
) -> Tensor:  # fmt: skip
    """(B, 3, H, W) 0..1: each canvas pixel from the picture of its cell, bilinear between four texels."""
    row = (y[None, :, None] >= rows[:, None, :]).sum(-1)
    column = (x[None, :, None] >= columns[:, None, :]).sum(-1)
    canvas = torch.arange(len(rows), device=x.device)[:, None, None]
    cell = (canvas * SIDE + row[:, :, None]) * SIDE + column[:, None, :]
    a, b, c, d, e, f = affine[cell].unbind(-1)
    width, height = size[cell].unbind(-1)
    u = a * x[None, None, :] + b * y[None, :, None] + c
    v = d * x[None, None, :] + e * y[None, :, None] + f
    inside = (u >= 0) & (u <= width) & (v >= 0) & (v <= height)
    u = width - (torch.remainder(u, 2 * width) - width).abs() - 0.5
    v = height - (torch.remainder(v, 2 * height) - height).abs() - 0.5
    u, v = torch.minimum(u.clamp(min=0), width - 1), torch.minimum(v.clamp(min=0), height - 1)
    left, top = u.floor(), v.floor()
    right, bottom = torch.minimum(left + 1, width - 1), torch.minimum(top + 1, height - 1)
    across, down = u - left, v - top
    begin, pitch = start[cell], width.long()

    def texel(column: Tensor, row: Tensor, share: Tensor) -> list[Tensor]:
        packed = texels[begin + row.long() * pitch + column.long()]
        return [((packed >> shift) & 255).float() * share for shift in (0, 8, 16)]

    corners = (
        texel(left, top, (1 - across) * (1 - down)),
        texel(right, top, across * (1 - down)),
        texel(left, bottom, (1 - across) * down),
        texel(right, bottom, across * down),
    )
    colours = [sum(colour) / 255 for colour in zip(*corners, strict=True)]
    tints, fills = tint[cell].unbind(-1), fill[cell].unbind(-1)
    shown = [
        torch.where(inside | (empty < 0), colour * gain, empty)
        for colour, gain, empty in zip(colours, tints, fills, strict=True)
    ]
    return torch.stack(shown, 1)


def _develop(
    canvas: Tensor, chance: Tensor, share: Tensor, gain: Tensor, contrast: Tensor, grey: Tensor, noise: Tensor,
    bars: Tensor, x: Tensor, y: Tensor,
) -> Tensor:  # fmt: skip
    """Blend with the neighbour canvas, light, grain and the letterbox's bars."""
    canvas = canvas * (1 - share) + canvas.roll(1, 0) * share
    canvas = canvas * (1 - grey) + canvas.mean(1, keepdim=True) * grey
    canvas = ((canvas - 0.45) * contrast + 0.45) * gain
    # Two uniform numbers out of one: their difference from the middle is grain enough.
    canvas = canvas + (chance - 0.5) * 3.46 * noise
    side, top = bars[:, 0, None], bars[:, 1, None]
    within_x = (x >= side) & (x <= x[-1] + 0.5 - side)
    within_y = (y >= top) & (y <= y[-1] + 0.5 - top)
    within = (within_y[:, :, None] & within_x[:, None, :])[:, None]
    return torch.where(within, canvas.clamp(0, 1), GREY)
