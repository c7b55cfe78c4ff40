"""What a run says of its pixels: a picture's size, a pixel's aspect, the network's input, damage."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import polars as pl
import pytest

from media_worlds import ScriptedSource, estimator, settings, turn, write_clip
from media_worlds import picture as number_picture
from output_worlds import lines, opened, pictures
from poseline import read_log
from poseline.capture import open_source
from poseline.frame import Frame
from poseline.output import ScriptedScreen, VideoWriter, Window, recover
from poseline.settings import InferenceSettings, OutputSettings
from test_run import recorded

WIDE = Fraction(4, 3)
TICKS = Fraction(1, 90_000)


def joined(folder: Path, sizes: list[tuple[int, int]], each: int = 10) -> Path:
    """A transport stream of so many frames of each size, one after another."""
    content = b""
    for number, size in enumerate(sizes):
        stamps = [3000 * stamp for stamp in range(number * each, (number + 1) * each)]
        content += write_clip(folder / f"{number}.ts", stamps, TICKS, size=size, first=number * each).read_bytes()
    (folder / "joined.ts").write_bytes(content)
    return folder / "joined.ts"


def test_a_clip_that_changes_its_size_says_so_everywhere(tmp_path: Path) -> None:
    clip = joined(tmp_path, [(64, 48), (96, 64), (64, 48)])
    report = recorded(clip, tmp_path / "out", chosen=settings(output={"log": ("csv", "parquet")}))
    log = read_log(tmp_path / "out" / "keypoints.jsonl")
    truth = [(64, 48)] * 10 + [(96, 64)] * 10 + [(64, 48)] * 10
    assert [(frame.width, frame.height) for frame in log.frames] == truth
    told = [record for record in lines(tmp_path / "out" / "keypoints.jsonl") if record["type"] == "size"]
    assert [(record["frame"], record["width"], record["height"]) for record in told] == [(10, 96, 64), (20, 64, 48)]
    table = pl.read_csv(tmp_path / "out" / "keypoints.csv")
    assert table.select("width", "height").rows() == truth
    assert pl.read_parquet(tmp_path / "out" / "keypoints.parquet").equals(table)
    for frame, (width, height) in zip(log.frames, truth, strict=True):
        middle = frame.poses.keypoints[0, 1, :2].tolist()
        assert middle == pytest.approx([width / 2, height / 2], abs=1), "where the scripted person's second keypoint is"
    assert any("the picture's size changed 2 times" in note for note in report.notes)


def reshaped(folder: Path, aspects: list[Fraction], each: int = 10) -> Path:
    """A transport stream of so many frames of each shape of pixels, all of one size."""
    content = b""
    for number, aspect in enumerate(aspects):
        path = folder / f"{number}.ts"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=30, options={"bf": "2", "b_strategy": "0", "qp": "10"})
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.sample_aspect_ratio, stream.codec_context.time_base = aspect, TICKS
            for index in range(number * each, (number + 1) * each):
                shown = av.VideoFrame.from_ndarray(number_picture(index, (96, 64)), format="bgr24")
                shown.pts, shown.time_base = 3000 * index, TICKS
                out.mux(stream.encode(shown.reformat(format="yuv420p")))
            out.mux(stream.encode(None))
        content += path.read_bytes()
    (folder / "reshaped.ts").write_bytes(content)
    return folder / "reshaped.ts"


@pytest.mark.parametrize("apart", [False, True])
def test_a_clip_whose_pixels_change_their_shape_says_so_everywhere(apart: bool, tmp_path: Path) -> None:
    clip = reshaped(tmp_path, [WIDE, Fraction(1), Fraction(16, 11)])
    source = open_source(clip, settings().capture)
    assert source.info.pixel_aspect == WIDE
    out = tmp_path / "out"
    report = recorded(source, out, chosen=settings(output={"log": ("csv", "parquet")}), render_in_subprocess=apart)
    assert report.error is None
    log = read_log(out / "keypoints.jsonl")
    truth = [1.333333] * 10 + [1.0] * 10 + [1.454545] * 10
    assert [frame.pixel_aspect for frame in log.frames] == truth
    assert {(frame.width, frame.height) for frame in log.frames} == {(96, 64)}
    told = [record for record in lines(out / "keypoints.jsonl") if record["type"] == "size"]
    same = {"type": "size", "width": 96, "height": 64}
    assert told == [{**same, "frame": 10, "pixel_aspect": 1.0}, {**same, "frame": 20, "pixel_aspect": 1.454545}]
    table = pl.read_csv(out / "keypoints.csv")
    assert table["pixel_aspect"].to_list() == truth
    assert "width" not in table.columns
    assert pl.read_parquet(out / "keypoints.parquet").equals(table)
    videos = [out / f"annotated{number}.mp4" for number in ("", "-2", "-3")]
    assert [aspect_of(video) for video in videos] == ["4:3", "None", "16:11"]
    (note,) = [note for note in report.notes if "pixels" in note]
    assert note.startswith("the shape of its pixels changed 2 times: `size` records in the log say from which frame on")
    assert not any("size changed" in note for note in report.notes)


@pytest.mark.system("ffmpeg")
def test_interlaced_pictures_keep_the_shape_that_they_came_with(tmp_path: Path) -> None:
    content = b""
    for number, aspect in enumerate(("16/15", "64/45")):  # of television: 4:3, then 16:9
        clip = tmp_path / f"{number}.ts"
        command = (
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=720x576:r=50:d=0.4", "-vf",
            f"tinterlace=interleave_top,setfield=tff,setsar={aspect}", "-c:v", "mpeg2video", "-flags", "+ildct+ilme",
            "-q:v", "4", str(clip),
        )  # fmt: skip
        subprocess.run(command, check=True)
        content += clip.read_bytes()
    (tmp_path / "both.ts").write_bytes(content)
    frames = list(open_source(tmp_path / "both.ts", settings().capture).frames())
    assert [frame.pixel_aspect for frame in frames] == [Fraction(16, 15)] * 10 + [Fraction(64, 45)] * 10


def test_a_turned_clip_has_its_aspect_turned_in_each_frame(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = WIDE
        for index in range(3):
            shown = av.VideoFrame(96, 64, "yuv420p")
            shown.pts = index
            out.mux(stream.encode(shown))
        out.mux(stream.encode(None))
    source = open_source(turn(path, 90), settings().capture)
    assert source.info.pixel_aspect == Fraction(3, 4)
    assert {frame.pixel_aspect for frame in source.frames()} == {Fraction(3, 4)}


def test_a_clip_of_one_size_says_nothing_of_it(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(5))
    report = recorded(clip, tmp_path / "out", chosen=settings(output={"log": ("csv",)}))
    assert {record["type"] for record in lines(tmp_path / "out" / "keypoints.jsonl")} == {"run", "frame", "end"}
    assert not {"width", "height"} & set(pl.read_csv(tmp_path / "out" / "keypoints.csv").columns)
    assert report.notes == []


def test_a_killed_run_of_several_sizes_is_recovered_video_by_video(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    recorded(joined(tmp_path, [(64, 48), (96, 64)], each=30), folder)
    (folder / "annotated-2.mp4").rename(folder / "annotated-2.mp4.part")
    records = (folder / "keypoints.jsonl").read_text().splitlines(keepends=True)[:-1]
    last = json.loads(records[-1])
    later = [{**last, "frame": last["frame"] + number, "time": last["time"] + number / 10} for number in range(1, 4)]
    (folder / "keypoints.jsonl").write_text("".join([*records, *(json.dumps(record) + "\n" for record in later)]))
    saved = recover(folder)
    assert (saved.video, saved.frames, saved.ended) == (folder / "annotated-2.mp4", 30, "killed")
    assert saved.lost_seconds == pytest.approx(0.3)


class Anamorphic(ScriptedSource):
    """Pictures as a decoder gives them, whose pixels are wider than high."""

    def __init__(self, count: int, aspect: Fraction = WIDE, size: tuple[int, int] = (360, 270)) -> None:
        super().__init__(count, size=size)
        self.info = replace(self.info, pixel_aspect=aspect)

    def frames(self) -> Generator[Frame, None, None]:
        for frame in super().frames():
            picture = av.VideoFrame.from_ndarray(frame.bgr, format="bgr24").reformat(format="yuv420p")
            picture.pts, picture.time_base = frame.pts, frame.time_base
            yield replace(frame, picture=picture)


def aspect_of(video: Path) -> str:
    """As the file states it."""
    with opened(video, "v") as (_, stream):
        aspect = getattr(stream, "sample_aspect_ratio", None)
    return f"{aspect.numerator}:{aspect.denominator}" if aspect else "None"


@pytest.mark.parametrize("aspect", [WIDE, Fraction(8, 9)])
def test_pixels_that_are_not_square(aspect: Fraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stretched: list[Fraction] = []

    def window(title: str, pausable: bool, pixel_aspect: Fraction) -> Window:
        stretched.append(pixel_aspect)  # what it makes of that, `test_window_on_screen` sees
        return Window(title, pausable, ScriptedScreen())

    monkeypatch.setattr("poseline.pipeline.sinks.Window", window)
    report = recorded(Anamorphic(12, aspect), tmp_path / "out", chosen=settings(output={"show": True}))
    assert report.error is None
    assert aspect_of(tmp_path / "out" / "annotated.mp4") == f"{aspect.numerator}:{aspect.denominator}"
    log = read_log(tmp_path / "out" / "keypoints.jsonl")
    assert log.run["video"]["pixel_aspect"] == log.pixel_aspect == round(float(aspect), 6)
    assert (log.run["video"]["width"], log.run["video"]["height"]) == (360, 270), "the picture's own pixels"
    assert [note for note in report.notes if f"{aspect} times as wide as high" in note]
    assert stretched == [aspect]


def test_square_pixels_are_nothing_to_speak_of(tmp_path: Path) -> None:
    report = recorded(Anamorphic(5, Fraction(1)), tmp_path / "out")
    assert read_log(tmp_path / "out" / "keypoints.jsonl").pixel_aspect == 1
    assert aspect_of(tmp_path / "out" / "annotated.mp4") in ("1:1", "None")
    assert report.notes == []


def test_a_killed_runs_video_keeps_its_aspect(tmp_path: Path) -> None:
    path = tmp_path / "annotated.mp4"
    writer = VideoWriter(path, OutputSettings(), frame_rate=Fraction(30), pixel_aspect=WIDE)
    for picture in pictures(range(40), Fraction(1, 30)):
        writer.write(picture)
    part = tmp_path / "annotated.mp4.part"
    killed = tmp_path / "killed.mp4.part"
    killed.write_bytes(part.read_bytes())
    writer.close()
    assert aspect_of(path) == "4:3"
    assert aspect_of(recover(killed).video) == "4:3"


@pytest.mark.parametrize("apart", [False, True])
def test_the_video_has_the_aspect_that_the_source_is_opened_with(apart: bool, tmp_path: Path) -> None:
    """Also where a second process opens the file for itself."""
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = WIDE
        for index in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 90, np.uint8), format="bgr24")
            picture.pts = index
            out.mux(stream.encode(picture.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    source = open_source(clip, settings().capture)
    recorded(source, tmp_path / "out", render_in_subprocess=apart)
    aspect = source.info.pixel_aspect
    told = aspect_of(tmp_path / "out" / "annotated.mp4")
    assert told == f"{aspect.numerator}:{aspect.denominator}" or (aspect == 1 and told == "None")


@pytest.mark.parametrize(
    ("asked", "fixed", "runs", "note"),
    [
        ({"imgsz": 333}, None, 352, "imgsz 333 is not a multiple of 32: 352 runs"),
        ({"imgsz": 320}, None, 320, ""),
        ({}, None, 640, ""),
        ({"imgsz": 333}, (96, 160), 160, "imgsz 333: scripted takes pictures of 160x96 alone: that is what runs"),
        ({"imgsz": 160}, (96, 160), 160, ""),
        ({}, (96, 160), 160, ""),
    ],
)
def test_the_log_has_the_input_that_runs(
    asked: dict[str, Any], fixed: tuple[int, int] | None, runs: int, note: str, tmp_path: Path
) -> None:
    sizes: set[tuple[int, ...]] = set()

    def seeing(pixels: Any) -> Any:
        sizes.add(pixels.shape[2:])
        return np.zeros((11, 2), np.float32)

    model = estimator(seeing, inference=InferenceSettings(**asked), fixed_size=fixed)
    report = recorded(ScriptedSource(2, size=(192, 96)), tmp_path / "out", model)
    told = read_log(tmp_path / "out" / "keypoints.jsonl").run["model"]
    assert told["imgsz"] == runs == max(max(size) for size in sizes)
    assert {(told["input"]["height"], told["input"]["width"])} == sizes
    assert report.notes == ([note] if note else [])


@pytest.mark.parametrize(("every", "count", "were"), [(2, 4, "were"), (8, 1, "was")])
def test_damaged_pictures_are_told_at_the_end(every: int, count: int, were: str, tmp_path: Path) -> None:
    class Damaged(ScriptedSource):
        def _frame(self, number: int) -> Frame:
            return replace(super()._frame(number), corrupt=number % every == 1)

    report = recorded(Damaged(9), tmp_path / "out")
    assert (report.counts.processed, report.counts.corrupt, report.counts.bad) == (9, count, 0)
    assert report.notes == [f"{count} of 9 pictures {were} damaged and patched by the decoder"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]["corrupt"] == count
