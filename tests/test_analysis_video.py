"""The video of an analysis: arcs where joints are, numbers that can be read, plots that run along."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import number_in
from output_worlds import SAMPLES, seconds
from poseline import analyze
from poseline.analysis import Analysis, Facing
from poseline.errors import OutputError, SettingsError, SourceError
from poseline.log import read_log
from poseline.overlay import Style, YuvCanvas
from poseline.pose import Observation
from poseline.rendering import Layer, LoggedClip, Scene, Sheet, Size
from poseline.rendering.analysis import STYLE, VideoOptions, check_joints, posing, render_analysis, rows_of, styled
from poseline.rendering.arcs import ArcLayer, arcs_of
from poseline.rendering.plot import Curve, Plot, PlotLayer, Strip, plots_of, plotted
from poseline.settings import load
from rendering_worlds import acted


def shown(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def squat() -> Analysis:
    return analyze(SAMPLES / "squat.truth.jsonl")


@pytest.fixture(scope="module")
def sprint() -> Analysis:
    return analyze(SAMPLES / "sprint.truth.jsonl")


@pytest.mark.parametrize("name", ["squat", "sprint", "crossing"])
def test_an_arc_spans_the_angle_that_its_number_says(name: str) -> None:
    for person in analyze(SAMPLES / f"{name}.truth.jsonl", person="all").persons:
        level = abs(np.degrees(person.result.footing.angle)) if hasattr(person.result, "footing") else 0.0
        for arc in arcs_of(person, ("knee", "hip", "elbow", "shoulder")):
            known = np.isfinite(arc.sweep) & np.isfinite(arc.degrees)
            assert known.mean() > 0.5
            drawn, told = np.abs(np.degrees(arc.sweep[known])), np.abs(arc.degrees[known])
            assert np.abs(np.minimum(drawn - told, 360 - drawn - told)).max() < 1e-6 + level, arc.name


def test_an_arc_begins_at_the_line_of_no_flexion_and_ends_at_the_limb(sprint: Analysis) -> None:
    person = sprint.main
    (arc,) = [arc for arc in arcs_of(person, ("knee",)) if arc.side == "right"]
    points = person.result.smoothed.motion
    thigh, shank = points.place("right_knee") - points.place("right_hip"), points.place("right_ankle") - arc.vertex
    for angle, direction in ((arc.zero, thigh), (arc.zero + arc.sweep, shank)):
        unit = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        assert np.abs(np.stack((np.cos(angle), np.sin(angle)), axis=1) - unit).max() < 1e-9


def sheets(analysis: Analysis, layers: list[Layer], size: tuple[int, int], stride: int = 1) -> list[Sheet]:
    """The layers drawn on black pictures, one for each frame of the log, or for every `stride`-th."""
    posed, made = posing(analysis, rows_of(analysis)), []
    assert analysis.log is not None
    for place, record in enumerate(read_log(analysis.log).frames[::stride]):
        picture = av.VideoFrame(*size, "yuv420p")
        for number, plane in enumerate(picture.planes):
            plane.update(bytes([16 if number == 0 else 128]) * plane.buffer_size)
        from poseline.frame import Frame

        frame = Frame(picture, record.index, record.pts, 1, record.time, 0.0)  # type: ignore[arg-type] # any time base
        scene = posed(Scene(Observation(frame, record.poses), record.index, place, record.time))
        sheet = Sheet(picture, YuvCanvas(picture), Style.of(STYLE, *size), scene)
        for layer in layers:
            layer.draw(sheet)
        made.append(sheet)
    return made


def test_no_number_covers_another_or_leaves_the_picture() -> None:
    analysis = analyze(SAMPLES / "crossing.truth.jsonl", person="all")
    layers: list[Layer] = [
        ArcLayer(person, ("knee", "hip", "elbow", "shoulder"), rows)
        for person, rows in zip(analysis.persons, rows_of(analysis), strict=True)
    ]
    drawn = 0
    for sheet in sheets(analysis, layers, analysis.size, stride=3):
        drawn += len(sheet.taken)
        for x1, y1, x2, y2 in sheet.taken:
            assert 0 <= x1 < x2 <= analysis.size[0]
            assert 0 <= y1 < y2 <= analysis.size[1]
        for (a, b, c, d), (e, f, g, h) in combinations(sheet.taken, 2):
            common = max(0.0, min(c, g) - max(a, e)) * max(0.0, min(d, h) - max(b, f))
            assert common <= 0.15 * min((c - a) * (d - b), (g - e) * (h - f))
    assert drawn > 400


def test_numbers_do_not_jump_about(squat: Analysis) -> None:
    (rows,) = rows_of(squat)
    made = sheets(squat, [ArcLayer(squat.main, ("knee",), rows)], squat.size)
    places = [sheet.taken[0][:2] for sheet in made if len(sheet.taken) == 1]
    steps = np.linalg.norm(np.diff(np.array(places), axis=0), axis=1)
    assert len(places) > 200
    assert (steps > 25).sum() <= 4


def test_from_the_side_the_near_side_has_numbers_and_from_the_front_both(squat: Analysis) -> None:
    facing = squat.main.facings
    (rows,) = rows_of(squat)
    for sheet, way in zip(sheets(squat, [ArcLayer(squat.main, ("knee",), rows)], squat.size), facing, strict=True):
        assert len(sheet.taken) == (1 if way in (Facing.LEFT, Facing.RIGHT) else 2)


def test_the_cursor_and_the_values_are_those_of_the_frame(squat: Analysis) -> None:
    person = squat.main
    strip = Strip.of(960, 540, 1)
    layer = PlotLayer(plots_of(person, ["knee"]), strip, squat.start, squat.end)
    drawn = sheets(squat, [layer], (960, 540 + strip.height))
    box = layer._box(0)
    for index in (0, 60, 105, 209):
        luma = drawn[index].picture.to_ndarray(format="bgr24").astype(int)[540:].min(axis=2)
        column = luma[box.top + 3 : box.bottom - 3].mean(axis=0)
        share = (person.times[index] - squat.start) / (squat.end - squat.start)
        assert abs(int(column.argmax()) - (box.left + share * (box.right - box.left))) <= 1.5
        assert plots_of(person, ["knee"])[0].curves[0].at(person.times[index]) == person.angles["left_knee"][index]


def test_a_curve_has_no_value_where_it_has_none() -> None:
    curve = Curve("a", (0, 0, 0), np.array([1.0, 2, 3]), np.array([10.0, np.nan, 30]), np.zeros(3, bool))
    assert curve.at(1.2) == 10
    assert np.isnan(curve.at(2.1))
    assert np.isnan(curve.at(0.5))
    assert np.isnan(curve.at(3.5))


def test_long_clips_turn_pages() -> None:
    times = np.arange(0, 100, 0.1)
    curve = Curve("a", (255, 255, 255), times, np.sin(times) * 40, np.zeros(len(times), bool))
    layer = PlotLayer([Plot("A", (curve,))], Strip.of(640, 360, 1), 0.0, 99.9)
    assert [round(end - start, 6) for start, end in layer._pages] == [15.0] * 7


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (1280, 720), (720, 1280), (1920, 1080)])
@pytest.mark.parametrize("plots", [1, 2])
def test_the_strip_has_room_for_its_plots(size: tuple[int, int], plots: int) -> None:
    strip = Strip.of(*size, plots)
    assert strip.columns * strip.rows >= plots
    assert strip.height % 2 == 0
    assert 140 <= strip.row <= 300


def test_every_frame_is_there_at_its_time_with_sound(sprint: Analysis, tmp_path: Path) -> None:
    part = analyze(SAMPLES / "sprint.truth.jsonl", start=1.0, end=2.0)
    made = render_analysis(part, tmp_path / "a.mp4", VideoOptions(size=Size.parse("240p")))
    truth = [frame.time for frame in read_log(SAMPLES / "sprint.truth.jsonl").frames if 1 <= frame.time <= part.end]
    times = [float(time) for time in seconds(tmp_path / "a.mp4")]
    assert made.frames == len(truth)
    assert times == pytest.approx([time - truth[0] for time in truth], abs=1e-3)
    assert 0.9 < float(seconds(tmp_path / "a.mp4", "a")[-1]) <= 1.05
    slow = render_analysis(part, tmp_path / "b.mp4", VideoOptions(size=Size.parse("240p"), slowmo=2))
    assert [float(time) for time in seconds(tmp_path / "b.mp4")] == pytest.approx(2 * np.array(times), abs=2e-3)
    assert slow.frames == len(truth)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert not container.streams.audio
    assert len(sprint.main.times) > len(truth)


def test_pictures_are_those_of_the_log_and_small_ones_are_enlarged(tmp_path: Path) -> None:
    log = acted(tmp_path, "a", seconds=1.0)
    made = render_analysis(analyze(log), tmp_path / "angles.mp4")
    pictures = shown(tmp_path / "angles.mp4")
    assert made.frames == len(pictures) == 25
    strip = Strip.of(540, 720, 2)
    assert pictures[0].shape[:2] == (720 + strip.height, 540)
    numbers = [number_in(np.asarray(cv2.resize(each[:720], (96, 128)), np.uint8)) for each in pictures]
    # the corner is covered by the time; what is lower in the picture is not
    assert [number & 0b11110000 for number in numbers] == [number & 0b11110000 for number in range(25)]


def test_styles_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("overlay: {boxes: true, trail: 0}\noutput: {crf: 30}\n")
    assert styled(None).overlay == STYLE
    chosen = styled(tmp_path / "a.yaml")
    assert (chosen.overlay.boxes, chosen.overlay.labels, chosen.overlay.trail, chosen.output.crf) == (
        True,
        False,
        0,
        30,
    )
    assert load().overlay.labels


def test_what_cannot_be_drawn_is_refused(tmp_path: Path, squat: Analysis) -> None:
    with pytest.raises(SettingsError, match="no arc is drawn for 'nose'"):
        check_joints("knee,nose")
    log = acted(tmp_path, "a", seconds=0.5)
    (tmp_path / "a.mp4").rename(tmp_path / "moved.mp4")
    with pytest.raises(SourceError, match="give the clip with --clip"):
        render_analysis(analyze(log), tmp_path / "angles.mp4")
    render_analysis(analyze(log), tmp_path / "angles.mp4", VideoOptions(clip=tmp_path / "moved.mp4"))
    with pytest.raises(OutputError, match="is there already"):
        render_analysis(
            analyze(log), tmp_path / "angles.mp4", VideoOptions(clip=tmp_path / "moved.mp4"), overwrite=False
        )
    from dataclasses import replace

    with pytest.raises(SettingsError, match="drawn from a log's file"):
        render_analysis(replace(squat, log=None), tmp_path / "b.mp4")


def test_only_angles_that_are_known_are_plotted(squat: Analysis) -> None:
    assert plotted(squat.main, ("knee", "hip", "elbow")) == ["knee", "hip"]
    assert plotted(squat.main, ("ankle", "shoulder")) == ["shoulder"]


def test_the_command_draws_without_an_engine(tmp_path: Path) -> None:
    log = acted(tmp_path, "a", seconds=1.0)
    code = """
import sys
sys.argv = ["poseline", "analyze", *sys.argv[1:]]
from poseline.cli import command
from poseline.interruption import Interruption
code = command(Interruption())
print("LOADED", *sorted({name.split('.')[0] for name in sys.modules}))
raise SystemExit(code)
"""
    arguments = [str(log), "--video", "--video-slowmo", "2", "--size", "240p", "--joints", "knee"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    told, _, loaded = done.stdout.partition("LOADED")
    assert "angles.mp4" in told
    assert not {"openvino", "torch", "onnxruntime", "ultralytics"} & set(loaded.split())
    assert float(seconds(tmp_path / "analysis" / "angles.mp4")[-1]) == pytest.approx(24 * 2 / 25, abs=1e-3)


def test_a_run_can_be_analyzed_at_once(builtin: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "poseline",
        "run",
        str(SAMPLES / "squat.mp4"),
        "-m",
        str(builtin),
        "--imgsz",
        "256",
    ]
    command += ["--to", "1.2", "--no-video", "--analyze", "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "analysis" / "analysis.json").read_text())
    assert record
    assert "person 1: 0.00 to 1.16 s" in done.stdout
    assert LoggedClip(tmp_path / "out" / "keypoints.jsonl").capture.end == 1.2
