"""Bodies and clothes: smooth signed-distance fields, turned once into triangle meshes that follow the skeleton.

A person is a few layers (skin, eyes, hair, shirt, …), each a field of its own, so that a hem is a true edge. All
shapes are lofts: an ellipse swept along an axis whose size and centre change on the way, with rounded ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .skeleton import ANGLE, ANGLES, BONE, BONES, FACE, HALVES, PARENTS, RIG_SIZE, Body, forward_kinematics, head_scale

Field = Callable[[Tensor], Tensor]
"""Signed distance (N,) in metres of points (N, 3); negative inside."""

MATERIALS = ("skin", "eye", "hair", "shirt", "lower", "sock", "shoe", "sole", "cap")
MATERIAL = {name: index for index, name in enumerate(MATERIALS)}


@dataclass(frozen=True)
class Outfit:
    """What a person wears, as shapes; colours are chosen when it is drawn."""

    sleeves: float = 0.45  # 0 none, 1 to the wrist; measured along the arm
    lower: str = "shorts"  # shorts, trousers, tights or skirt
    hem: float = 0.75  # shorts and skirt: how far down the thigh
    hair: str = "short"  # bald, short, long, tail, bun, cap or curly
    socks: float = 0.2  # how far up the shank
    loose: float = 1.0  # 0.5 tight .. 1.6 wide


@dataclass(frozen=True)
class Mesh:
    """A person's surface in the bind pose, ready to follow the skeleton."""

    vertices: Tensor  # (V, 3) metres
    normals: Tensor  # (V, 3)
    local: Tensor  # (V, 3) place in head units for the head, in metres over stature/1.75 elsewhere: for painting
    material: Tensor  # (V,) int64, index into MATERIALS
    light: Tensor  # (V,) 0..1, how much of the sky a vertex sees
    bones: Tensor  # (V, 4) int64, rig indices
    weights: Tensor  # (V, 4), sum 1
    faces: Tensor  # (F, 3) int64, counter-clockwise seen from outside
    head: Tensor  # (V,) bool, part of the head: `local` is in head units


# ---------------------------------------------------------------- signed-distance shapes


def smooth_union(a: Tensor, b: Tensor, radius: float) -> Tensor:
    """Union of two fields whose seam is rounded over `radius` (Quilez' quadratic polynomial)."""
    h = (radius - (a - b).abs()).clamp_min(0) / radius
    return torch.minimum(a, b) - h * h * radius * 0.25


def smooth_cut(a: Tensor, b: Tensor, radius: float) -> Tensor:
    """`a` without `b`, the edge rounded."""
    return -smooth_union(-a, b, radius)


def clip(a: Tensor, b: Tensor, radius: float = 0.008) -> Tensor:
    """What of `a` lies in `b` (negative inside), the edge rounded so that a mesh can follow it."""
    return -smooth_union(-a, -b, radius)


def ellipsoid(points: Tensor, centre: tuple[float, ...] | Tensor, radii: tuple[float, float, float]) -> Tensor:
    """Approximate signed distance to an ellipsoid: exact on its surface, first order near it."""
    p = points - torch.as_tensor(centre, dtype=points.dtype, device=points.device)
    r = torch.as_tensor(radii, dtype=points.dtype, device=points.device)
    k0, k1 = (p / r).norm(dim=-1), (p / r**2).norm(dim=-1)
    return k0 * (k0 - 1) / k1.clamp_min(1e-6)


def loft(
    points: Tensor, a: Tensor, b: Tensor, forward: Tensor, knots: list[tuple[float, ...]], cap: float = 0.03
) -> Tensor:
    """Signed distance to an ellipse swept from `a` to `b`.

    knots: (u, half width, half depth, offset forward), u from 0 at `a` to 1 at `b`; `forward` is the direction of
    depth.
    """
    axis = b - a
    length = axis.norm()
    axis = axis / length
    forward = forward - axis * (forward * axis).sum()
    forward = forward / forward.norm()
    side = torch.linalg.cross(axis, forward)
    p = points - a
    along = p @ axis / length
    table = np.asarray(knots, dtype=np.float32)
    fine = np.linspace(0, 1, 65)
    columns = [_smooth_interpolation(table[:, 0], table[:, k], fine) for k in (1, 2, 3)]
    lookup = torch.tensor(np.stack(columns, 1), dtype=points.dtype, device=points.device)
    at = along.clamp(0, 1) * 64
    low = at.long().clamp_max(63)
    width, depth, offset = torch.lerp(lookup[low], lookup[low + 1], (at - low)[:, None]).unbind(1)
    excess = torch.maximum(-along, along - 1).clamp_min(0) * length
    x, y = p @ forward - offset, p @ side
    scaled = torch.stack([x / depth, y / width, excess / cap], 1)
    twice = torch.stack([x / depth**2, y / width**2, excess / cap**2], 1)
    k0, k1 = scaled.norm(dim=1), twice.norm(dim=1)
    return k0 * (k0 - 1) / k1.clamp_min(1e-6)


def _smooth_interpolation(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Catmull-Rom through (x, y), kept between its neighbours so that no bump appears that was not drawn."""
    if len(x) < 3:
        return np.interp(at, x, y)
    slope = np.diff(y) / np.diff(x)
    inner = np.where(slope[1:] * slope[:-1] > 0, 2 * slope[1:] * slope[:-1] / (slope[1:] + slope[:-1] + 1e-12), 0)
    tangent = np.concatenate([slope[:1], inner, slope[-1:]])
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    h = x[i + 1] - x[i]
    t = (at - x[i]) / h
    return (
        (2 * t**3 - 3 * t**2 + 1) * y[i]
        + (t**3 - 2 * t**2 + t) * h * tangent[i]
        + (-2 * t**3 + 3 * t**2) * y[i + 1]
        + (t**3 - t**2) * h * tangent[i + 1]
    )


# ---------------------------------------------------------------- the anatomy


def bind_pose() -> Tensor:
    """(1, angles) the pose in which meshes are made: arms and legs apart so that nothing touches."""
    pose = torch.zeros(1, len(ANGLES))
    for side in ("left", "right"):
        for name, value in (
            ("shoulder_abduction", 38.0),
            ("hip_abduction", 9.0),
            ("elbow", 12.0),
            ("knee", 4.0),
            ("hip_flexion", 2.0),
        ):
            pose[0, ANGLE[f"{side}_{name}"]] = value
    return pose


class Anatomy:
    """The fields of one body in the bind pose."""

    def __init__(self, body: Body, outfit: Outfit, device: torch.device):
        self.body, self.outfit = body, outfit
        rotations, positions = forward_kinematics(body.joints()[None], bind_pose())
        self.rotation, self.joint = rotations[0].to(device), positions[0].to(device)
        self.s = body.stature / 1.75
        self.head_unit = head_scale(body)
        self.forward = torch.tensor([1.0, 0.0, 0.0], device=device)

    def at(self, bone: str, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Tensor:
        """A point given in a bone's frame (metres over stature/1.75)."""
        index = BONE[bone]
        return self.joint[index] + self.rotation[index] @ (self.joint.new_tensor([x, y, z]) * self.s)

    def sweep(
        self,
        points: Tensor,
        a: Tensor,
        b: Tensor,
        knots: list[tuple[float, ...]],
        grow: float = 0.0,
        cap: float = 0.03,
        forward: Tensor | None = None,
    ) -> Tensor:
        """A loft whose knots are in metres over stature/1.75, made wider by `grow`."""
        scaled = [(u, (w + grow) * self.s, (d + grow) * self.s, (k[0] if k else 0.0) * self.s) for u, w, d, *k in knots]
        return loft(points, a, b, self.forward if forward is None else forward, scaled, (cap + grow) * self.s)

    # Every part takes `grow`, the thickness of cloth upon it.

    def torso(self, p: Tensor, grow: float = 0.0) -> Tensor:
        f, g, m = self.body.female, self.body.girth, self.body.muscle
        belly = max(0.0, g - 1.0)
        w, d = 0.6 + 0.4 * g, 0.5 + 0.5 * g
        knots = [
            (0.00, (0.120 + 0.004 * f) * w, 0.085 * d, -0.006),
            (0.10, (0.160 + 0.010 * f) * w, 0.108 * d, -0.010),
            (0.24, (0.158 + 0.006 * f) * w, 0.107 * d, -0.004),
            (0.42, (0.138 - 0.014 * f) * (0.4 + 0.6 * g), (0.092 - 0.006 * f) * g, 0.010 + 0.05 * belly),
            (0.60, (0.146 - 0.014 * f) * w, 0.104 * d, 0.006 + 0.02 * belly),
            (0.76, (0.160 - 0.012 * f + 0.012 * m) * w, (0.112 + 0.006 * m) * d, 0.004),
            (0.90, (0.158 - 0.014 * f + 0.012 * m) * w, 0.094 * d, -0.006),
            (1.00, 0.105 * w, 0.062 * d, -0.016),
        ]
        low, high = self.at("pelvis", 0, 0, -0.115), self.at("neck", 0.0, 0, -0.015)
        field = self.sweep(p, low, high, knots, grow, 0.035)
        for side, sign in (("left", 1), ("right", -1)):
            # shoulder slope, from the neck to the deltoid, and the chest
            field = smooth_union(
                field,
                self.sweep(
                    p,
                    self.at("neck", 0, 0.02 * sign, 0.015),
                    self.at(f"{side}_arm", 0, -0.012 * sign, -0.008),
                    [(0, 0.050, 0.048), (1, 0.036, 0.046)],
                    grow,
                    0.03,
                ),
                0.06 * self.s,
            )
            chest = self.at("chest", 0.060 + 0.022 * f * d, 0.070 * sign, 0.095)
            size = 0.050 + 0.020 * f * g
            field = smooth_union(
                field,
                ellipsoid(p, chest, tuple((v + grow) * self.s for v in (size * 0.95, size * 1.25, size))),
                0.05 * self.s,
            )
            seat = self.at("pelvis", -0.060, 0.070 * sign, -0.055)
            field = smooth_union(
                field,
                ellipsoid(p, seat, tuple((v + grow) * self.s for v in (0.075 * d, 0.085 * w, 0.085))),
                0.05 * self.s,
            )
        return field

    def neck(self, p: Tensor, grow: float = 0.0) -> Tensor:
        w = (0.050 - 0.006 * self.body.female + 0.006 * self.body.muscle) * (0.7 + 0.3 * self.body.girth)
        return self.sweep(
            p,
            self.at("neck", -0.005, 0, -0.03),
            self.at("head", -0.005, 0, 0.02),
            [(0, w * 1.25, w * 1.2), (0.4, w, w * 1.02), (1, w * 0.98, w)],
            grow,
        )

    def upper_arm(self, p: Tensor, side: str, grow: float = 0.0, until: float = 1.0) -> Tensor:
        g = (0.55 + 0.45 * self.body.girth) * (1 - 0.10 * self.body.female) * (0.92 + 0.16 * self.body.muscle)
        m = self.body.muscle * 0.006
        knots = [
            (0.0, 0.043, 0.048),
            (0.18, 0.048 + m, 0.052 + m, 0),
            (0.5, 0.044 + m, 0.047 + 1.5 * m, 0.004),
            (0.85, 0.038, 0.037),
            (1.0, 0.036, 0.036),
        ]
        return self._limb(
            p, self.at(f"{side}_arm", 0, 0, 0.0), self.at(f"{side}_forearm"), knots, g, grow, until, side, "arm"
        )

    def forearm(self, p: Tensor, side: str, grow: float = 0.0, until: float = 1.0) -> Tensor:
        g = (0.6 + 0.4 * self.body.girth) * (1 - 0.10 * self.body.female) * (0.94 + 0.12 * self.body.muscle)
        knots = [
            (0.0, 0.036, 0.036),
            (0.25, 0.042, 0.040, 0.002),
            (0.6, 0.033, 0.031),
            (0.9, 0.022, 0.028),
            (1.0, 0.021, 0.029),
        ]
        return self._limb(
            p, self.at(f"{side}_forearm"), self.at(f"{side}_hand"), knots, g, grow, until, side, "forearm", cap=0.02
        )

    def thigh(self, p: Tensor, side: str, grow: float = 0.0, until: float = 1.0) -> Tensor:
        g = (0.5 + 0.5 * self.body.girth) * (0.95 + 0.08 * self.body.muscle)
        f = 0.004 * self.body.female
        knots = [
            (0.0, 0.082 + f, 0.090 + f, -0.004),
            (0.2, 0.083 + f, 0.092 + f, 0.0),
            (0.5, 0.072, 0.078, 0.008),
            (0.8, 0.058, 0.060, 0.004),
            (0.92, 0.053, 0.056, 0.004),
            (1.0, 0.052, 0.056, 0.006),
        ]
        return self._limb(
            p,
            self.at(f"{side}_thigh", 0, 0, -0.01),
            self.at(f"{side}_shank"),
            knots,
            g,
            grow,
            until,
            side,
            "thigh",
            cap=0.045,
        )

    def shank(self, p: Tensor, side: str, grow: float = 0.0, until: float = 1.0, start: float = 0.0) -> Tensor:
        g = (0.6 + 0.4 * self.body.girth) * (0.96 + 0.08 * self.body.muscle)
        m = 0.005 * self.body.muscle
        knots = [
            (0.0, 0.051, 0.056, 0.004),
            (0.12, 0.050, 0.052, 0.0),
            (0.3, 0.053 + m, 0.056 + m, -0.010),
            (0.55, 0.044, 0.046, -0.009),
            (0.85, 0.032, 0.036, -0.004),
            (1.0, 0.033, 0.038, -0.006),
        ]
        return self._limb(
            p, self.at(f"{side}_shank"), self.at(f"{side}_foot"), knots, g, grow, until, side, "shank", start, cap=0.03
        )

    def _limb(
        self,
        p: Tensor,
        a: Tensor,
        b: Tensor,
        knots: list[tuple[float, ...]],
        girth: float,
        grow: float,
        until: float,
        side: str,
        bone: str,
        start: float = 0.0,
        cap: float = 0.035,
    ) -> Tensor:
        forward = self.rotation[BONE[f"{side}_{bone}"]][:, 0]
        scaled = [(u, w * girth, d * girth, *k) for u, w, d, *k in knots]
        field = self.sweep(p, a, b, scaled, grow, cap, forward)
        axis = b - a
        along = (p - a) @ axis / axis.square().sum()
        length = axis.norm()
        if until < 1:
            field = clip(field, (along - until) * length)
        if start > 0:
            field = clip(field, (start - along) * length)
        return field

    def hand(self, p: Tensor, side: str) -> Tensor:
        sign = 1 if side == "left" else -1
        bone = f"{side}_hand"
        rotation = self.rotation[BONE[bone]]

        def part(
            start: tuple[float, ...], end: tuple[float, ...], knots: list[tuple[float, ...]], cap: float
        ) -> Tensor:
            return self.sweep(p, self.at(bone, *start), self.at(bone, *end), knots, 0, cap, rotation[:, 0])

        field = part(
            (0, 0, 0.01),
            (0.0, -0.004 * sign, -0.085),
            [(0, 0.018, 0.026), (0.4, 0.015, 0.036), (1, 0.012, 0.039)],
            0.012,
        )
        for x, length in ((0.028, 0.068), (0.0095, 0.078), (-0.0095, 0.072), (-0.027, 0.056)):
            knuckle = (x, -0.004 * sign, -0.082)
            middle = (x * 1.05, -0.010 * sign, -0.082 - length * 0.55)
            tip = (x * 1.05, -0.026 * sign, -0.082 - length * 0.95)
            finger = torch.minimum(
                part(knuckle, middle, [(0, 0.0095, 0.0095), (1, 0.0085, 0.0085)], 0.009),
                part(middle, tip, [(0, 0.0085, 0.0085), (1, 0.007, 0.007)], 0.007),
            )
            field = smooth_union(field, finger, 0.008 * self.s)
        thumb = torch.minimum(
            part(
                (0.022, -0.004 * sign, -0.02),
                (0.050, -0.014 * sign, -0.062),
                [(0, 0.013, 0.015), (1, 0.010, 0.010)],
                0.01,
            ),
            part(
                (0.050, -0.014 * sign, -0.062),
                (0.055, -0.022 * sign, -0.092),
                [(0, 0.010, 0.010), (1, 0.008, 0.008)],
                0.008,
            ),
        )
        return smooth_union(field, thumb, 0.012 * self.s)

    def foot(self, p: Tensor, side: str, grow: float = 0.0) -> Tensor:
        """The foot, or with `grow` the upper of a shoe."""
        bone = f"{side}_foot"
        up = self.rotation[BONE[bone]][:, 2]
        heel, ball, tip = (
            self.at(bone, -0.050, 0, -0.038),
            self.at(bone, 0.125, 0, -0.048),
            self.at(f"{side}_toes", 0.055, 0, -0.001),
        )
        field = self.sweep(
            p,
            heel,
            ball,
            [(0, 0.033, 0.036), (0.35, 0.034, 0.046, 0.012), (0.7, 0.040, 0.038, 0.006), (1, 0.046, 0.027)],
            grow,
            0.025,
            up,
        )
        field = smooth_union(
            field,
            self.sweep(p, ball, tip, [(0, 0.046, 0.026), (1, 0.036, 0.019, -0.002)], grow, 0.028, up),
            0.03 * self.s,
        )
        ankle = self.sweep(
            p,
            self.at(bone, -0.008, 0, 0.02),
            self.at(bone, 0.005, 0, -0.03),
            [(0, 0.034, 0.042), (1, 0.038, 0.052)],
            grow,
            0.02,
        )
        return smooth_union(field, ankle, 0.05 * self.s)

    def to_head(self, p: Tensor) -> Tensor:
        """Points in head units: the frame in which the face is drawn."""
        return (p - self.joint[BONE["head"]]) @ self.rotation[BONE["head"]] / self.head_unit

    def skull(self, p: Tensor, grow: float = 0.0) -> Tensor:
        """The head's outline without features, in metres; for hair."""
        h = self.to_head(p)
        return (ellipsoid(h, (-0.004, 0, 0.082), (0.098, 0.077, 0.092)) - grow) * self.head_unit

    def face(self, p: Tensor) -> Tensor:
        h, f = self.to_head(p), self.body.female
        mirrored = torch.stack([h[:, 0], h[:, 1].abs(), h[:, 2]], 1)
        field = ellipsoid(h, (-0.004, 0, 0.082), (0.098, 0.077, 0.092))
        fat = 0.006 * (self.body.girth - 1)
        field = smooth_union(field, ellipsoid(h, (0.030, 0, 0.018), (0.069, 0.060 + fat, 0.075)), 0.035)
        field = smooth_union(
            field, ellipsoid(mirrored, (0.012, 0.032, -0.012), (0.040, 0.024 - 0.003 * f + fat, 0.028)), 0.03
        )  # jaw
        field = smooth_union(field, ellipsoid(h, (0.077, 0, -0.040), (0.022, 0.022 - 0.003 * f, 0.018)), 0.025)  # chin
        field = smooth_union(
            field, ellipsoid(mirrored, (0.076, 0.040, 0.036), (0.020, 0.018, 0.016)), 0.025
        )  # cheek bones
        field = smooth_union(
            field, ellipsoid(mirrored, (0.086, 0.026, 0.085), (0.012, 0.026, 0.009)), 0.016
        )  # brows' ridge
        field = smooth_cut(field, ellipsoid(mirrored, (0.106, 0.032, 0.063), (0.016, 0.019, 0.013)), 0.014)  # sockets
        bridge, tip = h.new_tensor([0.088, 0, 0.070]), h.new_tensor([0.114, 0, 0.034])
        field = smooth_union(
            field,
            loft(h, bridge, tip, h.new_tensor([1.0, 0, 0]), [(0, 0.008, 0.012, 0), (1, 0.011, 0.012, 0)], 0.010),
            0.010,
        )
        field = smooth_union(
            field, ellipsoid(mirrored, (0.104, 0.012, 0.029), (0.011, 0.009, 0.008)), 0.006
        )  # nostrils
        field = smooth_union(field, ellipsoid(h, (0.089, 0, 0.000), (0.010, 0.024, 0.006)), 0.008)  # upper lip
        field = smooth_union(field, ellipsoid(h, (0.086, 0, -0.011), (0.010, 0.020, 0.006)), 0.008)  # lower lip
        ear = ellipsoid(mirrored, (-0.006, 0.080, 0.046), (0.020, 0.009, 0.033))
        ear = smooth_cut(ear, ellipsoid(mirrored, (-0.003, 0.090, 0.048), (0.011, 0.008, 0.020)), 0.004)
        return smooth_union(field, ear, 0.010) * self.head_unit

    def eyes(self, p: Tensor) -> Tensor:
        h = self.to_head(p)
        mirrored = torch.stack([h[:, 0], h[:, 1].abs(), h[:, 2]], 1)
        x, y, z = FACE["eye"]
        return ellipsoid(mirrored, (x - 0.0115, y, z), (0.0125, 0.0150, 0.0100)) * self.head_unit

    def hair(self, p: Tensor) -> Tensor:
        h, style = self.to_head(p), self.outfit.hair
        thick = {"short": 0.008, "curly": 0.026, "long": 0.014, "tail": 0.008, "bun": 0.008, "cap": 0.006}[style]
        field = self.skull(p, thick) / self.head_unit
        if style == "curly":
            field = field + 0.004 * torch.sin(h[:, 0] * 260) * torch.sin(h[:, 1] * 260) * torch.sin(h[:, 2] * 260)
        # the hairline: in front above the brow, beside it in front of the ear, behind down to the neck
        line = 0.034 * torch.exp(-(((h[:, 0] - 0.004) / 0.030) ** 2)) + 0.136 * torch.sigmoid((h[:, 0] - 0.040) * 90)
        field = clip(field, (line - h[:, 2]) * 0.6)
        if style == "long":
            back = ellipsoid(h, (-0.045, 0, -0.010), (0.062, 0.085, 0.145))
            back = clip(back, h[:, 0] - 0.012)
            field = smooth_union(field, back, 0.02)
        if style == "tail":
            tail = loft(
                h,
                h.new_tensor([-0.095, 0, 0.11]),
                h.new_tensor([-0.135, 0, -0.06]),
                h.new_tensor([1.0, 0, 0]),
                [(0, 0.014, 0.014, 0), (0.3, 0.026, 0.026, -0.015), (1, 0.012, 0.012, 0)],
                0.03,
            )
            field = smooth_union(field, tail, 0.02)
        if style == "bun":
            field = smooth_union(field, ellipsoid(h, (-0.085, 0, 0.150), (0.036, 0.038, 0.036)), 0.012)
        return field * self.head_unit

    def cap(self, p: Tensor) -> Tensor:
        h = self.to_head(p)
        dome = clip(self.skull(p, 0.013) / self.head_unit, 0.098 - h[:, 2])
        peak = clip(ellipsoid(h, (0.105, 0, 0.098), (0.075, 0.068, 0.008)), 0.06 - h[:, 0])
        return smooth_union(dome, peak, 0.008) * self.head_unit

    # ---- layers

    def skin(self, p: Tensor) -> Tensor:
        field = smooth_union(self.torso(p), self.neck(p), 0.05 * self.s)
        field = smooth_union(field, self.face(p), 0.022 * self.s)
        for side in ("left", "right"):
            arm = smooth_union(self.upper_arm(p, side), self.forearm(p, side), 0.03 * self.s)
            arm = smooth_union(arm, self.hand(p, side), 0.02 * self.s)
            leg = smooth_union(self.thigh(p, side), self.shank(p, side), 0.03 * self.s)
            leg = smooth_union(leg, self.foot(p, side), 0.03 * self.s)
            field = smooth_union(field, arm, 0.05 * self.s)
            field = smooth_union(field, leg, 0.04 * self.s)
        return field

    def shirt(self, p: Tensor) -> Tensor:
        ease = 0.007 + 0.006 * self.outfit.loose
        field = self.torso(p, ease)
        # cloth hangs from the chest: it does not follow the waist all the way in
        w, d = 0.5 + 0.5 * self.body.girth, 0.4 + 0.6 * self.body.girth
        drape = self.sweep(
            p,
            self.at("pelvis", -0.004, 0, -0.14),
            self.at("chest", 0.004, 0, 0.06),
            [(0, 0.216 * w, 0.154 * d, -0.006), (0.3, 0.188 * w, 0.130 * d), (1, 0.142 * w, 0.104 * d)],
            0.005 * self.outfit.loose,
            0.02,
        )
        field = smooth_union(field, drape, 0.04 * self.s)
        reach = self.outfit.sleeves * (0.300 + 0.255)
        for side in ("left", "right"):
            if self.outfit.sleeves > 0:
                sleeve = self.upper_arm(p, side, ease + 0.004 * self.outfit.loose, min(1.0, reach / 0.31))
                if reach > 0.31:
                    sleeve = smooth_union(sleeve, self.forearm(p, side, ease, (reach - 0.30) / 0.255), 0.03 * self.s)
                field = smooth_union(field, sleeve, 0.04 * self.s)
            else:
                armpit = self.at(f"{side}_arm", 0, 0.0, -0.03)
                field = smooth_cut(
                    field, ellipsoid(p, armpit, tuple(v * self.s for v in (0.09, 0.045, 0.09))), 0.02 * self.s
                )
        field = smooth_cut(
            field,
            ellipsoid(p, self.at("neck", 0.035, 0, 0.035), tuple(v * self.s for v in (0.085, 0.080, 0.075))),
            0.01,
        )
        collar = (p - self.at("neck", -0.05, 0, 0.052)) @ p.new_tensor([0.30, 0.0, 0.954])
        field = clip(field, collar)
        hem = self.at("pelvis", 0, 0, -0.12)[2]
        return clip(field, hem - p[:, 2])

    def lower_wear(self, p: Tensor) -> Tensor:
        style, loose = self.outfit.lower, self.outfit.loose
        ease = 0.006 if style == "tights" else 0.006 + 0.005 * loose
        field = clip(self.torso(p, ease), p[:, 2] - self.at("pelvis", 0, 0, 0.045)[2])
        if style == "skirt":
            waist, end = self.at("pelvis", -0.005, 0, -0.05), self.at("pelvis", 0, 0, -0.05 - 0.42 * self.outfit.hem)
            flare = 0.13 + 0.09 * self.outfit.hem * loose
            skirt = self.sweep(
                p, waist, end, [(0, 0.165, 0.125), (0.4, 0.19, 0.155), (1, 0.10 + flare, 0.06 + flare)], 0.0, 0.01
            )
            return smooth_union(field, skirt, 0.03 * self.s)
        for side in ("left", "right"):
            if style == "shorts":
                leg = self.thigh(p, side, ease + 0.010 * loose, self.outfit.hem)
            else:
                wide = ease + (0.0 if style == "tights" else 0.004 * loose)
                leg = smooth_union(
                    self.thigh(p, side, wide),
                    self.shank(
                        p, side, wide + (0 if style == "tights" else 0.006 * loose), 0.97 if style == "tights" else 1.0
                    ),
                    0.03 * self.s,
                )
            field = smooth_union(field, leg, 0.03 * self.s)
        return field

    def socks(self, p: Tensor) -> Tensor:
        left, right = (self.shank(p, side, 0.003, 1.0, 1.0 - self.outfit.socks) for side in ("left", "right"))
        return torch.minimum(left, right)

    def shoes(self, p: Tensor) -> Tensor:
        fields = []
        for side in ("left", "right"):
            field = self.foot(p, side, 0.007)
            collar = (p - self.at(f"{side}_foot", 0, 0, 0.010)) @ (
                self.rotation[BONE[f"{side}_foot"]] @ p.new_tensor([-0.20, 0, 0.98])
            )
            floor = (p - self.at(f"{side}_foot", 0, 0, -0.070)) @ self.rotation[BONE[f"{side}_foot"]][:, 2]
            fields.append(clip(clip(field, collar), -floor))
        return torch.minimum(*fields)

    def soles(self, p: Tensor) -> Tensor:
        fields = []
        for side in ("left", "right"):
            bone = f"{side}_foot"
            up = self.rotation[BONE[bone]][:, 2]
            heel, ball, tip = (
                self.at(bone, -0.048, 0, -0.064),
                self.at(bone, 0.125, 0, -0.066),
                self.at(f"{side}_toes", 0.058, 0, -0.010),
            )
            field = self.sweep(p, heel, ball, [(0, 0.040, 0.013), (0.4, 0.038, 0.013), (1, 0.053, 0.013)], 0, 0.032, up)
            fields.append(
                smooth_union(
                    field, self.sweep(p, ball, tip, [(0, 0.053, 0.013), (1, 0.040, 0.011)], 0, 0.032, up), 0.015
                )
            )
        return torch.minimum(*fields)


# ---------------------------------------------------------------- from field to mesh


def surface_nets(values: Tensor, origin: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """Vertices (V, 3), faces (F, 3) of the zero level of `values` (X, Y, Z): a vertex a mixed cell."""
    device = values.device
    inside = values < 0
    shape = values.shape
    cells = [n - 1 for n in shape]
    corner = lambda x, y, z: (slice(x, shape[0] - 1 + x), slice(y, shape[1] - 1 + y), slice(z, shape[2] - 1 + z))  # noqa: E731
    offsets = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    count = sum(inside[corner(*o)].to(torch.int8) for o in offsets)
    mixed = (count > 0) & (count < 8)
    cell = mixed.nonzero()
    index = torch.full(cells, -1, dtype=torch.long, device=device)
    index[mixed] = torch.arange(len(cell), device=device)
    total, crossings = torch.zeros(len(cell), 3, device=device), torch.zeros(len(cell), 1, device=device)
    for o in offsets:
        for axis in range(3):
            if o[axis]:
                continue
            a = cell + torch.tensor(o, device=device)
            b = a.clone()
            b[:, axis] += 1
            va, vb = values[a.unbind(1)], values[b.unbind(1)]
            crosses = ((va < 0) != (vb < 0)).float()[:, None]
            t = (va / (va - vb + 1e-20))[:, None].clamp(0, 1)
            total += crosses * torch.lerp(a.float(), b.float(), t)
            crossings += crosses
    vertices = origin + total / crossings * step
    faces = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        low = [slice(0, n - 1 if k == axis else n) for k, n in enumerate(shape)]
        high = [slice(1 if k == axis else 0, n) for k, n in enumerate(shape)]
        edge = (inside[tuple(low)] != inside[tuple(high)]).nonzero()
        edge = edge[(edge[:, u] > 0) & (edge[:, v] > 0) & (edge[:, u] < shape[u] - 1) & (edge[:, v] < shape[v] - 1)]
        ring = []
        for du, dv in ((-1, -1), (0, -1), (0, 0), (-1, 0)):
            at = edge.clone()
            at[:, u] += du
            at[:, v] += dv
            ring.append(index[at.unbind(1)])
        quad = torch.stack(ring, 1)
        flip = ~inside[edge.unbind(1)]
        quad[flip] = quad[flip].flip(1)
        faces += [quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]]
    return vertices, torch.cat(faces)


def gradient(field: Field, points: Tensor, h: float = 0.0015) -> Tensor:
    """(N, 3) central differences of a field, all six shifts in one call."""
    shifts = torch.cat([torch.eye(3, device=points.device), -torch.eye(3, device=points.device)]) * h
    values = field((points + shifts[:, None]).view(-1, 3)).view(6, -1)
    return ((values[:3] - values[3:]) / (2 * h)).T


def polygonise(
    field: Field, low: Tensor, high: Tensor, step: float, keep: Field | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Vertices, faces, normals of a field's surface within a box; `keep` (negative to keep) drops faces outside it."""
    device = low.device
    counts = ((high - low) / step).ceil().long().tolist()
    axes = [low[k] + torch.arange(n + 1, device=device) * step for k, n in enumerate(counts)]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    # a coarse pass finds where the surface may be, so that the fine one skips most of the box
    coarse = grid[::4, ::4, ::4]
    values = field(coarse.reshape(-1, 3)).reshape(coarse.shape[:3])
    for k in range(3):
        values = values.repeat_interleave(4, k)
    values = values[: grid.shape[0], : grid.shape[1], : grid.shape[2]].clone()
    near = values.abs() < step * 7
    values[near] = field(grid[near])
    vertices, faces = surface_nets(values, low, step)
    if keep is not None:
        faces = faces[keep(vertices[faces].mean(1)) < 0]
        used, faces = faces.unique(return_inverse=True)
        vertices = vertices[used]
    slope = gradient(field, vertices)
    vertices = vertices - (field(vertices) / slope.square().sum(1).clamp_min(0.05)).clamp(-step, step)[:, None] * slope
    slope = gradient(field, vertices)
    return vertices, faces, slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-6)


# Half thickness of each bone for skinning: a vertex follows the bones whose axis, less this, is nearest.
_THICKNESS = {
    "pelvis": 0.10,
    "spine": 0.11,
    "chest": 0.12,
    "neck": 0.05,
    "head": 0.09,
    "clavicle": 0.05,
    "arm": 0.045,
    "forearm": 0.035,
    "hand": 0.03,
    "thigh": 0.075,
    "shank": 0.048,
    "foot": 0.035,
    "toes": 0.03,
}


def skin_weights(anatomy: Anatomy, points: Tensor) -> tuple[Tensor, Tensor]:
    """Rig indices (V, 4) and weights (V, 4) of points in the bind pose."""
    ends = {
        "pelvis": ("pelvis", (0, 0, -0.06), "pelvis", (0, 0, 0.05)),
        "spine": ("spine", (0, 0, 0.0), "spine", (0, 0, 0.11)),
        "chest": ("chest", (0, 0, 0.03), "chest", (0, 0, 0.17)),
        "neck": ("neck", (0, 0, 0.02), "neck", (0.02, 0, 0.09)),
        "head": ("head", (0.01, 0, 0.03), "head", (0.01, 0, 0.11)),
    }
    for side, sign in (("left", 1), ("right", -1)):
        ends |= {
            f"{side}_clavicle": ("chest", (0, 0.05 * sign, 0.16), f"{side}_arm", (0, -0.05 * sign, 0.02)),
            f"{side}_arm": (f"{side}_arm", (0, 0, 0), f"{side}_forearm", (0, 0, 0)),
            f"{side}_forearm": (f"{side}_forearm", (0, 0, 0), f"{side}_hand", (0, 0, 0)),
            f"{side}_hand": (f"{side}_hand", (0, 0, -0.01), f"{side}_hand", (0, 0, -0.15)),
            f"{side}_thigh": (f"{side}_thigh", (0, 0, 0), f"{side}_shank", (0, 0, 0)),
            f"{side}_shank": (f"{side}_shank", (0, 0, 0), f"{side}_foot", (0, 0, 0)),
            f"{side}_foot": (f"{side}_foot", (-0.03, 0, -0.03), f"{side}_toes", (-0.01, 0, 0)),
            f"{side}_toes": (f"{side}_toes", (0.01, 0, 0), f"{side}_toes", (0.06, 0, 0)),
        }
    distances = []
    for name in BONES:
        first, a, second, b = ends[name]
        start, end = anatomy.at(first, *a), anatomy.at(second, *b)
        axis = end - start
        t = ((points - start) @ axis / axis.square().sum()).clamp(0, 1)
        d = (points - start - t[:, None] * axis).norm(dim=1) / anatomy.s - _THICKNESS[name.split("_")[-1]]
        if name.startswith(("left", "right")):  # a limb does not pull at the other side
            across = points[:, 1] if name.startswith("left") else -points[:, 1]
            d = d + (-across / anatomy.s + 0.01).clamp_min(0) * 3
        distances.append(d)
    distance = torch.stack(distances, 1)
    softness = 0.014
    weight = torch.softmax(-distance / softness, 1)
    weight = torch.cat([weight, weight.new_zeros(len(points), len(HALVES))], 1)
    for index, bone in enumerate(HALVES):
        parent = PARENTS[bone]
        shared = 2 * torch.minimum(weight[:, parent], weight[:, bone])
        weight[:, len(BONES) + index] = shared
        weight[:, parent] -= shared / 2
        weight[:, bone] -= shared / 2
    top, bones = weight.topk(4, dim=1)
    return bones, top / top.sum(1, keepdim=True)


def build_mesh(body: Body, outfit: Outfit, detail: float = 1.0, device: torch.device | str = "cpu") -> Mesh:
    """The mesh of one dressed body; `detail` 1: triangles of 11 mm, 5 on face and hands; 0.5: twice as coarse."""
    device = torch.device(device)
    a = Anatomy(body, outfit, device)
    s, unit = a.s, a.head_unit
    step = 0.011 * s / detail
    joint = a.joint
    low, high = joint.min(0).values - 0.20 * s, joint.max(0).values + 0.20 * s
    head_low, head_high = (
        joint[BONE["head"]] + torch.tensor([[-0.17, -0.13, -0.18], [0.19, 0.13, 0.24]], device=device) * unit
    )
    cloth = [a.shirt, a.lower_wear, a.shoes] + ([a.socks] if outfit.socks > 0 else [])

    def uncovered(p: Tensor) -> Tensor:
        """Negative where skin is not hidden deep under cloth."""
        return -torch.stack([f(p) for f in cloth]).amin(0) - 0.004

    def rest(p: Tensor) -> Tensor:
        """Negative for the trunk and limbs: neither head nor hands, which have finer meshes."""
        h = a.to_head(p)
        keep = torch.maximum(uncovered(p), torch.minimum(h[:, 2] + 0.078, 0.3 - (p[:, 2] - joint[0, 2])))
        for side in ("left", "right"):
            wrist = joint[BONE[f"{side}_hand"]]
            beyond = (p - wrist) @ (wrist - joint[BONE[f"{side}_forearm"]]) * 4
            keep = torch.maximum(keep, torch.minimum(beyond, 0.3 * s - (p - wrist).norm(dim=1)))
        return keep

    parts: list[tuple[str, Field, Tensor, Tensor, float, Field | None, bool]] = [
        ("skin", a.skin, low, high, step, rest, False),
        (
            "skin",
            lambda p: smooth_union(smooth_union(a.torso(p), a.neck(p), 0.05 * s), a.face(p), 0.022 * s),
            head_low,
            head_high,
            0.0052 * unit / detail,
            lambda p: -0.086 - a.to_head(p)[:, 2],
            True,
        ),
        ("eye", a.eyes, head_low, head_high, 0.0035 * unit / max(detail, 0.6), None, True),
        ("shirt", a.shirt, low, high, step, None, False),
        ("lower", a.lower_wear, low, high, step, None, False),
        ("shoe", a.shoes, low, high * 0 + torch.tensor([1.0, 1.0, 0.35], device=device) * s, step * 0.75, None, False),
        ("sole", a.soles, low, high * 0 + torch.tensor([1.0, 1.0, 0.25], device=device) * s, step * 0.75, None, False),
    ]
    for side in ("left", "right"):
        wrist, elbow = joint[BONE[f"{side}_hand"]], joint[BONE[f"{side}_forearm"]]
        direction = wrist - elbow
        parts.append(
            (
                "skin",
                lambda p, side=side: smooth_union(a.forearm(p, side), a.hand(p, side), 0.02 * s),
                wrist - 0.20 * s,
                wrist + 0.20 * s,
                0.0065 * s / detail,
                lambda p, wrist=wrist, direction=direction: -((p - wrist) @ direction) - 0.002,
                False,
            )
        )
    if outfit.socks > 0:
        parts.append(("sock", a.socks, low, high, step, None, False))
    if outfit.hair != "bald":
        hair_low, hair_high = head_low - 0.06 * unit, head_high + 0.05 * unit
        parts.append(("hair", a.hair, hair_low, hair_high, 0.0065 * unit / detail, None, True))
    if outfit.hair == "cap":
        parts.append(("cap", a.cap, head_low, head_high + 0.05 * unit, 0.006 * unit / detail, None, True))

    vertices, normals, faces, materials, heads = [], [], [], [], []
    offset = 0
    for name, field, box_low, box_high, size, keep, head in parts:
        v, f, n = polygonise(field, box_low, box_high, size, keep)
        vertices.append(v)
        normals.append(n)
        faces.append(f + offset)
        materials.append(torch.full((len(v),), MATERIAL[name], device=device))
        heads.append(torch.full((len(v),), head, device=device))
        offset += len(v)
    v, n = torch.cat(vertices), torch.cat(normals)
    head = torch.cat(heads)
    bones, weights = skin_weights(a, v)
    material = torch.cat(materials)
    stiff = head & (
        (a.to_head(v)[:, 2] > -0.02) | (material != MATERIAL["skin"])
    )  # hair and face turn with the head alone
    bones[stiff], weights[stiff] = (
        torch.tensor([BONE["head"], 0, 0, 0], device=device),
        torch.tensor([1.0, 0, 0, 0], device=device),
    )

    def solid(p: Tensor) -> Tensor:
        return torch.minimum(torch.minimum(a.skin(p), a.shirt(p)), a.lower_wear(p))

    reach = torch.tensor([0.02, 0.05, 0.11], device=device)[:, None] * s
    clearance = solid((v + n * reach[..., None]).view(-1, 3)).view(3, -1)
    occlusion = ((reach - clearance) / reach).clamp(0, 1).T @ torch.tensor([0.5, 0.6, 0.6], device=device)
    light = (1 - 0.75 * occlusion).clamp(0.15, 1)
    local = torch.where(head[:, None], a.to_head(v), v / s)
    assert int(bones.max()) < RIG_SIZE
    return Mesh(v, n, local, material, light, bones, weights, torch.cat(faces), head)
