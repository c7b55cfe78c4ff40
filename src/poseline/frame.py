"""Frame: one picture on its way through the pipeline, with its own time stamp."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av
    from av.video.plane import VideoPlane
    from av.video.reformatter import VideoReformatter

    from poseline.orientation import Orientation

Pixels: TypeAlias = NDArray[np.uint8]
Picture: TypeAlias = "av.VideoFrame | Pixels"
"""A decoder's planes, or (H, W, 3) uint8 BGR."""

ON_DEVICE = "cuda"
"""FFmpeg's name for the format of pictures that lie in a GPU's memory; `sw_format` says how."""
_CONVERTIBLE = frozenset({0, 1, 2, 4, 5, 6, 7, 9})
"""Colour spaces that swscale converts, by FFmpeg's numbers (AVColorSpace); it refuses pictures of any other."""
_DEFAULT = 5
"""swscale's matrix for what is unspecified: BT.601's (SWS_CS_DEFAULT)."""


def plane_pixels(plane: VideoPlane) -> Pixels:
    """(height, width) uint8 view of one 8-bit plane, without the padding at the end of its rows; writing is seen."""
    memory: Any = plane  # a writable buffer, which PyAV's types do not say
    return np.frombuffer(memory, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def reformatted(picture: av.VideoFrame, name: str, reformatter: VideoReformatter | None = None) -> av.VideoFrame:
    """`picture` in the pixel format `name`; a colour space that swscale does not know is taken for unspecified.

    Its tags stay: planes that were not converted mean what they meant.
    """
    matrix = None if picture.colorspace in _CONVERTIBLE else _DEFAULT
    if reformatter is None:
        result = picture.reformat(format=name, src_colorspace=matrix, dst_colorspace=matrix)
    else:
        result = reformatter.reformat(picture, format=name, src_colorspace=matrix, dst_colorspace=matrix)
    if matrix is not None and not result.format.is_rgb:
        result.colorspace = picture.colorspace
    return result


def turned(frame: av.VideoFrame, orientation: Orientation) -> av.VideoFrame:
    """A yuv420p frame made upright, plane by plane; time stamps and colours are kept."""
    from av.video.frame import VideoFrame

    result = VideoFrame(*orientation.size(frame.width, frame.height), "yuv420p")
    for source, target in zip(frame.planes, result.planes, strict=True):
        np.copyto(plane_pixels(target), orientation.of(plane_pixels(source)))
    result.pts, result.time_base = frame.pts, frame.time_base or Fraction(0)
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    result.color_primaries, result.color_trc = frame.color_primaries, frame.color_trc
    return result


@lru_cache(maxsize=16)
def black_pixels(width: int, height: int) -> Pixels:
    """(height, width, 3) uint8 of a black picture, read-only, which takes no memory."""
    return np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (height, width, 3))


def bgr_pixels(picture: Picture) -> Pixels:
    """(H, W, 3) uint8 BGR of `picture`, which is returned itself where it is that."""
    if isinstance(picture, np.ndarray):
        return picture
    return np.asarray(reformatted(picture, "bgr24").to_ndarray(), np.uint8)


@dataclass(frozen=True)
class Gap:
    """A place where a source's time has a hole: a live source gave nothing, or the time stamps of a file broke."""

    start: float
    """Time of the last frame before it, as `Frame.time`."""
    end: float
    """Time of the first frame after it, as `Frame.time`; where time stamps broke, one frame's interval later."""
    reason: str
    """What happened, in words, without passwords."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One upright picture and where in its source it stands."""

    picture: Picture
    """The pixels as they came: the decoder's planes (8-bit yuv420p, upright), or (H, W, 3) uint8 BGR.

    In a GPU's memory, where a card decoded it, it lies in the card's format, and as `orientation` says.

    The `pts` of the decoder's picture, in units of `time_base`, is its time in the annotated video: as `Frame.pts`, but
    repaired where `Frame.time` is.
    """
    index: int
    """Which frame of the source this is, from 0; frames that were dropped or strided over keep their numbers."""
    pts: int
    """Presentation time stamp in units of `time_base`, as the source states it."""
    time_base: Fraction
    """Seconds per tick of `pts`."""
    time: float
    """Presentation time in seconds, 0 at the source's first frame; it never runs back, whatever the source states."""
    arrival: float
    """When the frame reached this machine, in `time.monotonic()` seconds; for latency only."""
    source: str = ""
    """Path or URL it came from, without passwords."""
    corrupt: bool = False
    """The decoder says that it patched over damage here."""
    dropped_before: int = 0
    """Frames dropped just before this one because a newer one was waiting."""
    gap: Gap | None = None
    """The outage, or the break of the source's time stamps, that this frame ended, if any."""
    pixel_aspect: Fraction | None = None
    """Width of a pixel over its height, as the picture is to be shown; None: as `SourceInfo` says for all."""
    jpeg: bytes | None = None
    """The picture as a live source of JPEGs gave it, whole and upright, where that was asked for (`keeps_jpegs`)."""
    orientation: Orientation | None = None
    """How a picture in a GPU's memory lies there; None where it is upright, as it is everywhere else."""

    @property
    def width(self) -> int:
        """Width of the upright picture in pixels."""
        return self._size[0]

    @property
    def height(self) -> int:
        """Height of the upright picture in pixels."""
        return self._size[1]

    @property
    def _size(self) -> tuple[int, int]:
        picture = self.picture
        if isinstance(picture, np.ndarray):
            return picture.shape[1], picture.shape[0]
        size = picture.width, picture.height
        return size if self.orientation is None else self.orientation.size(*size)

    @property
    def scene(self) -> tuple[str, int, int]:
        """Source, width and height; positions in two frames are comparable only where it is the same."""
        return self.source, self.width, self.height

    @property
    def layout(self) -> tuple[object, ...]:
        """Size and meaning of the pixels; frames with the same can be worked on together."""
        picture = self.picture
        if isinstance(picture, np.ndarray):
            return (picture.shape[1], picture.shape[0], "bgr")
        name = picture.format.name
        if name == ON_DEVICE and picture.sw_format is not None:
            name = picture.sw_format.name
        return (picture.width, picture.height, name, picture.colorspace, picture.color_range, self.orientation)

    @cached_property
    def bgr(self) -> Pixels:
        """(H, W, 3) uint8 BGR, read-only; made on first use."""
        pixels = bgr_pixels(self.picture).view()
        if self.orientation is not None:
            pixels = np.ascontiguousarray(self.orientation.of(pixels))
        pixels.flags.writeable = False
        return pixels

    def without_pixels(self) -> Frame:
        """The same frame with a black picture of its size, which takes no memory."""
        return replace(self, picture=black_pixels(self.width, self.height), jpeg=None, orientation=None)

    def __repr__(self) -> str:
        return f"Frame(index={self.index}, time={self.time:.3f} s, {self.width}x{self.height}, source={self.source!r})"
