"""Plain scenes with nobody in them: walls, skies, floors, corners and clutter, drawn from noise."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from .pictures import Picture


def empty_scenes(count: int, seed: int, size: tuple[int, int] = (256, 384)) -> Iterator[Picture]:
    """`count` pictures of `size` (height, width)."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        scene = _gradient(random, size)
        for _ in range(int(random.choice([0, 1, 3, 8, 25], p=[0.3, 0.2, 0.2, 0.15, 0.15]))):
            _surface(random, scene)
        scene += _mottle(random, size) * random.choice([0.0, 8.0, 25.0, 60.0])
        scene += random.normal(0, random.choice([0.0, 2.0, 6.0]), scene.shape)
        yield np.clip(scene, 0, 255).astype(np.uint8)


def _gradient(random: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """One colour that shades into another across the picture: a lit wall, a sky."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    angle = random.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * x / size[1] + np.sin(angle) * y / size[0]
    near = random.uniform(0, 255, 3)
    far = near + random.normal(0, 40, 3)
    shade: NDArray[np.float32] = (near + (far - near) * ramp[..., None]).astype(np.float32)
    return shade


def _surface(random: np.random.Generator, scene: NDArray[np.float32]) -> None:
    """Paint one more thing with straight or round edges over the scene: a floor, a door, a pole, a ball, a stripe."""
    height, width = scene.shape[:2]
    colour = (scene[random.integers(height), random.integers(width)] + random.normal(0, 50, 3)).tolist()
    kind = random.integers(4)
    centre = (int(random.integers(width)), int(random.integers(height)))
    if kind == 0:
        corners = np.array(centre) + random.normal(0, 0.35 * width, (4, 2))
        cv2.fillConvexPoly(scene, cv2.convexHull(corners.astype(np.int32)), colour, cv2.LINE_AA)
    elif kind == 1:
        other = (int(random.integers(width)), int(random.integers(height)))
        cv2.line(scene, centre, other, colour, int(random.integers(1, 25)), cv2.LINE_AA)
    elif kind == 2:
        axes = (int(random.integers(3, width // 4)), int(random.integers(3, height // 4)))
        cv2.ellipse(scene, centre, axes, random.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    else:
        far = (centre[0] + int(random.integers(4, width // 2)), centre[1] + int(random.integers(4, height)))
        cv2.rectangle(scene, centre, far, colour, -1)


def _mottle(random: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """Noise of one random grain: plaster, grass, gravel, leaves; grey or coloured; about -1..1."""
    grain = float(np.exp(random.uniform(np.log(2), np.log(64))))
    shape = (max(2, int(size[0] / grain)), max(2, int(size[1] / grain / random.choice([0.25, 1, 1, 4]))))
    noise = random.normal(0, 0.5, (*shape, int(random.choice([1, 3])))).astype(np.float32)
    large = cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC).reshape(*size, -1)
    return np.broadcast_to(large, (*size, 3)).astype(np.float32)
