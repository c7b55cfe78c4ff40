"""Small worlds for the tests of what is written: pictures, sound and journals, and what a file truly holds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from poseline.frame import Frame, Gap
from poseline.log import RunHeader
from poseline.pose import Observation, Poses
from poseline.skeleton import Skeleton

SHARED = Path(os.environ.get("POSELINE_SHARED", Path(__file__).parents[2] / "shared"))
SAMPLES = Path(__file__).parents[1] / "samples"
CLIPS = ("crossing", "crowd", "sprint", "squat")
"""The samples: of varying rate, of eight persons, with sound, turned by its display matrix."""
CHILD = {**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")))}
"""The environment of a process that imports what its test can."""
SKELETON = Skeleton(("head", "left_hand"), ((0, 1),))


def flat(grey: int, size: tuple[int, int] = (64, 48), name: str = "yuv420p") -> av.VideoFrame:
    """A picture of one grey, (width, height)."""
    bgr = np.full((size[1], size[0], 3), grey, np.uint8)
    return av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(format=name)


def pictures(
    pts: Sequence[int | None], time_base: Fraction, size: tuple[int, int] = (64, 48)
) -> Iterator[av.VideoFrame]:
    """One flat picture for each time stamp; picture i is of grey 16 + 2 i (from 16 again after 100)."""
    for index, stamp in enumerate(pts):
        picture = flat(16 + 2 * (index % 100), size)
        picture.pts, picture.time_base = stamp, time_base
        yield picture


def probe(path: Path, kind: str, entries: str) -> Any:
    """What ffprobe says about the streams of `kind` (v or a); its test is marked `system("ffprobe")`."""
    command = ["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", entries, "-of", "json", str(path)]
    command += ["-count_frames"] if "nb_read_frames" in entries else []
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@contextmanager
def opened(path: Path, kind: str) -> Iterator[tuple[av.container.InputContainer, av.VideoStream | av.AudioStream]]:
    """A file and its first stream of `kind` (v or a)."""
    with av.open(str(path)) as container:
        yield container, (container.streams.video if kind == "v" else container.streams.audio)[0]


def stamps(path: Path, kind: str = "v") -> list[int]:
    """The presentation time stamps of a stream's packets, in the file's own ticks and in order."""
    with opened(path, kind) as (container, stream):
        return sorted(packet.pts for packet in container.demux(stream) if packet.size and packet.pts is not None)


def seconds(path: Path, kind: str = "v") -> list[Fraction]:
    """The same in exact seconds."""
    with opened(path, kind) as (_, stream):
        tick = stream.time_base
    assert tick is not None
    return [stamp * tick for stamp in stamps(path, kind)]


def decoded(path: Path) -> int:
    """How many pictures can be decoded."""
    with opened(path, "v") as (container, stream):
        return sum(1 for _ in container.decode(stream))


def tone(path: Path, codec: str, container: str, length: float = 1.0) -> Path:
    """A file of one tone, encoded."""
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=48000, options={"strict": "-2"})
        assert isinstance(stream, av.AudioStream)
        stream.layout = "stereo"
        time = np.arange(int(48000 * length)) / 48000
        wave = (np.sin(2 * np.pi * 440 * time) * 8000).astype(np.int16)
        sound = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = 48000, 0, Fraction(1, 48000)
        out.mux(stream.encode(sound))
        out.mux(stream.encode(None))
    return path


def header(**changes: Any) -> RunHeader:
    """A run's header of the two-keypoint skeleton, with `changes`."""
    fields: dict[str, Any] = {
        "source": "clip.mp4",
        "model": {"name": "tiny", "sha256": "0" * 64, "imgsz": [640, 640], "precision": "fp32"},
        "runtime": "openvino",
        "device": "cpu",
        "skeleton": SKELETON,
        "video": {"width": 64, "height": 48, "fps": 30.0, "time_base": "1/30"},
        "settings": {"output": {"crf": 23}},
        "versions": {"poseline": "0"},
        "started": "2030-01-01T00:00:00+00:00",
    }
    return RunHeader(**{**fields, **changes})


def poses(count: int, seed: int = 0) -> Poses:
    """`count` persons anywhere in the picture, with ids from 1."""
    world = np.random.default_rng(seed)
    found = Poses.of(
        (world.random((count, 4)) * 64).astype(np.float32),
        world.random(count).astype(np.float32),
        (world.random((count, len(SKELETON), 3)) * (64, 48, 1)).astype(np.float32),
    )
    return found.with_ids(np.arange(1, count + 1))


def seen(index: int, found: Poses, source: str = "clip.mp4", gap: Gap | None = None) -> Observation:
    """What was seen in frame `index` of a 30 frames a second clip."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    return Observation(Frame(pixels, index, index, Fraction(1, 30), index / 30, 0.0, source, gap=gap), found)


def lines(path: Path) -> list[Any]:
    """The records of a journal, read without Poseline."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
