"""Many varied pictures of people, with truth, to train a network on.

>>> for pictures, truths in training_pictures(32, seed=0, device="cuda"):
...     pictures.shape, len(truths)      # (16, 3, 384, 640) uint8 RGB on the device; a list of persons for each picture
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from .motion import random_poses
from .picture import Actors, Cast, PersonTruth, Shot, render
from .scene import Camera, Light, Place
from .skeleton import ANGLES, lowest_point
from .wardrobe import cloth_colour, linear, random_colours, random_figures

SIZES = ((384, 640), (640, 384), (640, 640))
"""Heights and widths of the pictures; one of them a batch, in turn."""


def training_cast(figures: int = 48, seed: int = 0, device: torch.device | str = "cpu", detail: float = 0.75) -> Cast:
    """The bodies that training pictures show; build it once and pass it to several calls of `training_pictures`."""
    return Cast(random_figures(figures, np.random.default_rng(seed)), device, detail, things=12)


def training_pictures(
    count: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    *,
    cast: Cast | None = None,
    batch: int = 16,
    sizes: Sequence[tuple[int, int]] = SIZES,
    samples: int = 3,
) -> Iterator[tuple[Tensor, list[list[PersonTruth]]]]:
    """Yields pictures (≤ batch, 3, H, W) uint8 RGB on `device`, and for each picture the truth of its persons.

    The same seed and cast give the same pictures on the same device. About one picture in twelve shows nobody. A person
    is listed when its silhouette reaches into the frame, however well hidden: see `PersonTruth.visible`.
    """
    cast = cast or training_cast(seed=seed, device=device)
    rng = np.random.default_rng([seed, 1])
    for index, start in enumerate(range(0, count, batch)):
        size = sizes[index % len(sizes)]
        actors, shots = _stage(cast, min(batch, count - start), size, rng)
        yield render(cast, actors, shots, size, samples, seed=int(rng.integers(2**31)))


def _stage(cast: Cast, pictures: int, size: tuple[int, int], rng: np.random.Generator) -> tuple[Actors, list[Shot]]:
    """Persons, things, places and cameras of a batch."""
    figure: list[int] = []
    picture: list[int] = []
    ids: list[int] = []
    spots: list[np.ndarray] = []
    shots = []
    for index in range(pictures):
        persons, camera = _group(size, rng)
        people = rng.choice(cast.people, len(persons), replace=len(persons) > cast.people)
        things = rng.integers(0, 4) if cast.size > cast.people and rng.uniform() < 0.5 else 0
        clutter = _around(camera, things, rng)
        figure += [int(p) for p in people] + [int(t) for t in rng.integers(cast.people, cast.size, len(clutter))]
        picture += [index] * (len(persons) + len(clutter))
        ids += list(range(1, len(persons) + 1)) + [-1] * len(clutter)
        spots += [*persons, *clutter]
        shots.append(random_shot(camera, np.array([*persons, *clutter]).reshape(-1, 2), rng))
    if not figure:  # the renderer needs somebody: one thing behind the camera of the first picture
        figure, picture, ids, spots = [cast.size - 1], [0], [-1], [np.array([0.0, 900.0])]
    total = len(figure)
    pose = random_poses(total, rng)
    thing = torch.tensor(ids) < 0
    pose[thing] = 0
    figures = torch.tensor(figure)
    height = -lowest_point(cast.joints[figures], pose)
    airborne = np.where(rng.uniform(size=total) < 0.10, rng.uniform(0.05, 0.5, total), 0)
    height = torch.where(thing, 0.0, height + torch.as_tensor(airborne, dtype=torch.float32))
    place = torch.cat([torch.as_tensor(np.array(spots), dtype=torch.float32), height[:, None]], 1)
    heading = torch.as_tensor(rng.uniform(0, 360, total), dtype=torch.float32)
    shake = torch.as_tensor(rng.exponential(0.5, (total, 1)), dtype=torch.float32) * (~thing)[:, None]
    swing = torch.as_tensor(rng.normal(0, 4, (total, len(ANGLES))), dtype=torch.float32) * shake
    step = torch.as_tensor(rng.normal(0, 0.02, (total, 3)), dtype=torch.float32) * shake
    palette, pattern = random_colours(total, rng)
    return Actors(
        figures,
        torch.tensor(picture),
        torch.tensor(ids),
        torch.stack([pose, pose + swing]),
        torch.stack([place, place + step]),
        torch.stack([heading, heading]),
        palette,
        pattern,
    ), shots


def _group(size: tuple[int, int], rng: np.random.Generator) -> tuple[list[np.ndarray], Camera]:
    """Where persons stand (x, y) and the camera that sees them; the first is as large as chosen, others around it."""
    height, width = size
    count = int(
        rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 10, 12], p=[0.08, 0.30, 0.16, 0.12, 0.09, 0.07, 0.06, 0.05, 0.04, 0.03])
    )
    focal = float(np.exp(rng.uniform(np.log(0.75), np.log(2.4)))) * (1.4 if height > width else 1.0)
    share = (
        float(np.exp(rng.uniform(np.log(0.22), np.log(1.7))))
        if count < 4
        else float(np.exp(rng.uniform(np.log(0.15), np.log(0.8))))
    )
    distance = max(1.3, focal * width * 1.72 / (share * height))
    turn = rng.uniform(0, 2 * np.pi)
    level = float(
        rng.choice(
            [rng.uniform(0.9, 1.8), rng.uniform(0.25, 0.9), rng.uniform(1.8, 1.8 + 0.5 * distance)], p=[0.55, 0.2, 0.25]
        )
    )
    back = np.array([np.cos(turn), np.sin(turn)])
    aim = rng.uniform(0.5, 1.45) if share > 0.9 else rng.uniform(0.6, 1.1)
    eye = -back * distance
    camera = Camera(
        (float(eye[0]), float(eye[1]), level),
        (0.0, 0.0, float(aim)),
        focal,
        float(rng.normal(0, 3) if rng.uniform() < 0.5 else 0),
    )
    side = np.array([back[1], -back[0]])
    persons: list[np.ndarray] = []
    for k in range(count):
        for _ in range(6):
            depth = distance * (1.0 if k == 0 else rng.uniform(0.75, 2.2))
            across = rng.uniform(-0.5, 0.5) * depth / focal * (0.7 if k == 0 else 1.1)
            spot = eye + back * depth + side * across
            if all(np.hypot(*(spot - other)) > 0.5 for other in persons):
                persons.append(spot)
                break
    return persons, camera


def _around(camera: Camera, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    eye = np.array(camera.position[:2])
    back = np.array(camera.target[:2]) - eye
    distance = np.hypot(*back)
    back = back / distance
    side = np.array([back[1], -back[0]])
    return [
        eye + back * (depth := distance * rng.uniform(0.9, 2.5)) + side * rng.uniform(-0.6, 0.6) * depth / camera.focal
        for _ in range(count)
    ]


FLOORS = ("track", "grass", "wood", "asphalt", "tiles", "sand", "plain")
WALLS = ("none", "hedge", "brick", "paint", "concrete", "panels", "windows", "boards")
_FLOOR_COLOURS = {
    "track": (150, 72, 58),
    "grass": (92, 122, 58),
    "wood": (196, 150, 96),
    "asphalt": (98, 98, 100),
    "tiles": (170, 165, 158),
    "sand": (206, 180, 138),
    "plain": (150, 150, 150),
}
_WALL_COLOURS = {
    "none": (128, 128, 128),
    "hedge": (66, 92, 46),
    "brick": (150, 84, 66),
    "paint": (205, 200, 190),
    "concrete": (150, 148, 144),
    "panels": (190, 185, 175),
    "windows": (180, 165, 145),
    "boards": (110, 120, 110),
}


def random_shot(camera: Camera, spots: np.ndarray, rng: np.random.Generator) -> Shot:
    """A place around the camera and the people at `spots` (N, 2), a light, and a camera with noise, blur and shake."""
    floor, wall = str(rng.choice(FLOORS)), str(rng.choice(WALLS))
    indoor = wall not in ("none", "hedge", "boards") and rng.uniform() < 0.55
    points = np.concatenate([spots, [camera.position[:2], camera.target[:2]]])
    low, high = points.min(0) - rng.uniform(0.6, 8, 2), points.max(0) + rng.uniform(0.6, 8, 2)
    height = (
        max(camera.position[2] + 0.4, rng.uniform(2.6, 4.5))
        if indoor
        else float(np.exp(rng.uniform(np.log(0.8), np.log(14))))
    )
    colours = [
        np.clip(linear(base) * rng.uniform(0.6, 1.5) * rng.uniform(0.85, 1.15, 3), 0.01, 0.9)
        for base in (_FLOOR_COLOURS[floor], _WALL_COLOURS[wall], (232, 230, 224), (120, 120, 124))
    ]
    for k in range(4):
        if rng.uniform() < 0.25:
            colours[k] = cloth_colour(rng)
    azimuth, altitude = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(55, 88) if indoor else rng.uniform(18, 75))
    direction = (
        float(np.cos(azimuth) * np.cos(altitude)),
        float(np.sin(azimuth) * np.cos(altitude)),
        float(np.sin(altitude)),
    )
    warm = rng.uniform(-0.12, 0.18)
    overcast = indoor or rng.uniform() < 0.3
    light = Light(
        direction,
        (1.0 + 0.5 * warm, 0.97, 0.92 - warm),
        float(rng.uniform(0.15, 0.45) if overcast else rng.uniform(0.6, 1.1)),
        (1.0, 0.98, 0.94) if indoor else (0.84, 0.92, 1.05),
        float(rng.uniform(0.45, 0.8) if overcast else rng.uniform(0.22, 0.5)),
        float(rng.uniform(0.02, 0.05) if overcast else rng.uniform(0.003, 0.012)),
        float(np.exp(rng.normal(0, 0.3))),
    )
    place = Place(
        floor,
        wall,
        (float(low[0]), float(high[0]), float(low[1]), float(high[1])),
        float(height),
        bool(indoor),
        tuple(tuple(c) for c in colours),
        int(rng.integers(10**6)),
        float(rng.uniform(0.3, 1.6)),
    )
    moved = Camera(
        tuple(np.array(camera.position) + rng.normal(0, 0.004, 3)),
        tuple(np.array(camera.target) + rng.normal(0, 0.008, 3)),
        camera.focal,
        camera.roll,
    )
    return Shot(place, light, camera, moved, float(rng.exponential(0.012)), float(rng.choice([0, 0, 0.5, 1.0, 2.0])))
