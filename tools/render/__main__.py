"""Command line: `python -m tools.render clips`, `python -m tools.render pictures FOLDER`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from .clips import CLIPS, make
from .skeleton import EDGES
from .training import training_cast, training_pictures


def draw_truths(picture: np.ndarray, truths: list) -> np.ndarray:
    """A picture (H, W, 3) BGR with the truth on it: green seen, red hidden."""
    for person in truths:
        x1, y1, x2, y2 = (int(v) for v in person.box)
        cv2.rectangle(picture, (x1, y1), (x2, y2), (255, 255, 0), 1)
        for a, b in EDGES:
            if min(person.keypoints[a, 2], person.keypoints[b, 2]) > 0:
                cv2.line(
                    picture,
                    tuple(map(int, person.keypoints[a, :2])),
                    tuple(map(int, person.keypoints[b, :2])),
                    (255, 160, 0),
                    1,
                    cv2.LINE_AA,
                )
        for x, y, seen in person.keypoints:
            cv2.circle(picture, (int(x), int(y)), 2, (0, 255, 0) if seen == 1 else (0, 0, 255), -1)
    return picture


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tools.render", description="Render people with exact truth.")
    commands = parser.add_subparsers(dest="command", required=True)
    clips = commands.add_parser("clips", help="make the sample clips and their truth files")
    clips.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(CLIPS)}; all by default")
    clips.add_argument("-o", "--out", type=Path, default=Path("samples"))
    pictures = commands.add_parser("pictures", help="make training pictures with their truth drawn on them, to look at")
    pictures.add_argument("out", type=Path)
    pictures.add_argument("-n", "--count", type=int, default=24)
    pictures.add_argument("--seed", type=int, default=0)
    pictures.add_argument("--figures", type=int, default=12)
    for command in (clips, pictures):
        command.add_argument("--device", default="cpu")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.command == "clips":
        if unknown := set(given.names) - set(CLIPS):
            parser.error(f"no clip named {sorted(unknown)[0]!r}; there are {', '.join(CLIPS)}")
        for name in given.names or CLIPS:
            make(name, given.out, given.device)
        return
    cast = training_cast(given.figures, given.seed, given.device)
    number = 0
    for batch, truths in training_pictures(given.count, given.seed, given.device, cast=cast, batch=4):
        for image, persons in zip(batch, truths, strict=True):
            bgr = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()[:, :, ::-1])
            cv2.imwrite(str(given.out / f"{number:04d}.png"), draw_truths(bgr, persons))
            number += 1


if __name__ == "__main__":
    main()
