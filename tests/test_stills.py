"""Single pictures of a clip by what a log says of them: the right ones, near its start and far behind it, or none."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from poseline.capture import VideoFile
from poseline.capture import stills as module
from poseline.errors import SourceError
from poseline.frame import Pixels
from poseline.settings import CaptureSettings

COUNT = 240
SETTINGS = CaptureSettings(decoder="cpu")


def level(number: int) -> int:
    """Of the grey of frame `number`: neighbours differ by far more than coding does."""
    return 30 + number * 37 % 191


def clip(path: Path, codec: str, start: int = 0, steps: tuple[int, ...] = (100,), **options: str) -> list[Fraction]:
    """A clip of grey frames; the times of its frames, in seconds of its own clock."""
    ticks = start + np.cumsum([0, *(steps[number % len(steps)] for number in range(COUNT - 1))])
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, tick in enumerate(ticks.tolist()):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level(number), np.uint8), format="bgr24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return [Fraction(tick, 1000) for tick in ticks.tolist()]


@pytest.mark.parametrize(
    ("name", "codec", "start", "steps"),
    [
        ("b-frames.mp4", "libx264", 0, (100,)),
        ("late.mkv", "libx264", 7000, (100,)),
        ("vfr.mp4", "libx264", 0, (33, 100, 167)),
        ("transport.ts", "libx264", 500, (100,)),
        ("old.avi", "mpeg4", 0, (100,)),
    ],
)
def test_pictures_are_those_that_the_log_names(
    name: str, codec: str, start: int, steps: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"g": "25", "bf": "3"} if codec == "libx264" else {"g": "25"}
    clip(tmp_path / name, codec, start, steps, **options)
    times = [frame.time for frame in VideoFile(tmp_path / name, SETTINGS).frames()]
    assert len(times) == COUNT
    numbers = [0, 200, 3, 131, COUNT - 1, 200]
    decoded: list[int] = []
    in_order = module._in_order

    def noted(path: Path, ones: Sequence[float], settings: CaptureSettings) -> dict[float, Pixels]:
        decoded.extend(times.index(one) for one in ones)
        return in_order(path, ones, settings)

    monkeypatch.setattr(module, "_in_order", noted)
    found = module.stills(tmp_path / name, [times[number] for number in numbers], SETTINGS)
    for number, picture in zip(numbers, found, strict=True):
        assert picture is not None
        assert picture.shape == (48, 64, 3)
        assert float(picture.mean()) == pytest.approx(level(number), abs=12)
    if name != "old.avi":
        assert sorted(decoded) == [0, 3]  # the others are sought, and not by decoding all that is before them


def test_what_the_clip_does_not_have_is_none(tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4", "mpeg4", g="25")
    found = module.stills(tmp_path / "clip.mp4", [0.2, 0.25, 15.0, 900.0], SETTINGS)
    assert [picture is not None for picture in found] == [True, False, True, False]
    with pytest.raises(SourceError, match="no such file"):
        module.stills(tmp_path / "gone.mp4", [0.2], SETTINGS)
