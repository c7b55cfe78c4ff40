"""One model for several threads: every call and every stream gets the answers to its own options."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media_worlds import WAIT
from output_worlds import SKELETON
from poseline import PoseModel, openvino_core, stream
from poseline.capture import VideoFile
from poseline.errors import SettingsError
from poseline.frame import Frame, Pixels
from poseline.inference import ModelSpec, PoseEstimator, Request, ScriptedRuntime
from poseline.pose import Floats
from poseline.settings import CaptureSettings, InferenceSettings

CROSSING = Path(__file__).parents[1] / "samples" / "crossing.mp4"
OPTIONS: list[dict[str, Any]] = [
    {}, {"conf": 0.6}, {"conf": 0.999}, {"conf": 0.05}, {"max_det": 1}, {"imgsz": 256}, {"classes": [0]}, {"iou": 0.0},
]  # fmt: skip


def crowd(_: Pixels) -> Floats:
    """99 persons, in pixels of the input, of scores 0.01 to 0.99."""
    found = np.zeros((11, 99), np.float32)
    found[:5] = np.stack([8 * np.arange(1, 100), *np.full((3, 99), 4), np.arange(1, 100) / 100])
    return found


def scripted(seconds: float = 0.0) -> PoseEstimator:
    spec = ModelSpec("crowd", Path("crowd.xml"), "openvino", "0" * 64, {0: "person"}, (2, 3), 32, False, SKELETON)
    return PoseEstimator(spec, ScriptedRuntime(crowd, seconds=seconds), InferenceSettings(imgsz=64))


def frame(size: tuple[int, int] = (64, 48)) -> Frame:
    return Frame(np.zeros((size[1], size[0], 3), np.uint8), 0, 0, Fraction(1), 0.0, time.monotonic())


def at_once(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each returns, all begun at the same moment."""
    barrier = threading.Barrier(len(works))

    def begin(work: Callable[[], Any]) -> Any:
        barrier.wait(WAIT)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(begin, works))


def test_settings_of_a_call_are_not_anothers() -> None:
    estimator = scripted(seconds=0.001)
    confs = [number / 100 + 0.005 for number in range(5, 85, 10)]

    def count(conf: float) -> list[int]:
        settings = InferenceSettings(imgsz=64, conf=conf)
        return [len(estimator.estimate(frame(), settings).poses) for _ in range(40)]

    found = at_once([partial(count, conf) for conf in confs])
    assert found == [[99 - int(100 * conf)] * 40 for conf in confs]


def test_a_network_is_compiled_once_and_no_request_is_used_by_two() -> None:
    estimator = scripted()
    made: list[tuple[int, int]] = []
    inside = threading.Lock()
    request = estimator.runtime.request

    def watched(height: int, width: int, places: int | None = None, *, alone: bool = False) -> Request:
        assert inside.acquire(blocking=False), "two at once"
        time.sleep(0.02)
        made.append((height, width))
        result = request(height, width, places, alone=alone)
        inside.release()
        return result

    estimator.runtime.request = watched  # type: ignore[method-assign] # watched
    sizes = [(64, 48), (64, 64), (48, 64), (64, 16)]

    def work(size: tuple[int, int]) -> list[int]:
        return [len(estimator.estimate(frame(size)).poses) for _ in range(20)]

    assert at_once([partial(work, size) for size in sizes * 2]) == [[74] * 20] * 8
    assert len(made) <= 8, "a thread has one request at a time"


def test_a_core_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    class Core:
        def __init__(self) -> None:
            time.sleep(0.05)
            made.append(self)

    monkeypatch.setattr(openvino_core, "_made", [])
    monkeypatch.setattr("openvino.Core", Core)
    assert set(at_once([openvino_core.core] * 4)) == set(made)
    assert len(made) == 1


def test_models_may_be_loaded_at_the_same_time(picture: Pixels) -> None:
    found = at_once([lambda: len(PoseModel("builtin")(picture)[0])] * 4)
    assert len(set(found)) == 1
    assert found[0] >= 1


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return PoseModel("builtin", imgsz=320)


@pytest.fixture(scope="module")
def picture() -> Pixels:
    frames = VideoFile(CROSSING, CaptureSettings()).frames()
    pixels = next(frames).bgr
    frames.close()
    return pixels


def test_eight_threads_with_options_of_their_own(model: PoseModel, picture: Pixels) -> None:
    expected = [model(picture, **options)[0].keypoints.data for options in OPTIONS]
    assert len({len(keypoints) for keypoints in expected}) >= 3, "the options make a difference"

    def work(options: dict[str, Any]) -> list[Floats]:
        return [model(picture, **options)[0].keypoints.data for _ in range(6)]

    found = at_once([partial(work, options) for options in OPTIONS])
    for answers, right in zip(found, expected, strict=True):
        for keypoints in answers:
            np.testing.assert_array_equal(keypoints, right)


def test_calls_beside_a_stream_change_nothing_in_it(model: PoseModel, picture: Pixels) -> None:
    def streamed(most: int, **options: Any) -> list[int]:
        counts = []
        for observation in stream(CROSSING, model, track=False, **options):
            counts.append(len(observation.poses))
            if len(counts) == most:
                break
        return counts

    usual, strict = streamed(20), streamed(20, conf=0.8)
    assert usual != strict
    assert sum(strict) < sum(usual)
    begun, ended = threading.Event(), threading.Event()

    def disturb() -> int:
        calls = 0
        while calls < 2 or not ended.is_set():
            assert len(model(picture, conf=0.999)[0]) == 0
            calls += 1
            begun.set()
        return calls

    with ThreadPoolExecutor(1) as pool:
        disturbed = pool.submit(disturb)
        assert begun.wait(WAIT)
        found = at_once([lambda: streamed(20), lambda: streamed(20, conf=0.8)])
        ended.set()
        assert disturbed.result(WAIT) >= 2
    assert found == [usual, strict]


def test_options_of_a_stream_are_those_of_a_call(model: PoseModel) -> None:
    with pytest.raises(SettingsError, match="precision: is decided when the model is loaded"):
        next(stream(CROSSING, model, precision="fp32"))
    with pytest.raises(SettingsError, match="cnf: there is no such argument; did you mean conf"):
        next(stream(CROSSING, model, cnf=0.3))  # type: ignore[call-arg] # which a type checker sees too
    with pytest.raises(SettingsError, match="has no class 7; it has 0 person"):
        next(stream(CROSSING, model, classes=7))
