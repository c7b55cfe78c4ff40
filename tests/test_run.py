from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import (
    WAIT,
    ScriptedSource,
    estimator,
    number_in,
    one_person,
    picture,
    settings,
    stage_threads,
    turn,
    until,
    write_clip,
)
from output_worlds import decoded, lines, seconds, stamps
from poseline.capture import Source, open_source
from poseline.errors import OutputError
from poseline.frame import Frame, Gap, Pixels
from poseline.inference import PoseEstimator
from poseline.interruption import Interruption
from poseline.log import read_log
from poseline.output import prepare
from poseline.pipeline import RunReport, open_pose_stream, run
from poseline.pose import Observation
from poseline.settings import Settings
from test_capture_file import flipped
from test_capture_images import save


def recorded(
    source: Source | Path, folder: Path, model: PoseEstimator | None = None, chosen: Settings | None = None, **more: Any
) -> RunReport:
    """The report of a run into `folder`, with what must hold of every run checked: its counts and its journal."""
    chosen = chosen or settings()
    opened = open_source(source, chosen.capture) if isinstance(source, Path) else source
    with prepare(folder, "", False, []) as out:
        report = run(opened, model or estimator(), chosen, out, **more)
    journal = lines(folder / "keypoints.jsonl")
    frames = [record for record in journal if record["type"] == "frame"]
    counts = report.counts
    assert counts.balanced
    assert journal[-1]["type"] == "end"
    summary = json.loads((folder / "summary.json").read_text())
    assert journal[-1]["counts"] == counts.as_dict() == summary["counts"]
    assert journal[-1]["ended"] == read_log(folder / "keypoints.jsonl").ended == summary["ended"] == report.ended
    assert journal[-1]["error"] == summary["error"]
    assert counts.processed == len(frames)
    assert counts.persons == sum(len(frame["persons"]) for frame in frames)
    assert sum(frame["dropped_before"] for frame in frames) <= counts.dropped
    indices = [frame["frame"] for frame in frames]
    assert indices == sorted(set(indices))
    assert not stage_threads()
    return report


def logged(folder: Path) -> list[Any]:
    """The frames of a run's journal."""
    return [record for record in lines(folder / "keypoints.jsonl") if record["type"] == "frame"]


def test_a_file_loses_nothing(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(60))
    report = recorded(path, tmp_path / "out")
    counts = report.counts
    assert (counts.read, counts.processed, counts.dropped, counts.bad, counts.persons) == (60, 60, 0, 0, 60)
    assert report.error is None
    assert not report.interrupted
    video = tmp_path / "out" / "annotated.mp4"
    assert decoded(video) == 60
    assert seconds(video) == [Fraction(number, 30) for number in range(60)]
    assert [frame["pts"] for frame in logged(tmp_path / "out")] == stamps(path)
    assert report.files == [tmp_path / "out" / name for name in ("annotated.mp4", "keypoints.jsonl", "summary.json")]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_a_clip_whose_colours_nobody_converts_runs_and_keeps_its_tag(pix_fmt: str, tmp_path: Path) -> None:
    constant_luminance = 10  # FFmpeg's number of this kind of BT.2020
    path = write_clip(tmp_path / "clip.mp4", range(6), pix_fmt=pix_fmt, colorspace=constant_luminance)
    report = recorded(path, tmp_path / "out")
    assert report.error is None
    assert report.counts.processed == 6
    with av.open(str(tmp_path / "out" / "annotated.mp4")) as video:
        assert [frame.colorspace for frame in video.decode(video=0)] == [constant_luminance] * 6


@pytest.mark.parametrize("in_flight", [1, 3])
def test_each_frame_keeps_its_own_poses(in_flight: int, tmp_path: Path) -> None:
    """The network answers with a person whose score tells the number that it saw."""

    def told(pixels: Pixels) -> NDArray[np.float32]:
        answer = one_person(pixels)
        inner = np.ascontiguousarray(pixels[0, ::-1].transpose(1, 2, 0)[8:56])  # 64x48 in 64x64: 8 rows of margin
        answer[4, 0] = 0.5 + number_in(inner) / 1000
        return answer

    path = write_clip(tmp_path / "clip.mp4", range(100))
    recorded(path, tmp_path / "out", estimator(told, in_flight=in_flight))
    scores = [frame["persons"][0]["score"] for frame in logged(tmp_path / "out")]
    assert scores == [pytest.approx(0.5 + number / 1000, abs=1e-4) for number in range(100)]


def test_variable_frame_rate_end_to_end(tmp_path: Path) -> None:
    pts = [0, 3000, 3001, 9000, 20_000, 20_050, 90_000, 90_001, 180_000]
    path = write_clip(tmp_path / "clip.mp4", pts, Fraction(1, 90_000), container={"video_track_timescale": "90000"})
    recorded(path, tmp_path / "out")
    assert seconds(tmp_path / "out" / "annotated.mp4") == seconds(path)
    assert [frame["pts"] for frame in logged(tmp_path / "out")] == pts
    assert [frame["time"] for frame in logged(tmp_path / "out")] == [round(stamp / 90_000, 6) for stamp in pts]


def test_stamps_that_are_missing_or_run_back_lose_no_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", range(-12, 8), container={"avoid_negative_ts": "disabled"})
    report = recorded(path, tmp_path / "out", chosen=settings(tracking={"enabled": True}))
    assert report.counts.processed == 20
    assert decoded(tmp_path / "out" / "annotated.mp4") == 20


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_clip_end_to_end(degrees: int, tmp_path: Path) -> None:
    path = turn(write_clip(tmp_path / "clip.mp4", range(10), size=(128, 96)), degrees)
    recorded(path, tmp_path / "out", chosen=settings(overlay={"boxes": False, "labels": False, "keypoints": False}))
    size = (128, 96) if degrees == 180 else (96, 128)
    journal = read_log(tmp_path / "out" / "keypoints.jsonl")
    assert (journal.run["video"]["width"], journal.run["video"]["height"]) == size
    assert journal.frames[0].poses.boxes[0].tolist() == pytest.approx(
        [0.375 * size[0], size[1] / 2 - max(size) / 4, 0.625 * size[0], size[1] / 2 + max(size) / 4]
        if degrees == 180
        else [size[0] / 2 - max(size) / 8, size[1] / 4, size[0] / 2 + max(size) / 8, 3 * size[1] / 4],
        abs=0.6,
    )
    with av.open(str(tmp_path / "out" / "annotated.mp4")) as video:
        shown = list(video.decode(video=0))
    assert {(frame.width, frame.height, frame.rotation) for frame in shown} == {(*size, 0)}, "turned once and for all"
    back = np.rot90(shown[3].to_ndarray(format="bgr24"), degrees // 90)
    assert number_in(np.ascontiguousarray(back)) == 3


def test_a_change_of_size_begins_a_new_file(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "a.ts", [3000 * n for n in range(10)], Fraction(1, 90_000), size=(64, 48))
    large = write_clip(
        tmp_path / "b.ts", [3000 * n for n in range(10, 20)], Fraction(1, 90_000), size=(96, 64), first=10
    )  # fmt: skip
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    report = recorded(both, tmp_path / "out")
    assert report.counts.processed == 20
    assert report.counts.dropped == 0
    files = [tmp_path / "out" / name for name in ("annotated.mp4", "annotated-2.mp4")]
    assert [decoded(file) for file in files] == [10, 10]
    assert set(files) < set(report.files)
    sizes = {frame["persons"][0]["box"][3] for frame in logged(tmp_path / "out")}
    assert len(sizes) == 2


def test_damage_is_counted_and_flagged(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mp4", range(120), container={"movflags": "+faststart"})
    path = tmp_path / "clip.mp4"
    path.write_bytes(flipped(whole, 60, 3, begin=whole.read_bytes().index(b"mdat") + 4))
    report = recorded(path, tmp_path / "out")
    assert report.counts.bad > 0
    assert report.counts.read == report.counts.processed + report.counts.bad
    damaged = sum(frame["corrupt"] for frame in logged(tmp_path / "out"))
    assert report.counts.corrupt == damaged > 0
    told = f"{damaged} of {report.counts.processed} pictures were damaged and patched by the decoder"
    assert told in report.notes
    assert any("packets could not be decoded" in note for note in report.notes)
    assert decoded(tmp_path / "out" / "annotated.mp4") == report.counts.processed


@pytest.mark.parametrize(("stride", "taken"), [(2, 30), (7, 9), (60, 1)])
def test_a_stride_takes_every_nth_frame_and_drops_none(stride: int, taken: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(60))
    report = recorded(path, tmp_path / "out", chosen=settings(capture={"vid_stride": stride}))
    assert (report.counts.read, report.counts.processed, report.counts.dropped) == (taken, taken, 0)
    assert [frame["frame"] for frame in logged(tmp_path / "out")] == list(range(0, 60, stride))
    assert {frame["dropped_before"] for frame in logged(tmp_path / "out")} == {0}


def test_an_unreadable_picture_is_bad_and_not_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        save(folder / f"{number}.png", number)
    (folder / "2.png").write_bytes(b"no picture")
    report = recorded(folder, tmp_path / "out", chosen=settings(tracking={"enabled": True}))
    assert (report.counts.read, report.counts.processed, report.counts.bad, report.counts.dropped) == (5, 4, 1, 0)
    ids = {person["id"] for frame in logged(tmp_path / "out") for person in frame["persons"]}
    assert ids == {-1}, "nobody is followed from one picture to the next"
    assert {frame["dropped_before"] for frame in logged(tmp_path / "out")} == {0}
    assert sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir()) == [
        "0.png",
        "1.png",
        "3.png",
        "4.png",
    ]


def test_pictures_of_one_name_are_all_kept(tmp_path: Path) -> None:
    paths = []
    for number, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        paths.append(save(tmp_path / name / "x.png", number))
    from poseline.capture import Images  # beside its use: the other tests need none

    recorded(Images(paths, settings().capture), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir()) == ["x-2.png", "x.png"]


def folder_of_pictures(folder: Path, names: str) -> Path:
    """One picture for each letter, called a.png and so on."""
    folder.mkdir()
    for number, name in enumerate(names):
        save(folder / f"{name}.png", number)
    return folder


@pytest.mark.parametrize("killed", [False, True])
def test_overwriting_removes_the_pictures_of_the_run_before_and_no_others(killed: bool, tmp_path: Path) -> None:
    out, first, second = tmp_path / "out", tmp_path / "first", tmp_path / "second"
    recorded(folder_of_pictures(first, "abc"), out)
    if killed:  # which has no summary, nor an end of its log
        (out / "summary.json").unlink()
        journal = (out / "keypoints.jsonl").read_text().splitlines(keepends=True)
        (out / "keypoints.jsonl").write_text("".join(journal[:-1]) + '{"type":"frame","fra')
    (out / "pictures" / "mine.png").write_text("precious")
    (out / "pictures" / "d.png").write_text("precious, and called as a picture of the second run")
    with prepare(out, "", True, []) as folder:
        report = run(open_source(folder_of_pictures(second, "cd"), settings().capture), estimator(), settings(), folder)
    assert sorted(path.name for path in (out / "pictures").iterdir()) == ["c.png", "d-2.png", "d.png", "mine.png"]
    assert "precious" in (out / "pictures" / "d.png").read_text()
    listed = [path.relative_to(out).as_posix() for path in report.files]
    assert listed == ["keypoints.jsonl", "pictures/c.png", "pictures/d-2.png", "summary.json"]
    assert [frame["picture"] for frame in logged(out)] == ["pictures/c.png", "pictures/d-2.png"]


def test_overwriting_pictures_with_a_video_leaves_no_empty_folder(tmp_path: Path) -> None:
    recorded(folder_of_pictures(tmp_path / "first", "abc"), tmp_path / "out")
    with prepare(tmp_path / "out", "", True, []) as folder:
        report = run(ScriptedSource(3), estimator(), settings(), folder)
    assert not (tmp_path / "out" / "pictures").exists()
    assert [path.name for path in report.files] == ["annotated.mp4", "keypoints.jsonl", "summary.json"]


def live(count: int = 60, rate: float = 60.0) -> ScriptedSource:
    """A camera of one second."""
    return ScriptedSource(count, live=True, rate=rate)


def test_a_slow_model_drops_frames_of_a_camera_and_counts_each(tmp_path: Path) -> None:
    report = recorded(live(), tmp_path / "out", estimator(seconds=0.05))
    counts = report.counts
    assert counts.read == 60
    assert counts.dropped > 20
    frames = logged(tmp_path / "out")
    after = 59 - frames[-1]["frame"]
    assert counts.dropped == sum(frame["dropped_before"] for frame in frames) + after
    assert frames[-1]["frame"] == 59, "the newest frame is the one that is kept"
    assert decoded(tmp_path / "out" / "annotated.mp4") == counts.processed


def test_a_model_that_is_too_slow_for_its_camera_is_the_bottleneck(tmp_path: Path) -> None:
    report = recorded(live(), tmp_path / "out", estimator(seconds=0.05))
    assert report.bottleneck is not None
    assert report.bottleneck.name == "inference"
    assert report.advice.startswith("bottleneck: inference; what would help: ")


def test_no_stage_is_blamed_for_a_burst_after_an_outage(tmp_path: Path) -> None:
    """A stream that breaks and comes back with all the frames that its server kept, as fast as they are read."""

    def step(number: int) -> None:
        if number == 15:
            time.sleep(0.5)
        elif not 15 < number < 45:
            time.sleep(0.06)

    report = recorded(ScriptedSource(60, live=True, step=step), tmp_path / "out", estimator(seconds=0.005))
    assert report.counts.dropped > 15
    assert report.bottleneck is None
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["bottleneck"] is None
    assert "bottleneck: none here" in report.advice
    assert "the slowest stage, was busy for" in report.advice


class Punctual(ScriptedSource):
    """A camera that takes 120 pictures a second, and stamps each when it is taken, whenever it is read."""

    _began = 0.0

    def _frame(self, number: int) -> Frame:
        frame = super()._frame(number)
        self._began = self._began or frame.arrival
        return replace(frame, arrival=self._began + number / 120)


def test_the_age_of_a_live_frame_is_bounded(tmp_path: Path) -> None:
    """One that waited for all before it would be 24 seconds old at the end, and twelve in the middle."""
    report = recorded(Punctual(240, live=True, rate=120), tmp_path / "out", estimator(seconds=0.1))
    assert np.median(report.ages) < 5, "two frames' time, and what the machine adds"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert 100 < summary["drawn_ms"]["p50"] < summary["latency_ms"]["p50"] < 5000


def test_a_fast_model_drops_nothing_of_a_camera(tmp_path: Path) -> None:
    """Each frame comes when the network has the one before it, which is not written until the network has this one."""
    begun: list[int] = []
    both: list[bool] = []

    def script(pixels: Pixels) -> NDArray[np.float32]:
        begun.append(len(begun))
        return one_person(pixels)

    def written(observation: Observation, _: RunReport) -> None:
        both.append(until(lambda: len(begun) > min(observation.frame.index + 1, 29), WAIT if all(both) else 0))

    source = ScriptedSource(30, live=True, step=lambda number: until(lambda: len(begun) == number))
    report = recorded(source, tmp_path / "out", estimator(script), on_frame=written)
    assert (report.counts.processed, report.counts.dropped) == (30, 0)
    assert all(both)


@pytest.mark.parametrize("is_live", [True, False])
def test_the_process_of_a_live_run_alone_is_settled(
    is_live: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[bool] = []
    monkeypatch.setattr(sys.modules[run.__module__], "settle_process", lambda: settled.append(True))
    recorded(ScriptedSource(3, live=is_live), tmp_path / "out")
    assert settled == [True] * is_live


def test_every_frame_of_a_camera_when_asked(tmp_path: Path) -> None:
    chosen = settings(capture={"every_frame": True})
    report = recorded(live(30, 120), tmp_path / "out", estimator(seconds=0.03), chosen)
    assert (report.counts.processed, report.counts.dropped) == (30, 0)


class Broken(ScriptedSource):
    """A camera whose cable is out before frame 10 and before frame 11."""

    def _frame(self, number: int) -> Frame:
        frame = super()._frame(number)
        return (
            replace(frame, gap=Gap((number - 1) / 30, number / 30, f"cable {number}")) if number in (10, 11) else frame
        )


@pytest.mark.parametrize(("stride", "slow"), [(1, 0.0), (7, 0.0), (1, 0.1)])
def test_no_outage_is_lost_with_the_frame_that_ended_it(stride: int, slow: float, tmp_path: Path) -> None:
    source = Broken(40, live=True, rate=100)
    report = recorded(source, tmp_path / "out", estimator(seconds=slow), settings(capture={"vid_stride": stride}))
    log = read_log(tmp_path / "out" / "keypoints.jsonl")
    if stride == 1 and not report.counts.dropped:
        assert [log.gaps[0].start, log.gaps[-1].end] == pytest.approx([9 / 30, 11 / 30], abs=1e-5)
    assert log.gaps[0].start <= 9 / 30
    assert log.gaps[-1].end >= 11 / 30
    assert len(log.gaps) <= 2
    times = [frame.time for frame in log.frames]
    for gap in log.gaps:  # between the frames that are in the log
        place = next(place for place, time in enumerate(times) if time == pytest.approx(gap.end, abs=1e-5))
        assert gap.start == pytest.approx(times[place - 1], abs=1e-5)


def test_a_signal_ends_a_run_in_good_order(tmp_path: Path) -> None:
    source, interruption = ScriptedSource(None, rate=200), Interruption()

    def on_frame(observation: Observation, _: RunReport) -> None:
        if observation.frame.index == 20:
            interruption()

    report = recorded(source, tmp_path / "out", on_frame=on_frame, interruption=interruption)
    assert report.error is None
    assert report.interrupted
    assert report.counts.dropped == 0, "what was read before is written"
    assert 21 <= report.counts.processed < 60
    assert decoded(tmp_path / "out" / "annotated.mp4") == report.counts.processed
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["interrupted"] is True


def test_closing_the_window_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from poseline.output import ScriptedScreen, Window

    screen = ScriptedScreen([None] * 7 + ["q"])
    monkeypatch.setattr("poseline.pipeline.sinks.Window", lambda title, pausable, **_: Window(title, pausable, screen))
    report = recorded(ScriptedSource(None), tmp_path / "out", chosen=settings(output={"show": True}))
    assert report.interrupted
    assert report.ended == "interrupted"
    assert report.error is None
    assert report.counts.processed == 8
    assert screen.closed


def test_a_run_goes_on_without_a_window_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from poseline.output import ScriptedScreen, Window

    class Lost(ScriptedScreen):
        def show(self, picture: object) -> None:
            if len(self.shown) == 3:
                raise OutputError("the window went away: it hangs")
            super().show(picture)  # type: ignore[arg-type] # as it was given

    monkeypatch.setattr("poseline.pipeline.sinks.Window", lambda title, pausable, **_: Window(title, pausable, Lost()))
    report = recorded(ScriptedSource(9), tmp_path / "out", chosen=settings(output={"show": True}))
    assert (report.error, report.interrupted, report.counts.processed) == (None, False, 9)
    assert report.notes == ["the window went away: it hangs; the run went on without it"]


def test_csv_and_parquet_are_made_at_the_end(tmp_path: Path) -> None:
    recorded(ScriptedSource(5), tmp_path / "out", chosen=settings(output={"log": ("csv", "parquet")}))
    table = (tmp_path / "out" / "keypoints.csv").read_text().splitlines()
    assert len(table) == 1 + 5
    assert (tmp_path / "out" / "keypoints.parquet").stat().st_size > 0


def test_only_our_own_files_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "mine.txt").write_text("mine")
    (folder / "letter.txt").write_text("mine")
    report = recorded(ScriptedSource(3), folder)
    assert sorted(path.name for path in report.files) == ["annotated.mp4", "keypoints.jsonl", "summary.json"]


def test_without_a_video_nothing_is_drawn(tmp_path: Path) -> None:
    report = recorded(ScriptedSource(5), tmp_path / "out", chosen=settings(output={"video": False}))
    assert [meter.name for meter in report.meters] == ["capture", "inference", "tracking", "output"]
    assert [path.name for path in report.files] == ["keypoints.jsonl", "summary.json"]


def test_ids_are_given_when_tracking(tmp_path: Path) -> None:
    recorded(ScriptedSource(10), tmp_path / "out", chosen=settings(tracking={"enabled": True}))
    assert [frame["persons"][0]["id"] for frame in logged(tmp_path / "out")] == [1] * 10


def test_observing_gives_what_is_seen_and_leaves_nothing() -> None:
    source = ScriptedSource(None)
    with open_pose_stream(source, estimator(), settings()) as flow:
        seen: Iterator[Observation] = flow.items
        for number in range(10):
            observation = next(seen)
            assert observation.frame.index == number
            assert np.array_equal(observation.frame.bgr, picture(number))
            assert len(observation.poses) == 1
        assert flow.read() >= 10
    assert source.closed == 1
    assert not stage_threads()


def test_a_run_takes_no_memory_by_the_frame(tmp_path: Path) -> None:
    """The process grows by the first frames alone: 400 of 0.9 MB would be 370 MB."""
    import psutil

    process, sizes = psutil.Process(), []

    def on_frame(observation: Observation, _: RunReport) -> None:
        if observation.frame.index in (50, 399):
            sizes.append(process.memory_info().rss)

    chosen = settings(output={"video": False})
    recorded(ScriptedSource(400, size=(640, 480)), tmp_path / "out", chosen=chosen, on_frame=on_frame)
    assert sizes[1] - sizes[0] < 40e6
