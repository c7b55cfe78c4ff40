"""What a container announces of its video, as far as it can be believed: pictures, seconds and frame rate."""

from __future__ import annotations

import re
from fractions import Fraction

from av.container import InputContainer
from av.format import Flags
from av.video.stream import VideoStream

_FASTEST = 500
"""Frames a second: a rate beyond is one of the time base and not of the pictures (often 1000, for milliseconds)."""
_AGREES = 0.1
"""Most by which a stated frame rate may differ from pictures / seconds."""
_ROUNDED = 0.005
"""Most by which a frame rate differs from the one that is meant, as 23.98 from 24000/1001."""
_INDEXED = frozenset({"avi", "mov,mp4,m4a,3gp,3g2,mj2"})
"""Formats whose index lists every picture, and is read when they are opened."""
_WRAPS = {"mpegts": 2**33, "mpeg": 2**33, "flv": 2**32, "asf": 2**32}
"""Ticks after which a clock begins anew (ISO/IEC 13818-1, 2.4.3.7: 33 bits; the others have 32)."""
_LONGEST_TRANSMITTED = 10.0
"""Seconds without a picture in a format of transmission beyond which its clock must have been set anew.

MPEG-TS wants a time stamp every 0.7 s; FFmpeg takes the same 10 s.
"""
_LONGEST_RECORDED = 3600.0
"""The same in other formats: a picture of a screen may stand for minutes, and in MP4 its duration is stated."""
_REACHES = 0.9
"""Share of an AVI's time that its index must reach to count as complete."""
_STATES_DURATION = _INDEXED | {"flv", "matroska,webm"}
"""Formats that state how long they are; of others FFmpeg guesses it, from the first and the last time stamp."""


def has_no_stamps(container: InputContainer) -> bool:
    """Whether the format has no time stamps at all: raw H.264 and its kin; those that FFmpeg gives are invented."""
    return _has(container, Flags.no_timestamps) or container.format.name == "jpeg_pipe"


def may_break(container: InputContainer) -> bool:
    """Whether time stamps of this format are those of a transmission, which may begin anew anywhere, as MPEG-TS's."""
    return _has(container, Flags.ts_discont)


def longest_pause(container: InputContainer) -> float:
    """Seconds without a picture beyond which time stamps are no times, or the clock was set anew."""
    return _LONGEST_TRANSMITTED if may_break(container) else _LONGEST_RECORDED


def clock_wrap(container: InputContainer) -> int | None:
    """Ticks after which the format's own clock begins anew; None where it has room enough."""
    return _WRAPS.get(container.format.name)


def _has(container: InputContainer, flag: Flags) -> bool:
    return bool(Flags(container.format.flags) & flag)


def shown_frames(container: InputContainer, stream: VideoStream) -> int | None:
    """How many pictures an MP4, MOV or AVI will show, by its index; None where there is no complete index.

    `stream.frames` also counts the pictures that an edit list hides, and the empty chunks of an AVI that stand for
    pictures left out.
    """
    if not lists_all(container, stream):
        return None
    return sum(not entry.is_discard for entry in stream.index_entries)


def lists_all(container: InputContainer, stream: VideoStream) -> bool:
    """Whether there is a complete index of all pictures, as soon as the file is open."""
    entries = stream.index_entries
    if not stream.frames or container.format.name not in _INDEXED or not len(entries):  # no frames: it has fragments
        return False
    # An AVI's index stands at the end, and may have been cut off with it: only what was read so far is listed then.
    return container.format.name != "avi" or entries[-1].timestamp >= _REACHES * (stream.duration or 0)


def duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds of video as the container states them; None where it does not."""
    if container.format.name not in _STATES_DURATION:
        return None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    for key, value in stream.metadata.items():
        if key.startswith("DURATION") and (clock := re.match(r"(\d+):(\d+):(\d+(?:\.\d+)?)", value)):  # Matroska's tag
            return 3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3])
    return container.duration / 1e6 if container.duration and len(container.streams) == 1 else None


def frame_rate(stream: VideoStream, frames: int | None, seconds: float | None) -> Fraction | None:
    """Frames a second as the container announces them; None where it announces none, or one that cannot be.

    Args:
        stream: the video.
        frames: pictures in it, where they are counted.
        seconds: of video, where they are stated.
    """
    announced = [rate for rate in (stream.average_rate, stream.base_rate) if rate]
    if frames and seconds:
        measured = frames / seconds
        return next((rate for rate in announced if abs(rate - measured) <= _AGREES * measured), None)
    return next(filter(_possible, announced), None)


def codec_rate(stream: VideoStream) -> Fraction | None:
    """Frames a second as the codec's own headers state them; None where they do not, or one that cannot be.

    The only rate of a live stream that is announced and not a guess: FFmpeg guesses its own from when the first few
    frames come (up to 120 frames/s for 25.8), or takes 25. An SDP's `a=framerate` cannot be told from such a guess.
    """
    rate = stream.codec_context.framerate
    return rate if rate and _possible(rate) else None


def _possible(rate: Fraction) -> bool:
    return 0 < rate <= _FASTEST


def exact_rate(rate: float) -> Fraction:
    """The frame rate that is meant by a rounded one: 29.97 is 30000/1001."""
    whole = round(rate * 1.001)
    ntsc = Fraction(whole * 1000, 1001)
    return ntsc if whole and abs(rate - ntsc) < _ROUNDED < abs(rate - whole) else Fraction(rate).limit_denominator(1001)
