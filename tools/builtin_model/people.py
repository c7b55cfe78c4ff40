"""Pictures of rendered people and their truth, made once and kept in a folder as arrays of whole batches."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from tools.render.action import action_pictures
from tools.render.picture import PersonTruth
from tools.render.training import training_cast, training_pictures

from .pictures import PEOPLE, People, Picture

KINDS = {"varied": training_pictures, "action": action_pictures}
BARELY = 0.08
"""Share of a silhouette that must be seen for a person to count."""


def render_people(
    folder: Path, count: int, seed: int, device: str, figures: int, seconds: float = float("inf"), kind: str = "varied"
) -> None:
    """Write up to `count` pictures of `figures` different bodies to `folder`, as many as `seconds` allow.

    `kind` is one of `KINDS`: everything varied at once, or people in motion as they are filmed. Most pictures are as a
    codec hands them on.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    cast = training_cast(figures, seed, device)
    print(f"seed {seed}: bodies after {time.monotonic() - began:.0f} s", flush=True)
    made = 0
    for number, (batch, truths) in enumerate(KINDS[kind](count, seed, device, cast=cast)):
        part = folder / f"{kind}-{seed:03d}-{number:05d}.part"
        pictures = batch.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        for index in np.flatnonzero(random.uniform(size=len(pictures)) < 0.7):
            pictures[index] = _compressed(pictures[index], int(random.integers(20, 80)))
        with part.open("wb") as file:
            np.savez(file, pictures=pictures, people=np.stack([_people(truth) for truth in truths]))
        part.rename(part.with_suffix(".npz"))
        made += len(batch)
        if time.monotonic() - began > seconds:
            break
    print(f"seed {seed}: {made} pictures after {time.monotonic() - began:.0f} s", flush=True)


def _people(truths: Sequence[PersonTruth]) -> People:
    """The truth of a picture as numbers, the best seen first."""
    table = np.zeros((PEOPLE, 55), np.float32)
    clearest = sorted((truth for truth in truths if truth.visible > BARELY), key=lambda truth: -truth.visible)
    for row, truth in enumerate(clearest[:PEOPLE]):
        table[row] = np.concatenate([truth.box, truth.keypoints.ravel()])
    return table


def pictures_of_people(folder: Path, kind: str) -> Iterator[tuple[Picture, People]]:
    """The pictures and people of one kind that `render_people` wrote."""
    for path in sorted(folder.glob(f"{kind}-*.npz")):
        with np.load(path) as arrays:
            yield from zip(arrays["pictures"], arrays["people"], strict=True)


def _compressed(picture: Picture, quality: int) -> Picture:
    """Blocks, ringing and coarse colour: what films and photographs have, and renderings have not."""
    _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1], dtype=np.uint8)


def main() -> None:
    """Parse the command line and render."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kind", choices=KINDS, default="varied")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--figures", type=int, default=48, help="different bodies")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    render_people(given.out, given.count, given.seed, given.device, given.figures, given.seconds, given.kind)


if __name__ == "__main__":
    main()
