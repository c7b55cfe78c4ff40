"""Encoder: what turns pictures into H.264, and how it is asked to: by quality, in order, holding little back."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

import av
import av.error

from poseline import machine
from poseline.errors import DeviceError
from poseline.settings import OutputSettings

EncoderName: TypeAlias = Literal["x264", "nvenc"]

CODECS: dict[EncoderName, str] = {"x264": "libx264", "nvenc": "h264_nvenc"}
"""FFmpeg's names of the encoders."""
PLAIN: dict[EncoderName, tuple[str, ...]] = {"x264": ("yuv420p", "yuvj420p"), "nvenc": ("yuv420p",)}
"""Formats that each takes as they are; yuvj420p says in its name that its range is full."""

LOST_SECONDS = Fraction(1, 5)
"""Most video that a killed run loses: frames that the encoder holds back, and those of a fragment that is not full."""
LONGEST_FRAGMENT = Fraction(1, 10)
"""Seconds. Each fragment takes about 90 bytes; longer ones save little, and lose more where frames come irregularly."""
_LOOKAHEAD = 3
"""Most frames that a slower preset holds back to look ahead."""
_MOST_SLICES = 4
"""More of them make a frame larger, and slow it down."""
_ROWS = 64
"""Least height that is worth a thread, in pixels."""
_NVENC_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
"""x264's names for NVENC's p1 to p7, which trade speed for size likewise."""


def encodes(codec: str) -> bool:
    """Whether one frame goes through FFmpeg's encoder of this name; a card is asked for its own only then."""
    try:
        context = av.CodecContext.create(codec, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = 320, 240, "nv12" if "qsv" in codec else "yuv420p"
        context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
        context.encode(av.VideoFrame(320, 240, context.pix_fmt))
    except (av.error.FFmpegError, ValueError, TypeError, AttributeError):
        return False
    return True


def choose_encoder(wanted: Literal["auto", "x264", "nvenc"], device: str = "") -> tuple[EncoderName, str]:
    """The encoder of a run, and a note where there was something to choose.

    Args:
        wanted: as in the settings.
        device: that runs the network, such as `cuda:0 ...`; auto encodes on its card, if that can.

    Raises:
        DeviceError: NVENC was asked for and is not there.
    """
    on_gpu = device.startswith("cuda")
    if wanted == "x264" or (wanted == "auto" and not on_gpu):
        return "x264", ""
    if encodes(CODECS["nvenc"]):
        return "nvenc", "encoded by the card (NVENC)" if wanted == "auto" else ""
    if wanted == "nvenc":
        raise DeviceError(
            "--encoder nvenc: no NVENC opens here; not every NVIDIA card has it, and each has a limit of sessions. "
            "Give --encoder x264, or leave it out"
        )
    return "x264", "encoded by the CPU (x264): no NVENC opens here"


class EncoderSetup(NamedTuple):
    """How an encoder is opened."""

    options: dict[str, str]
    """FFmpeg's."""
    held: int
    """Frames that it holds back."""
    threads: int = 0
    """0: the encoder is not asked for a number."""
    thread_type: Literal["SLICE", "FRAME"] = "SLICE"
    """What each thread takes: a part of a frame, or a frame of its own."""


def encoder_setup(
    encoder: EncoderName, settings: OutputSettings, *, live: bool, height: int, rate: Fraction, sound: bool = False,
    cores: int | None = None,
) -> EncoderSetup:  # fmt: skip
    """The encoder's options: quality as `crf` says, no reordered frames, which fragments cannot hold, and little delay.

    A frame in two slices takes a fifth more of the CPU's time than whole (720p, ultrafast); but with a frame each, x264
    holds back a frame less than it has threads. The other half of the cores runs the network, tracks and draws.

    Args:
        encoder: as `choose_encoder` says.
        settings: preset and crf are read.
        live: no frame may be held back.
        height: of the pictures, in pixels.
        rate: frames a second.
        sound: whether the file has sound as well.
        cores: that the process may use, if not as many as it does.
    """
    most = 0 if live else most_held(rate, sound)
    if encoder == "nvenc":
        held = min(_LOOKAHEAD, most)
        return EncoderSetup(_nvenc_options(settings, live, held), held)
    threads, thread_type = _x264_threads(settings, most, height, cores or machine.cores())
    held = threads - 1 if thread_type == "FRAME" else 0
    ahead = 0
    if _looks_ahead(settings):
        held += thread_type == "FRAME"  # a thread of its own looks ahead then
        ahead = min(_LOOKAHEAD, most - held)
    return EncoderSetup(_x264_options(settings, live, ahead), held + ahead, threads, thread_type)


def most_held(rate: Fraction, sound: bool) -> int:
    """Frames that the encoder may hold back at so many a second.

    The newest one that comes out of it is lost in any case, since its fragment is written when the next one comes. With
    sound two more are: one waits for the next one's time, and where the sound has ended or has a hole, the muxer keeps
    another one.
    """
    return max(0, int(LOST_SECONDS * rate) - (3 if sound else 1))


def fragment_seconds(rate: Fraction, *, live: bool, sound: bool, held: int) -> Fraction:
    """How long a fragment may be where the encoder holds back so many frames; 0 for one of a single frame.

    That it is of a live source, whose frames come irregularly: of three, two could come before a pause.
    """
    if live:
        return Fraction(0)
    return min(LONGEST_FRAGMENT, (most_held(rate, sound) - held) / rate)


def _nvenc_options(settings: OutputSettings, live: bool, held: int) -> dict[str, str]:
    options = {
        "preset": f"p{_NVENC_PRESETS.index(settings.preset) + 1}", "rc": "vbr", "bf": "0",
        "forced-idr": "1",  # or a picture that is asked to be a key frame is no place to jump to
        "cq": str(max(settings.crf, 1)),  # 0 would leave the quality to NVENC
        "delay": str(held),
    }  # fmt: skip
    return {**options, "tune": "ull", "zerolatency": "1"} if live else options


def _x264_options(settings: OutputSettings, live: bool, ahead: int) -> dict[str, str]:
    """What x264 is asked for.

    By crf it estimates first how hard each frame is, by its quantiser, qp, it does not: with the fastest preset that
    takes a sixth less time, for the same quality within 1 dB (PSNR) on two clips. Another tenth goes into looking for
    blocks with so little in them that they may be left out: without, files are a twelfth larger, and a shade better.
    """
    fastest = settings.preset == "ultrafast"
    special = ["force-cfr=1"]  # or a frame is held back until the next one's time is known; times stay as they are
    special += [] if _looks_ahead(settings) else ["sync-lookahead=0"]  # or another one is, to look ahead from it
    special += ["no-dct-decimate=1"] if fastest else []
    return {
        "preset": settings.preset, "bf": "0", "x264-params": ":".join(special),
        "qp" if fastest else "crf": str(settings.crf),
        **({"tune": "zerolatency"} if live else {"rc-lookahead": str(ahead)} if _looks_ahead(settings) else {}),
    }  # fmt: skip


def _x264_threads(
    settings: OutputSettings, most: int, height: int, cores: int
) -> tuple[int, Literal["SLICE", "FRAME"]]:
    """How many threads x264 gets, and what each takes, where `most` frames may be held back."""
    parts = max(1, height // _ROWS)
    slices = slices_worth(height, cores)
    # Of a preset that looks ahead, the thread that does and the one frame that it needs at least are held back as well.
    frames = min(max(2, cores // 2), parts, most + 1 - (2 if _looks_ahead(settings) else 0))
    return (frames, "FRAME") if cores > 1 and frames > 1 and frames >= slices else (slices, "SLICE")


def slices_worth(height: int, cores: int | None = None) -> int:
    """How many threads x264 gets that each take a slice of every frame of this height, and hold none back.

    Left to itself it takes one for each core, as far as the height allows: 17 at 1080 rows. 16 of them took 40 % more
    CPU time there than 4 (ultrafast).
    """
    return max(1, min(_MOST_SLICES, (cores or machine.cores()) // 2, height // _ROWS))


def _looks_ahead(settings: OutputSettings) -> bool:
    return settings.preset not in ("ultrafast", "superfast")
