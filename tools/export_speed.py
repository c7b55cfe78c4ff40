"""How long exporting a log of 10,000 frames and four persons to each format takes, and how much memory it needs.

`python tools/export_speed.py [FRAMES]`, alone on the machine. The goal on two cores: all within 20 s and 600 MB.
"""

from __future__ import annotations

import resource
import sys
import time
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from poseline.errors import SettingsError
from poseline.formats import FORMATS, LogFile
from poseline.frame import Frame
from poseline.log import KeypointLog, RunHeader
from poseline.log.counts import Counts
from poseline.pose import Observation, Poses
from poseline.skeleton import COCO17

SIZE = (1280, 720)
PERSONS = 4


def people(number: int) -> Poses:
    """Everybody in one frame."""
    world = np.random.default_rng(number)
    points = world.uniform(0.1, 0.9, (PERSONS, 17, 3)).astype(np.float32) * np.array((*SIZE, 1), np.float32)
    boxes = np.concatenate([points[:, :, :2].min(axis=1), points[:, :, :2].max(axis=1)], axis=1)
    return Poses.of(boxes, np.full(PERSONS, 0.9), points).with_ids(np.arange(1, PERSONS + 1))


def write_log(path: Path, frames: int) -> None:
    """A log as a run of a clip writes it."""
    video = {"width": SIZE[0], "height": SIZE[1], "fps": 30.0, "time_base": "1/30", "pixel_aspect": 1.0}
    header = RunHeader("clip.mp4", {"name": "none"}, "none", "cpu", COCO17, video, {}, {}, "2030-01-01T00:00:00+00:00")
    black = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (SIZE[1], SIZE[0], 3))
    with KeypointLog(path, header) as log:
        for number in range(frames):
            frame = Frame(black, number, number, Fraction(1, 30), number / 30, 0.0, "clip.mp4")
            log.frame(Observation(frame, people(number)))
        log.end(Counts(read=frames, processed=frames, persons=log.persons), 1.0, 1.0)


def main() -> None:
    """Export, and print a line for each format."""
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with TemporaryDirectory() as folder:
        log = Path(folder) / "keypoints.jsonl"
        write_log(log, frames)
        source, total = LogFile(log), 0.0
        for each in FORMATS.values():
            if each.write is None:
                continue
            try:
                each.require()
            except SettingsError as error:
                print(f"{each.name:16} {error}")
                continue
            began = time.perf_counter()
            each.convert(source, Path(folder) / each.file_name())
            seconds = time.perf_counter() - began
            total += seconds
            print(f"{each.name:16} {seconds:6.2f} s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'all':16} {total:6.2f} s, {memory:.0f} MiB at most")


if __name__ == "__main__":
    main()
