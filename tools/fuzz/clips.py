"""Small sound clips of many kinds, with what is known of each: how many pictures it shows, and when."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import accumulate, islice
from pathlib import Path

import av
import av.container
import av.filter

sys.path.append(str(Path(__file__).parents[2] / "tests"))
import scheduling  # of the tests

SAMPLES = Path(__file__).parents[2] / "samples"
SIZES = ((96, 64), (64, 48), (98, 66), (97, 65))
RATES = (Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(50))
MOST = 30
"""Pictures of a clip, at most."""


@dataclass(frozen=True)
class Codec:
    """How a codec is asked for small pictures in little time."""

    encoder: str
    containers: tuple[str, ...]
    formats: tuple[str, ...] = ("yuv420p",)
    """Pixel formats that it takes."""
    options: tuple[tuple[str, str], ...] = ()
    b_frames: bool = False
    interlaced: bool = False


CODECS = {
    "h264": Codec(
        "libx264", ("mp4", "frag.mp4", "mov", "mkv", "ts", "avi", "h264"),
        ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le"), (("preset", "ultrafast"),), b_frames=True, interlaced=True,
    ),
    "hevc": Codec(
        "libx265", ("mp4", "frag.mp4", "mov", "mkv", "ts", "hevc"), ("yuv420p", "yuv422p10le", "yuv420p10le"),
        (("preset", "ultrafast"), ("x265-params", "log-level=none:pools=1:frame-threads=1")), b_frames=True,
    ),
    "vp9": Codec(
        "libvpx-vp9", ("mp4", "mkv", "webm"), ("yuv420p", "yuv422p"), (("deadline", "realtime"), ("cpu-used", "8")),
    ),
    "av1": Codec(
        "libsvtav1", ("mp4", "frag.mp4", "mkv", "webm", "obu"), ("yuv420p", "yuv420p10le"),
        (("preset", "13"), ("svtav1-params", "lp=1")),
    ),
    "mpeg2": Codec(
        "mpeg2video", ("ts", "mkv", "mov", "avi", "mpg", "m2v"), ("yuv420p", "yuv422p"), b_frames=True, interlaced=True,
    ),
    "mjpeg": Codec("mjpeg", ("avi", "mov", "mkv", "mjpeg"), ("yuvj420p", "yuvj422p")),
    "prores": Codec("prores_ks", ("mov", "mkv"), ("yuv422p10le",), interlaced=True),
}  # fmt: skip
WITHOUT_STAMPS = frozenset({"h264", "hevc", "obu", "m2v", "mjpeg", "avi", "mpg"})
"""Containers that keep no time stamps, a number for each picture, or stamps for some of them only."""
_FORMATS = {"frag.mp4": "mp4", "m2v": "mpeg2video", "mjpeg": "mjpeg"}
"""FFmpeg's names of formats that a suffix does not say."""
_IN_ORDER = frozenset({"avi", "mpg"})
"""Containers in which times of reordered pictures are not kept: an MPEG-PS has a stamp for some of them only."""
_TRANSPORT = frozenset({"ts", "mpg"})


@dataclass(frozen=True)
class Recipe:
    """What a clip is to be like."""

    codec: str
    container: str
    count: int = 24
    size: tuple[int, int] = (96, 64)
    pixels: str = "yuv420p"
    rate: Fraction = Fraction(25)
    b_frames: int = 0
    group: int = 12
    """Pictures from one key frame to the next."""
    interlaced: bool = False
    varying: bool = False
    """Whether the pictures stand for different times."""
    hidden: int = 0
    """Pictures at the beginning that an edit list hides."""
    first: int = 0
    """Of the sample's pictures."""

    @property
    def kind(self) -> str:
        """Codec and container, to count by."""
        return f"{self.codec} in {self.container}"

    @property
    def name(self) -> str:
        """All of it in a word."""
        traits = [
            f"{self.size[0]}x{self.size[1]}",
            self.pixels,
            f"{self.count}p",
            f"b{self.b_frames}",
            f"g{self.group}",
        ]
        for trait, given in (
            ("interlaced", self.interlaced),
            ("vfr", self.varying),
            (f"hidden{self.hidden}", self.hidden),
        ):
            traits += [trait] if given else []
        return f"{self.codec}-{'-'.join(traits)}.{self.container}"


@dataclass(frozen=True)
class Truth:
    """What is so of a clip."""

    count: int
    """Pictures that it shows."""
    times: tuple[float, ...] | None
    """Seconds of each from the first one; None where the container keeps no times."""


def kinds() -> list[Recipe]:
    """A plain recipe for each codec in each container."""
    found = []
    for name, codec in CODECS.items():
        for container in codec.containers:
            b_frames = 2 if codec.b_frames and container not in _IN_ORDER else 0
            found.append(Recipe(name, container, pixels=codec.formats[0], b_frames=b_frames))
    return found


def drawn(recipe: Recipe, chance: random.Random) -> Recipe:
    """A recipe of the same kind, with traits by chance."""
    codec = CODECS[recipe.codec]
    pixels = chance.choice(codec.formats)
    interlaced = codec.interlaced and chance.random() < 0.25
    odd = "444" in pixels or recipe.codec in ("vp9", "mjpeg", "prores")
    sizes = SIZES[:2] if interlaced else SIZES if odd else SIZES[:3]
    varying = recipe.container not in WITHOUT_STAMPS | _TRANSPORT and chance.random() < 0.3
    reorders = codec.b_frames and recipe.b_frames > 0 and not (varying and recipe.codec != "h264")
    hides = recipe.container in ("mp4", "mov") and recipe.codec == "h264" and chance.random() < 0.3
    return replace(
        recipe, count=chance.randint(4 if hides or recipe.container == "mjpeg" else 2, MOST),
        size=chance.choice(sizes), pixels=pixels,
        rate=chance.choice(RATES), b_frames=chance.randint(0, 2 * reorders), group=chance.choice((1, 5, 12, 250)),
        interlaced=interlaced, varying=varying, hidden=chance.randint(1, 3) if hides else 0,
        first=chance.randrange(60),
    )  # fmt: skip


@cache
def _pictures(size: tuple[int, int], pixels: str, interlaced: bool) -> list[av.VideoFrame]:
    with av.open(str(SAMPLES / "crossing.mp4")) as sample:
        stream = sample.streams.video[0]
        graph = av.filter.Graph()
        source = graph.add_buffer(template=stream)
        field = "tff" if interlaced else "prog"
        steps = (graph.add("scale", f"{size[0]}:{size[1]}"), graph.add("format", pixels), graph.add("setfield", field))
        graph.link_nodes(source, *steps, graph.add("buffersink")).configure()
        found = []
        for frame in islice(sample.decode(stream), 60 + MOST):
            graph.vpush(frame)
            found.append(graph.vpull())
        return found


def write(recipe: Recipe, path: Path, chance: random.Random) -> Truth:
    """Write the clip and say what is so of it."""
    base, stamps = _stamps(recipe, chance)
    options = {"movflags": "+frag_keyframe+empty_moov+default_base_moof"} if recipe.container == "frag.mp4" else {}
    if recipe.hidden:
        options["avoid_negative_ts"] = "disabled"
    before = stamps[recipe.hidden]
    with scheduling.kept(), av.open(str(path), "w", format=_FORMATS.get(recipe.container), options=options) as out:
        stream = _encoder(out, recipe, base)
        pictures = _pictures(recipe.size, recipe.pixels, recipe.interlaced)[recipe.first :]
        for stamp, picture in zip([*stamps, None], pictures, strict=False):
            if stamp is not None:
                picture.pts, picture.time_base, picture.pict_type = stamp, base, av.video.frame.PictureType.NONE
            for packet in stream.encode(None if stamp is None else picture):
                if before:
                    assert packet.pts is not None
                    assert packet.dts is not None
                    packet.pts, packet.dts = packet.pts - before, packet.dts - before
                out.mux(packet)
    shown = stamps[recipe.hidden :]
    if recipe.container in WITHOUT_STAMPS:
        return Truth(len(shown), None)
    return Truth(len(shown), tuple(float((stamp - shown[0]) * base) for stamp in shown))


def _stamps(recipe: Recipe, chance: random.Random) -> tuple[Fraction, list[int]]:
    if not recipe.varying:
        return 1 / recipe.rate, list(range(recipe.count))
    return Fraction(1, 1000), [0, *accumulate(chance.randint(5, 90) for _ in range(recipe.count - 1))]


def _encoder(out: av.container.OutputContainer, recipe: Recipe, base: Fraction) -> av.VideoStream:
    codec = CODECS[recipe.codec]
    options = dict(codec.options) | ({"bf": str(recipe.b_frames)} if codec.b_frames else {})
    if recipe.codec == "hevc":
        options["x265-params"] += f":bframes={recipe.b_frames}:keyint={recipe.group}"
    if recipe.codec == "mpeg2":
        options["strict"] = "-2"  # any frame rate
    if recipe.interlaced and recipe.codec == "h264":
        options["x264-params"] = "tff=1"
    elif recipe.interlaced:
        options["flags"] = "+ildct+ilme" if recipe.codec == "mpeg2" else "+ildct"
    stream = out.add_stream(codec.encoder, rate=recipe.rate, options=options)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height = recipe.size
    stream.pix_fmt, stream.gop_size = recipe.pixels, recipe.group
    stream.codec_context.time_base, stream.codec_context.thread_count = base, 1
    return stream
