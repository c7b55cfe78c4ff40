"""The skeleton: bones, joint angles, forward kinematics, and where COCO's 17 keypoints lie on it.

Metres and degrees. A person faces +x, its left is +y, up is +z; a world has the ground at z = 0.
All functions work on batches of persons (P) as torch tensors on any device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BONES = (
    "pelvis",
    "spine",
    "chest",
    "neck",
    "head",
    "left_clavicle",
    "left_arm",
    "left_forearm",
    "left_hand",
    "right_clavicle",
    "right_arm",
    "right_forearm",
    "right_hand",
    "left_thigh",
    "left_shank",
    "left_foot",
    "left_toes",
    "right_thigh",
    "right_shank",
    "right_foot",
    "right_toes",
)
PARENTS = (-1, 0, 1, 2, 3, 2, 5, 6, 7, 2, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
BONE = {name: index for index, name in enumerate(BONES)}

# A vertex near one of these joints follows a helper that turns half as far: limbs keep their volume when they bend.
HALVES = tuple(BONE[f"{side}_{bone}"] for side in ("left", "right") for bone in ("arm", "forearm", "thigh", "shank"))
RIG_SIZE = len(BONES) + len(HALVES)

ANGLES = (
    "tilt",
    "list",
    "spine_flexion",
    "spine_side",
    "spine_twist",
    "neck_flexion",
    "neck_side",
    "neck_turn",
    *tuple(
        f"{side}_{angle}"
        for side in ("left", "right")
        for angle in (
            "shrug",
            "shoulder_flexion",
            "shoulder_abduction",
            "shoulder_rotation",
            "elbow",
            "pronation",
            "wrist",
            "hip_flexion",
            "hip_abduction",
            "hip_rotation",
            "knee",
            "ankle",
            "toes",
        )
    ),
)
"""Names of a pose's angles: zero is standing upright, arms hanging. `knee`, `elbow` flexion, `ankle` dorsiflexion."""
ANGLE = {name: index for index, name in enumerate(ANGLES)}

KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
EDGES = (
    (15, 13),
    (13, 11),
    (16, 14),
    (14, 12),
    (11, 12),
    (5, 11),
    (6, 12),
    (5, 6),
    (5, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (1, 2),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
)
SIGMAS = torch.tensor([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
"""COCO's per-keypoint standard deviations, for object keypoint similarity."""

JOINT_ANGLES = {
    f"{side}_{name}": tuple(f"{side}_{part}" for part in parts)
    for side in ("left", "right")
    for name, parts in {
        "elbow": ("arm", "forearm", "hand"),
        "shoulder": ("forearm", "arm", "thigh"),
        "hip": ("arm", "thigh", "shank"),
        "knee": ("thigh", "shank", "foot"),
    }.items()
}
"""Joint angles of the truth: the angle in space at the middle joint of three, 180 is straight."""


@dataclass(frozen=True)
class Body:
    """One person's build. Proportions: Winter, Biomechanics and Motor Control of Human Movement (2009), fig. 4.1."""

    stature: float = 1.75
    girth: float = 1.0  # 0.85 thin .. 1.4 heavy
    female: float = 0.0  # 0 .. 1: shoulders, hips, waist, bust
    muscle: float = 0.5  # 0 .. 1
    head: float = 1.0  # head size over an adult's share: children have larger ones
    legs: float = 1.0  # leg length over the average

    def joints(self) -> Tensor:
        """(bones, 3) joint offsets from the parent joint, in the parent's frame, when every angle is zero."""
        s = self.stature / 1.75
        shoulder = (0.178 - 0.018 * self.female + 0.012 * self.muscle) * s * (0.9 + 0.1 * self.girth)
        hip = (0.088 + 0.004 * self.female) * s
        thigh, shank = 0.430 * s * self.legs, 0.425 * s * self.legs
        ankle = 0.075 * s
        torso = s * (1 - 0.9 * (self.legs - 1))
        left = {
            "clavicle": (-0.005 * s, 0.02 * s, 0.175 * torso),
            "arm": (-0.005 * s, shoulder - 0.02 * s, 0.005 * s),
            "forearm": (0, 0, -0.300 * s),
            "hand": (0, 0, -0.255 * s),
            "thigh": (0, hip, -0.055 * s),
            "shank": (0, 0, -thigh),
            "foot": (-0.005 * s, 0, -shank),
            "toes": (0.130 * s, 0, -ankle + 0.022 * s),
        }
        offsets = {
            "pelvis": (0, 0, 0.055 * s + thigh + shank + ankle),
            "spine": (-0.005 * s, 0, 0.085 * torso),
            "chest": (-0.005 * s, 0, 0.145 * torso),
            "neck": (-0.018 * s, 0, 0.235 * torso),
            "head": (0.022 * s, 0, 0.125 * s),
        }
        for name, (x, y, z) in left.items():
            offsets[f"left_{name}"], offsets[f"right_{name}"] = (x, y, z), (x, -y, z)
        return torch.tensor([offsets[name] for name in BONES], dtype=torch.float32)


def axis_rotation(axis: int, degrees: Tensor) -> Tensor:
    """(…, 3, 3) rotations about coordinate axis 0, 1 or 2 by `degrees` (…)."""
    angle = torch.deg2rad(degrees)
    c, s, one, zero = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
    rows = {
        0: (one, zero, zero, zero, c, -s, zero, s, c),
        1: (c, zero, s, zero, one, zero, -s, zero, c),
        2: (c, -s, zero, s, c, zero, zero, zero, one),
    }[axis]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def local_rotations(pose: Tensor) -> Tensor:
    """(P, bones, 3, 3) rotation of each bone in its parent's frame, from a pose (P, angles) in degrees."""

    def rotate(axis: int, name: str, scale: float = 1.0) -> Tensor:
        return axis_rotation(axis, pose[:, ANGLE[name]] * scale)

    local = {"pelvis": rotate(1, "tilt") @ rotate(0, "list")}
    for bone, share in (("spine", 0.5), ("chest", 0.5)):
        local[bone] = (
            rotate(2, "spine_twist", share) @ rotate(1, "spine_flexion", share) @ rotate(0, "spine_side", share)
        )
    for bone, share in (("neck", 0.4), ("head", 0.6)):
        local[bone] = rotate(2, "neck_turn", share) @ rotate(1, "neck_flexion", share) @ rotate(0, "neck_side", share)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        local[f"{side}_clavicle"] = rotate(0, f"{side}_shrug", sign)
        local[f"{side}_arm"] = (
            rotate(1, f"{side}_shoulder_flexion", -1)
            @ rotate(0, f"{side}_shoulder_abduction", sign)
            @ rotate(2, f"{side}_shoulder_rotation", -sign)
        )
        local[f"{side}_forearm"] = rotate(1, f"{side}_elbow", -1) @ rotate(2, f"{side}_pronation", -sign)
        local[f"{side}_hand"] = rotate(0, f"{side}_wrist", -sign)
        local[f"{side}_thigh"] = (
            rotate(1, f"{side}_hip_flexion", -1)
            @ rotate(0, f"{side}_hip_abduction", sign)
            @ rotate(2, f"{side}_hip_rotation", sign)
        )
        local[f"{side}_shank"] = rotate(1, f"{side}_knee")
        local[f"{side}_foot"] = rotate(1, f"{side}_ankle", -1)
        local[f"{side}_toes"] = rotate(1, f"{side}_toes", -1)
    return torch.stack([local[name] for name in BONES], 1)


def half_rotations(rotation: Tensor) -> Tensor:
    """(…, 3, 3) rotations about the same axes by half the angle: the nearest rotation to I + R."""
    w = (1 + rotation[..., 0, 0] + rotation[..., 1, 1] + rotation[..., 2, 2]).clamp_min(1e-4).sqrt() / 2
    v = torch.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        -1,
    ) / (4 * w[..., None])
    q = torch.cat([w[..., None] + 1, v], -1)
    q = q / q.norm(dim=-1, keepdim=True)
    a, b, c, d = q.unbind(-1)
    return torch.stack(
        [
            1 - 2 * (c * c + d * d),
            2 * (b * c - a * d),
            2 * (b * d + a * c),
            2 * (b * c + a * d),
            1 - 2 * (b * b + d * d),
            2 * (c * d - a * b),
            2 * (b * d - a * c),
            2 * (c * d + a * b),
            1 - 2 * (b * b + c * c),
        ],
        -1,
    ).unflatten(-1, (3, 3))


def forward_kinematics(
    joints: Tensor, pose: Tensor, place: Tensor | None = None, heading: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """World rotation (P, RIG_SIZE, 3, 3) and position (P, RIG_SIZE, 3) of each bone, then of each half-way helper.

    joints (P, bones, 3) from `Body.joints`, pose (P, angles), place (P, 3) is added to the pelvis, heading (P,) turns
    the person about the vertical, counter-clockwise seen from above.
    """
    local = local_rotations(pose)
    if heading is not None:
        local = torch.cat([(axis_rotation(2, heading) @ local[:, 0])[:, None], local[:, 1:]], 1)
    rotations, positions = [local[:, 0]], [joints[:, 0] if place is None else joints[:, 0] + place]
    for bone in range(1, len(BONES)):
        parent = PARENTS[bone]
        rotations.append(rotations[parent] @ local[:, bone])
        positions.append(positions[parent] + (rotations[parent] @ joints[:, bone, :, None])[..., 0])
    halves = list(HALVES)
    half = half_rotations(local[:, halves])
    rotations += [rotations[PARENTS[bone]] @ half[:, index] for index, bone in enumerate(halves)]
    positions += [positions[bone] for bone in halves]
    return torch.stack(rotations, 1), torch.stack(positions, 1)


def joint_angles(positions: Tensor) -> dict[str, Tensor]:
    """Angle in degrees (P,) for each name of `JOINT_ANGLES`, from bone positions (P, ≥ bones, 3)."""
    angles = {}
    for name, (first, middle, last) in JOINT_ANGLES.items():
        a = positions[:, BONE[first]] - positions[:, BONE[middle]]
        b = positions[:, BONE[last]] - positions[:, BONE[middle]]
        angles[name] = torch.rad2deg(torch.atan2(torch.linalg.cross(a, b).norm(dim=-1), (a * b).sum(-1)))
    return angles


def keypoint_offsets(body: Body) -> tuple[list[int], Tensor]:
    """The bone each of the 17 keypoints is fixed to, and its place (17, 3) in that bone's frame.

    Nose, eyes and ears lie on the head's surface (see body.py, which models them at the same places). Shoulders,
    elbows, wrists, hips, knees and ankles are COCO's: people mark the middle of the joint as it looks from outside, so
    hips sit a little wider than the joint's centre, and ankles at the narrowest place, above the shoe.
    """
    s, head = body.stature / 1.75, head_scale(body)
    bones, places = [], []
    for name in KEYPOINTS:
        side, _, part = name.partition("_")
        sign = 1.0 if side == "left" else -1.0
        if name == "nose":
            bone, place = "head", [head * v for v in FACE["nose"]]
        elif part in ("eye", "ear"):
            x, y, z = FACE[part]
            bone, place = "head", [head * x, head * y * sign, head * z]
        else:
            bone, (x, y, z) = {
                "shoulder": ("arm", (0, 0, 0.0)),
                "elbow": ("forearm", (0, 0, 0)),
                "wrist": ("hand", (0, 0, 0)),
                "hip": ("pelvis", (0, 0.1, -0.062)),
                "knee": ("shank", (0.01, 0, 0)),
                "ankle": ("foot", (0, 0, 0.025)),
            }[part]
            bone = bone if bone == "pelvis" else f"{side}_{bone}"
            place = [x * s, y * s * sign, z * s]
        bones.append(BONE[bone])
        places.append(place)
    return bones, torch.tensor(places, dtype=torch.float32)


FACE = {"nose": (0.124, 0.0, 0.030), "eye": (0.090, 0.032, 0.064), "ear": (-0.004, 0.079, 0.046)}
"""Nose tip, left eye, left ear in head units (see `head_scale`), from the head's joint between the ears' lobes."""


def head_scale(body: Body) -> float:
    """The head's size over that of a 1.75 m adult."""
    return body.head * (0.45 + 0.55 * body.stature / 1.75)


# Points of the rig that may touch the ground: bone, place in its frame, how far the surface lies below.
_CONTACTS = [
    (f"{side}_{bone}", place, depth)
    for side in ("left", "right")
    for bone, place, depth in (
        ("foot", (-0.06, 0, -0.045), 0.032),
        ("toes", (0.0, 0, 0.0), 0.026),
        ("toes", (0.06, 0, 0.0), 0.022),
        ("shank", (0, 0, 0), 0.06),
        ("thigh", (-0.03, 0, 0), 0.11),
        ("arm", (0, 0, 0), 0.07),
        ("forearm", (0, 0, 0), 0.045),
        ("hand", (0, 0, -0.15), 0.02),
    )
] + [("head", (0, 0, 0.08), 0.11), ("chest", (0, 0, 0.1), 0.13)]


def lowest_point(joints: Tensor, pose: Tensor) -> Tensor:
    """(P,) height of a pose's lowest point with its pelvis where `joints` puts it: subtract it to stand."""
    rotation, position = forward_kinematics(joints, pose)
    scale = joints[:, BONE["pelvis"], 2] / 0.985
    heights = []
    for bone, place, depth in _CONTACTS:
        offset = rotation[:, BONE[bone]] @ rotation.new_tensor(place)
        heights.append(position[:, BONE[bone], 2] + (offset[:, 2] - depth) * scale)
    return torch.stack(heights, 1).amin(1)
