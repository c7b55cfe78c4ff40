"""Settings: one frozen model per stage. Defaults, then a YAML file, then the command line; the later wins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from poseline.amounts import bytes_in, moment_in, seconds_in
from poseline.errors import SettingsError, redact, redacted
from poseline.plain_yaml import NotPlainError, load_plain
from poseline.words import did_you_mean


def _device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda|(cuda:)?\d+(,\d+)*", name):
        raise ValueError(
            f"a device is auto, cpu, mps, cuda, or GPUs by their numbers, such as cuda:1 or cuda:0,1, got {name!r}"
        )
    numbers = card_numbers(name)
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{name!r} names a GPU twice")
    return name


def card_numbers(device: str) -> list[int]:
    """Numbers of the GPUs that a device names: none of `cuda` alone, 0 and 1 of `cuda:0,1`."""
    return [int(number) for number in re.findall(r"\d+", device)]


def _folder(path: Path) -> Path:
    if str(path) == "-":
        raise ValueError("results are several files, which cannot go to standard output (-); name a folder")
    return path


def _classes(given: Any) -> Any:
    """One number stands for a list of it, and an empty list for all, as if nothing were given."""
    given = given.tolist() if hasattr(given, "tolist") else given  # numpy's
    given = (given,) if isinstance(given, int) and not isinstance(given, bool) else given
    return None if isinstance(given, list | tuple) and not given else given


def _image_size(given: Any) -> Any:
    """Whole pixels: one number, or (height, width); a list of one number is that number."""
    plain = given.tolist() if hasattr(given, "tolist") else given  # numpy's
    sides = plain if isinstance(plain, list | tuple) else [plain]
    whole = [side for side in sides if isinstance(side, int) and not isinstance(side, bool) and 32 <= side <= 8192]
    if len(whole) != len(sides) or len(sides) not in (1, 2):
        raise ValueError(f"a size is one number of pixels in 32..8192, or (height, width), got {given!r}")
    return whole[0] if len(whole) == 1 else (whole[0], whole[1])


_SHORTEST_SEGMENT = 2.0
"""Seconds: files of the live page's recordings begin at a key frame, of which there is one a second."""


def _segment(text: str) -> str:
    if (seconds_in(text) or 0) < _SHORTEST_SEGMENT:
        raise ValueError(
            f"{text!r} is not a time of {_SHORTEST_SEGMENT:g} s or more, such as 90s, 10m or 1h (--segment)"
        )
    return text


def _keep(text: str) -> str:
    if not (seconds_in(text) or bytes_in(text)):
        raise ValueError(f"{text!r} is neither a time, such as 24h or 7d, nor a size, such as 500MB or 50GB (--keep)")
    return text


LOG_FORMATS = [
    "jsonl", "csv", "parquet", "coco", "coco-results", "cvat", "deeplabcut", "deeplabcut-h5", "movement", "mot", "nwb",
    "openpose", "posetrack", "rerun", "sleap", "sleap-analysis", "yolo",
]  # fmt: skip
"""Names of the formats of the keypoint log; `poseline.log_format` adds one."""


def _log_format(name: str) -> str:
    if name not in LOG_FORMATS:
        raise ValueError(f"a format of the keypoint log is {', '.join(LOG_FORMATS)}, got {name!r}")
    return name


LogFormat = Annotated[str, AfterValidator(_log_format)]
Device = Annotated[str, AfterValidator(_device)]
RuntimeName = Literal["auto", "openvino", "torch", "onnx"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Arithmetic = Literal["auto", "fp32", "bf16", "fp16", "int8", "half"]
"""What a runtime is asked for: a precision, or `half`, whichever of bf16 and fp16 the device has."""
Decoder = Literal["auto", "cpu", "cuda"]
Deinterlacing = Literal["auto", "no"]
DamageChecking = Literal["auto", "no"]
RtspTransport = Literal["auto", "tcp", "udp"]
Encoder = Literal["auto", "x264", "nvenc"]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]
Blurred = Literal["faces", "persons"]
Fraction01 = Annotated[float, Field(ge=0, le=1)]
PositiveSeconds = Annotated[float, Field(gt=0)]


def _rate(value: Any) -> Any:
    """A frame rate may be a fraction, such as 30000/1001; what is none is left for pydantic to refuse."""
    try:
        return float(Fraction(value)) if isinstance(value, str | Fraction) else value
    except (ValueError, ZeroDivisionError, OverflowError):
        return value


def _moment(value: Any) -> Any:
    """A moment may be written as h:mm:ss, m:s or s; what is none is left for pydantic to refuse."""
    seconds = moment_in(value) if isinstance(value, str) else None
    return value if seconds is None else seconds


def _real(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(f"a time is seconds or h:mm:ss, such as 83.5 or 1:23.5, got {value!r}")
    return value


Moment = Annotated[
    float, BeforeValidator(_real), BeforeValidator(_moment), Field(ge=0, allow_inf_nan=False)
]  # validators that come later here are called sooner
ImageSize = Annotated[int | tuple[int, int], PlainValidator(_image_size)]
FrameRate = Annotated[float, BeforeValidator(_rate), Field(gt=0)]
AnySection = TypeVar("AnySection", bound="Section")


_MOST_SHOWN = 200
"""Letters of a value that an error repeats."""


class Section(BaseModel):
    """Settings that belong together: frozen, and without unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """For `repr`: what is not as it is by default, with passwords hidden."""
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        return ((name, redacted(value)) for name, value in self if value != defaults[name])

    def __str__(self) -> str:
        return repr(self)


class CaptureSettings(Section):
    """Where frames come from, and which of them."""

    live: bool = False
    """Treat a file as a camera: its own frame rate, newest frame first, late frames dropped."""
    every_frame: bool = False
    """Give up no frame even of a live source: it waits, and falls behind where the machine is too slow."""
    vid_stride: int = Field(default=1, ge=1)
    """Take every n-th frame."""
    start: Moment | None = None
    """Time from which a recording is read: seconds from its first frame, or h:mm:ss; unset: from the first frame."""
    end: Moment | None = None
    """Time before which reading ends, likewise; unset: at the last frame."""
    decoder: Decoder = "auto"
    """Where video files are decoded; auto: on the GPU that runs the network, unless their pictures are drawn on."""
    source_fps: Annotated[FrameRate, Field(le=1000)] | None = None
    """Frames a second of a file without time stamps, such as raw H.264; 29.97 and 30000/1001 are the same."""
    deinterlace: Deinterlacing = "auto"
    """auto: pictures that say that they are interlaced (TV, DV, AVCHD) are made whole by FFmpeg's bwdif."""
    damage_check: DamageChecking = "auto"
    """auto: what a GPU decodes, the CPU decodes too, to find damage, of which GPUs say nothing."""
    cam_size: tuple[int, int] | None = None
    """(width, height) in pixels to ask a camera for."""
    cam_fps: FrameRate | None = None
    """Frames a second to ask a camera for."""
    fourcc: str | None = Field(default=None, min_length=4, max_length=4)
    """Pixel format to ask a camera for, such as MJPG."""
    rtsp_transport: RtspTransport = "auto"
    """How RTSP sends its packets; auto: over TCP, or over UDP where that does not work."""
    open_timeout: PositiveSeconds = 10.0
    """Seconds to wait for a source to open."""
    read_timeout: PositiveSeconds = 5.0
    """Seconds to wait for the next packet or camera frame."""
    max_outage: float = Field(default=30.0, ge=0)
    """Seconds for which a broken stream is tried again before the run ends."""
    max_pixels: int = Field(default=100_000_000, gt=0)
    """Largest picture accepted, width x height."""

    @field_validator("deinterlace", "damage_check", mode="before")
    @classmethod
    def _yaml_no(cls, value: object) -> object:
        return "no" if value is False else value  # what YAML makes of a bare `no`

    @model_validator(mode="after")
    def _start_before_end(self) -> CaptureSettings:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(f"a part from {self.start:g} s to {self.end:g} s is empty; give an end behind its start")
        return self

    @property
    def in_part(self) -> bool:
        """Whether only a part of the recording is read."""
        return self.start is not None or self.end is not None


class InferenceSettings(Section):
    """The model and what counts as found. Names and defaults as in ultralytics."""

    model: str | None = None
    """A .pt, .onnx or OpenVINO folder, the name of a published model, or `builtin`.

    Unset: yolo11n-pose.pt, and where that is neither here nor to be fetched, the built-in model.
    """
    device: Device = "auto"
    """auto, cpu, cuda, cuda:1, cuda:0,1 or mps. Worker processes are spread over several GPUs; one process uses one."""
    runtime: RuntimeName = "auto"
    """Which engine runs the network."""
    imgsz: ImageSize = 640
    """Length of the longer side of the network's input in pixels; or (height, width) to fit a picture into."""
    conf: Fraction01 = 0.25
    """Least confidence of a person; one who is tracked is followed down to `tracking.low`."""
    iou: Fraction01 = 0.7
    """Overlap above which the weaker of two boxes is dropped."""
    max_det: int = Field(default=300, ge=1)
    """Most persons in a frame."""
    classes: Annotated[tuple[int, ...] | None, BeforeValidator(_classes)] = None
    """Class numbers to keep, or one of them; all when empty."""
    precision: Precision = "auto"
    """The network's arithmetic; auto: what the device does best of fp32, bf16 and fp16."""
    half: bool | None = None
    """ultralytics' name. True: half precision (bf16 or fp16), False: fp32, unset: as `precision` says."""
    calibrate: Path | None = None
    """The clip on which int8 is calibrated and judged; unset: the source, where it is a video file."""
    roi: bool = False
    """Look only at the part of the picture that holds everybody, while all are known; for the openvino runtime."""
    roi_every: int = Field(default=12, ge=2)
    """With `roi`: frames after which the whole picture is looked at again."""
    batch: int = Field(default=32, ge=1, le=256)
    """Most frames of a file that a GPU takes at once; live, each goes alone."""
    skeleton: Path | None = None
    """A YAML file that names the model's keypoints and joins them."""

    @property
    def of_worker(self) -> InferenceSettings:
        """The same for a worker process, which of several GPUs sees one alone: its first."""
        return self.model_copy(update={"device": "cuda"}) if len(card_numbers(self.device)) > 1 else self

    @property
    def arithmetic(self) -> Arithmetic:
        """What `precision` and `half` ask for together."""
        if self.half is None or self.precision != "auto":
            return self.precision
        return "half" if self.half else "fp32"

    @model_validator(mode="after")
    def _one_precision(self) -> InferenceSettings:
        agreeing = ("auto", "bf16", "fp16") if self.half else ("auto", "fp32")
        if self.half is not None and self.precision not in agreeing:
            raise ValueError(f"half: {self.half} contradicts precision: {self.precision}; give one of them")
        return self


class TrackingSettings(Section):
    """How persons keep their ids from frame to frame."""

    enabled: bool = True
    """Off: every id is -1."""
    main: bool = False
    """Keep the main person only: the most prominent one, by size, score and nearness to the picture's middle."""
    high: Fraction01 = 0.5
    """Score from which a person is matched in the first round."""
    low: Fraction01 = 0.1
    """Score from which a person may still keep a track alive in the second round, also where it is below `conf`."""
    new: Fraction01 = 0.5
    """Score from which an unmatched person starts a track."""
    buffer: PositiveSeconds = 4.0
    """Seconds for which a track waits for its person to come back."""
    match: Fraction01 = 0.2
    """Least likeness (of box overlap, OKS and colour) of a match; twice that for one of low score."""

    @model_validator(mode="after")
    def _main_is_tracked(self) -> TrackingSettings:
        if self.main and not self.enabled:
            raise ValueError("the main person is followed by their id, so --main needs tracking; leave out --no-track")
        return self


class SmoothingSettings(Section):
    """Keypoints that do not tremble, in what is drawn and sent; the log keeps what was measured.

    A One-Euro filter in body sizes (the root of a person's box) and seconds.
    """

    enabled: bool = False
    """Smooth what is drawn and sent."""
    min_cutoff: float = Field(default=0.5, gt=0)
    """Cut-off frequency at rest, in Hz; lower is calmer."""
    beta: float = Field(default=150.0, ge=0)
    """Hz of cut-off frequency for each body size a second beyond `rest`; higher is quicker."""
    rest: float = Field(default=0.1, ge=0)
    """Body sizes a second up to which a keypoint counts as at rest."""
    d_cutoff: float = Field(default=1.5, gt=0)
    """Cut-off frequency of the speed, in Hz."""


class OverlaySettings(Section):
    """What is drawn."""

    boxes: bool = True
    """Draw boxes."""
    labels: bool = True
    """Write ids."""
    conf: bool = True
    """Write scores."""
    keypoints: bool = True
    """Draw keypoints and limbs."""
    hud: bool = False
    """Write frames a second, latency and drops in a corner."""
    trail: float = Field(default=0.0, ge=0)
    """Seconds of each person's path to draw."""
    line_width: int | None = Field(default=None, ge=1)
    """Pixels; unset: by the size of the picture."""
    font_size: float | None = Field(default=None, gt=0)
    """Height of text in pixels; unset: by the size of the picture."""
    kpt_conf: Fraction01 = 0.5
    """Least confidence of a keypoint that is drawn."""


class OutputSettings(Section):
    """What is written, and where."""

    directory: Annotated[Path, AfterValidator(_folder)] | None = None
    """Folder of the results; unset: runs/NAME, then runs/NAME-2 ..."""
    overwrite: bool = False
    """Replace the results that the folder holds."""
    video: bool = True
    """Write annotated video or pictures."""
    log: tuple[LogFormat, ...] = ("jsonl",)
    """Formats of the keypoint log; the journal (jsonl) is always written."""
    show: bool = False
    """Show a window."""
    encoder: Encoder = "auto"
    """What encodes the video; auto: NVENC where the network runs on a card that has it, else x264."""
    preset: Preset = "ultrafast"
    """x264's trade of speed for size; NVENC takes its p1 to p7 for them."""
    crf: int = Field(default=23, ge=0, le=51)
    """The quality, on x264's scale: 18 looks like the source, 28 is small. With `ultrafast` it is x264's `qp`."""
    audio: bool = True
    """Copy the source's sound."""
    segment: Annotated[str, AfterValidator(_segment)] | None = None
    """Length of the files of a recording, such as 10m, at which the next one begins; unset: one file."""
    keep: Annotated[str, AfterValidator(_keep)] | None = None
    """Age or size of a recording, such as 24h or 50GB, beyond which its oldest segments are removed; unset: none."""
    send: tuple[str, ...] = ()
    """Where keypoints go while the run goes on: osc://HOST:PORT, udp://, tcp://, mqtt://, lsl:, ws and - (stdout)."""

    @field_validator("send", mode="before")
    @classmethod
    def _one_address(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given


class Settings(Section):
    """All settings of a run."""

    capture: CaptureSettings = CaptureSettings()
    inference: InferenceSettings = InferenceSettings()
    tracking: TrackingSettings = TrackingSettings()
    smoothing: SmoothingSettings = SmoothingSettings()
    overlay: OverlaySettings = OverlaySettings()
    output: OutputSettings = OutputSettings()

    @field_validator("output")
    @classmethod
    def _journal_first(cls, output: OutputSettings) -> OutputSettings:
        return output if "jsonl" in output.log else output.model_copy(update={"log": ("jsonl", *output.log)})

    @field_validator("smoothing")
    @classmethod
    def _needs_ids(cls, smoothing: SmoothingSettings, info: ValidationInfo) -> SmoothingSettings:
        tracking = info.data.get("tracking")
        if smoothing.enabled and tracking is not None and not tracking.enabled:
            raise ValueError("smoothing (--smooth) follows persons by their ids, and so needs tracking (--track)")
        return smoothing


def checked(section: type[AnySection], values: dict[str, Any]) -> AnySection:
    """A section of settings that has these values.

    Raises:
        SettingsError: one is unknown or out of range; the text names it.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_words(error.errors()[0])) from None


def load(path: str | Path | None = None, overrides: dict[str, dict[str, Any]] | None = None) -> Settings:
    """Settings from the defaults, the YAML file at `path`, and `overrides` ({section: {key: value}}), the later wins.

    Raises:
        SettingsError: the file cannot be read, a key is unknown or a value is out of range; the text names it.
    """
    content = {} if path is None else _read(Path(path))
    for section, values in (overrides or {}).items():
        content[section] = {**(content.get(section) or {}), **values}
    try:
        return Settings.model_validate({section: values for section, values in content.items() if values is not None})
    except ValidationError as error:
        raise SettingsError(_explain(error, path, overrides or {})) from None


def read_yaml(path: Path, what: str) -> Any:
    """The content of the YAML file at `path`, which is `what`, in words.

    Raises:
        SettingsError: it cannot be read, or is no YAML.
    """
    try:
        return load_plain(path.read_text(encoding="utf-8"))
    except NotPlainError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {what} cannot be read: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    content = read_yaml(path, "the configuration")
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(value, dict | None) for value in content.values()):
        raise SettingsError(f"{path}: expected sections such as `inference:` with keys below them")
    return content


def _explain(error: ValidationError, path: str | Path | None, overrides: dict[str, dict[str, Any]]) -> str:
    first = error.errors()[0]
    section_name, key = (*first["loc"], "")[:2]
    prefix = f"{path}: " if path and key not in overrides.get(str(section_name), {}) else ""
    if first["type"] == "extra_forbidden":
        section = Settings.model_fields.get(str(first["loc"][0])) if len(first["loc"]) > 1 else None
        fields = section.annotation.model_fields if section and section.annotation else Settings.model_fields
        nearest = did_you_mean(str(first["loc"][-1]), fields)
        return f"{prefix}unknown setting {_where(first)!r}{nearest}; known here: {', '.join(fields)}"
    return prefix + _words(first)


def _words(problem: Any) -> str:
    """What pydantic says of one value."""
    if problem["type"] == "value_error":  # ours, in our own words
        return f"{_where(problem)}: {problem['ctx']['error']}"
    return f"{_where(problem)}: {problem['msg']}, got {_shown(problem.get('input'))}"


def _shown(value: Any) -> str:
    """The value as Python writes it; of a long one the beginning, of which nobody could see that it is a password."""
    text = redact(repr(value))
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _where(problem: Any) -> str:
    return ".".join(redact(str(part))[:_MOST_SHOWN] for part in problem["loc"])
