"""PoseModel: a pose model as an object to call; stream: a clip or camera as an iterator of observations."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np

from poseline import settings as configuration
from poseline.capture import ClipSample, check_present, locate, open_source, read_picture
from poseline.errors import SettingsError, SourceError, redact
from poseline.frame import Frame, Pixels
from poseline.inference import PoseEstimator, device_of, load_estimator
from poseline.pose import Observation
from poseline.result import Result
from poseline.settings import CaptureSettings, InferenceSettings
from poseline.skeleton import Skeleton

Picture: TypeAlias = "str | Path | Pixels"

_AT_LOADING = {"model", "device", "runtime", "precision", "half", "calibrate", "skeleton"}
"""Options that decide how the network is loaded; the others can change from call to call."""


class PoseModel:
    """A pose model, loaded once.

    Args:
        model: a .pt, .onnx or OpenVINO folder, a published name such as `yolo11n-pose.pt`, or `builtin`; None is
            yolo11n-pose.pt, or the built-in model where that cannot be had.
        options: conf, iou, imgsz, max_det, classes, half, device, runtime, skeleton, with ultralytics' meaning and
            defaults; precision (fp32, bf16, fp16 or int8), and calibrate, the clip that int8 is calibrated on.

    Raises:
        ModelError: the model cannot be found, trusted, converted or run; DeviceError: the device is not there.
        SettingsError: an option is unknown or out of range.
    """

    def __init__(self, model: str | Path | None = None, **options: Any) -> None:
        self._settings = _inference(_named(model) | options)
        self.estimator = load_estimator(self._settings, sample=_sample(self._settings))
        """What runs it; for pipelines of your own."""

    @property
    def names(self) -> dict[int, str]:
        """Class names by number."""
        return self.estimator.spec.names

    @property
    def skeleton(self) -> Skeleton:
        """Which keypoint is which body part."""
        return self.estimator.spec.skeleton

    @overload
    def __call__(self, source: Picture, **options: Any) -> Result: ...

    @overload
    def __call__(self, source: Sequence[Picture], **options: Any) -> list[Result]: ...

    def __call__(self, source: Picture | Sequence[Picture], **options: Any) -> Result | list[Result]:
        """Find the poses in one picture, or in each of a list.

        Args:
            source: a file, an http address, an (H, W, 3) uint8 BGR array as OpenCV gives it, or a list of these.
            options: conf, iou, imgsz, max_det, classes, for this call.

        Raises:
            SourceError: a picture cannot be read. SettingsError: an option is unknown, or belongs to loading.
        """
        if fixed := _AT_LOADING & set(options):
            raise SettingsError(f"{sorted(fixed)[0]}: is decided when the model is loaded; give it to PoseModel(...)")
        self.estimator.settings = _inference({**self._settings.model_dump(), **options})
        try:
            if isinstance(source, str | Path | np.ndarray):
                return self._result(source, 0)
            return [self._result(picture, index) for index, picture in enumerate(source)]
        finally:
            self.estimator.settings = self._settings

    predict = __call__

    def _result(self, picture: Picture, index: int) -> Result:
        if isinstance(picture, np.ndarray):
            pixels, name = _checked(picture), f"image{index}.jpg"
        else:
            pixels, name = read_picture(picture, CaptureSettings().max_pixels), redact(str(picture))
        frame = Frame(pixels, index, index, Fraction(1), float(index), time.monotonic(), name)
        return Result.of(self.estimator.estimate(frame), self.names, self.skeleton)


def stream(
    source: str | Path,
    model: str | Path | PoseModel | None = None,
    *,
    track: bool = True,
    live: bool = False,
    vid_stride: int = 1,
    source_fps: float | None = None,
    **options: Any,
) -> Generator[Observation, None, None]:
    """Observations of a video, camera or stream, in order, as they come; decoding and inference run beside the loop.

    Args:
        source: one video, picture folder, camera number or address.
        model: a model's path or name, or one that is loaded.
        track: give persons ids.
        live: treat a file as a camera.
        vid_stride: take every n-th frame.
        source_fps: frames a second of a file without time stamps, such as raw H.264; None: as its codec says, else 25.
        options: conf, iou, imgsz and so on, as `PoseModel` takes them.

    Raises:
        SourceError, ModelError, SettingsError: as the first `next` finds out, or on the way.
    """
    from poseline.pipeline import observing

    _refuse_augment(options)
    settings = configuration.load(
        overrides={
            "inference": {} if isinstance(model, PoseModel) else _named(model) | options,
            "tracking": {"enabled": track},
            "capture": {"live": live, "vid_stride": vid_stride, "source_fps": source_fps},
        }
    )
    if isinstance(model, PoseModel) and options:
        raise SettingsError(f"{sorted(options)[0]}: the model is loaded already; give options to PoseModel(...)")
    found = locate([source])
    if len(found) != 1:
        raise SourceError(f"{source}: holds {len(found)} sources; stream them one by one")
    location = found[0]
    check_present(location)
    device = device_of(_settings_of(model) or settings.inference)

    def estimator(live: bool) -> PoseEstimator:
        if isinstance(model, PoseModel):
            return model.estimator
        return load_estimator(settings.inference, live=live, sample=_sample(settings.inference, location.video))

    # A camera is opened after the model is loaded, so that no stale picture waits in it.
    loaded = None if location.inputs else estimator(live=True)
    opened = open_source(location, settings.capture, device)
    loaded = loaded or estimator(opened.info.live)
    with observing(opened, loaded, settings) as running:
        yield from running.items


def _sample(settings: InferenceSettings, source: Path | None = None) -> ClipSample | None:
    clip = settings.calibrate or source
    return ClipSample(clip) if clip else None


def _settings_of(model: str | Path | PoseModel | None) -> InferenceSettings | None:
    return model.estimator.settings if isinstance(model, PoseModel) else None


def _named(model: str | Path | None) -> dict[str, Any]:
    return {"model": None if model is None else str(model)}


def _inference(options: dict[str, Any]) -> InferenceSettings:
    _refuse_augment(options)
    return configuration.load(overrides={"inference": options}).inference


def _refuse_augment(options: dict[str, Any]) -> None:
    if options.pop("augment", None):
        raise SettingsError("augment: running each picture several times is not real time; poseline does not offer it")


def _checked(picture: Pixels) -> Pixels:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise SourceError(f"an array must be (H, W, 3) uint8 BGR, got {picture.shape} {picture.dtype}")
    return picture
