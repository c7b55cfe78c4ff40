"""int8: a network quantised on frames of the user's own clip, and kept only if it sees there what fp32 sees."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import yaml

from poseline.cache import cache_folder
from poseline.errors import ModelError, SettingsError
from poseline.frame import Frame, Pixels
from poseline.inference import weights
from poseline.inference.agreement import Agreement, agreement
from poseline.inference.estimator import PoseEstimator
from poseline.inference.letterbox import Letterbox
from poseline.inference.quantize import check_nncf, quantize
from poseline.inference.scaler import PAD, Scaler
from poseline.inference.spec import ModelSpec
from poseline.settings import InferenceSettings, Precision
from poseline.words import counted

log = logging.getLogger("poseline")

LEAST_OKS = 0.97
"""Mean OKS against fp32 below which an int8 network is refused."""
_FRAMES, _HELD_BACK = 132, 4
"""Frames taken from the clip; every fourth of them judges the network that the others calibrated."""
_FEWEST = 12
_RECIPE = 3
"""To be counted up where the way of quantising changes, so that no network made in the old way is taken for a new."""


class Sample(Protocol):
    """Frames to calibrate on, as capture gives them."""

    @property
    def name(self) -> str:
        """To show."""

    def digest(self) -> str:
        """Hex digest by which the frames are known again."""

    def frames(self, count: int) -> Iterator[Frame]:
        """At most `count` frames from all over the clip."""


def quantized(spec: ModelSpec, settings: InferenceSettings, sample: Sample | None) -> ModelSpec:
    """The same model with an int8 network: its own, or else one made on frames of `sample`, or found in the cache.

    Raises:
        SettingsError: no clip to calibrate on.
        ModelError: NNCF is missing or fails, the clip is too short or shows nobody, or the int8 network sees something
            else than the fp32 network does; then nothing is kept.
    """
    from poseline.inference.runtimes.openvino import is_quantized

    if is_quantized(spec.path):
        return spec
    if sample is None:
        raise SettingsError(
            "--precision int8 is calibrated on a clip, and this source is no video file; give one that looks like it: "
            "--calibrate CLIP"
        )
    check_nncf()
    folder = cache_folder() / "int8" / _key(spec, settings, sample)
    weights.made_once(folder, lambda made: _make(made, spec, settings, sample))
    kept = Agreement(**yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))["agreement"])
    log.info("int8 against fp32 on frames held back: %s", kept)
    return replace(spec, path=folder / "model.xml", format="openvino")


def _key(spec: ModelSpec, settings: InferenceSettings, sample: Sample) -> str:
    size = settings.imgsz if isinstance(settings.imgsz, int) else "x".join(map(str, settings.imgsz))
    name = f"{Path(spec.name).stem}-{spec.sha256[:16]}-{size}-{sample.digest()[:16]}"
    return f"{name}-openvino{version('openvino').split('-')[0]}-nncf{version('nncf')}-{_RECIPE}"


def _make(folder: Path, spec: ModelSpec, settings: InferenceSettings, sample: Sample) -> None:
    """Write the OpenVINO model `folder`, or raise."""
    log.info("calibrating int8 on frames of %s, once; it takes a minute or two", sample.name)
    folder.mkdir()
    reference = _estimator(spec, "fp32", settings)
    with tempfile.TemporaryDirectory(dir=folder.parent) as inputs:
        held_back = _letterboxed(sample, reference, Path(inputs))
        quantize(spec.path, Path(inputs), folder / "model.xml")
    candidate = _estimator(replace(spec, path=folder / "model.xml"), "int8", settings)
    found = agreement(reference, candidate, _frames(held_back))
    _judge(found, spec, sample)
    metadata = {
        "task": "pose",
        "names": spec.names,
        "kpt_shape": list(spec.keypoint_shape),
        "kpt_names": {0: list(spec.skeleton.names)},
        "stride": spec.stride,
        "channels": reference.runtime.channels,
        "end2end": spec.end2end,
        "agreement": asdict(found),
    }
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata, sort_keys=False), encoding="utf-8")


def _estimator(spec: ModelSpec, precision: Precision, settings: InferenceSettings) -> PoseEstimator:
    from poseline.inference.runtimes.openvino import OpenVinoRuntime

    plain = InferenceSettings(precision=precision, imgsz=settings.imgsz)
    values = None if spec.end2end else spec.keypoint_shape[1]
    runtime = OpenVinoRuntime(spec.path, precision=precision, live=True, keypoint_values=values)
    return PoseEstimator(spec, runtime, plain)


def _letterboxed(sample: Sample, reference: PoseEstimator, folder: Path) -> list[Pixels]:
    """Write the frames for calibration into `folder` as network inputs, and return those held back, (C, H, W)."""
    scaler, held_back, count, channels = Scaler(), list[Pixels](), 0, reference.runtime.channels
    imgsz, stride, fixed = reference.settings.imgsz, reference.spec.stride, reference.runtime.fixed_size
    for count, frame in enumerate(sample.frames(_FRAMES), start=1):
        letterbox = Letterbox.fit(frame.width, frame.height, imgsz, stride, fixed)
        planes = np.full((channels, *letterbox.size[::-1]), PAD, np.uint8)
        scaler.fill(frame, letterbox, planes)
        if count % _HELD_BACK == 0:
            held_back.append(planes)
        else:
            np.save(folder / f"{count:04}.npy", planes)
    if count < _FEWEST:
        raise ModelError(
            f"{sample.name}: gives {counted(count, 'frame')}, and int8 needs {_FEWEST}; "
            "give a longer clip: --calibrate CLIP"
        )
    return held_back


def _frames(inputs: Iterable[Pixels]) -> Iterator[Frame]:
    """Network inputs as pictures, which letterboxing leaves as they are."""
    for index, planes in enumerate(inputs):
        bgr = np.broadcast_to(planes[::-1], (3, *planes.shape[1:])).transpose(1, 2, 0)
        yield Frame(np.ascontiguousarray(bgr), index, index, Fraction(1), 0.0, 0.0)


def _judge(found: Agreement, spec: ModelSpec, sample: Sample) -> None:
    if not found.persons:
        raise ModelError(
            f"{sample.name}: nobody is seen in {found.frames} of its frames, so int8 cannot be judged on it; "
            "give a clip with people in it: --calibrate CLIP"
        )
    if found.oks < LEAST_OKS:
        raise ModelError(
            f"{spec.name}: int8 is refused: against fp32 it reaches {found}, and {LEAST_OKS} is needed; "
            "try a larger --imgsz, a longer --calibrate CLIP, or another --precision"
        )
