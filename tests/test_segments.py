"""A run that is cut into segments: the same frames and times as in one piece, also after a kill and when parts go."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import orjson
import polars as pl
import pytest

from media_worlds import ScriptedSource, estimator, number_in, settings, until, write_clip
from media_worlds import picture as number_picture
from output_worlds import CHILD, SAMPLES, lines, seconds, stamps
from poseline.analysis import analyze
from poseline.capture import Source, open_source
from poseline.errors import SettingsError, SourceError
from poseline.frame import Frame
from poseline.log import LogReader, journal_of, last_record, read_log, read_tracks
from poseline.output import Keep, Segments, prepare, recover
from poseline.pipeline import RunReport, run
from poseline.rendering.render import RenderOptions, render
from poseline.settings import Settings, load

PLAIN = {"boxes": False, "labels": False, "keypoints": False}


def recorded(source: Source | Path, folder: Path, chosen: Settings) -> RunReport:
    opened = open_source(source, chosen.capture) if isinstance(source, Path) else source
    with prepare(folder, "", False, []) as out:
        report = run(opened, estimator(), chosen, out)
    assert report.error is None
    return report


def chosen(segment: str | None, **sections: Any) -> Settings:
    output = {"segment": segment, **sections.pop("output", {})}
    return settings(overlay=PLAIN, output=output, **sections)


def parts(folder: Path, first: int = 1) -> list[tuple[Path, Path]]:
    """Each video of a run with its part of the log."""
    found, number = [], first
    while (video := folder / ("annotated.mp4" if number == 1 else f"annotated-{number}.mp4")).exists():
        found.append((video, folder / ("keypoints.jsonl" if number == 1 else f"keypoints-{number}.jsonl")))
        number += 1
    return found


def frames_of(part: Path) -> list[Any]:
    return [record for record in lines(part) if record["type"] == "frame"]


def shown(video: Path) -> list[int]:
    """The number that each decoded picture shows."""
    with av.open(str(video)) as media:
        return [number_in(np.asarray(frame.to_ndarray(format="bgr24"))) for frame in media.decode(video=0)]


STEADY = range(200)
UNEVEN = [3000 * number + 1300 * (number % 3) for number in range(200)]


@pytest.mark.parametrize(
    ("pts", "time_base"), [(STEADY, Fraction(1, 30)), (UNEVEN, Fraction(1, 90_000))], ids=["steady", "uneven"]
)
def test_cut_and_uncut_have_the_same_frames_at_the_same_times(pts: Any, time_base: Fraction, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", pts, time_base, options={"bf": "2", "b_strategy": "0", "qp": "10"})
    recorded(clip, tmp_path / "whole", chosen(None))
    report = recorded(clip, tmp_path / "cut", chosen("2s", output={"log": ("csv",)}))
    whole, cut = read_log(tmp_path / "whole"), read_log(tmp_path / "cut")
    found = parts(tmp_path / "cut")
    assert len(found) == 4
    assert [number for video, _ in found for number in shown(video)] == shown(tmp_path / "whole" / "annotated.mp4")
    placed = []
    for video, part in found:
        times, first = seconds(video), frames_of(part)[0]["time"]
        assert times[0] == 0
        assert len(times) == len(frames_of(part)), "a video has the frames of its part of the log"
        placed += [first + float(time) for time in times]
        with av.open(str(video)) as media:
            assert next(media.demux(video=0)).is_keyframe
    assert placed == pytest.approx([float(time) for time in seconds(tmp_path / "whole" / "annotated.mp4")], abs=2e-6)
    for one, other in zip(whole.frames, cut.frames, strict=True):
        assert (one.index, one.pts, one.time) == (other.index, other.pts, other.time)
        assert np.array_equal(one.poses.keypoints, other.poses.keypoints)
    assert (cut.ended, cut.skipped, cut.end["counts"] if cut.end else None) == ("complete", 0, report.counts.as_dict())
    assert [lines(part)[0]["segment"] for _, part in found] == [1, 2, 3, 4]
    assert [lines(part)[-1]["type"] for _, part in found] == ["next"] * 3 + ["end"]
    assert "segment" not in whole.run
    assert pl.read_csv(tmp_path / "cut" / "keypoints.csv")["frame"].to_list() == list(range(200))
    assert {path.name for pair in found for path in pair} <= {path.name for path in report.files}


def test_a_segment_that_cannot_be_removed_is_not_said_to_be(tmp_path: Path) -> None:
    segments, files = Segments(1.0, Keep(size=0.0)), [tmp_path / name for name in ("stuck", "a", "b")]
    files[0].mkdir()  # the system does not remove it as it does a file
    for path in files[1:]:
        path.write_bytes(b"x")
    for path, gone in zip(files, (0, 0, 1), strict=True):
        segments.finished(path)
        assert segments.gone == gone
    assert sorted(tmp_path.iterdir()) == [tmp_path / "b", tmp_path / "stuck"]


def test_what_reads_a_folder_sees_one_log(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(150), size=(128, 96))
    for name, segment in (("whole", None), ("cut", "2s")):
        recorded(clip, tmp_path / name, chosen(segment, tracking={"enabled": True}))
    whole, cut = read_tracks(tmp_path / "whole" / "keypoints.jsonl"), read_tracks(tmp_path / "cut")
    assert np.array_equal(whole.times, cut.times)
    assert np.array_equal(whole.keypoints, cut.keypoints, equal_nan=True)
    assert (cut.ended, whole.ids.tolist()) == ("complete", cut.ids.tolist())
    assert last_record(journal_of(tmp_path / "cut"))["type"] == "end"
    for name in ("whole", "cut"):
        made = render(journal_of(tmp_path / name), tmp_path / f"{name}.mp4", RenderOptions())
        assert made.frames == 150
    assert stamps(tmp_path / "whole.mp4") == stamps(tmp_path / "cut.mp4")


def test_an_analysis_of_the_parts_is_that_of_the_whole(tmp_path: Path) -> None:
    first, *records = (SAMPLES / "squat.truth.jsonl").read_bytes().splitlines(keepends=True)
    middle = len(records) // 2
    header = orjson.loads(first)
    for number, part in ((1, [*records[:middle], b'{"type":"next"}\n']), (2, records[middle:])):
        path = tmp_path / ("keypoints.jsonl" if number == 1 else "keypoints-2.jsonl")
        path.write_bytes(orjson.dumps({**header, "segment": number}) + b"\n" + b"".join(part))
    whole, cut = analyze(SAMPLES / "squat.truth.jsonl"), analyze(tmp_path)
    for one, other in zip(whole.persons, cut.persons, strict=True):
        assert np.array_equal(one.times, other.times)
        assert np.array_equal(one.raw_angles, other.raw_angles, equal_nan=True)
        assert one.counts == other.counts


def test_no_sound_is_lost_between_segments(tmp_path: Path) -> None:
    clip = SAMPLES / "sprint.mp4"
    for name, segment in (("whole", None), ("cut", "2s")):
        recorded(clip, tmp_path / name, chosen(segment))
    found = parts(tmp_path / "cut")
    assert len(found) > 1
    whole = seconds(tmp_path / "whole" / "annotated.mp4", "a")
    heard = [frames_of(part)[0]["time"] + float(time) for video, part in found for time in seconds(video, "a")]
    shift = float(seconds(tmp_path / "whole" / "annotated.mp4")[0])
    assert heard == pytest.approx([float(time) - shift for time in whole], abs=1e-3)
    for video, _ in found:
        pictures, sound = seconds(video), seconds(video, "a")
        assert -0.05 < sound[0] < 0.05
        assert abs(sound[-1] - pictures[-1]) < 1.1


class Changing(ScriptedSource):
    """A camera whose picture is of another size for a while."""

    def _frame(self, number: int) -> Frame:
        size = (96, 64) if 40 <= number < 130 else (64, 48)
        return replace(super()._frame(number), picture=number_picture(number, size))


def test_another_size_begins_a_segment_and_each_part_states_its_own(tmp_path: Path) -> None:
    report = recorded(Changing(160), tmp_path / "cut", chosen("2s"))
    found = parts(tmp_path / "cut")
    assert [frames_of(part)[0]["frame"] for _, part in found] == [0, 40, 100, 130]
    sizes = [next((frame.width, frame.height) for frame in read_log(part).frames) for _, part in found]
    assert sizes == [(64, 48), (96, 64), (96, 64), (64, 48)]
    log = read_log(tmp_path / "cut")
    assert [(frame.width, frame.height) == (96, 64) for frame in log.frames] == [40 <= n < 130 for n in range(160)]
    assert LogReader(tmp_path / "cut").differing() == (True, False)
    assert any("size changed twice" in note or "size changed 2 times" in note for note in report.notes)


def test_the_oldest_go_and_what_is_left_is_still_one_log(tmp_path: Path) -> None:
    keep = {"keep": "0.000001MB", "log": ("csv",)}
    report = recorded(ScriptedSource(280), tmp_path / "cut", chosen("2s", output=keep))
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == [
        "annotated-4.mp4", "annotated-5.mp4", "keypoints-4.jsonl", "keypoints-5.jsonl", "keypoints.csv", "summary.json",
    ]  # fmt: skip
    log = read_log(tmp_path / "cut")
    assert ([frame.index for frame in log.frames], log.ended) == (list(range(180, 280)), "complete")
    assert journal_of(tmp_path / "cut").name == "keypoints-4.jsonl"
    assert pl.read_csv(tmp_path / "cut" / "keypoints.csv")["frame"].to_list() == list(range(180, 280))
    assert "3 of 5 segments were removed (--keep)" in report.notes
    with prepare(tmp_path / "cut", "", True, []):
        assert [path.name for path in (tmp_path / "cut").iterdir()] == [".poseline.lock"], (
            "--overwrite removes them all"
        )


def test_none_goes_while_there_is_room(tmp_path: Path) -> None:
    recorded(ScriptedSource(200), tmp_path / "cut", chosen("2s", output={"keep": "1GB"}))
    assert len(parts(tmp_path / "cut")) == 4


@pytest.mark.parametrize(
    ("keep", "gone"),
    [(Keep(seconds=60), 2), (Keep(seconds=2), 3), (Keep(size=25), 2), (Keep(size=1), 3), (Keep(seconds=80, size=35), 1),
     (Keep(), 0)],
)  # fmt: skip
def test_what_is_too_old_or_too_much_goes_but_never_the_newest(keep: Keep, gone: int) -> None:
    assert keep.removed([90, 70, 50, 1], [10] * 4) == gone
    assert keep.removed([], []) == keep.removed([1e9], [10**12]) == 0


def test_a_part_alone_is_a_log_that_goes_on_elsewhere(tmp_path: Path) -> None:
    recorded(ScriptedSource(150), tmp_path / "cut", chosen("2s", output={"video": False}))
    alone = Path(shutil.copy(tmp_path / "cut" / "keypoints-2.jsonl", tmp_path / "part.jsonl"))
    log = read_log(alone)
    assert ([frame.index for frame in log.frames], log.ended, log.skipped) == (list(range(60, 120)), "unknown", 0)
    assert [frame.index for frame in read_log(tmp_path / "cut" / "keypoints-2.jsonl").frames] == list(range(60, 150))
    with pytest.raises(SourceError, match="holds no keypoints.jsonl"):
        read_log(tmp_path)


RECORDER = """
import sys, time
from pathlib import Path
from media_worlds import ScriptedSource, estimator, settings
from poseline.output import prepare
from poseline.pipeline import run
with prepare(Path(sys.argv[1]), "", False, []) as folder:
    step = lambda number: time.sleep(600) if number == 165 else None  # there it stands, until it is killed
    source, plain = ScriptedSource(None, rate=150, step=step), dict.fromkeys(("boxes", "labels", "keypoints"), False)
    run(source, estimator(), settings(output={"segment": "2s"}, overlay=plain), folder)
"""


def rests(path: Path) -> bool:
    """Whether a file stays as long as it is for a second."""
    before = path.stat().st_size
    time.sleep(1)
    return path.stat().st_size == before


def test_a_killed_run_keeps_its_segments_and_its_last_one_is_recovered(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    last = folder / "keypoints-3.jsonl"
    with subprocess.Popen([sys.executable, "-c", RECORDER, str(folder)], env=CHILD) as child:
        try:
            assert until(lambda: last.exists() and b'"frame":164' in last.read_bytes())
            assert until(lambda: rests(folder / "annotated-3.mp4.part"))  # the video comes after the log
        finally:
            child.kill()
    with last.open("ab") as journal:
        journal.write(b'{"type":"frame","fra')  # torn, as a crash of the machine leaves it
    saved = recover(folder)
    assert (saved.video, saved.ended) == (folder / "annotated-3.mp4", "killed")
    assert saved.lost_seconds is not None
    assert 0 <= saved.lost_seconds <= 0.5
    assert saved.journal == folder / "keypoints-3-recovered.jsonl"
    log = read_log(folder)
    assert [frame.index for frame in log.frames] == list(range(len(log.frames)))
    assert (len(log.frames), log.ended, log.skipped) == (165, "killed", 1)
    found = [number for video, _ in parts(folder) for number in shown(video)]
    assert found == list(range(len(found)))
    assert len(found) >= len(log.frames) - 15


def test_a_kill_between_two_parts_leaves_a_log_that_can_be_read(tmp_path: Path) -> None:
    recorded(ScriptedSource(150), tmp_path / "cut", chosen("2s", output={"video": False}))
    first = tmp_path / "cut" / "keypoints.jsonl"
    first.write_bytes(b"".join(first.read_bytes().splitlines(keepends=True)[:-1]))  # before it says what follows
    log = read_log(tmp_path / "cut")
    assert ([frame.index for frame in log.frames], log.ended) == (list(range(60)), "killed")


def test_it_begins_anew_after_an_outage(tmp_path: Path) -> None:
    class Broken(ScriptedSource):
        def frames(self) -> Generator[Frame, None, None]:
            for frame in super().frames():
                late = 3600.0 if frame.index >= 20 else 0.0
                yield replace(frame, time=frame.time + late, pts=frame.pts + round(late * 30))

    recorded(Broken(50), tmp_path / "cut", chosen("10m"))
    found = parts(tmp_path / "cut")
    assert [frames_of(part)[0]["frame"] for _, part in found] == [0, 20]
    assert seconds(found[1][0])[-1] == Fraction(29, 30), "no hour of nothing"


def test_pictures_are_not_cut(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(2))
    with av.open(str(clip)) as media:
        cv2.imwrite(str(tmp_path / "a.png"), next(media.decode(video=0)).to_ndarray(format="bgr24"))
    with prepare(tmp_path / "out", "", False, []) as out:
        report = run(open_source(tmp_path / "a.png", settings().capture), estimator(), chosen("2s"), out)
    assert isinstance(report.error, SettingsError)


@pytest.mark.parametrize("text", ["10", "1s", "-5m", "0m", "m", "10 m", "nan", ""])
def test_what_is_no_length_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match=r"output.segment: .*such as 90s, 10m"):
        load(overrides={"output": {"segment": text}})


@pytest.mark.parametrize("text", ["50", "0GB", "1KB", "-1h", "forever", "0s"])
def test_what_is_no_age_and_no_size_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match=r"output.keep: .*such as 24h .*50GB"):
        load(overrides={"output": {"keep": text}})


def test_lengths_ages_and_sizes_are_read() -> None:
    assert Segments.of(None, "24h") is None
    assert [Keep.parse(text) for text in ("24h", "7d", "50GB", "1.5MB", None)] == [
        Keep(seconds=86400), Keep(seconds=604800), Keep(size=50e9), Keep(size=1.5e6), Keep()
    ]  # fmt: skip
