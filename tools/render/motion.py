"""How people move: joint curves for running, sprinting, walking and squatting, and random plausible poses.

Running and sprinting: hip, knee and ankle in the sagittal plane over one gait cycle from initial contact, knots set by
hand to the curves and the text of T. F. Novacheck, "The biomechanics of running", Gait & Posture 7 (1998) 77-95:
toe-off at 39 % (running) and 36 % (sprinting, earlier still for elite sprinters) of the cycle; greatest knee flexion
in swing about 90° running, 105° to 130° sprinting. Walking: D. A. Winter, Biomechanics and Motor Control of Human
Movement (2009), natural cadence. Squatting: R. F. Escamilla, "Knee biomechanics of the dynamic squat exercise", Med
Sci Sports Exerc 33 (2001) 127-141, a parallel squat (thighs level, knees flexed about 110° to 120°), and the order of
the joints in M. Zawadka et al., J Sports Sci Med 19 (2020) 500-507. The knots are rounded to whole degrees; arms are
ours: each swings against its leg.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .skeleton import ANGLE, ANGLES, lowest_point

GAITS: dict[str, dict[str, list[tuple[float, float]]]] = {
    "walk": {
        "hip": [(0, 30), (12, 24), (30, 5), (50, -10), (60, -4), (72, 20), (85, 33), (94, 31)],
        "knee": [(0, 5), (13, 18), (38, 5), (52, 18), (62, 45), (72, 62), (84, 35), (94, 4)],
        "ankle": [(0, 0), (7, -5), (25, 5), (45, 10), (55, -2), (62, -18), (74, -2), (88, 2)],
    },
    "run": {
        "hip": [(0, 36), (14, 28), (38, -5), (45, -8), (58, 14), (74, 45), (85, 50), (94, 42)],
        "knee": [(0, 16), (15, 42), (38, 17), (50, 58), (66, 95), (80, 62), (92, 18)],
        "ankle": [(0, 8), (18, 26), (38, -20), (45, -22), (60, -6), (80, 4)],
    },
    "sprint": {
        "hip": [(0, 44), (12, 28), (26, -3), (33, -9), (46, 14), (62, 58), (74, 72), (85, 66), (93, 54)],
        "knee": [(0, 24), (10, 38), (26, 24), (36, 62), (50, 114), (58, 122), (70, 98), (82, 52), (92, 20)],
        "ankle": [(0, 0), (11, 22), (26, -20), (32, -25), (46, -10), (64, 2), (84, 4)],
    },
}
TOE_OFF = {"walk": 0.62, "run": 0.39, "sprint": 0.30}
STRIDE_SECONDS = {"walk": 1.08, "run": 0.70, "sprint": 0.50}
_ARMS = {
    "walk": (5.0, 22.0, 22.0, 8.0),
    "run": (-8.0, 34.0, 82.0, 14.0),
    "sprint": (-4.0, 52.0, 88.0, 22.0),
}  # swing centre, reach; elbow centre, reach
_LEAN = {"walk": 2.0, "run": 8.0, "sprint": 10.0}


def cyclic_curve(knots: list[tuple[float, float]], phase: np.ndarray, harmonics: int = 6) -> np.ndarray:
    """A smooth curve near `knots` (percent, degrees) at `phase` (turns): Fourier series of their periodic spline."""
    x = np.array([k[0] / 100 for k in knots])
    y = np.array([k[1] for k in knots], dtype=float)
    grid = np.arange(128) / 128
    wrapped_x = np.concatenate([x - 1, x, x + 1])
    wrapped_y = np.tile(y, 3)
    # cubic Hermite with mean slopes, then the first harmonics of it
    slope = np.gradient(wrapped_y, wrapped_x)
    i = np.clip(np.searchsorted(wrapped_x, grid, side="right") - 1, 0, len(wrapped_x) - 2)
    h = wrapped_x[i + 1] - wrapped_x[i]
    t = (grid - wrapped_x[i]) / h
    values = (
        (2 * t**3 - 3 * t**2 + 1) * wrapped_y[i]
        + (t**3 - 2 * t**2 + t) * h * slope[i]
        + (3 * t**2 - 2 * t**3) * wrapped_y[i + 1]
        + (t**3 - t**2) * h * slope[i + 1]
    )
    spectrum = np.fft.rfft(values) / len(values)
    turns = 2j * np.pi * np.asarray(phase)[..., None] * np.arange(1, harmonics + 1)
    return spectrum[0].real + 2 * (np.exp(turns) * spectrum[1 : harmonics + 1]).real.sum(-1)


def gait(kind: str, phase: np.ndarray) -> Tensor:
    """(T, angles) poses of walking, running or sprinting at `phase` (T,) in cycles from the left foot's contact."""
    phase = np.asarray(phase, dtype=float)
    pose = torch.zeros(len(phase), len(ANGLES))

    def put(name: str, values: np.ndarray | float) -> None:
        pose[:, ANGLE[name]] = torch.as_tensor(np.broadcast_to(values, phase.shape).copy(), dtype=torch.float32)

    lean = _LEAN[kind]
    centre, reach, elbow, elbow_reach = _ARMS[kind]
    turn = 2 * np.pi * phase
    put("tilt", lean * 0.8)
    put("spine_flexion", lean * 0.4)
    put("neck_flexion", -lean * 0.8)
    put("spine_twist", 0.22 * reach * np.cos(turn + 0.25))
    put("neck_turn", -0.22 * reach * np.cos(turn + 0.25))
    put("list", 3.0 * np.sin(turn + 0.6))
    put("spine_side", -3.0 * np.sin(turn + 0.6))
    for side, shift in (("left", 0.0), ("right", 0.5)):
        own = phase + shift
        for joint in ("hip", "knee", "ankle"):
            put(f"{side}_{'hip_flexion' if joint == 'hip' else joint}", cyclic_curve(GAITS[kind][joint], own))
        pose[:, ANGLE[f"{side}_hip_flexion"]] += lean * 0.8  # the curves hold the thigh to the vertical pelvis
        push = np.exp(-((((own - TOE_OFF[kind] + 0.06 + 0.5) % 1 - 0.5) / 0.07) ** 2))
        put(f"{side}_toes", 24 * push)
        swing = -np.cos(2 * np.pi * own + 0.25)  # forward when the other leg is
        put(f"{side}_shoulder_flexion", centre + reach * swing)
        put(f"{side}_elbow", elbow + elbow_reach * swing)
        put(f"{side}_shoulder_abduction", 9.0 if kind == "walk" else 13.0)
        put(f"{side}_shoulder_rotation", 8.0 if kind == "walk" else 16.0)
        put(f"{side}_hip_abduction", 1.0)
    return pose


def gait_height(kind: str, phase: np.ndarray, joints: Tensor) -> np.ndarray:
    """(T,) height to add to the pelvis: on the stance foot, and a ballistic arc while both are in the air."""
    grid = np.arange(64) / 64
    contact = -lowest_point(joints.expand(64, -1, -1), gait(kind, grid)).numpy()
    off = TOE_OFF[kind]
    height = contact.copy()
    if off < 0.5:
        flight = 0.5 - off
        rise = 9.81 * (flight * STRIDE_SECONDS[kind]) ** 2 / 8
        at = lambda p: np.interp(p % 1, np.append(grid, 1), np.append(contact, contact[0]))  # noqa: E731
        for start in (off, off + 0.5):
            u = ((grid - start) % 1) / flight
            inside = u < 1
            height[inside] = ((1 - u) * at(start) + u * at(start + flight) + 4 * rise * u * (1 - u))[inside]
    spectrum = np.fft.rfft(height) / 64
    turns = 2j * np.pi * np.asarray(phase)[..., None] * np.arange(1, 7)
    return spectrum[0].real + 2 * (np.exp(turns) * spectrum[1:7]).real.sum(-1)


def gait_speed(kind: str, joints: Tensor) -> float:
    """Metres a second at which the stance foot does not slide."""
    from .skeleton import BONE, forward_kinematics

    phase = np.linspace(0.06, TOE_OFF[kind] - 0.08, 8)
    _, position = forward_kinematics(joints.expand(8, -1, -1), gait(kind, phase))
    x = position[:, BONE["left_foot"], 0].numpy()
    return float((x[0] - x[-1]) / ((phase[-1] - phase[0]) * STRIDE_SECONDS[kind]))


def squat(depth: np.ndarray, arms: str = "front", stance: float = 14.0) -> Tensor:
    """(T, angles) poses of a squat, feet flat; depth (T,) 0 standing .. 1 thighs level."""
    d = np.asarray(depth, dtype=float)
    pose = torch.zeros(len(d), len(ANGLES))

    def put(name: str, values: np.ndarray | float) -> None:
        pose[:, ANGLE[name]] = torch.as_tensor(np.broadcast_to(values, d.shape).copy(), dtype=torch.float32)

    knee, ankle, trunk = 6 + 110 * d, 3 + 29 * d, 3 + 33 * np.sin(d * np.pi / 2)
    put("tilt", trunk * 0.75)
    put("spine_flexion", trunk * 0.25)
    put("neck_flexion", -trunk * 0.7)
    for side in ("left", "right"):
        put(f"{side}_knee", knee)
        put(f"{side}_ankle", ankle)
        put(f"{side}_hip_flexion", knee - ankle + trunk * 0.75)  # so that the foot stays flat
        put(f"{side}_hip_abduction", stance)
        put(f"{side}_hip_rotation", 8 + 4 * d)
        if arms == "front":
            put(f"{side}_shoulder_flexion", 20 + (62 + trunk) * d)
            put(f"{side}_shoulder_abduction", 8.0 + 2 * d)
            put(f"{side}_elbow", 25 - 15 * d)
            put(f"{side}_pronation", 40.0)
        else:  # hands at the chest
            put(f"{side}_shoulder_flexion", 42 + 0.6 * trunk)
            put(f"{side}_shoulder_abduction", 10.0)
            put(f"{side}_shoulder_rotation", 35.0)
            put(f"{side}_elbow", 120.0)
    return pose


def repetition(time: np.ndarray, seconds: float, pause: float = 0.12) -> np.ndarray:
    """Depth 0..1 of repeated squats at `time` in seconds: minimum-jerk down and up, with a pause below and above."""
    u = (np.asarray(time) / seconds) % 1
    half = 0.5 - pause / 2
    ramp = lambda t: t**3 * (10 - 15 * t + 6 * t**2)  # noqa: E731  Flash and Hogan 1985
    down = ramp(np.clip((u - pause / 2) / (half - pause / 2), 0, 1))
    up = ramp(np.clip((u - half - pause / 2) / (half - pause / 2), 0, 1))
    return down - up


def stand(time: np.ndarray, arms: float = 8.0, sway: float = 1.0, seed: int = 0) -> Tensor:
    """(T, angles) standing, with a slow sway."""
    t, rng = np.asarray(time, dtype=float), np.random.default_rng(seed)
    pose = torch.zeros(len(t), len(ANGLES))
    for name, size in (
        ("spine_side", 2.0),
        ("spine_twist", 6.0),
        ("neck_turn", 18.0),
        ("neck_flexion", 6.0),
        ("left_shoulder_flexion", 9.0),
        ("right_shoulder_flexion", 9.0),
        ("left_elbow", 12.0),
        ("right_elbow", 12.0),
    ):
        rate, shift = rng.uniform(0.15, 0.45), rng.uniform(0, 2 * math.pi)
        pose[:, ANGLE[name]] = torch.as_tensor(sway * size * np.sin(2 * np.pi * rate * t + shift), dtype=torch.float32)
    for side in ("left", "right"):
        pose[:, ANGLE[f"{side}_shoulder_abduction"]] += arms
        pose[:, ANGLE[f"{side}_elbow"]] += 18
        pose[:, ANGLE[f"{side}_hip_abduction"]] += 4
    return pose


def waving(side: str, seed: int) -> Callable[[np.ndarray], Tensor]:
    """Standing with one arm up, waving."""

    def poses(times: np.ndarray) -> Tensor:
        pose = stand(times, seed=seed)
        wave = torch.as_tensor(np.sin(2 * np.pi * 1.3 * times), dtype=torch.float32)
        pose[:, ANGLE[f"{side}_shoulder_flexion"]] = 40.0
        pose[:, ANGLE[f"{side}_shoulder_abduction"]] = 105 + 8 * wave
        pose[:, ANGLE[f"{side}_shoulder_rotation"]] = -60.0
        pose[:, ANGLE[f"{side}_elbow"]] = 75 + 22 * wave
        return pose

    return poses


def hands_on_hips(seed: int) -> Callable[[np.ndarray], Tensor]:
    """Standing, hands on the hips."""

    def poses(times: np.ndarray) -> Tensor:
        pose = stand(times, sway=0.7, seed=seed)
        for side in ("left", "right"):
            for name, value in (
                ("shoulder_flexion", -22.0),
                ("shoulder_abduction", 40.0),
                ("shoulder_rotation", 62.0),
                ("elbow", 88.0),
                ("hip_abduction", 8.0),
            ):
                pose[:, ANGLE[f"{side}_{name}"]] = value
        return pose

    return poses


_ARM_RANGES = {
    "shrug": (-3, 22),
    "shoulder_flexion": (-45, 170),
    "shoulder_abduction": (0, 100),
    "shoulder_rotation": (-50, 60),
    "elbow": (0, 140),
    "pronation": (-30, 80),
    "wrist": (-25, 35),
}
_LEG_RANGES = {
    "hip_flexion": (-20, 105),
    "hip_abduction": (-6, 42),
    "hip_rotation": (-18, 30),
    "knee": (0, 125),
    "ankle": (-30, 25),
}
_TRUNK_RANGES = {
    "spine_flexion": (-15, 45),
    "spine_side": (-22, 22),
    "spine_twist": (-35, 35),
    "neck_flexion": (-25, 35),
    "neck_side": (-18, 18),
    "neck_turn": (-60, 60),
}


def random_poses(count: int, rng: np.random.Generator) -> Tensor:
    """(count, angles) plausible poses: moments of the motions or standing, many changed, a few falling or lying."""
    phase = rng.uniform(size=count)
    bases = torch.stack(
        [
            gait("walk", phase),
            gait("run", phase),
            gait("sprint", phase),
            squat(phase, "front"),
            squat(phase, "chest"),
            stand(rng.uniform(0, 20, count)),
        ]
    )
    kind = rng.choice(len(bases), size=count, p=[0.2, 0.14, 0.12, 0.09, 0.06, 0.39])
    pose = bases[torch.as_tensor(kind), torch.arange(count)]

    def mix(ranges: dict[str, tuple[float, float]], share: float, sides: tuple[str, ...], least: float = 0.4) -> None:
        for side in sides:
            weight = np.where(rng.uniform(size=count) < share, rng.uniform(least, 1, count), 0)
            for name, (low, high) in ranges.items():
                column = ANGLE[side + name]
                wish = torch.as_tensor(rng.uniform(low, high, count), dtype=torch.float32)
                pose[:, column] = torch.lerp(pose[:, column], wish, torch.as_tensor(weight, dtype=torch.float32))

    mix(_ARM_RANGES, 0.55, ("left_", "right_"))
    mix(_LEG_RANGES, 0.28, ("left_", "right_"))
    mix(_TRUNK_RANGES, 0.6, ("",), 0.2)
    same = torch.as_tensor(rng.uniform(size=count) < 0.15)  # both arms alike: cheering, lifting, hands on hips
    for name in _ARM_RANGES:
        pose[same, ANGLE[f"right_{name}"]] = pose[same, ANGLE[f"left_{name}"]]
    sitting = torch.as_tensor(rng.uniform(size=count) < 0.06)
    for side in ("left", "right"):
        pose[sitting, ANGLE[f"{side}_hip_flexion"]] = torch.as_tensor(
            rng.uniform(70, 100, int(sitting.sum())), dtype=torch.float32
        )
        pose[sitting, ANGLE[f"{side}_knee"]] = torch.as_tensor(
            rng.uniform(50, 110, int(sitting.sum())), dtype=torch.float32
        )
    tumble = torch.as_tensor(rng.uniform(size=count) < 0.10)
    pose[tumble, ANGLE["tilt"]] += torch.as_tensor(rng.uniform(-100, 120, int(tumble.sum())), dtype=torch.float32)
    pose[tumble, ANGLE["list"]] += torch.as_tensor(rng.normal(0, 40, int(tumble.sum())), dtype=torch.float32)
    pose[:, :8] += torch.as_tensor(rng.normal(0, 3, (count, 8)), dtype=torch.float32)
    pose[:, 8:] += torch.as_tensor(rng.normal(0, 5, (count, len(ANGLES) - 8)), dtype=torch.float32)
    for side in ("left", "right"):
        pose[:, ANGLE[f"{side}_knee"]].clamp_(min=0)
        pose[:, ANGLE[f"{side}_elbow"]].clamp_(min=0)
    return pose
