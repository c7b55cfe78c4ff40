"""Precisions: what is asked for is what runs, and int8 is made, judged and kept on the user's own clip."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import openvino
import pytest
from numpy.typing import NDArray
from openvino import opset13

from media_worlds import estimator, number_in, numbers, one_person, write_clip
from output_worlds import lines
from poseline.capture import ClipSample, sample
from poseline.errors import DeviceError, ModelError, SettingsError, SourceError
from poseline.frame import Frame, Pixels
from poseline.inference import int8, load_estimator
from poseline.inference.agreement import agreement
from poseline.inference.runtimes.exported_head import sparse_head
from poseline.openvino_core import core
from poseline.settings import InferenceSettings, Precision, load

SMALL = 256
CLIP = Path(__file__).parents[1] / "samples" / "squat.mp4"
FRAMES = 24
CAPABILITIES = "OPTIMIZATION_CAPABILITIES"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of models."""
    monkeypatch.setenv("POSELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def squat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody doing squats, in few frames: NNCF takes its time for each."""
    path = tmp_path_factory.mktemp("clip") / "squat.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"qp": "20"})
        frames = list(ClipSample(CLIP).frames(FRAMES))
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame.bgr, format="bgr24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, 10)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def settings(precision: Precision, model: str | Path = "builtin") -> InferenceSettings:
    return InferenceSettings(model=str(model), precision=precision, imgsz=SMALL)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, "auto"),
        ({"half": True}, "half"),
        ({"half": False}, "fp32"),
        ({"precision": "int8"}, "int8"),
        ({"precision": "bf16", "half": True}, "bf16"),
        ({"precision": "fp32", "half": False}, "fp32"),
    ],
)
def test_half_is_another_word_for_a_precision(options: dict[str, Any], asked: str) -> None:
    assert load(overrides={"inference": options}).inference.arithmetic == asked


@pytest.mark.parametrize(("precision", "half"), [("fp32", True), ("int8", True), ("int8", False), ("bf16", False)])
def test_half_and_precision_must_not_contradict_each_other(precision: str, half: bool) -> None:
    with pytest.raises(SettingsError, match=f"^inference: half: {half} contradicts precision: {precision}; give one"):
        load(overrides={"inference": {"precision": precision, "half": half}})


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_what_runs_is_what_was_asked_for_or_an_error(precision: Precision) -> None:
    if precision.upper() in core().get_property("CPU", CAPABILITIES):
        assert load_estimator(settings(precision)).runtime.precision == precision
    else:
        with pytest.raises(DeviceError, match=f"^{precision} was asked for, but this CPU computes in "):
            load_estimator(settings(precision))


@pytest.mark.parametrize(
    ("capabilities", "options", "words"),
    [
        ("FP32 INT8 BIN", {"precision": "bf16"}, "bf16 was asked for, but this CPU computes in fp32, int8; leave"),
        ("FP32 INT8 BIN", {"half": True}, "bf16 or fp16 was asked for, but this CPU computes in fp32, int8; leave"),
        ("BF16 FP32 INT8", {"precision": "fp16"}, "fp16 was asked for, but .* computes in bf16, fp32, int8; leave"),
        ("FP32 FP16 INT8", {"precision": "bf16"}, "bf16 was asked for, but .* computes in fp32, fp16, int8; leave"),
    ],
)
def test_an_error_names_what_the_cpu_can(
    capabilities: str, options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OtherCpu:
        def get_property(self, _: str, name: str) -> object:
            return capabilities.split() if name == CAPABILITIES else core().get_property("CPU", name)

    monkeypatch.setattr("poseline.inference.runtimes.openvino.core", OtherCpu)
    with pytest.raises(DeviceError, match=f"^{words}"):
        load_estimator(InferenceSettings(model="builtin", **options))


def test_a_network_of_int8_is_nothing_else(int8: Path) -> None:
    assert load_estimator(settings("int8", int8)).runtime.precision == "int8"
    with pytest.raises(ModelError, match="is an int8 network, not fp32"):
        load_estimator(settings("fp32", int8))


def test_torch_has_no_int8(builtin: Path) -> None:
    wanted = settings("int8", builtin).model_copy(update={"runtime": "torch"})
    with pytest.raises(
        SettingsError, match="int8 is for the openvino runtime, but poseline-builtin.pt would run on torch"
    ):
        load_estimator(wanted)


def test_int8_needs_a_clip() -> None:
    with pytest.raises(SettingsError, match="--calibrate CLIP"):
        load_estimator(settings("int8"))


RUN = """
import sys
from poseline.cli import command
from poseline.interruption import Interruption
code = command(Interruption())
print(*sorted({"nncf", "torch", "openvino"} & set(sys.modules)))
sys.exit(code)
"""


@pytest.mark.timeout(900)  # NNCF takes ten seconds on an idle machine, and many on a busy one
def test_int8_is_made_once_and_sees_what_fp32_sees(
    squat: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", RUN, "run", squat, "-m", "builtin", "--precision", "int8", "--imgsz", SMALL]
    done = subprocess.run(
        [*map(str, command), "--no-video", "-o", tmp_path / "out"],
        env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert told[0].startswith("calibrating int8 on frames of squat.mp4, once")
    assert re.search(r"^int8 against fp32 on frames held back: mean OKS 0\.9\d\d over \d+ persons in 6 frames", told[1])
    assert told[-1] == "openvino", "the run itself needs neither torch nor NNCF"
    assert lines(tmp_path / "out" / "keypoints.jsonl")[0]["model"]["precision"] == "int8"

    monkeypatch.setattr(int8, "quantize", None)
    made = load_estimator(settings("int8"), sample=ClipSample(squat))
    assert [path.name.startswith("poseline-builtin-") for path in (cache / "int8").iterdir()] == [True]
    full = load_estimator(settings("fp32"))
    assert made.runtime.precision == "int8"
    assert made.spec.sha256 == full.spec.sha256
    seen = agreement(full, made, ClipSample(squat).frames(10))
    assert int8.LEAST_OKS <= seen.oks < 1, "1: it is the float network itself"
    assert seen.persons == seen.frames == 10
    network = core().read_model(made.spec.path)
    network.reshape([1, 3, SMALL, SMALL])
    assert sparse_head(network, 3) is not None, "the float branches are the ones that the sparse head can run"
    alone = load_estimator(settings("auto", made.spec.path.parent))
    assert alone.runtime.precision == "int8"
    assert alone.spec.keypoint_shape == made.spec.keypoint_shape


def blinded(network: Path, inputs: Path, target: Path) -> None:
    """In place of quantising: a network to which every picture is grey."""
    assert list(inputs.glob("*.npy"))
    model = core().read_model(network)
    picture = model.get_parameters()[0].output(0)
    readers = picture.get_target_inputs()
    grey = opset13.fake_quantize(picture, *(np.float32(limit) for limit in (0, 1, 0.5, 0.5)), 256)
    for reader in readers:
        reader.replace_source_output(grey.output(0))
    openvino.save_model(model, target)


def test_a_network_that_sees_less_is_refused_and_not_kept(
    squat: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "quantize", blinded)
    words = r"poseline-builtin.pt: int8 is refused: .* mean OKS 0\.000 over \d+ persons in 6 frames, and 0\.97 is"
    with pytest.raises(ModelError, match=words):
        load_estimator(settings("int8"), sample=ClipSample(squat))
    assert not list((cache / "int8").iterdir())


@pytest.mark.usefixtures("cache")
def test_a_clip_that_shows_nobody_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "grey.mp4", range(20))
    monkeypatch.setattr(int8, "quantize", blinded)
    with pytest.raises(ModelError, match=r"grey\.mp4: nobody is seen in 5 of its frames, .*--calibrate CLIP"):
        load_estimator(settings("int8"), sample=ClipSample(tmp_path / "grey.mp4"))


@pytest.mark.usefixtures("cache")
def test_a_short_clip_and_a_missing_one_are_told(tmp_path: Path) -> None:
    write_clip(tmp_path / "short.mp4", range(5))
    with pytest.raises(ModelError, match=r"short\.mp4: gives 5 frames, and int8 needs 12; .*--calibrate"):
        load_estimator(settings("int8"), sample=ClipSample(tmp_path / "short.mp4"))
    with pytest.raises(SourceError, match=r"none\.mp4: no such file"):
        load_estimator(settings("int8"), sample=ClipSample(tmp_path / "none.mp4"))


def test_without_nncf_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"pip install 'poseline\[int8\]'"):
        load_estimator(settings("int8"), sample=ClipSample(CLIP))


def shifted(pixels: Pixels) -> NDArray[np.float32]:
    """The person of `one_person`, its keypoints two pixels further right."""
    found = one_person(pixels)
    found[[5, 8], 0] += 2
    return found


def pictures(count: int) -> Iterator[Frame]:
    for index in range(count):
        yield Frame(np.zeros((64, 64, 3), np.uint8), index, index, Fraction(1), 0.0, 0.0)


def test_agreement_is_the_oks_of_the_persons() -> None:
    same = agreement(estimator(), estimator(), pictures(3))
    assert (same.oks, same.persons, same.frames) == (1.0, 3, 3)
    apart = agreement(estimator(), estimator(shifted), pictures(3))
    area, sigma = 0.53 * 16 * 32, 0.05
    assert apart.oks == pytest.approx(np.exp(-(2**2) / (2 * area * (2 * sigma) ** 2)), rel=1e-5)
    missed = agreement(estimator(), estimator(lambda pixels: one_person(pixels) * 0), pictures(2))
    assert (missed.oks, missed.persons) == (0.0, 2)


def test_a_sample_is_spread_over_the_clip(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(60))
    assert numbers(ClipSample(clip).frames(6)) == [0, 10, 20, 30, 40, 50]
    assert numbers(ClipSample(clip).frames(100)) == list(range(60))


def test_of_a_long_clip_only_key_frames_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(60), options={"bf": "0", "g": "7", "sc_threshold": "0"})
    monkeypatch.setattr(sample, "_LONG", 50)
    given = [number_in(frame.bgr) for frame in ClipSample(clip).frames(4)]
    assert len(given) == 4
    assert all(number % 7 == 0 for number in given)
    assert given[-1] >= 42


def test_a_clip_is_known_again_by_its_content(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(20))
    other = write_clip(tmp_path / "other.mp4", range(20), first=1)
    known = ClipSample(clip).digest()
    clip.rename(tmp_path / "moved.mp4")
    assert ClipSample(tmp_path / "moved.mp4").digest() == known != ClipSample(other).digest()
