"""ModelSpec: what a pose model says of itself."""

from __future__ import annotations

import ast
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from poseline.errors import ModelError
from poseline.short_repr import short_repr
from poseline.skeleton import Skeleton

log = logging.getLogger("poseline")

ModelFormat = Literal["pt", "onnx", "openvino"]


_MOST_KEYPOINTS = 10_000
"""Of a person; a number beyond is none that a network has."""
_GARBLED = (
    KeyError, ValueError, SyntaxError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError
)  # fmt: skip
"""What values raise that are not what they should be; the last two where brackets are nested thousands deep."""


@dataclass(frozen=True)
class ModelSpec:
    """A pose model's identity and shape, read from its own metadata."""

    name: str
    """File or folder name, to show."""
    path: Path
    """The file that a runtime loads: .pt, .onnx, or the .xml of an OpenVINO folder."""
    format: ModelFormat
    sha256: str
    """Hash of the weights as the user gave them (of the .pt, even where a conversion of it runs)."""
    names: dict[int, str]
    """Class names by number."""
    keypoint_shape: tuple[int, int]
    """(K, 2 or 3): keypoints of an instance, and values of a keypoint (x, y and perhaps confidence)."""
    stride: int
    """The network's input sides are multiples of this."""
    end2end: bool
    """The network's output is final: (N, 6 + K·values) rows that need no suppression."""
    skeleton: Skeleton
    made_for: tuple[int, int] | None = None
    """(height, width) of the input that it was trained or exported for, as its metadata says; None where it does not.

    A network may take others all the same.
    """

    __repr__ = short_repr

    @classmethod
    def from_metadata(
        cls, metadata: dict[str, Any], path: Path, model_format: ModelFormat, name: str, sha256: str,
        skeleton: Skeleton | None = None,
    ) -> ModelSpec:  # fmt: skip
        """Read ultralytics' export metadata: a YAML file's values, or an ONNX file's strings.

        Raises:
            ModelError: not a pose model, or its metadata lacks what decoding needs.
        """
        task = metadata.get("task")
        if task not in (None, "pose"):
            raise ModelError(f"{name}: is a {task} model; poseline needs a pose model such as yolo11n-pose.pt")
        try:
            count, values = _literal(metadata["kpt_shape"])
            names = {int(number): str(label) for number, label in _literal(metadata["names"]).items()}
            kpt_names = _literal(metadata.get("kpt_names") or "None")
            stride = int(metadata.get("stride", 32))
            exported = _literal(metadata.get("args") or {})
            end2end = bool(_literal(metadata.get("end2end", False)) or exported.get("nms"))  # suppressed in the network
            channels = int(metadata.get("channels", 3))
            if not (0 < int(count) <= _MOST_KEYPOINTS and 2 <= int(values) <= 3):
                raise ValueError(f"kpt_shape {count!r}, {values!r}")
        except _GARBLED as error:
            raise ModelError(
                f"{name}: its metadata lacks or garbles {error}; export it with ultralytics, as a pose model"
            ) from error
        checked_channels(channels, name)
        skeleton = skeleton or _skeleton(int(count), kpt_names, name)
        if len(skeleton) != count:
            raise ModelError(f"{name}: has {count} keypoints, but the skeleton names {len(skeleton)}")
        shape = int(count), int(values)
        made_for = _size(metadata.get("imgsz"))
        return cls(name, path, model_format, sha256, names, shape, stride, end2end, skeleton, made_for)


def checked_channels(channels: Any, name: str) -> int:
    """The number of a network's input channels, if it is one that pictures can be made for.

    Raises:
        ModelError: it is neither 3 (colour) nor 1 (grey).
    """
    if channels not in (1, 3):
        raise ModelError(
            f"{name}: its network takes pictures of {channels} channels; poseline runs models for colour (3) and for "
            "grey (1)"
        )
    return int(channels)


def _size(stated: Any) -> tuple[int, int] | None:
    """(height, width) of `640`, `[640, 384]` or their text; None of anything else."""
    try:
        sides = _literal(stated)
        height, width = (sides, sides) if isinstance(sides, int) else sides
        return int(height), int(width)
    except _GARBLED:
        return None


def _literal(value: Any) -> Any:
    return ast.literal_eval(value) if isinstance(value, str) else value


def _skeleton(count: int, kpt_names: Any, model: str) -> Skeleton:
    """Names from the metadata ({class: [names]}) where there are any; edges only where the keypoints are COCO's."""
    standard = Skeleton.for_count(count)
    names = next(iter(kpt_names.values()), None) if isinstance(kpt_names, dict) else kpt_names
    if not names or len(names) != count or tuple(names) == standard.names:
        return standard
    own = tuple("" if name is None else str(name).strip() for name in names)
    different = _made_different(own)
    if different != own:
        log.warning(
            "%s names its keypoints %s: an empty name, or one given twice; they are called %s; --skeleton gives others",
            model, ", ".join(own), ", ".join(different),
        )  # fmt: skip
    return Skeleton(different)


def _made_different(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, with a number for an empty one, and a number behind each that was there before: knee, knee_2."""
    made: list[str] = []
    for index, name in enumerate(names):
        wanted = candidate = name or f"keypoint_{index}"
        number = 1
        while candidate in made or (candidate != name and candidate in names):
            number += 1
            candidate = f"{wanted}_{number}"
        made.append(candidate)
    return tuple(made)
