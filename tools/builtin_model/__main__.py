"""Train the built-in model: the teacher's behaviour, learnt by the same architecture from random weights.

    python -m tools.builtin_model --teacher yolo11n-pose.pt --sports lspet-320-a.tar lspet-320-b.tar --out run

The training time is counted across interruptions: the same command goes on from the checkpoint in --out, which is
written every minute. People are rendered into --people first, if that folder does not exist. --start begins with the
weights of an earlier training instead of random ones.
"""

from __future__ import annotations

import argparse
import time
from itertools import chain
from pathlib import Path

import torch

from .backgrounds import empty_scenes
from .canvases import Painter
from .network import earlier_weights, load_teacher
from .people import pictures_of_people, render_people
from .pictures import build_atlas, pictures_in_tar
from .train import Settings, Trainer, run_training

GROUP_ODDS = ((0.26, 0.12, 0.56, 0.06), (0.64, 0.10, 0.21, 0.05))
"""Shares of sports pictures, varied people, people in motion and empty scenes: on canvases of one or two cells, and of
more."""

PEOPLE, BODIES = {"varied": 1000, "action": 2000}, 100
"""Rendered pictures of each kind, and how many different bodies each kind shows."""


def main() -> None:
    """Parse the command line, gather the pictures, train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True, help="weights of the reference network")
    parser.add_argument("--sports", type=Path, nargs="+", required=True, help="tar archives of pictures")
    parser.add_argument("--people", type=Path, help="folder of rendered people (default: people, beside --out)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--seconds", type=float, default=2250, help="training time in all, seconds")
    parser.add_argument("--until", type=float, help="stop for now at this training time, seconds")
    parser.add_argument("--end", type=float, help="instead of --seconds: end at this clock time, seconds since 1970")
    parser.add_argument("--start", type=Path, help="weights to begin with: a checkpoint's folder or exported weights")
    parser.add_argument("--rate", type=float, default=Settings.learning_rate, help="full learning rate")
    parser.add_argument("--average", type=float, default=Settings.average_steps, help="steps that are averaged over")
    parser.add_argument("--no-truth", action="store_true", help="learn rendered people from the teacher too")
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
        for kind, count in PEOPLE.items():
            render_people(people, count, seed=0, device=given.device, figures=BODIES, kind=kind)
    sports = chain.from_iterable(map(pictures_in_tar, given.sports))
    rendered = [pictures_of_people(people, kind) for kind in PEOPLE]
    atlas = build_atlas([sports, *rendered, empty_scenes(400, seed=1)], device)
    print(f"{[count for _, count in atlas.groups]} pictures after {time.monotonic() - began:.0f} s", flush=True)
    painter = Painter(atlas, GROUP_ODDS, compiled=given.compile)
    settings = Settings(
        seconds=given.seconds,
        batch=given.batch,
        learning_rate=given.rate,
        average_steps=given.average,
        truth=not given.no_truth,
        compiled=given.compile,
    )
    trainer = Trainer(load_teacher(given.teacher, device), painter, settings, device)
    if (given.out / "progress.json").exists():
        trainer.resume(given.out)
    elif given.start:
        trainer.start(earlier_weights(given.start))
    if given.end:
        settings.seconds = trainer.progress.seconds + given.end - time.time()
    run_training(trainer, given.out, given.until or settings.seconds)


if __name__ == "__main__":
    main()
