"""Drawing in a second process: the same video as from one, and an end for everything that can go wrong between two."""

from __future__ import annotations

import os
import pickle
import signal
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest

from media_worlds import WAIT, estimator, joined, settings, write_clip
from output_worlds import SKELETON, decoded, seconds, tone
from poseline import session
from poseline.capture import Location, VideoFile
from poseline.errors import OutputError, PoselineError, SourceError
from poseline.frame import Frame
from poseline.pipeline import renderer
from poseline.pipeline.renderer import Renderer, RenderTask
from poseline.pose import Observation
from poseline.request import RunRequest
from test_run import logged, recorded

# Each starts a process, which takes a second to import; so a few tests look at several things.


posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
PIPE = 1 << 16
"""Bytes that a pipe holds, on Linux and at most on macOS."""


def pictures(video: Path) -> list[Any]:
    with av.open(str(video)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "poseline.workers" in str(child.cmdline())]


def with_sound(clip: Path) -> Path:
    return joined(clip.with_name("clip.mp4"), clip, tone(clip.with_name("tone.m4a"), "aac", "ipod", 2.0))


def test_the_video_is_the_one_that_one_process_draws(tmp_path: Path) -> None:
    clip = with_sound(write_clip(tmp_path / "silent.mp4", range(50), size=(320, 240)))
    chosen = settings(capture={"vid_stride": 2})
    for name, apart in (("one", False), ("two", True)):
        report = recorded(clip, tmp_path / name, chosen=chosen, render_in_subprocess=apart)
        assert report.error is None
        assert report.counts.processed == 25
    one, two = (tmp_path / name / "annotated.mp4" for name in ("one", "two"))
    assert logged(tmp_path / "one") == logged(tmp_path / "two")
    assert seconds(one) == seconds(two)
    for theirs, ours in zip(pictures(one), pictures(two), strict=True):
        np.testing.assert_array_equal(theirs, ours)
    assert seconds(one, "a") == seconds(two, "a") != []
    assert [meter.name for meter in report.meters] == [
        "capture", "inference", "tracking", "output", "decoding", "overlay", "encoding",
    ]  # fmt: skip
    assert [meter.items for meter in report.meters][-1] == 25
    assert report.bottleneck is not None
    assert report.advice


@pytest.mark.parametrize(
    ("changes", "cores", "apart"),
    [
        ({}, 16, True),
        ({}, 2, False),
        ({"capture": {"live": True}}, 16, False),
        ({"capture": {"vid_stride": 2}}, 16, False),
        ({"output": {"video": False}}, 16, False),
        ({"output": {"show": True}}, 16, False),
        ({"overlay": {"hud": True}}, 16, False),
    ],
)
def test_when_there_are_two_processes(
    changes: dict[str, Any], cores: int, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "cores", lambda: cores)
    location = Location("clip", video=Path("clip.mp4"))
    request, pictures = (
        RunRequest(source, settings(**changes))
        for source in (location, Location("pictures", pictures=(Path("a.jpg"),)))
    )
    assert session.may_render_in_subprocess(request) == apart
    assert not session.may_render_in_subprocess(pictures)
    monkeypatch.setattr("poseline.workers.worker._in_worker", True)
    assert not session.may_render_in_subprocess(request), "a worker of --jobs"


def test_a_run_that_is_stopped_ends_its_video_where_its_log_ends(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(200))
    opened = VideoFile(clip, settings().capture)

    def stop(observation: Observation, _: object) -> None:
        if observation.frame.index == 20:
            opened.stop()

    report = recorded(opened, tmp_path / "out", render_in_subprocess=True, on_frame=stop)
    assert report.error is None
    assert 20 < len(logged(tmp_path / "out")) < 100
    assert decoded(tmp_path / "out" / "annotated.mp4") == len(logged(tmp_path / "out"))


@posix
def test_who_draws_is_killed(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(400))
    children: list[psutil.Process] = []

    def kill(observation: Observation, _: object) -> None:
        if observation.frame.index == 30:
            children.extend(workers())
            children[-1].kill()

    report = recorded(clip, tmp_path / "out", render_in_subprocess=True, on_frame=kill)
    assert isinstance(report.error, OutputError)
    advice = f"ended with -9; try `poseline recover {tmp_path / 'out'}`, or `poseline render {tmp_path / 'out'}`"
    assert advice in str(report.error)
    assert len(children) == 1
    assert not workers()
    assert len(logged(tmp_path / "out")) > 30, "the log keeps what was seen"


@pytest.fixture
def annotation(tmp_path: Path) -> RenderTask:
    clip = write_clip(tmp_path / "clip.mp4", range(30))
    return RenderTask(clip, tmp_path / "annotated.mp4", settings(), "x264", SKELETON, {0: "person"})


def seen(annotation: RenderTask) -> list[Observation]:
    source, model = VideoFile(annotation.clip, annotation.settings.capture), estimator()
    return [model.estimate(frame) for frame in source.frames()]


def test_frames_that_only_one_of_two_decoders_gives(annotation: RenderTask) -> None:
    told = [(observation.frame.pts, observation.poses) for observation in seen(annotation)]
    strange = [(pts + 1, poses) for pts, poses in told[5:8]]
    result = renderer.render(annotation, iter([*told[:5], *strange, *told[10:]]))
    assert decoded(annotation.video) == 25, "what was not told of is left out, as it is not in the log"
    assert result.remarks == ["3 frames are not in the video: the CPU's decoder did not give them"]


@pytest.mark.parametrize(
    "stamps",
    [
        [*range(5), 4, 4, *range(5, 20)],
        [*range(10, 20), *range(20)],
        [*range(10), 3, 3, *range(2, 12), *range(8)],
    ],
)
def test_time_stamps_that_repeat_or_begin_anew(stamps: list[int]) -> None:
    frames = [
        Frame(np.zeros((2, 2, 3), np.uint8), index, pts, Fraction(1, 30), 0.0, 0.0) for index, pts in enumerate(stamps)
    ]
    nobody = estimator().estimate(frames[0]).poses
    result = renderer.RenderResult()
    told = ((frame.pts, nobody) for frame in frames)
    drawn = [seen.frame.index for seen in renderer._observed((frame for frame in frames), told, result)]
    assert drawn == list(range(len(stamps)))
    told = ((frame.pts, nobody) for frame in frames)
    few = (frame for frame in frames if frame.index != 7)
    drawn = [seen.frame.index for seen in renderer._observed(few, told, result)]
    assert drawn == [index for index in range(len(stamps)) if index != 7]
    assert result.remarks == ["1 frame is not in the video: the CPU's decoder did not give it"]


def test_errors_come_over_as_they_are(annotation: RenderTask, tmp_path: Path) -> None:
    observations = seen(annotation)
    (tmp_path / "not a folder").write_text("")
    for wrong, kind, words in (
        ({"video": tmp_path / "not a folder" / "annotated.mp4"}, OutputError, "cannot be written"),
        ({"clip": tmp_path / "gone.mp4"}, SourceError, "no such file"),
        ({"names": None}, PoselineError, "drawing failed: "),
    ):
        drawer = Renderer(RenderTask(**{**vars(annotation), **wrong}))
        with pytest.raises(kind, match=words) as raised:  # by which, depends on who is quicker
            for _ in range(20):
                for observation in observations:
                    drawer.write(observation)
            drawer.close()
        assert type(raised.value) is kind


@posix
@pytest.mark.parametrize("wait", [0.0, 0.3, 1.5])
def test_a_signal_does_not_end_it_at_any_time(annotation: RenderTask, wait: float) -> None:
    observations = seen(annotation)
    drawer = Renderer(annotation)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(drawer._worker.process.pid, number)
        time.sleep(wait)
    for observation in observations:
        drawer.write(observation)
    drawer.close()
    assert decoded(annotation.video) == 30


@posix
@pytest.mark.parametrize("persons", [1, 400])
def test_one_that_hangs_is_not_waited_for(
    annotation: RenderTask, persons: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for its answer, nor for room in the pipe to it, which cannot hold six frames of many persons."""
    observations = seen(annotation)
    drawer = Renderer(annotation)
    for observation in observations[:6]:  # less than 0.2 s: the end of the video sends them
        drawer.write(replace(observation, poses=observation.poses[np.zeros(persons, np.intp)]))
    assert len(drawer._collected) == 6
    assert (len(pickle.dumps(drawer._collected, pickle.HIGHEST_PROTOCOL)) > PIPE) == (persons > 1)
    os.kill(drawer._worker.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(renderer, "_STALL_TIMEOUT", 0.5)
    began = time.monotonic()
    with pytest.raises(PoselineError, match="nothing was drawn|ended with -9"):
        drawer.close()
    assert time.monotonic() - began < WAIT
    assert drawer._worker.process.poll() is not None


def test_it_is_not_killed_after_what_could_not_be_sent(annotation: RenderTask, monkeypatch: pytest.MonkeyPatch) -> None:
    observations = seen(annotation)
    drawer = Renderer(annotation)
    with monkeypatch.context() as patched:
        patched.setattr(renderer, "_STALL_TIMEOUT", 0.5)
        patched.setattr(drawer._worker, "send_input", lambda _: pickle.dumps(lambda: None))
        with pytest.raises((AttributeError, pickle.PicklingError)):
            for observation in observations[:8]:
                drawer.write(observation)
        time.sleep(1)
    drawer.close()
    assert decoded(annotation.video) == 7, "as many make 0.2 s, and were to be sent"


def test_it_finishes_the_video_when_the_first_process_is_gone(annotation: RenderTask) -> None:
    observations = seen(annotation)
    drawer = Renderer(annotation)
    for observation in observations[:19]:
        drawer.write(observation)
    drawer._worker.end_input()  # as if it were
    assert drawer._worker.process.wait(WAIT) == 0
    drawer._worker.close()
    rate = VideoFile(annotation.clip, annotation.settings.capture).info.frame_rate
    assert rate
    assert 0 <= 19 - decoded(annotation.video) <= 0.2 * rate, "what had not been sent yet"
