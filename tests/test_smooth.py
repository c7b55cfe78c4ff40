"""Keypoints that do not tremble: what smoothing does to scripted people, and to what the built-in model finds."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import ScriptedSource, settings
from output_worlds import lines
from poseline.errors import SettingsError
from poseline.frame import Frame, Gap, Picture
from poseline.output import prepare
from poseline.pipeline import Sink, Stage, run
from poseline.pose import Observation, Poses
from poseline.send import senders
from poseline.settings import SmoothingSettings, load
from poseline.smooth import OneEuro, smooth
from send_worlds import UdpReceiver, seventeen

FPS = 30
SIZE = 100.0
"""Of the scripted person: the root of the box."""
Points = NDArray[np.float64]


def poses(points: Points, ids: list[int] | None = None, size: float = SIZE) -> Poses:
    """Persons, (N, K, 2), each in a square box around its first point."""
    count = len(points)
    keypoints = np.concatenate((points, np.full((*points.shape[:2], 1), 0.9)), axis=2)
    middle = np.nan_to_num(points[:, 0])
    found = Poses.of(np.concatenate((middle - size / 2, middle + size / 2), axis=1), np.ones(count), keypoints)  # type: ignore[arg-type] # made float32 there
    return found.with_ids(np.array(list(range(1, count + 1)) if ids is None else ids, np.int64))


def played(truth: Points, noise: float = 0.0, times: Points | None = None, size: float = SIZE) -> tuple[Points, Points]:
    """(T, K, 2) of one person as measured and as smoothed; `noise` in body sizes."""
    measured = truth + np.random.default_rng(0).normal(0, noise * size, truth.shape)
    filtered = OneEuro(SmoothingSettings())
    stamps = np.arange(len(truth)) / FPS if times is None else times
    smoothed = [
        filtered.update(poses(points[None], size=size), stamp).keypoints[0, :, :2]
        for points, stamp in zip(measured, stamps, strict=True)
    ]
    return measured, np.array(smoothed, np.float64)


def delay(truth: Points, points: Points, times: Points) -> float:
    """Milliseconds by which `points` lag behind `truth`: the shift along its velocity that explains most."""
    velocity = np.gradient(truth, times, axis=0)
    return 1000 * float(((truth - points) * velocity).sum() / (velocity**2).sum())


def tremble(points: Points) -> float:
    """Pixels from frame to frame (root mean square) of somebody who stands still."""
    return float(np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=2).mean()))


def standing(frames: int = 120) -> Points:
    return np.full((frames, 17, 2), 200.0) + np.arange(17)[:, None]


def waving(frames: int = 240) -> Points:
    """Half a body size to and fro, once a second."""
    truth = standing(frames)
    truth[..., 0] += 0.25 * SIZE * np.sin(2 * np.pi * np.arange(frames) / FPS)[:, None]
    return truth


def test_who_stands_still_is_calm() -> None:
    measured, smoothed = played(standing(), noise=0.005)
    assert tremble(measured[10:]) > 3 * tremble(smoothed[10:])


def test_who_moves_is_not_late() -> None:
    truth = waving()
    _, smoothed = played(truth, noise=0.005)
    assert abs(delay(truth, smoothed, np.arange(len(truth)) / FPS)) < 10


def test_near_and_far_people_are_smoothed_alike() -> None:
    near, far = (played(waving() * scale, noise=0.005, size=SIZE * scale)[1] for scale in (1.0, 0.1))
    assert np.allclose(far * 10, near, atol=0.01)


def test_the_frames_true_times_count() -> None:
    """A frame that was dropped is no jerk: an even motion stays one, whatever frames are missing."""
    times = np.sort(np.random.default_rng(1).choice(300, 200, replace=False)) / FPS
    truth = standing(len(times))
    truth[..., 0] += 0.8 * SIZE * times[:, None]
    _, smoothed = played(truth, times=times)
    assert abs(delay(truth[20:], smoothed[20:], times[20:])) < 5
    assert np.abs((truth - smoothed)[20:, :, 0]).max() < 0.01 * SIZE


def test_gaps_and_new_ids_begin_anew() -> None:
    filtered = OneEuro(SmoothingSettings())
    here, there = standing(1), standing(1) + 300
    filtered.update(poses(here, [1]), 0.0)
    assert np.allclose(filtered.update(poses(there, [2]), 0.033).keypoints[..., :2], there), "another person"
    assert not np.allclose(filtered.update(poses(here + 1, [1]), 0.066).keypoints[..., :2], here + 1, atol=0.2), (
        "seen a moment ago"
    )
    assert np.allclose(filtered.update(poses(there, [1]), 0.4).keypoints[..., :2], there), "not seen for a while"
    assert np.allclose(filtered.update(poses(here, [1]), 0.1).keypoints[..., :2], here), "time has run back"


def test_the_order_of_persons_does_not_matter() -> None:
    filtered = OneEuro(SmoothingSettings())
    both = np.concatenate((standing(1), standing(1) + 300))
    filtered.update(poses(both, [7, 3]), 0.0)
    calm = filtered.update(poses(both[::-1] + 1, [3, 7]), 0.033)
    assert calm.ids.tolist() == [3, 7]
    assert np.abs(calm.keypoints[..., :2] - both[::-1]).max() < 1, "each near where it was"


def test_what_cannot_be_smoothed_stays_as_it_is() -> None:
    filtered = OneEuro(SmoothingSettings())
    lost = standing(1)
    lost[0, 3] = np.nan
    for number, points in enumerate((standing(1), lost, standing(1) + 1)):
        calm = filtered.update(poses(points), number / FPS)
        assert np.isnan(calm.keypoints).sum() == (2 if number == 1 else 0)
        assert (calm.keypoints[..., 2] == np.float32(0.9)).all()
    nameless = poses(standing(1) + 50, [-1])
    assert np.array_equal(filtered.update(nameless, 0.2).keypoints, nameless.keypoints)
    assert len(filtered.update(poses(np.zeros((0, 17, 2))), 0.3)) == 0


def test_boxes_are_calm_too() -> None:
    filtered = OneEuro(SmoothingSettings())
    boxes = [filtered.update(poses(standing(1) + 0.5 * (number % 2)), number / FPS).boxes for number in range(30)]
    assert np.abs(np.diff(boxes, axis=0))[10:].max() < 0.1


def test_a_crowd_costs_little_more_than_one() -> None:
    """No loop over persons or keypoints: fifty times as many people take nothing like fifty times as long."""

    def seconds(count: int) -> float:
        filtered = OneEuro(SmoothingSettings())
        world = [poses(np.repeat(standing(1), count, axis=0) + number) for number in range(60)]
        best = float("inf")
        for again in range(3):
            began = time.process_time()
            for number, found in enumerate(world):
                filtered.update(found, again * 10 + number / FPS)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(50) < 15 * seconds(1)


def test_smoothing_needs_ids() -> None:
    with pytest.raises(SettingsError, match=r"--smooth.* needs tracking"):
        load(overrides={"smoothing": {"enabled": True}, "tracking": {"enabled": False}})


def test_what_is_drawn_and_sent_is_smoothed_and_the_log_is_not(tmp_path: Path) -> None:
    """Somebody trembles by a pixel: their picture and what a receiver gets do not; the log says what was measured."""
    drawn: list[Points] = []

    class Looking(Sink):
        needs_picture = True

        def write(self, observation: Observation, picture: Picture | None) -> None:
            assert picture is not None
            drawn.append(np.asarray(observation.shown.keypoints, np.float64))

    def tremble_by_one(observations: Iterator[Observation]) -> Generator[Observation, None, None]:
        for seen in observations:
            yield replace(seen, poses=poses(standing(1) + seen.frame.index % 2))

    with UdpReceiver() as receiver:
        source, chosen = ScriptedSource(60, size=(640, 480)), settings(
            output={"video": False}, smoothing={"enabled": True}, tracking={"enabled": True}
        )  # fmt: skip
        with prepare(tmp_path, "clip", True, []) as out:
            sinks = [Looking(), *senders([f"udp://127.0.0.1:{receiver.port}"], "cam")]
            report = run(source, seventeen(), chosen, out, sinks=sinks, stages=[Stage("script", tremble_by_one)])
        got = [json.loads(one) for one in receiver.received()]
    assert report.error is None
    assert [meter.name for meter in report.meters][3:6] == ["script", "smoothing", "overlay"]
    log = lines(tmp_path / "keypoints.jsonl")
    noses = {kind: np.array([one["persons"][0]["keypoints"][0][0] for one in records if one["type"] == "frame"])
             for kind, records in (("log", log), ("sent", got))}  # fmt: skip
    assert set(noses["log"]) == {200.0, 201.0}
    assert np.abs(np.diff(noses["sent"]))[20:].max() < 0.1
    assert np.allclose(np.array(drawn)[:, 0, 0, 0], noses["sent"], atol=0.006)
    assert (log[0]["keypoints"], got[0]["keypoints"]) == ("measured", "smoothed")
    assert log[0]["settings"]["smoothing"]["enabled"] is True


def test_an_outage_and_another_picture_size_begin_anew() -> None:
    """The stage forgets everybody; a step that would be calmed is taken whole."""
    blank = Frame(np.zeros((480, 640, 3), np.uint8), 0, 0, Fraction(1, 30), 0.0, 0.0)
    frames = [
        (replace(blank, time=0.0), 0),
        (replace(blank, time=0.033), 1),
        (replace(blank, time=0.066, gap=Gap(0.033, 0.066, "cable")), 2),
        (replace(blank, time=0.1, picture=np.zeros((240, 320, 3), np.uint8)), 3),
    ]
    seen = [Observation(frame, poses(standing(1) + step)) for frame, step in frames]
    shown = [each.shown.keypoints[0, 0, 0] for each in smooth(iter(seen), SmoothingSettings())]
    assert shown[0] == 200.0
    assert 200.0 < shown[1] < 200.9
    assert shown[2:] == [202.0, 203.0]
