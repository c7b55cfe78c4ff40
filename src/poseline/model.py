"""PoseModel: a pose model as an object to call; stream: a clip or camera as an iterator of observations."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias, overload

from numpy.typing import NDArray

from poseline import forks
from poseline import settings as configuration
from poseline.calls import (
    NOT_OFFERED,
    Call,
    Device,
    Following,
    LoadOptions,
    NotOffered,
    PredictOptions,
    Running,
    SaveFolders,
    ThresholdOptions,
    device_name,
    find_source,
    half_precision,
    inference_settings,
    load_settings,
    shows_options,
)
from poseline.capture import ClipSample, locate_one
from poseline.errors import PoselineError, SettingsError
from poseline.inference import PoseEstimator, check_classes, load_estimator, runs_on
from poseline.pose import Observation
from poseline.request import RunRequest
from poseline.results import Results
from poseline.session import Models, Session
from poseline.settings import InferenceSettings
from poseline.skeleton import Skeleton

if TYPE_CHECKING:
    from PIL.Image import Image
    from typing_extensions import Unpack  # in `typing` from Python 3.11 on

Picture: TypeAlias = "str | Path | NDArray[Any] | Image"
"""A file, an array or a PIL picture (or a torch tensor); what each must look like: see `PoseModel.predict`."""
Source: TypeAlias = "int | Picture | Iterable[Any] | None"


class PoseModel:
    """A pose model, loaded once; `YOLO` is another name of this class.

    Several threads may call it at the same time, each with options of its own; only `track(..., persist=True)` is for
    one row of pictures. Once it has been called, a process that is forked from this one cannot use it: there it raises
    a ModelError, which says to load the model in the worker, or to start workers by `spawn`.

    Args:
        model: a .pt, .onnx or OpenVINO folder, a published name such as `yolo11n-pose.pt`, or `builtin`; None is
            yolo11n-pose.pt, or the built-in model where that cannot be had.
        task: `pose`, where it is given.
        verbose: print what `info` says.
        live: keep no more than one picture in the network, also for the frames of a file: the least delay of each
            one, at the price of frames a second. Single pictures and live sources have that anyhow.
        options: as `LoadOptions` says: device, precision and what else is decided now, and thresholds for the calls
            that give none.

    Raises:
        ModelError: the model cannot be found, trusted, converted or run; DeviceError: the device is not there.
        SettingsError: an option is unknown or out of range.
    """

    task: Literal["pose"] = "pose"

    @shows_options(LoadOptions)
    def __init__(
        self, model: str | Path | None = None, task: str | None = None, verbose: bool = False, *, live: bool = False,
        **options: Unpack[LoadOptions],
    ) -> None:  # fmt: skip
        if task not in (None, self.task):
            raise SettingsError(f"task: {task!r} is not offered; poseline finds poses: task='pose'")
        settings = load_settings(model, options)
        self._live = live
        self.estimator = self._load(settings)
        """What runs it; for pipelines of your own."""
        self._others: dict[tuple[str, bool | None], PoseEstimator] = {}
        self._loading = threading.Lock()
        self._following: Following | None = None
        self._folders = SaveFolders()
        if verbose:
            self.info()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a PoseModel cannot be sent to another process; load it there: PoseModel(...) in the worker")

    def __repr__(self) -> str:
        spec = self.estimator.spec
        return (
            f"PoseModel({spec.name}, {len(spec.skeleton)} keypoints, on {self.estimator.runtime.name}, {self.device})"
        )

    if not TYPE_CHECKING:  # a type checker is to know what there is

        def __getattr__(self, name: str) -> NoReturn:
            if name in NOT_OFFERED:
                raise NotOffered(f"{name}: {NOT_OFFERED[name]}")
            raise AttributeError(f"a PoseModel has no attribute {name!r}")

    @property
    def names(self) -> dict[int, str]:
        """Class names by number."""
        return self.estimator.spec.names

    @property
    def skeleton(self) -> Skeleton:
        """Which keypoint is which body part."""
        return self.estimator.spec.skeleton

    @property
    def device(self) -> Device:
        """What it runs on: a text, `cpu`, `cuda:0` or `mps`, that has `type` and `index` as a torch.device has."""
        return Device(runs_on(self.estimator.spec, self.estimator.settings))

    @overload
    def predict(
        self, source: Source = None, stream: Literal[False] = False, **options: Unpack[PredictOptions]
    ) -> list[Results]: ...

    @overload
    def predict(
        self, source: Source, stream: Literal[True], **options: Unpack[PredictOptions]
    ) -> Generator[Results, None, None]: ...

    @shows_options(PredictOptions)
    def predict(
        self, source: Source = None, stream: bool = False, **options: Unpack[PredictOptions]
    ) -> list[Results] | Generator[Results, None, None]:
        """Find the poses in one picture or several, or in each frame of a video, camera or stream.

        A GPU takes several pictures of one size as a batch; a CPU works on one after another.

        Args:
            source: one of
                a file, a folder, a pattern such as `shots/*.jpg`, a camera's number, an address, or a `.txt` or `.csv`
                that lists such, a line each;
                an array as OpenCV gives it, (H, W, 3) BGR, (H, W, 4) BGRA or (H, W) grey, of uint8, of uint16 (the
                upper 8 bits count) or of floats in 0..255;
                a PIL picture;
                a torch tensor (3, H, W) RGB with values in 0..1, looked at in its own size; (N, 3, H, W) for several;
                a list or another iterable of pictures, which may be files and http addresses.
            stream: give one result after another, as they come, instead of a list of all: for what is long or live.
            options: as `PredictOptions` says, for this call alone.

        Returns:
            A list with a result for each picture or frame, in their order, also for one picture; or their generator.

        Raises:
            SourceError: a source cannot be read, or is none: the text says what to give.
            SettingsError: an option is unknown, out of range, not offered, or belongs to loading.
            OutputError: a result cannot be saved or shown.
            ModelError: this process was forked from one that had called the model.
        """
        return self._answer(source, stream, dict(options), "predict")

    __call__ = predict

    @overload
    def track(
        self, source: Source = None, stream: Literal[False] = False, persist: bool = False,
        **options: Unpack[PredictOptions],
    ) -> list[Results]: ...  # fmt: skip

    @overload
    def track(
        self, source: Source, stream: Literal[True], persist: bool = False, **options: Unpack[PredictOptions]
    ) -> Generator[Results, None, None]: ...

    @shows_options(PredictOptions)
    def track(
        self, source: Source = None, stream: bool = False, persist: bool = False, **options: Unpack[PredictOptions]
    ) -> list[Results] | Generator[Results, None, None]:
        """As `predict`, and persons keep an id; those who have none (yet) are left out.

        Args:
            source: as in `predict`.
            stream: as in `predict`.
            persist: go on from the call before: for frames that are given one by one, which count as 30 a second.
                Without it ids begin at 1 in each call, and nobody is carried over to a picture of another name.
            options: as `PredictOptions` says, for this call alone.

        Returns:
            As `predict`; `boxes.id` has the ids.

        Raises:
            As `predict`.
        """
        return self._answer(source, stream, dict(options), "track", persist=persist)

    def info(self, detailed: bool = False, verbose: bool = True) -> str:
        """What the model is and what it runs on, in one line, which is printed too unless `verbose` is False.

        Raises:
            SettingsError: it is asked to be `detailed`: the layers are not known here.
        """
        if detailed:
            raise SettingsError("detailed: layers are ultralytics' to show: YOLO(...).info(detailed=True)")
        spec, runtime = self.estimator.spec, self.estimator.runtime
        line = (
            f"{spec.name}: {len(spec.skeleton)} keypoints, {', '.join(spec.names.values())}; "
            f"{runtime.name}, {runtime.device}, {runtime.precision}"
        )
        if verbose:
            sys.stdout.write(line + "\n")
        return line

    def fuse(self) -> PoseModel:
        """The model itself: its layers were fused when it was loaded."""
        return self

    eval = fuse

    def to(self, device: object) -> PoseModel:
        """The model itself, which from now on runs on `device`, where its calls say nothing else."""
        self.estimator = self._estimator({"device": device})
        return self

    def cpu(self) -> PoseModel:
        """As `to("cpu")`."""
        return self.to("cpu")

    def cuda(self, device: int = 0) -> PoseModel:
        """As `to`, of a GPU by its number."""
        return self.to(device)

    def _load(self, settings: InferenceSettings) -> PoseEstimator:
        sample = ClipSample(settings.calibrate) if settings.calibrate else None
        return load_estimator(settings, live=self._live, sample=sample)

    def _estimator(self, options: dict[str, Any]) -> PoseEstimator:
        """What runs a call; its device and precision are taken from `options`.

        Where they are others than the model's own, the model is loaded once more, and kept.
        """
        settings = self.estimator.settings
        device, half = device_name(options.pop("device", None)), half_precision(options)
        changed = {"device": device if device != self.device else None, "half": half if half != settings.half else None}
        if changed["device"] is None and changed["half"] is None:
            return self.estimator
        with self._loading:
            key = device or self.device, half
            if key not in self._others:
                if half is not None:
                    changed["precision"] = "auto"
                self._others[key] = self._load(inference_settings(settings, changed))
            return self._others[key]

    def _answer(
        self, source: object, stream: bool, options: dict[str, Any], mode: Literal["predict", "track"],
        *, persist: bool = False,
    ) -> list[Results] | Generator[Results, None, None]:  # fmt: skip
        estimator = self._estimator(options) if options else self.estimator
        call = Call.of(estimator.settings, options, PredictOptions)
        check_classes(estimator.spec, call.inference.classes)
        following = self._follow(call.inference.conf, persist) if mode == "track" else None
        running, found = Running(estimator, call, mode, self._folders, following), find_source(source)
        return running.results(found, stream=True) if stream else running.collected(found)

    def _follow(self, conf: float, persist: bool) -> Following:
        """What gives ids in this call: what did so in the call before, where that is to `persist`."""
        if not persist:
            self._following = None
            return Following(self.skeleton, conf, persist=False)
        if self._following is None:
            self._following = Following(self.skeleton, conf, persist=True)
        self._following.tracker.conf = conf
        return self._following


YOLO = PoseModel
"""The same class, so that a program written for ultralytics changes its import alone."""


def stream(
    source: str | Path | int,
    model: str | Path | PoseModel | None = None,
    *,
    track: bool = True,
    live: bool = False,
    vid_stride: int = 1,
    source_fps: float | str | None = None,
    start: float | str | None = None,
    end: float | str | None = None,
    **options: Unpack[LoadOptions],
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
        options: as `PoseModel` takes them; of a loaded one, as its calls take them: conf, iou, imgsz, max_det, classes.

    Raises:
        SourceError, ModelError, SettingsError: as the first `next` finds out, or on the way.
        PoselineError: it was begun before this process was forked.
    """
    if isinstance(model, PoseModel):
        loaded = model.estimator
        inference = Call.of(loaded.settings, dict(options), ThresholdOptions).inference
        check_classes(loaded.spec, inference.classes)
    else:
        loaded, inference = None, load_settings(model, options)
    settings = configuration.load(
        overrides={
            "tracking": {"enabled": track},
            "capture": {"live": live, "vid_stride": vid_stride, "source_fps": source_fps, "start": start, "end": end},
        }
    ).model_copy(update={"inference": inference})
    request = RunRequest(locate_one(str(source), "stream"), settings)  # a number is a camera
    process = forks.generation()
    with Session(request, Models(loaded=loaded)) as session:
        for observation in session.observations():
            yield observation
            if process != forks.generation():
                raise PoselineError(
                    f"{session.source.info.name}: this stream was begun before this process was forked, and its "
                    "threads stayed in the parent; begin it in the worker"
                )
