"""Encoder: what turns pictures into H.264, and how it is asked to: by quality, in order, holding little back."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, TypeAlias

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

_LOOKAHEAD = 3
"""Most frames that a slower preset may hold back to look ahead: they are what a killed run loses on top."""
_MOST_SLICES = 4
"""More of them make a frame larger, and slow it down."""
_HELD_SECONDS = Fraction(1, 4)
"""Most that is held back; with the fragment of a fifth of a second, a killed run loses half a second at most."""
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


def encoder_options(encoder: EncoderName, settings: OutputSettings, live: bool) -> dict[str, str]:
    """FFmpeg's options for the encoder: quality as `crf` says, no reordered frames, which fragments cannot hold."""
    if encoder == "nvenc":
        options = {
            "preset": f"p{_NVENC_PRESETS.index(settings.preset) + 1}", "rc": "vbr", "bf": "0",
            "forced-idr": "1",  # or a picture that is asked to be a key frame is no place to jump to
            "cq": str(max(settings.crf, 1)),  # 0 would leave the quality to NVENC
        }  # fmt: skip
        more = {"tune": "ull", "zerolatency": "1", "delay": "0"} if live else {"delay": str(_LOOKAHEAD)}
        return {**options, **more}
    options = {"preset": settings.preset, "bf": "0", **_quality(settings)}
    if live:
        return {**options, "tune": "zerolatency"}
    return {**options, "rc-lookahead": str(_LOOKAHEAD)} if _looks_ahead(settings) else options


def _quality(settings: OutputSettings) -> dict[str, str]:
    """What x264 is asked for quality by.

    By crf it estimates first how hard each frame is, by its quantiser, qp, it does not: with the fastest preset that
    takes a sixth less time, for the same quality within 1 dB (PSNR) on two clips. Another tenth goes into looking for
    blocks with so little in them that they may be left out: without, files are a twelfth larger, and a shade better.
    """
    if settings.preset != "ultrafast":
        return {"crf": str(settings.crf)}
    return {"qp": str(settings.crf), "x264-params": "no-dct-decimate=1"}


def x264_threads(
    settings: OutputSettings, *, live: bool, height: int, rate: Fraction, cores: int | None = None
) -> tuple[int, Literal["SLICE", "FRAME"]]:
    """How many threads x264 gets, and what each takes: a part of a frame, or a frame of its own.

    A frame in two slices takes a fifth more of the CPU's time than whole (720p, ultrafast); but with a frame each, x264
    holds back a frame more than it has threads. The other half of the cores runs the network, tracks and draws.

    Args:
        settings: the preset is read.
        live: no frame may be held back.
        height: of the pictures, in pixels.
        rate: frames a second.
        cores: that the process may use, if not as many as it does.
    """
    cores = cores or machine.cores()
    most = max(1, height // _ROWS)
    slices = max(1, min(_MOST_SLICES, cores // 2, most))
    if live or cores == 1:
        return slices, "SLICE"
    held = int(_HELD_SECONDS * rate) - 1 - (_LOOKAHEAD if _looks_ahead(settings) else 0)
    frames = min(max(2, cores // 2), most, held)
    return (frames, "FRAME") if frames > 1 and frames >= slices else (slices, "SLICE")


def _looks_ahead(settings: OutputSettings) -> bool:
    return settings.preset not in ("ultrafast", "superfast")
