"""Arguments: the keyword arguments of each method, their types, and what is said of those that are not offered.

Each method has a TypedDict of its keyword arguments: a type checker and an editor know them, and `shows_options` puts
them into the signature that `help` and a notebook's completion show. Which of them were given matters (a tensor is
looked at in its own size unless the call says `imgsz`), so they are not parameters with defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, TypeVar

from pydantic import BeforeValidator, Field

from poseline import settings as configuration
from poseline.calls.device import device_name
from poseline.errors import SettingsError
from poseline.settings import CaptureSettings, InferenceSettings, Section
from poseline.words import did_you_mean

if TYPE_CHECKING:
    import torch

Method = TypeVar("Method", bound=Callable[..., Any])


class ThresholdOptions(TypedDict, total=False):
    """What every call may ask for."""

    conf: float
    """Least confidence of a person."""
    iou: float
    """Overlap above which the weaker of two boxes is dropped."""
    imgsz: int | Sequence[int]
    """Longer side of the network's input in pixels, or (height, width) into which the picture is fitted."""
    max_det: int
    """Most persons in a picture."""
    classes: int | Sequence[int] | None
    """Class numbers to keep; None: all."""


class LoadOptions(ThresholdOptions, total=False):
    """What decides how a model is loaded, and the thresholds of the calls that give none."""

    device: str | int | Sequence[int] | torch.device | None
    """auto, cpu, cuda, cuda:1 or mps; a number is a GPU's."""
    half: bool | None
    """True: half precision (bf16 or fp16); False: fp32."""
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"]
    """The network's arithmetic; auto: what the device does best."""
    runtime: Literal["auto", "openvino", "torch", "onnx"]
    """Which engine runs the network."""
    skeleton: str | Path | None
    """A YAML file that names the model's keypoints and joins them."""
    calibrate: str | Path | None
    """The clip on which int8 is calibrated."""
    roi: bool
    """In streams: look only at the part of the picture that holds everybody."""
    roi_every: int
    """With `roi`: frames after which the whole picture is looked at again."""
    batch: int
    """Most pictures that a GPU takes at once."""


class PredictOptions(ThresholdOptions, total=False):
    """Keyword arguments of `predict` and `track`, with ultralytics' names, meaning and defaults."""

    device: str | int | Sequence[int] | torch.device | None
    """Another device than the model's own: the model is loaded there too, once."""
    half: bool | None
    """Another precision than the model's own, likewise."""
    quantize: int | str | None
    """ultralytics' newer name of it: 16 or fp16 is half precision, 32 or fp32 is not."""
    vid_stride: int
    """Of a video, camera or stream, take every n-th frame: 0, n, 2n ..."""
    stream_buffer: bool
    """Of a camera or stream, take every frame; else the newest, and late ones are dropped."""
    batch: int
    """Accepted; pictures of one size are put together as the device likes it."""
    verbose: bool
    """Print a line for each picture, and the mean times at the end."""
    show: bool
    """Show a window; q ends the call."""
    save: bool
    """Write the drawn pictures and videos into `save_dir`."""
    save_frames: bool
    """Write each drawn frame of a video as a picture."""
    save_txt: bool
    """Write boxes and keypoints as YOLO labels into `labels` in `save_dir`."""
    save_conf: bool
    """Write confidences into the labels too."""
    save_crop: bool
    """Write the part of the picture in each box into `crops` in `save_dir`."""
    project: str | Path | None
    """Folder of `save_dir`; None: runs/pose."""
    name: str | None
    """Name of `save_dir`; None: predict or track; a number is added to one that is there."""
    exist_ok: bool
    """Write into `save_dir` though it is there."""
    line_width: float | None
    """Width of drawn lines in pixels; None: by the size of the picture."""
    show_labels: bool
    """Draw labels."""
    show_conf: bool
    """Draw confidences."""
    show_boxes: bool
    """Draw boxes."""


class Output(Section):
    """What a call prints, shows, draws and saves."""

    verbose: bool = True
    show: bool = False
    save: bool = False
    save_frames: bool = False
    save_txt: bool = False
    save_conf: bool = False
    save_crop: bool = False
    project: Path | None = None
    name: Annotated[str | None, BeforeValidator(lambda given: str(given) if isinstance(given, int) else given)] = None
    exist_ok: bool = False
    line_width: float | None = Field(default=None, gt=0)
    show_labels: bool = True
    show_conf: bool = True
    show_boxes: bool = True

    @property
    def writes(self) -> bool:
        """Whether any file is written."""
        return self.save or self.save_frames or self.save_txt or self.save_crop


_OURS = "poseline does not offer it; "
_ELSEWHERE: Mapping[str, str] = {
    "augment": "running each picture several times is not real time; " + _OURS + "leave it out",
    "visualize": "pictures of the network's inside; " + _OURS + "ultralytics does: yolo pose predict visualize=True",
    "embed": "features of the network's layers; " + _OURS + "ultralytics does: YOLO(...).embed(...)",
    "retina_masks": "is about masks, which a pose model does not have; leave it out",
    "agnostic_nms": "persons of different classes are never taken for one; " + _OURS + "leave it out",
    "dnn": "OpenCV's engine; " + _OURS + "ONNX models run on ONNX Runtime or OpenVINO: PoseModel(..., runtime='onnx')",
    "compile": "networks are compiled anyhow; leave it out",
    "channels_last": "is chosen by the device; leave it out",
    "nms": "whether a network needs suppression is in the model itself; leave it out",
    "end2end": "whether a network needs suppression is in the model itself; leave it out",
    "int8": "is decided when the model is loaded: PoseModel(..., precision='int8')",
    "tracker": "poseline has one tracker, its own, whose files of settings are not ultralytics'; leave it out",
    "predictor": "a class of ultralytics; " + _OURS + "leave it out",
    "prompts": "is for SAM models; leave it out",
    "data": "a data set is for training, which ultralytics does: yolo pose train data=...",
}  # fmt: skip
"""Arguments of ultralytics that cannot be honoured, and what to do instead."""
_RENAMED = {
    "boxes": "show_boxes", "hide_labels": "show_labels", "hide_conf": "show_conf", "line_thickness": "line_width",
}  # fmt: skip
"""Names of earlier versions of ultralytics."""
_HARMLESS = {"task": "pose", "rect": True}
"""Arguments of ultralytics that may say what is so anyhow."""
_FALSE_MEANS_SOMETHING = ("nms", "end2end")
_IN_LOADING = set(LoadOptions.__annotations__) - set(PredictOptions.__annotations__)
_CAPTURE = {"vid_stride": "vid_stride", "stream_buffer": "every_frame"}
_INFERENCE = frozenset(ThresholdOptions.__annotations__)
_OUTPUT = frozenset(Output.model_fields)


def refuse_unknown(options: dict[str, Any], known: type) -> None:
    """Raise a SettingsError for the first option that is not among the `known` ones, with what to do instead.

    Those that ask for nothing (`augment=False`) are taken out of `options`.
    """
    names = known.__annotations__
    for name in [name for name in options if name not in names]:
        value = options[name]
        if name in _HARMLESS and value == _HARMLESS[name]:
            del options[name]
        elif name in _ELSEWHERE:
            if value is not None and (value is not False or name in _FALSE_MEANS_SOMETHING):
                raise SettingsError(f"{name}: {_ELSEWHERE[name]}")
            del options[name]
        elif name == "rect":
            raise SettingsError("rect=False: pictures are padded to a multiple of the stride alone; leave it out")
        elif name == "task":
            raise SettingsError(f"task: {value!r} is not offered; poseline finds poses: task='pose'")
        elif name in _RENAMED:
            raise SettingsError(f"{name}: is called {_RENAMED[name]} now")
        elif name in _IN_LOADING:
            raise SettingsError(f"{name}: is decided when the model is loaded; give it to PoseModel(...)")
        else:
            raise SettingsError(f"{name}: there is no such argument{did_you_mean(name, names)}")


_EVERY_FRAME, _PLAIN = CaptureSettings(), Output()


@dataclass(frozen=True)
class Call:
    """What one call asks for."""

    inference: InferenceSettings
    capture: CaptureSettings = _EVERY_FRAME
    output: Output = _PLAIN
    sized: bool = False
    """Whether the call itself says how large the network's input is."""

    @classmethod
    def of(cls, loaded: InferenceSettings, options: dict[str, Any], known: type) -> Call:
        """The call that `options` ask of a model that was `loaded` so.

        Raises:
            SettingsError: an option is unknown, not offered or out of range.
        """
        refuse_unknown(options, known)
        if not options:
            return cls(loaded)
        inference = {name: value for name, value in options.items() if name in _INFERENCE}
        capture = {_CAPTURE[name]: value for name, value in options.items() if name in _CAPTURE}
        output = {name: value for name, value in options.items() if name in _OUTPUT}
        return cls(
            inference_settings(loaded, inference) if inference else loaded,
            configuration.checked(CaptureSettings, capture) if capture else _EVERY_FRAME,
            configuration.checked(Output, output) if output else _PLAIN,
            options.get("imgsz") is not None,
        )


def inference_settings(loaded: InferenceSettings, options: Mapping[str, Any]) -> InferenceSettings:
    """The settings of a loaded model with some of them changed; None leaves as it is what cannot be None.

    Raises:
        SettingsError: one is out of range, or they contradict each other.
    """
    changed = {name: value for name, value in options.items() if value is not None or name == "classes"}
    return configuration.load(overrides={"inference": {**loaded.model_dump(exclude_unset=True), **changed}}).inference


def half_precision(options: dict[str, Any]) -> bool | None:
    """What `half` and `quantize` ask for together; both are taken from `options`. None: as the model was loaded.

    Raises:
        SettingsError: another precision is asked for, which is decided when the model is loaded.
    """
    half, quantize = options.pop("half", None), options.pop("quantize", None)
    if quantize is None:
        return None if half is None else bool(half)
    named = str(quantize).lower().removeprefix("fp")
    if named not in ("16", "32"):
        raise SettingsError(
            f"quantize: {quantize!r} is decided when the model is loaded: PoseModel(..., precision='int8')"
        )
    return named == "16"


def load_settings(model: str | Path | None, options: Mapping[str, Any]) -> InferenceSettings:
    """The settings by which a model is loaded.

    Raises:
        SettingsError: an option is unknown, not offered or out of range.
    """
    given = dict(options)
    refuse_unknown(given, LoadOptions)
    if "device" in given:
        given["device"] = device_name(given["device"]) or "auto"
    return inference_settings(InferenceSettings(), {"model": None if model is None else str(model), **given})


def shows_options(options: type) -> Callable[[Method], Method]:
    """Put the keys of the TypedDict `options` into a method's signature, in place of its `**options`."""

    def show(method: Method) -> Method:
        signature = inspect.signature(method)
        own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        keys = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_default(name, options), annotation=kind)
            for name, kind in _kinds(options).items()
        ]
        method.__signature__ = signature.replace(parameters=[*own, *keys])  # type: ignore[attr-defined] # as PEP 362 says
        return method

    return show


def _kinds(options: type) -> dict[str, Any]:
    """The keys' types as they are written."""
    return {name: getattr(kind, "__forward_arg__", kind) for name, kind in options.__annotations__.items()}


def _default(name: str, options: type) -> Any:
    if name in ("device", "batch") and options is not LoadOptions:
        return None  # as the model was loaded
    for section in (Output, InferenceSettings):
        if name in section.model_fields:
            return section.model_fields[name].default
    return {"vid_stride": 1, "stream_buffer": False}.get(name)
