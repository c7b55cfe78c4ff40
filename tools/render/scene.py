"""Where people stand: cameras, light, and procedural places (track, gym, street, rooms) drawn by one ray a pixel."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from torch import Tensor

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """A pinhole: `position` in metres, looking at `target`; `focal` in units of its width; roll in degrees."""

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    focal: float = 1.2
    roll: float = 0.0

    def rotation(self) -> Tensor:
        """(3, 3) rows: right, down, forward in the world."""
        forward = torch.tensor(self.target, dtype=torch.float32) - torch.tensor(self.position, dtype=torch.float32)
        forward = forward / forward.norm()
        right = torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0]))
        right = right / right.norm().clamp_min(1e-6)
        down = torch.linalg.cross(forward, right)
        c, s = np.cos(np.deg2rad(self.roll)), np.sin(np.deg2rad(self.roll))
        return torch.stack([c * right + s * down, c * down - s * right, forward])


@dataclass(frozen=True)
class Light:
    """A sun (or lamps, with `soft` large) and the sky's share."""

    direction: tuple[float, float, float] = (0.4, -0.5, 0.77)  # toward the light
    sun: Colour = (1.0, 0.95, 0.85)
    strength: float = 0.9
    sky: Colour = (0.80, 0.90, 1.05)
    ambient: float = 0.5
    soft: float = 0.006  # blur of ground shadows, share of the picture's width
    exposure: float = 1.0


@dataclass(frozen=True)
class Place:
    """A floor and four walls around the origin (or sky), textures by name."""

    floor: str = "track"  # track, grass, wood, asphalt, tiles, sand, plain
    wall: str = "hedge"  # none, hedge, brick, paint, concrete, panels, windows, boards
    room: tuple[float, float, float, float] = (-60.0, 60.0, -12.0, 15.0)  # x from, to, y from, to of the walls
    wall_height: float = 3.0
    indoor: bool = False
    colours: tuple[Colour, ...] = (
        (0.55, 0.18, 0.12),
        (0.20, 0.32, 0.12),
        (0.9, 0.9, 0.88),
        (0.35, 0.36, 0.38),
    )  # floor, wall, lines, trim
    seed: int = 0
    detail: float = field(default=1.0)  # strength of the textures' noise


def _hash(x: Tensor, y: Tensor, seed: int) -> Tensor:
    """0..1 pseudo-random value of integer lattice points; repeats every 512."""
    column, row = (x.int() + seed * 131) & 511, (y.int() + seed * 57) & 511
    return _lattice(x.device).index_select(0, (column * 512 + row).view(-1)).view(x.shape)


@cache
def _lattice(device: torch.device) -> Tensor:
    return torch.rand(512 * 512, generator=torch.Generator().manual_seed(1)).to(device)


def noise(x: Tensor, y: Tensor, seed: int = 0) -> Tensor:
    """Smooth value noise, -1..1, one lattice cell a unit."""
    ix, iy = x.floor(), y.floor()
    fx, fy = x - ix, y - iy
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    a, b = _hash(ix, iy, seed), _hash(ix + 1, iy, seed)
    c, d = _hash(ix, iy + 1, seed), _hash(ix + 1, iy + 1, seed)
    return torch.lerp(torch.lerp(a, b, fx), torch.lerp(c, d, fx), fy) * 2 - 1


def fractal(x: Tensor, y: Tensor, seed: int, scale: float, footprint: Tensor, octaves: int = 4) -> Tensor:
    """Noise of octaves from `scale` lattice cells a metre on; those finer than a pixel's `footprint` (metres) fade."""
    total = torch.zeros_like(x)
    for k in range(octaves):
        rate = scale * 2**k
        total += 0.5**k * noise(x * rate, y * rate, seed + k) / (1 + (footprint * rate * 1.5) ** 2)
    return total


def band(distance: Tensor, half: float, footprint: Tensor) -> Tensor:
    """1 where |distance| < half, with an edge as wide as a pixel: a line that does not alias."""
    return ((half - distance.abs()) / footprint.clamp_min(1e-4) + 0.5).clamp(0, 1) * (2 * half / footprint).clamp(0, 1)


def stripes(x: Tensor, period: float, half: float, footprint: Tensor) -> Tensor:
    """Lines of half width `half` every `period`."""
    return band((x / period - (x / period).round()) * period, half, footprint)


def _mix(colour: Tensor, other: Colour | Tensor, share: Tensor) -> Tensor:
    other = torch.as_tensor(other, dtype=colour.dtype, device=colour.device)
    return colour + (other - colour) * share[:, None]


def _floor(place: Place, x: Tensor, y: Tensor, foot: Tensor) -> Tensor:
    base, _, line, trim = place.colours
    colour = x.new_tensor(base).expand(len(x), 3)
    grain = fractal(x, y, place.seed, 0.35, foot) * 0.12 + fractal(x, y, place.seed + 9, 14.0, foot, 3) * 0.14
    if place.floor == "track":
        colour = _mix(colour, line, 0.9 * stripes(y, 1.22, 0.025, foot))
        inside = (y < -4.9) | (y > 4.9)  # the infield and the bank outside the eight lanes
        grass = x.new_tensor((0.13, 0.24, 0.07)) * (1 + 0.5 * fractal(x, y, place.seed + 3, 5.0, foot)[:, None])
        colour = torch.where(inside[:, None], grass, colour)
    elif place.floor == "grass":
        mown = ((x / 4.0).floor() % 2) * 2 - 1
        colour = colour * (1 + 0.10 * mown)[:, None]
        grain = grain + fractal(x, y, place.seed + 5, 6.0, foot) * 0.28
        mark = torch.maximum(
            band(y - 6.0, 0.06, foot), torch.maximum(band(x, 0.06, foot), band((x**2 + y**2).sqrt() - 7.0, 0.06, foot))
        )
        colour = _mix(colour, line, mark * 0.85)
    elif place.floor == "wood":
        row = (y / 0.09).floor()
        plank = _hash((x / 1.3 + _hash(row, row, place.seed) * 7).floor(), row, place.seed + 1)
        colour = colour * (1 + (plank - 0.5) * 0.25 / (1 + (foot / 0.09) ** 2))[:, None]
        colour = colour * (1 - 0.35 * stripes(y, 0.09, 0.002, foot))[:, None]
        grain = fractal(x * 0.6, y * 9, place.seed, 2.0, foot * 4) * 0.08
        mark = torch.maximum(
            band(y - 2.4, 0.04, foot),
            torch.maximum(band(x - 1.1, 0.04, foot), band(((x - 3) ** 2 + y**2).sqrt() - 1.8, 0.04, foot)),
        )
        colour = _mix(_mix(colour, line, mark * 0.9), trim, band(y + 1.9, 0.05, foot) * 0.9)
    elif place.floor == "tiles":
        size = 0.5
        tile = _hash((x / size).floor(), (y / size).floor(), place.seed)
        colour = colour * (1 + (tile - 0.5) * 0.2)[:, None]
        colour = _mix(colour, trim, 0.8 * torch.maximum(stripes(x, size, 0.008, foot), stripes(y, size, 0.008, foot)))
        grain = grain * 0.4
    elif place.floor == "asphalt":
        grain = grain + fractal(x, y, place.seed + 2, 40.0, foot, 2) * 0.2
        colour = _mix(colour, line, 0.8 * band(y - 2.5, 0.06, foot))
        curb = (y > 4.5).float()
        colour = _mix(colour, trim, curb)
        colour = colour * (1 - 0.3 * curb * stripes(x, 1.0, 0.01, foot))[:, None]
    else:
        grain = grain * (1.6 if place.floor == "sand" else 0.6)
    return colour * (1 + place.detail * grain)[:, None].clamp(0.2, 2)


def _wall(place: Place, u: Tensor, z: Tensor, foot: Tensor) -> Tensor:
    _, base, line, trim = place.colours
    colour = u.new_tensor(base).expand(len(u), 3)
    grain = fractal(u, z, place.seed + 21, 0.7, foot) * 0.10
    if place.wall == "hedge":
        leaves = 0.5 * fractal(u, z, place.seed + 11, 1.2, foot, 3) + fractal(u, z, place.seed + 12, 9.0, foot, 4)
        return (
            colour
            * (1 + 0.75 * leaves)[:, None].clamp(0.15, 2)
            * (0.5 + 0.5 * (z / max(place.wall_height, 0.1)).clamp(0, 1))[:, None]
        )
    if place.wall == "brick":
        row = (z / 0.075).floor()
        shift = u / 0.24 + 0.5 * (row % 2)
        brick = _hash(shift.floor(), row, place.seed)
        fade = 1 / (1 + (foot / 0.06) ** 2)
        colour = colour * (1 + (brick - 0.5) * 0.5 * fade)[:, None]
        mortar = torch.maximum(stripes(z, 0.075, 0.006, foot), stripes(shift - 0.5, 1.0, 0.025, foot * 4))
        colour = _mix(colour, line, 0.6 * mortar)
    elif place.wall == "panels":
        colour = colour * (1 + 0.15 * (_hash((u / 1.2).floor(), (z / 2.4).floor(), place.seed) - 0.5))[:, None]
        colour = colour * (1 - 0.5 * torch.maximum(stripes(u, 1.2, 0.012, foot), stripes(z, 2.4, 0.012, foot)))[:, None]
        colour = _mix(colour, trim, (z < 1.1).float() * 0.7)
    elif place.wall == "windows":
        du, dz = (u / 2.4 - (u / 2.4).round()).abs() * 2.4, ((z - 1.7) / 3.0 - ((z - 1.7) / 3.0).round()).abs() * 3.0
        window = ((0.75 - du) / foot + 0.5).clamp(0, 1) * ((0.8 - dz) / foot + 0.5).clamp(0, 1)
        glass = (
            u.new_tensor((0.10, 0.13, 0.17))
            * (1 + 1.2 * _hash((u / 2.4).round(), ((z - 1.7) / 3.0).round(), place.seed))[:, None]
        )
        pane = torch.maximum(stripes(du, 0.75, 0.02, foot), stripes(dz, 0.8, 0.02, foot))
        glass = _mix(glass, trim, pane)
        colour = colour * (1 + 0.6 * fractal(u, z, place.seed, 4.0, foot, 3) * 0.2)[:, None]
        colour = colour + (glass - colour) * window[:, None]
    elif place.wall == "boards":
        index = (u / 4.0).floor()
        tint = torch.stack([_hash(index, index * 0 + k, place.seed) for k in range(3)], 1) * 0.7 + 0.1
        letters = (
            band(z - 0.55, 0.22, foot)
            * (_hash((u / 0.22).floor(), (z / 0.11).floor(), place.seed + 5) > 0.55).float()
            * (((u / 4) % 1 - 0.5).abs() < 0.35).float()
        )
        board = _mix(tint, line, letters * 0.9)
        colour = torch.where((z < 1.0)[:, None], board, colour)
        grain = grain + fractal(u, z, place.seed, 2.5, foot) * 0.3 * (z > 1.0).float()
    elif place.wall == "concrete":
        grain = grain * 2 + fractal(u, z, place.seed + 2, 8.0, foot, 3) * 0.1
        colour = colour * (1 - 0.35 * torch.maximum(stripes(u, 3.0, 0.01, foot), stripes(z, 1.5, 0.01, foot)))[:, None]
    elif place.wall == "paint":
        colour = _mix(colour, trim, (z < 0.12).float() * 0.8)
    return colour * (1 + place.detail * grain)[:, None].clamp(0.2, 2)


def _sky(place: Place, direction: Tensor, light: Light) -> Tensor:
    up = direction[:, 2].clamp(0, 1)
    base = direction.new_tensor(light.sky) * 0.85
    colour = base * (1.05 - 0.5 * up[:, None]) + (0.25 * (1 - up[:, None]) ** 4)
    u, v = direction[:, 0] / (up + 0.15), direction[:, 1] / (up + 0.15)
    cloud = (fractal(u, v, place.seed + 31, 1.1, torch.full_like(u, 0.01), 5) * 0.9).clamp(0, 1)
    return _mix(colour, (1.0, 1.0, 1.0), cloud)


def backdrop(
    place: Place,
    light: Light,
    position: Tensor,
    rotation: Tensor,
    focal: float,
    shape: tuple[int, int],
    shift: tuple[float, float] = (0.0, 0.0),
) -> tuple[Tensor, Tensor, Tensor]:
    """The empty place: linear colour (H, W, 3), whether a pixel is floor, and its distance along the view (H, W).

    position (3,), rotation (3, 3) as `Camera.rotation`, focal in pixels, shift of the pixel centres in pixels.
    """
    height, width = shape
    device = position.device
    v, u = torch.meshgrid(
        torch.arange(height, device=device) + 0.5 + shift[1] - height / 2,
        torch.arange(width, device=device) + 0.5 + shift[0] - width / 2,
        indexing="ij",
    )
    ray = torch.stack([u, v, torch.full_like(u, focal)], -1).view(-1, 3) / focal
    direction = ray @ rotation
    d = torch.where(direction.abs() < 1e-6, torch.full_like(direction, 1e-6), direction)
    far = 400.0
    x0, x1, y0, y1 = place.room
    across = torch.where(d[:, 0] > 0, (x1 - position[0]) / d[:, 0], (x0 - position[0]) / d[:, 0])
    along = torch.where(d[:, 1] > 0, (y1 - position[1]) / d[:, 1], (y0 - position[1]) / d[:, 1])
    wall_t = torch.minimum(across, along)
    floor_t = torch.where(d[:, 2] < 0, -position[2] / d[:, 2], far * 10)
    walls = place.wall != "none"
    if not walls:
        wall_t = torch.full_like(wall_t, far)
    is_floor = floor_t < wall_t
    t = torch.minimum(floor_t, wall_t)
    point = position + d * t[:, None]
    sides = across < along
    u_wall = torch.where(sides, point[:, 1] + 500, point[:, 0])
    top = place.wall_height
    if place.wall == "hedge":
        top = place.wall_height * (1 + 0.25 * fractal(u_wall, u_wall * 0.1, place.seed + 8, 0.4, t / focal, 4))
    is_wall = ~is_floor & (point[:, 2] < top) if walls else torch.zeros_like(is_floor)

    length = d.norm(dim=1)
    colour = _sky(place, direction / length[:, None], light)
    if place.indoor:
        ceiling = d.new_tensor(place.colours[2]) * 0.6
        lamp = torch.where(
            d[:, 2] > 0, (place.wall_height - position[2]) / d[:, 2].clamp_min(1e-3), torch.zeros_like(t)
        )
        cx, cy = position[0] + d[:, 0] * lamp, position[1] + d[:, 1] * lamp
        tube = stripes(cx, 3.0, 0.4, lamp / focal + 1e-3) * stripes(cy, 2.0, 0.1, lamp / focal + 1e-3)
        colour = _mix(ceiling.expand_as(colour), (2.0, 2.0, 1.9), tube)
    sun = torch.tensor(light.direction, dtype=torch.float32, device=device)
    sun = sun / sun.norm()
    white, sky = (
        torch.tensor(light.sun, dtype=torch.float32, device=device) * light.strength,
        torch.tensor(light.sky, dtype=torch.float32, device=device) * light.ambient,
    )
    floor = is_floor.nonzero()[:, 0]
    if len(floor):
        slant = t[floor] * length[floor] ** 2 / d[floor, 2].abs().clamp_min(0.02)
        foot = (slant * t[floor] / t[floor].clamp_min(0.1) / focal).clamp(max=30) * 0.6
        lit = _floor(place, point[floor, 0], point[floor, 1], foot) * (white * sun[2].clamp_min(0.05) + sky)
        haze = (1 - (-t[floor] / 260).exp())[:, None] * (0 if place.indoor else 1)
        colour[floor] = lit * (1 - haze) + colour[floor] * haze
    wall = is_wall.nonzero()[:, 0]
    if len(wall):
        normal_x = -torch.sign(d[wall, 0]) * sides[wall]
        normal_y = -torch.sign(d[wall, 1]) * ~sides[wall]
        facing = (normal_x * sun[0] + normal_y * sun[1]).clamp_min(0)
        corner = (0.65 + 0.35 * (point[wall, 2] / 0.5).clamp(0, 1))[:, None]  # darker where it meets the floor
        lit = (
            _wall(place, u_wall[wall], point[wall, 2], t[wall] / focal)
            * (white * facing[:, None] + sky * 0.9 + 0.05)
            * corner
        )
        haze = (1 - (-t[wall] / 300).exp())[:, None] * (0 if place.indoor else 1)
        colour[wall] = lit * (1 - haze) + colour[wall] * haze
    return colour.view(height, width, 3), is_floor.view(height, width), t.view(height, width)
