"""Many pictures of people in motion, with truth: runners from the side, people who cross, crowds, squats.

`training` varies everything at once, so few of its pictures show a whole, plausible movement. Here every person is at a
moment of one, and each picture is staged as such scenes are filmed: a camera that follows a runner, players who half
hide one another, many small persons before a wall, an athlete from any side.

>>> for pictures, truths in action_pictures(32, seed=0, device="cuda"):
...     pictures.shape, len(truths)      # (16, 3, 432, 768) uint8 RGB on the device; a list of persons for each picture
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .motion import STRIDE_SECONDS, gait, hands_on_hips, squat, stand, waving
from .picture import Actors, Cast, PersonTruth, Shot, render
from .scene import Camera
from .skeleton import ANGLES, lowest_point
from .training import random_shot, training_cast
from .wardrobe import random_colours

SIZES = ((432, 768), (432, 768), (768, 432))
"""Heights and widths of the pictures; one of them a batch, in turn."""
GAITS = ("walk", "run", "sprint")
SPEEDS = {"walk": 1.4, "run": 3.2, "sprint": 5.5}
"""Metres a second, about; they only decide what smears while the shutter is open."""
MOVES = (*GAITS, "squat", "squat, hands at the chest", "stand", "wave left", "wave right", "hands on hips")


@dataclass(frozen=True)
class _Person:
    """One person of a scene: what it does, where, and which way it looks."""

    move: str
    across: float
    """Metres to the right of the camera's axis."""
    behind: float
    """Metres behind the point that the camera is aimed at."""
    heading: float
    """Degrees from the picture's right toward its depth: 0 runs to the right, 180 to the left, 270 comes nearer."""


@dataclass(frozen=True)
class _Scene:
    persons: list[_Person]
    share: float
    """Height of an adult at the point aimed at, in heights of the picture."""
    pan: bool
    """The camera follows the first person."""


def action_pictures(
    count: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    *,
    cast: Cast | None = None,
    batch: int = 16,
    sizes: Sequence[tuple[int, int]] = SIZES,
    samples: int = 4,
) -> Iterator[tuple[Tensor, list[list[PersonTruth]]]]:
    """Yields pictures (≤ batch, 3, H, W) uint8 RGB on `device` and each one's truth, as `training_pictures` does."""
    cast = cast or training_cast(seed=seed, device=device)
    rng = np.random.default_rng([seed, 2])
    for index, start in enumerate(range(0, count, batch)):
        size = sizes[index % len(sizes)]
        scenes = [SCENES[rng.choice(len(SCENES), p=SCENE_ODDS)](rng) for _ in range(min(batch, count - start))]
        actors, shots = _stage(cast, scenes, size, rng)
        yield render(cast, actors, shots, size, samples, still_backdrop=False, seed=int(rng.integers(2**31)))


def _sideways(rng: np.random.Generator, spread: float) -> float:
    return float(rng.choice([0.0, 180.0]) + rng.normal(0, spread))


def _runners(rng: np.random.Generator) -> _Scene:
    """One runner or a few from the side, the camera following."""
    way, move = _sideways(rng, 14), str(rng.choice(GAITS, p=[0.12, 0.28, 0.60]))
    persons = [_Person(move, rng.normal(0, 0.15), 0.0, way)]
    for lane in rng.permutation([-2.4, -1.2, 1.2, 2.4])[: rng.choice([0, 1, 2, 3], p=[0.7, 0.15, 0.1, 0.05])]:
        beside = _Person(move, rng.normal(0, 1.2), float(lane), way + rng.normal(0, 4))
        persons.append(beside)
    return _Scene(persons, float(np.exp(rng.uniform(np.log(0.35), np.log(1.15)))), bool(rng.uniform() < 0.8))


def _crossers(rng: np.random.Generator) -> _Scene:
    """Two to four people on their way past one another, often one before the other."""
    persons, behind = [], float(rng.uniform(-1.0, 0.5))
    for _ in range(rng.choice([2, 3, 4], p=[0.45, 0.4, 0.15])):
        move = str(rng.choice(["walk", "run", "sprint", "stand"], p=[0.4, 0.4, 0.1, 0.1]))
        way = _sideways(rng, 28) if rng.uniform() < 0.75 else float(rng.uniform(0, 360))
        persons.append(
            _Person(move, float(rng.normal(0, 0.45) if rng.uniform() < 0.6 else rng.uniform(-2.5, 2.5)), behind, way)
        )
        behind += float(rng.uniform(0.5, 1.6))
    return _Scene(persons, float(np.exp(rng.uniform(np.log(0.25), np.log(0.8)))), bool(rng.uniform() < 0.2))


def _crowd(rng: np.random.Generator) -> _Scene:
    """Five to eleven persons, half of them on their way, half of them busy where they are."""
    persons = []
    for _ in range(rng.integers(5, 12)):
        move = str(rng.choice(MOVES, p=[0.42, 0.05, 0.01, 0.05, 0.06, 0.21, 0.05, 0.05, 0.10]))
        way = _sideways(rng, 15) if move in GAITS else float(270 + rng.normal(0, 40))
        persons.append(_Person(move, float(rng.uniform(-3.8, 3.8)), float(rng.uniform(-1.5, 4.0)), way))
    return _Scene(persons, float(np.exp(rng.uniform(np.log(0.22), np.log(0.62)))), False)


def _squatter(rng: np.random.Generator) -> _Scene:
    """One athlete, seldom two, somewhere between standing and a deep squat."""
    persons = []
    for number in range(rng.choice([1, 2], p=[0.85, 0.15])):
        move = str(rng.choice(["squat", "squat, hands at the chest", "stand"], p=[0.62, 0.28, 0.10]))
        way = float(270 + rng.normal(0, 45)) if rng.uniform() < 0.7 else float(rng.uniform(0, 360))
        persons.append(_Person(move, float(rng.normal(0, 0.2) + number * 1.2), 0.0, way))
    return _Scene(persons, float(np.exp(rng.uniform(np.log(0.35), np.log(0.95)))), False)


SCENES = (_runners, _crossers, _crowd, _squatter)
SCENE_ODDS = (0.46, 0.24, 0.18, 0.12)


def _stage(
    cast: Cast, scenes: Sequence[_Scene], size: tuple[int, int], rng: np.random.Generator
) -> tuple[Actors, list[Shot]]:
    """The persons of all scenes and how each picture is taken."""
    persons = [person for scene in scenes for person in scene.persons]
    picture = torch.tensor([index for index, scene in enumerate(scenes) for _ in scene.persons])
    ids = torch.tensor([number for scene in scenes for number in range(1, len(scene.persons) + 1)])
    figure = torch.tensor(
        np.concatenate(
            [rng.choice(cast.people, len(scene.persons), replace=len(scene.persons) > cast.people) for scene in scenes]
        )
    )
    shutter = np.exp(rng.uniform(np.log(1 / 500), np.log(1 / 80), len(scenes)))
    poses = _poses([person.move for person in persons], shutter[picture.numpy()], rng)
    height = -lowest_point(cast.joints[figure], poses[0])
    height += torch.tensor(
        [float(rng.uniform(0, 0.08)) if person.move in ("run", "sprint") else 0.0 for person in persons]
    )

    shots: list[Shot] = []
    spots: list[np.ndarray] = []
    headings: list[float] = []
    moved: list[np.ndarray] = []
    for scene, open_for in zip(scenes, shutter, strict=True):
        camera, back, right = _camera(scene, size, rng)
        own = [right * person.across + back * person.behind for person in scene.persons]
        steps = [_step(person, back, right) * open_for for person in scene.persons]
        follow = steps[0] * rng.uniform(0.7, 1.2) if scene.pan else np.zeros(2)
        shot = random_shot(camera, np.array(own), rng)
        target = np.array(camera.target) + np.append(follow, 0) + rng.normal(0, 0.003, 3)
        # A picture of a film is sharper than the general ones, and has less grain.
        shots.append(
            replace(
                shot,
                closing=replace(camera, target=tuple(target)),
                grain=0.5 * shot.grain,
                blur=float(rng.choice([0, 0.35, 0.7])),
            )
        )
        turned = np.degrees(np.arctan2(right[1], right[0]))
        spots += own
        moved += steps
        headings += [turned + person.heading for person in scene.persons]
    place = torch.cat([torch.as_tensor(np.array(spots), dtype=torch.float32), height[:, None]], 1)
    step = torch.cat([torch.as_tensor(np.array(moved), dtype=torch.float32), torch.zeros(len(persons), 1)], 1)
    heading = torch.tensor(headings, dtype=torch.float32)
    palette, pattern = random_colours(len(persons), rng)
    return Actors(
        figure,
        picture,
        ids,
        poses,
        torch.stack([place, place + step]),
        torch.stack([heading, heading]),
        palette,
        pattern,
    ), shots


def _camera(scene: _Scene, size: tuple[int, int], rng: np.random.Generator) -> tuple[Camera, np.ndarray, np.ndarray]:
    """The camera, and the directions (x, y) that lead away from it and to the picture's right."""
    height, width = size
    turn = np.pi / 2 + rng.normal(0, 0.15) if rng.uniform() < 0.6 else rng.uniform(0, 2 * np.pi)
    back = np.array([np.cos(turn), np.sin(turn)])
    distance = float(np.exp(rng.uniform(np.log(4.0), np.log(14.0))))
    focal = scene.share * height * distance / (1.72 * width)
    level = float(rng.uniform(0.9, 2.6) if rng.uniform() < 0.85 else rng.uniform(0.3, 4.0))
    aside = rng.uniform(-0.3, 0.3) * width / height / scene.share * 0.8 * (0.6 if scene.pan else 1.0)
    right = np.array([back[1], -back[0]])
    eye = -back * distance
    aim = right * aside
    camera = Camera(
        (float(eye[0]), float(eye[1]), level),
        (float(aim[0]), float(aim[1]), float(rng.uniform(0.7, 1.1))),
        float(focal),
        float(rng.normal(0, 1.5)),
    )
    return camera, back, right


def _step(person: _Person, back: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Metres a second of a person, (x, y)."""
    way = np.deg2rad(person.heading)
    step: np.ndarray = (right * np.cos(way) + back * np.sin(way)) * SPEEDS.get(person.move, 0.0)
    return step


def _poses(moves: Sequence[str], shutter: np.ndarray, rng: np.random.Generator) -> Tensor:
    """(2, P, angles) each person as its shutter (P,), in seconds, opens and closes; no two move quite alike."""
    count = len(moves)
    pose = torch.zeros(2, count, len(ANGLES))
    phase, seed = rng.uniform(size=count), int(rng.integers(10**6))
    for name in MOVES:
        rows = np.flatnonzero([move == name for move in moves])
        if not len(rows):
            continue
        for moment in (0, 1):
            pose[moment, rows] = _moment(name, phase[rows], shutter[rows] * moment, seed)
    noise = torch.as_tensor(rng.normal(0, 1, (count, len(ANGLES))) * rng.uniform(0, 5, (count, 1)), dtype=torch.float32)
    reach = torch.as_tensor(
        np.exp(rng.normal(0, 0.10, (count, 1))), dtype=torch.float32
    )  # some swing further than others
    return pose * reach + noise


def _moment(move: str, phase: np.ndarray, later: np.ndarray, seed: int) -> Tensor:
    """(P, angles) `move` at `phase` (P,) 0..1 of its course and `later` (P,) seconds on."""
    if move in GAITS:
        return gait(move, phase + later / STRIDE_SECONDS[move])
    if move.startswith("squat"):
        return squat(
            (phase + 0.6 * later).clip(0, 1),
            "front" if move == "squat" else "chest",
            8 + 14 * float((seed % 100) / 100),
        )
    times = 20 * phase + later
    if move.startswith("wave"):
        return waving(move.split()[1], seed)(times)
    return hands_on_hips(seed)(times) if move == "hands on hips" else stand(times, seed=seed)
