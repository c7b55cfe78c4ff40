"""Deinterlacer: whole pictures from interlaced ones, by FFmpeg's bwdif."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import av
import av.error
from av.filter.graph import Graph
from av.video.frame import VideoFrame


class _Stamp(NamedTuple):
    """What is known of a frame on its way through the filter, which may change it."""

    pts: int | None
    time_base: Fraction
    corrupt: bool


class Deinterlacer:
    """Filters frames of one size and format; frames that are not interlaced pass unchanged.

    One frame comes out for each that goes in, with its time stamp. bwdif looks at the fields before and after, so each
    comes out when the next one goes in.

    Args:
        first: the first frame that will be given.

    Raises:
        av.error.FFmpegError: bwdif does not take such pictures: they are a few pixels small.
    """

    def __init__(self, first: VideoFrame) -> None:
        self._layout = _layout(first)
        self._inside: deque[_Stamp] = deque()
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=first.width, height=first.height, format=first.format, time_base=Fraction(1, 90_000)
        )
        filters = (source, self._graph.add("bwdif", "mode=send_frame:deint=interlaced"), self._graph.add("buffersink"))
        self._graph.link_nodes(*filters).configure()

    def takes(self, frame: VideoFrame) -> bool:
        """Whether the frame has the size and format of the first; another needs a deinterlacer of its own."""
        return _layout(frame) == self._layout

    def give(self, frame: VideoFrame) -> Iterator[tuple[VideoFrame, bool]]:
        """Give a frame; yields those that are ready, and whether they were corrupt."""
        self._inside.append(_Stamp(frame.pts, frame.time_base or Fraction(0), frame.is_corrupt))
        self._graph.vpush(frame)
        return self._ready()

    def flush(self) -> Iterator[tuple[VideoFrame, bool]]:
        """The frames that are still inside; the end."""
        self._graph.vpush(None)
        return self._ready()

    def _ready(self) -> Iterator[tuple[VideoFrame, bool]]:
        while self._inside:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            stamp = self._inside.popleft()
            frame.pts, frame.time_base = stamp.pts, stamp.time_base
            yield frame, stamp.corrupt


def _layout(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
