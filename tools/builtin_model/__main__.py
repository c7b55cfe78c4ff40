"""Train the built-in model: the teacher's behaviour, learnt by the same architecture from random weights.

    python -m tools.builtin_model --teacher yolo11n-pose.pt --sports lspet-320-a.tar lspet-320-b.tar --out run

The training time is counted across interruptions: the same command goes on from the checkpoint in --out, which is
written every minute. People are rendered into --people first, if that folder does not exist.
"""

from __future__ import annotations

import argparse
import time
from itertools import chain
from pathlib import Path

import torch

from .backgrounds import empty_scenes
from .canvases import Painter
from .network import load_teacher
from .people import pictures_of_people, render_people
from .pictures import build_atlas, pictures_in_tar
from .train import Settings, Trainer, run_training

GROUP_ODDS = ((0.50, 0.42, 0.08), (0.80, 0.15, 0.05))
"""Shares of sports pictures, rendered people and empty scenes: on canvases of one or two cells, and of more."""

PEOPLE, BODIES = 1600, 200
"""Pictures of rendered people, and how many different bodies they show."""


def main() -> None:
    """Parse the command line, gather the pictures, train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True, help="weights of the reference network")
    parser.add_argument("--sports", type=Path, nargs="+", required=True, help="tar archives of pictures")
    parser.add_argument("--people", type=Path, help="folder of rendered people (default: people, beside --out)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--seconds", type=float, default=1060, help="training time in all, seconds")
    parser.add_argument("--until", type=float, help="stop for now at this training time, seconds")
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="compile the painter and the networks first")
    given = parser.parse_args()

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = 4  # trying more algorithms takes longer than the best of them saves
    torch.set_float32_matmul_precision("high")
    device = torch.device(given.device)
    began = time.monotonic()
    people = given.people or given.out.parent / "people"
    if not people.exists():
        render_people(people, PEOPLE, seed=0, device=given.device, figures=BODIES)
    sports = chain.from_iterable(map(pictures_in_tar, given.sports))
    atlas = build_atlas([sports, pictures_of_people(people), empty_scenes(600, seed=1)], device)
    print(f"{[count for _, count in atlas.groups]} pictures after {time.monotonic() - began:.0f} s", flush=True)
    painter = Painter(atlas, GROUP_ODDS, compiled=given.compile)
    settings = Settings(seconds=given.seconds, batch=given.batch, compiled=given.compile)
    trainer = Trainer(load_teacher(given.teacher, device), painter, settings, device)
    if (given.out / "progress.json").exists():
        trainer.resume(given.out)
    run_training(trainer, given.out, given.until or given.seconds)


if __name__ == "__main__":
    main()
