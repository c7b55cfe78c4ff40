"""PoseModel: a pose model as an object to call; stream: a clip or camera as an iterator of observations."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Generator, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeGuard, overload

import numpy as np
from numpy.typing import NDArray

from poseline import forks
from poseline import settings as configuration
from poseline.capture import (
    ClipSample,
    is_tensor,
    locate,
    pixels_of,
    read_image,
)
from poseline.errors import PoselineError, SettingsError, SourceError, redact
from poseline.frame import Frame, Pixels
from poseline.inference import check_classes, load_estimator
from poseline.pose import Observation
from poseline.request import RunRequest
from poseline.result import Result
from poseline.session import Models, Session
from poseline.settings import CaptureSettings, InferenceSettings
from poseline.skeleton import Skeleton

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "str | Path | NDArray[Any] | Image"
"""A file, an array or a PIL picture (or a torch tensor); what each must look like: see `PoseModel.__call__`."""

_OF_A_CALL = {"conf", "iou", "imgsz", "max_det", "classes"}
"""Options that can change from call to call; the others decide how the network is loaded."""


class PoseModel:
    """A pose model, loaded once. Several threads may call it at the same time, each with options of its own.

    Once it has been called, a process that is forked from this one cannot use it: there it raises a ModelError, which
    says to load the model in the worker, or to start workers by `spawn`.

    Args:
        model: a .pt, .onnx or OpenVINO folder, a published name such as `yolo11n-pose.pt`, or `builtin`; None is
            yolo11n-pose.pt, or the built-in model where that cannot be had.
        live: keep no more than one picture in the network, also for the frames of a file in `stream`: the least delay
            of each one, at the price of frames a second. Single pictures and live sources have that anyhow.
        options: conf, iou, imgsz, max_det, classes, half, device, runtime, skeleton, with ultralytics' meaning and
            defaults; precision (fp32, bf16, fp16 or int8), and calibrate, the clip that int8 is calibrated on.

    Raises:
        ModelError: the model cannot be found, trusted, converted or run; DeviceError: the device is not there.
        SettingsError: an option is unknown or out of range.
    """

    def __init__(self, model: str | Path | None = None, *, live: bool = False, **options: Any) -> None:
        settings = _inference(_named(model) | options)
        self.estimator = load_estimator(settings, live=live, sample=_sample(settings))
        """What runs it; for pipelines of your own."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("a PoseModel cannot be sent to another process; load it there: PoseModel(...) in the worker")

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
    def __call__(self, source: Iterable[Any], **options: Any) -> list[Result]: ...

    def __call__(self, source: Picture | Iterable[Any], **options: Any) -> Result | list[Result]:
        """Find the poses in one picture, or in each of several.

        A GPU takes several of one size as a batch; a CPU works on one after another.

        Args:
            source: a file; an http address of a picture; an array as OpenCV gives it, (H, W, 3) BGR, (H, W, 4) BGRA or
                (H, W) grey, of uint8, of uint16 (the upper 8 bits count) or of floats in 0..255; a PIL picture; a torch
                tensor (3, H, W) RGB with values in 0..1, which is looked at in its own size; or a list of these, or a
                tensor (N, 3, H, W).
            options: conf, iou, imgsz, max_det, classes, for this call alone.

        Returns:
            A result, or a list of one for each picture of several, in their order.

        Raises:
            SourceError: a picture cannot be read, or is none: the text says what to give.
            SettingsError: an option is unknown, or belongs to loading.
            ModelError: this process was forked from one that had called the model.
        """
        settings = self._settings_for(options)
        if isinstance(source, str | Path | np.ndarray) or not _holds_several(source):
            return self._results([source], settings, options)[0]
        return self._results(list(source), settings, options)

    predict = __call__

    def _settings_for(self, options: dict[str, Any]) -> InferenceSettings:
        """The model's settings with the options of one call or stream.

        Raises:
            SettingsError: an option is unknown, out of range, or decided when the model is loaded.
        """
        _refuse_augment(options)
        if not options:
            return self.estimator.settings
        changed = _inference({**self.estimator.settings.model_dump(), **options})
        if fixed := set(options) - _OF_A_CALL:
            raise SettingsError(f"{sorted(fixed)[0]}: is decided when the model is loaded; give it to PoseModel(...)")
        check_classes(self.estimator.spec, changed.classes)
        return changed

    def _results(
        self, pictures: Sequence[object], settings: InferenceSettings, options: dict[str, Any]
    ) -> list[Result]:
        """Those of tensors are looked at in their own size, as ultralytics does, unless the call gives another."""
        frames = [_frame(picture, index) for index, picture in enumerate(pictures)]
        sized: dict[int, list[int]] = {}
        for index, (picture, frame) in enumerate(zip(pictures, frames, strict=True)):
            own_size = is_tensor(picture) and "imgsz" not in options
            sized.setdefault(max(frame.width, frame.height) if own_size else settings.imgsz, []).append(index)
        results: dict[int, Result] = {}
        for imgsz, chosen in sized.items():
            asked = settings if imgsz == settings.imgsz else settings.model_copy(update={"imgsz": imgsz})
            found = self.estimator.estimate_all([frames[index] for index in chosen], asked)
            results.update(
                (index, Result.of(seen, self.names, self.skeleton)) for index, seen in zip(chosen, found, strict=True)
            )
        return [results[index] for index in range(len(frames))]


def stream(
    source: str | Path,
    model: str | Path | PoseModel | None = None,
    *,
    track: bool = True,
    live: bool = False,
    vid_stride: int = 1,
    source_fps: float | str | None = None,
    start: float | str | None = None,
    end: float | str | None = None,
    **options: Any,
) -> Generator[Observation, None, None]:
    """Observations of a video, camera or stream, in order, as they come; decoding and inference run beside the loop.

    Args:
        source: one video, picture folder, camera number or address.
        model: a model's path or name, or one that is loaded; other streams and calls may use it at the same time.
        track: give persons ids.
        live: treat a file as a camera.
        vid_stride: take every n-th frame.
        source_fps: frames a second of a file without time stamps, such as raw H.264: 25, or "30000/1001"; None: as its
            codec says, else 25.
        start: give the frames of a recording from this time on, in seconds from its first frame, or "h:mm:ss"; the
            frames keep the times that they have in the whole recording, and are numbered from 0.
        end: and those before this time.
        options: conf, iou, imgsz and so on, as `PoseModel` takes them; of a loaded one, as its calls take them.

    Raises:
        SourceError, ModelError, SettingsError: as the first `next` finds out, or on the way.
        PoselineError: it was begun before this process was forked.
    """
    if isinstance(model, PoseModel):
        loaded, inference = model.estimator, model._settings_for(options)
    else:
        loaded, inference = None, _inference(_named(model) | options)
    settings = configuration.load(
        overrides={
            "tracking": {"enabled": track},
            "capture": {"live": live, "vid_stride": vid_stride, "source_fps": source_fps, "start": start, "end": end},
        }
    ).model_copy(update={"inference": inference})
    found = locate([source])
    if len(found) != 1:
        raise SourceError(f"{source}: holds {len(found)} sources; stream them one by one")
    process = forks.generation()
    with Session(RunRequest(found[0], settings), Models(loaded=loaded)) as session:
        for observation in session.observations():
            yield observation
            if process != forks.generation():
                raise PoselineError(
                    f"{session.source.info.name}: this stream was begun before this process was forked, and its "
                    "threads stayed in the parent; begin it in the worker"
                )


def _sample(settings: InferenceSettings) -> ClipSample | None:
    return ClipSample(settings.calibrate) if settings.calibrate else None


def _named(model: str | Path | None) -> dict[str, Any]:
    return {"model": None if model is None else str(model)}


def _inference(options: dict[str, Any]) -> InferenceSettings:
    _refuse_augment(options)
    return configuration.load(overrides={"inference": options}).inference


def _refuse_augment(options: dict[str, Any]) -> None:
    if options.pop("augment", None):
        raise SettingsError("augment: running each picture several times is not real time; poseline does not offer it")


def _holds_several(source: object) -> TypeGuard[Iterable[Any]]:
    """Whether it is a list, a tuple, another iterable, or a tensor of several pictures."""
    if is_tensor(source):
        return getattr(source, "ndim", 3) == 4
    if isinstance(source, bytes | bytearray | memoryview | dict) or hasattr(source, "read"):
        return False
    return isinstance(source, Iterable)


def _frame(picture: object, index: int) -> Frame:
    if isinstance(picture, str | Path):
        pixels, name = _read(str(picture)), redact(str(picture))
    elif isinstance(picture, int) and not isinstance(picture, bool):
        raise SourceError(f"{picture}: is a camera; use stream({picture})")
    else:
        pixels, name = pixels_of(picture), str(getattr(picture, "filename", "") or f"image{index}.jpg")
    return Frame(pixels, index, index, Fraction(1), float(index), time.monotonic(), name)


def _read(source: str) -> Pixels:
    """The picture in a file. What is no picture, but something that `stream` takes, is refused by that word."""
    path = os.path.expanduser(source)  # unlike Path, os.path says no to a name that cannot be one, and never raises
    if not source:
        raise SourceError("the name of a picture is empty")
    if source.isdecimal():
        raise SourceError(f"{source}: is a camera; use stream({source})")
    if source.lower().startswith(("http://", "https://")):
        return read_image(source, CaptureSettings().max_pixels)
    if "://" in source:
        raise SourceError(f"{source}: is a stream; use stream(...) with it")
    if os.path.isdir(path):
        raise SourceError(f"{source}: is a folder; give a list of its pictures, or use stream({source!r})")
    if glob.has_magic(source) and not os.path.exists(path):
        raise SourceError(f"{source}: is a pattern; give a list of files: sorted(glob.glob({source!r}))")
    if "\0" in source:
        raise SourceError(f"{source!r}: is not the name of a file")
    if os.path.exists(path) and locate([source])[0].video:
        raise SourceError(f"{source}: is not a picture; if it is a video, use stream({source!r})")
    return read_image(Path(path), CaptureSettings().max_pixels)
