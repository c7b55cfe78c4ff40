"""Sides: the model that is verified, and the references it is held against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poseline.errors import SettingsError
from poseline.inference import PoseEstimator, load_estimator, weights
from poseline.settings import InferenceSettings

if TYPE_CHECKING:
    from poseline.capture import ClipSample

_RUNTIMES = ("openvino", "torch", "onnx")
_PRECISIONS = ("fp32", "bf16", "fp16", "int8")
_EXPORTED = re.compile(r"(.+?)(_int8|_half|_fp16|_fp32)?(_openvino_model|\.onnx)")
"""Names that ultralytics gives to what it exports, and the stem of the weights they were made from."""


@dataclass(frozen=True, eq=False)
class Side:
    """An estimator and what it is called."""

    name: str
    estimator: PoseEstimator

    @property
    def identity(self) -> tuple[object, ...]:
        """What two sides must differ in for a comparison to say anything."""
        runtime = self.estimator.runtime
        return self.estimator.spec.sha256, runtime.name, runtime.device, runtime.precision


def load_sides(
    settings: InferenceSettings, against: Sequence[str], sample: ClipSample | None = None
) -> tuple[Side, tuple[Side, ...]]:
    """The model as `settings` have it, and its references.

    Args:
        settings: the model, its runtime, device and precision, and what counts as found.
        against: each `[MODEL or RUNTIME][:PRECISION]`; a precision alone is the same model on its runtime. References
            run on the CPU, in fp32 where no precision is named. None is given: the model's fp32 reference.
        sample: the clip on which int8 is calibrated.

    Raises:
        ModelError: one of them cannot be found or run. SettingsError: there is nothing to compare with.
    """
    model = _loaded(settings, sample)
    asked = [_reference(settings, model, text) for text in against] or [_default(settings, model)]
    references = tuple(_loaded(each, sample) for each in asked)
    for reference in references:
        if reference.identity == model.identity:
            raise SettingsError(
                f"--against: {reference.name} is the model itself; give another runtime (torch, openvino), precision "
                "or model"
            )
        ours, theirs = (len(side.estimator.spec.skeleton) for side in (model, reference))
        if ours != theirs:
            raise SettingsError(
                f"{model.estimator.spec.name} has {ours} keypoints and {reference.estimator.spec.name} has {theirs}: "
                "they are not exports of one model, and cannot be compared"
            )
    return model, references


def _loaded(settings: InferenceSettings, sample: ClipSample | None) -> Side:
    estimator = load_estimator(settings, live=True, sample=sample)
    runtime = estimator.runtime
    return Side(f"{estimator.spec.name} on {runtime.name}, {runtime.precision}", estimator)


def _reference(settings: InferenceSettings, model: Side, text: str) -> InferenceSettings:
    """The settings of one reference."""
    name, colon, precision = text.rpartition(":")
    if precision not in _PRECISIONS or not (colon or text in _PRECISIONS):
        name, precision = text, "fp32"
    if not name:
        return _changed(settings, precision=precision, runtime=_engine(model))
    if name in _RUNTIMES:
        return _changed(settings, precision=precision, runtime=name)
    return _changed(settings, model=name, precision=precision, runtime="auto")


def _default(settings: InferenceSettings, model: Side) -> InferenceSettings:
    """The model in fp32: of an export the weights beside it, else on OpenVINO; and on PyTorch where it runs so itself.

    Raises:
        SettingsError: there is no such reference.
    """
    path = weights.find(settings.model)
    if path.suffix == ".pt":
        is_reference = _engine(model) == "openvino" and model.estimator.runtime.precision == "fp32"
        return _changed(settings, precision="fp32", runtime="torch" if is_reference else "openvino")
    found = _EXPORTED.fullmatch(path.name)
    beside = path.with_name(f"{found[1]}.pt") if found else None
    if beside is not None and beside.is_file():
        return _changed(settings, model=str(beside), precision="fp32", runtime="torch")
    raise SettingsError(
        f"{path}: is an export, and the weights that it was made from are not beside it; name them: --against MODEL.pt"
    )


def _engine(model: Side) -> str:
    name = model.estimator.runtime.name.lower()
    return "torch" if name.startswith("pytorch") else "onnx" if name.startswith("onnx") else "openvino"


def _changed(settings: InferenceSettings, **values: str | Path) -> InferenceSettings:
    """The same with other values, on the CPU."""
    given = {**settings.model_dump(exclude_unset=True), "device": "cpu", "half": None, "roi": False, **values}
    return InferenceSettings.model_validate(given)
