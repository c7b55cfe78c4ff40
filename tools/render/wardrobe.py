"""Random people: builds, clothes and colours."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from torch import Tensor

from .body import MATERIALS, Body, Outfit

# Skin tones in sRGB from light to dark, and hair.
SKIN = (
    (244, 208, 184),
    (232, 188, 158),
    (222, 171, 138),
    (203, 150, 114),
    (183, 128, 93),
    (156, 104, 72),
    (124, 79, 54),
    (94, 60, 42),
    (68, 44, 34),
)
HAIR = (
    (24, 18, 16),
    (38, 26, 20),
    (58, 38, 26),
    (92, 60, 36),
    (138, 96, 54),
    (186, 144, 88),
    (150, 150, 148),
    (205, 200, 195),
    (120, 56, 30),
)


def linear(colour: tuple[float, ...] | np.ndarray) -> np.ndarray:
    """Linear light of an sRGB colour 0..255."""
    return (np.asarray(colour, dtype=float) / 255) ** 2.2


def cloth_colour(rng: np.random.Generator) -> np.ndarray:
    """A linear colour that clothes have: grey, black and white often, else any hue."""
    kind = rng.uniform()
    if kind < 0.16:
        return linear(np.full(3, rng.uniform(14, 50)) + rng.uniform(-4, 4, 3))
    if kind < 0.30:
        return linear(np.full(3, rng.uniform(205, 245)) + rng.uniform(-6, 6, 3))
    if kind < 0.40:
        return linear(np.full(3, rng.uniform(70, 170)) + rng.uniform(-8, 8, 3))
    return linear(np.array(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.35, 0.95), rng.uniform(0.25, 0.95))) * 255)


def random_figures(count: int, rng: np.random.Generator) -> list[tuple[Body, Outfit]]:
    """Builds and clothes: adults of both sexes, thin to heavy, and every eighth a child."""
    figures = []
    for index in range(count):
        female = float(rng.uniform() < 0.5) * rng.uniform(0.7, 1.0)
        child = index % 8 == 7
        stature = rng.uniform(1.05, 1.5) if child else rng.normal(1.77 - 0.12 * female, 0.07)
        body = Body(
            stature=float(np.clip(stature, 1.0, 2.02)),
            girth=float(np.clip(rng.normal(1.02, 0.13), 0.82, 1.45)),
            female=0.2 * female if child else female,
            muscle=float(rng.uniform(0.0, 0.4) if child else rng.uniform(0.1, 1.0) * (1 - 0.4 * female)),
            head=float(rng.normal(1.0, 0.03) + 0.06 * child),
            legs=float(rng.normal(1.0, 0.025)),
        )
        lower = str(
            rng.choice(
                ["shorts", "trousers", "tights", "skirt"],
                p=[0.42, 0.34, 0.14, 0.10] if female > 0.3 else [0.5, 0.45, 0.05, 0.0],
            )
        )
        hair = str(
            rng.choice(["short", "long", "tail", "bun", "cap", "curly"], p=[0.16, 0.32, 0.28, 0.12, 0.06, 0.06])
            if female > 0.3
            else rng.choice(["short", "bald", "cap", "curly", "long"], p=[0.58, 0.16, 0.14, 0.08, 0.04])
        )
        sleeves = float(rng.choice([0.0, 0.3, 0.42, 0.55, 1.0], p=[0.22, 0.2, 0.25, 0.08, 0.25]))
        figures.append(
            (
                body,
                Outfit(
                    sleeves=sleeves,
                    lower=lower,
                    hem=float(rng.uniform(0.3, 0.9)),
                    hair=hair,
                    socks=float(rng.choice([0.0, 0.12, 0.3, 0.75])),
                    loose=float(rng.uniform(0.5, 1.6)),
                ),
            )
        )
    return figures


def random_colours(count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Palettes (count, materials + 1, 3) and patterns (count, 8) as `picture.Actors` has them."""
    palette = np.zeros((count, len(MATERIALS) + 1, 3))
    pattern = np.zeros((count, 8))
    for row in range(count):
        tone = rng.uniform(0, len(SKIN) - 1)
        low = int(tone)
        skin = linear(SKIN[low]) * (low + 1 - tone) + linear(SKIN[min(low + 1, len(SKIN) - 1)]) * (tone - low)
        hair = linear(
            HAIR[rng.integers(3)] if tone > 4.5 and rng.uniform() < 0.9 else HAIR[rng.integers(len(HAIR))]
        ) * rng.uniform(0.7, 1.2)
        shirt, lower, shoe = cloth_colour(rng), cloth_colour(rng), cloth_colour(rng)
        sock = linear((235, 235, 232)) if rng.uniform() < 0.5 else cloth_colour(rng)
        sole = linear((225, 225, 220)) if rng.uniform() < 0.6 else cloth_colour(rng)
        palette[row] = [
            skin * rng.uniform(0.95, 1.05, 3),
            linear((225, 222, 216)),
            hair,
            shirt,
            lower if rng.uniform() < 0.8 else shirt,
            sock,
            shoe,
            sole,
            cloth_colour(rng),
            cloth_colour(rng),
        ]
        pattern[row] = [
            rng.choice(6, p=[0.5, 0.14, 0.1, 0.1, 0.06, 0.1]),
            rng.uniform(0.05, 0.18),
            *cloth_colour(rng),
            rng.uniform() < 0.3,
            rng.choice([0, 0, 0.5, 1.0]),
            rng.uniform(0.3, 1.2),
        ]
    return torch.as_tensor(palette, dtype=torch.float32), torch.as_tensor(pattern, dtype=torch.float32)
