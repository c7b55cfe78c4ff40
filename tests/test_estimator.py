"""Frames through a network of which every answer is known: in batches, in flight, and with errors among them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media_worlds import WAIT, number_in, one_person, picture
from poseline.errors import ModelError
from poseline.frame import Frame, Pixels
from poseline.inference import ModelSpec, PoseEstimator, Request, ScriptedRuntime, infer
from poseline.pose import Floats, Observation
from poseline.settings import InferenceSettings
from poseline.skeleton import Skeleton


def scripted(batch: int, in_flight: int = 1, *, final: bool = False, script: object = None) -> PoseEstimator:
    skeleton = Skeleton(("head", "hip"))
    spec = ModelSpec("scripted", Path("scripted.xml"), "openvino", "0" * 64, {0: "person"}, (2, 3), 32, False, skeleton)
    runtime = ScriptedRuntime(script or one_person, batch=batch, in_flight=in_flight, final=final)  # type: ignore[arg-type] # a test's own
    return PoseEstimator(spec, runtime, InferenceSettings(imgsz=64))


def frame(number: int, size: tuple[int, int] = (64, 48)) -> Frame:
    return Frame(picture(number, size), number, number, Fraction(1, 30), number / 30, time.monotonic(), "scripted")


def telling(pixels: Pixels) -> Floats:
    """One person whose score tells which picture it was."""
    rows = np.zeros((2, 6 + 6), np.float32)
    rows[0, :6] = (8, 8, 24, 40, 0.3 + number_in(pixels[0, :, 8:56].transpose(1, 2, 0)) / 1000, 0)
    rows[1, 4] = -1  # suppressed
    return rows


def seen(observations: Iterator[Observation]) -> list[tuple[int, int]]:
    """Which frames came, and which their poses say they are."""
    return [(seen.frame.index, round(1000 * (float(seen.poses.scores[0]) - 0.3))) for seen in observations]


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("in_flight", [1, 2])
def test_each_frame_of_a_batch_keeps_its_own_poses(batch: int, in_flight: int) -> None:
    frames = (frame(number) for number in range(20))
    came = seen(infer(frames, scripted(batch, in_flight, final=True, script=telling)))
    assert came == [(number, number) for number in range(20)]


def test_a_batch_waits_for_nobody_once_it_is_full() -> None:
    given = []

    def frames() -> Iterator[Frame]:
        for number in range(7):
            given.append(number)
            yield frame(number)

    came = infer(frames(), scripted(3))
    assert [next(came).frame.index, given] == [0, [0, 1, 2]]
    assert [next(came).frame.index for _ in range(6)] == [1, 2, 3, 4, 5, 6]  # the last is a batch of its own


def test_one_at_a_time_where_each_frame_is_wanted_now() -> None:
    given = []

    def frames() -> Iterator[Frame]:
        for number in range(3):
            given.append(number)
            yield frame(number)

    for observation in infer(frames(), scripted(1)):
        assert given == list(range(observation.frame.index + 1))


def test_pictures_of_other_sizes_begin_batches_of_their_own() -> None:
    sizes = [(64, 48)] * 2 + [(48, 64)] * 3 + [(64, 48)] * 4
    came = list(infer((frame(number, size) for number, size in enumerate(sizes)), scripted(3)))
    assert [(seen.frame.index, seen.input_shape) for seen in came] == [
        (number, (64, 64)) for number, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("broken", [0, 1, 4, 6])
def test_an_error_comes_behind_the_frames_before_it(broken: int) -> None:
    def frames() -> Iterator[Frame]:
        for number in range(broken):
            yield frame(number)
        raise OSError("the cable")

    came: list[int] = []
    with pytest.raises(OSError, match="the cable"):
        came.extend(seen.frame.index for seen in infer(frames(), scripted(3, 2)))
    assert came == list(range(broken))


def test_a_frame_that_cannot_be_scaled_stops_nobody_before_it() -> None:
    bad = Frame(np.zeros((0, 0, 3), np.uint8), 4, 4, Fraction(1, 30), 0.1, 0.0)
    frames = iter([*(frame(number) for number in range(4)), bad, frame(5)])
    came: list[int] = []
    with pytest.raises(Exception):  # noqa: B017, PT011 # whatever the scaler says of it
        came.extend(seen.frame.index for seen in infer(frames, scripted(3, 2)))
    assert came == [0, 1, 2, 3]


def test_requests_are_used_again_also_after_a_run_that_was_left() -> None:
    estimator = scripted(2, 2)
    made = []
    request = estimator.runtime.request
    estimator.runtime.request = lambda *size, **_: made.append(1) or request(*size)  # type: ignore[method-assign, func-returns-value] # counted
    estimator.warm_up(64, 48)
    for _ in range(5):
        came = infer((frame(number) for number in range(9)), estimator)
        next(came)
        came.close()
    assert len(made) == 2


def test_what_was_prepared_is_used_and_its_error_is_raised_by_the_first_picture() -> None:
    estimator = scripted(1)
    made: list[tuple[int, int]] = []
    go_on = threading.Event()
    request = estimator.runtime.request

    def slow(height: int, width: int, *_: object, **__: object) -> Request:
        assert go_on.wait(WAIT)
        made.append((height, width))
        return request(height, width)

    estimator.runtime.request = slow  # type: ignore[method-assign] # watched
    estimator.runtime.warmup_runs = 2
    estimator.prepare(64, 48)
    estimator.prepare(64, 48)
    go_on.set()  # and nobody has waited for it
    assert [len(estimator.estimate(frame(number)).poses) for number in range(3)] == [1, 1, 1]
    assert made == [(64, 64)]

    def torn(height: int, width: int, *_: object, **__: object) -> Request:
        raise ModelError(f"no network of {width}x{height}")

    estimator.runtime.request = torn  # type: ignore[method-assign] # out of order
    estimator.prepare(32, 64)
    with pytest.raises(ModelError, match="no network of 32x64"):
        estimator.estimate(frame(0, (32, 64)))
