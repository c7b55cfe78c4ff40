"""Pictures of rendered people, made once and kept in a folder as arrays of whole batches."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tools.render.training import training_cast, training_pictures

from .pictures import Picture


def render_people(
    folder: Path, count: int, seed: int, device: str, figures: int, seconds: float = float("inf")
) -> None:
    """Write up to `count` pictures of `figures` different bodies to `folder`, as many as `seconds` allow."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    cast = training_cast(figures, seed, device)
    print(f"seed {seed}: bodies after {time.monotonic() - began:.0f} s", flush=True)
    made = 0
    for number, (batch, _) in enumerate(training_pictures(count, seed, device, cast=cast)):
        part = folder / f"{seed:03d}-{number:05d}.part"
        with part.open("wb") as file:
            np.save(file, batch.permute(0, 2, 3, 1).contiguous().cpu().numpy())
        part.rename(part.with_suffix(".npy"))
        made += len(batch)
        if time.monotonic() - began > seconds:
            break
    print(f"seed {seed}: {made} pictures after {time.monotonic() - began:.0f} s", flush=True)


def pictures_of_people(folder: Path) -> Iterator[Picture]:
    """The pictures that `render_people` wrote."""
    for path in sorted(folder.glob("*.npy")):
        yield from np.load(path)


def main() -> None:
    """Parse the command line and render."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--figures", type=int, default=48, help="different bodies")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    render_people(given.out, given.count, given.seed, given.device, given.figures, given.seconds)


if __name__ == "__main__":
    main()
