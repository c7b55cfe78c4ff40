"""The report of an analysis: one page that stands alone, says what it does not know, and can be read everywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from analysis_worlds import NAMES, jumper, motion, truth
from log_worlds import frame, header, write_log
from log_worlds import person as entry
from poseline.analysis import Analysis, AnalysisOptions, Event, Known, Motion, Movement, Quantity, analyze, event_finder
from poseline.analysis.event import FINDERS
from poseline.analysis.motion import Doubles
from poseline.analysis.report import write_report
from poseline.analysis.report.cautions import plain
from poseline.analysis.report.cycles import cycle, spans
from poseline.analysis.report.highlights import highlights
from poseline.analysis.report.markup import Markup, join, tag
from poseline.analysis.report.numbers import finely, percent, seconds, with_unit
from poseline.analysis.report.page import MOST_BYTES, page
from poseline.analysis.report.pictures import picture
from poseline.analysis.report.plot import Curve, Plot, drawn
from poseline.analysis.report.subject import Subject
from poseline.cli import program
from poseline.errors import OutputError
from poseline.interruption import Interruption
from poseline.skeleton import Skeleton
from report_worlds import Element, analysis, logged, parsed

THIN = "\N{NARROW NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def squat(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return logged(tmp_path_factory.mktemp("squat"), "builtin", "squat", height=1.8)


@pytest.fixture(scope="module")
def sprint(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return logged(tmp_path_factory.mktemp("sprint"), "yolo11n", "sprint", height=1.75)


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return logged(tmp_path_factory.mktemp("crossing"), "yolo11n", "crossing", person="all")


@cache
def page_of(made: Analysis) -> str:
    """The page of an analysis that several tests look at."""
    return page(made)


def steps(count: int = 200, rate: float = 25.0) -> Motion:
    """A figure that stands, turned to the right, and swings a little, all in the picture's plane."""
    exact = truth("squat")
    times = np.arange(count) / rate
    points = np.repeat(exact.points[:1], count, axis=0) + np.sin(times)[:, None, None]
    return motion(times, points, (540, 960))


# numbers


@pytest.mark.parametrize(
    ("value", "sigma", "unit", "expected"),
    [
        (93.27, 12.4, "deg", f"93 ±{THIN}12°"),
        (93.27, 0.62, "deg", f"93.3 ±{THIN}0.6°"),
        (93.27, 43.0, "deg", f"90 ±{THIN}40°"),
        (1.2345, 0.0099, "m", f"1.234 ±{THIN}0.010{THIN}m"),
        (-0.3, 2.1, "deg", f"\N{MINUS SIGN}0.3 ±{THIN}2.1°"),
        (-0.3, 12.0, "deg", f"0 ±{THIN}12°"),
        (1234.0, 360.0, "", f"1200 ±{THIN}400"),
        (46.0, float("nan"), "%", f"≈{THIN}46{THIN}%"),
        (0.0, 0.0, "s", f"≈{THIN}0{THIN}s"),
        (float("nan"), 1.0, "m", "\N{EN DASH}"),
    ],
)
def test_numbers_end_where_their_uncertainty_does(value: float, sigma: float, unit: str, expected: str) -> None:
    assert with_unit(value, sigma, unit) == expected


def test_a_spread_ends_one_place_behind_the_uncertainty_of_one() -> None:
    assert finely(0.01634, 0.06, "s") == f"0.016{THIN}s"
    assert finely(0.0017, 0.04, "") == f"0.2{THIN}%"
    assert finely(-1e-12, 0.06, "s") == f"0.000{THIN}s"
    assert finely(0.383, float("nan"), "deg") == "0.38°"


def test_a_share_that_is_not_nothing_is_not_told_as_nothing() -> None:
    assert [percent(share) for share in (0.0, 0.001, 0.42, 0.999, 1.0)] == [
        f"0{THIN}%", f"below 1{THIN}%", f"42{THIN}%", f"above 99{THIN}%", f"100{THIN}%",
    ]  # fmt: skip
    assert (seconds(59.999), seconds(61.5), seconds(3723.25)) == (
        f"60.00{THIN}s", f"1:01.50{THIN}min", f"1:02:03.25{THIN}h",
    )  # fmt: skip


def test_markup_escapes_all_text_and_no_markup() -> None:
    assert tag("a", "<&", tag("b", "'\""), title='"<') == '<a title="&quot;&lt;">&lt;&amp;<b>\'"</b></a>'
    assert join("<", Markup("<br>"), None) == "&lt;<br>"
    assert (
        tag("p", "a\x00b\x1b\udcff")
        == "<p>a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}</p>"
    )


# the page as a whole


@pytest.mark.parametrize("name", ["squat", "sprint", "crossing"])
def test_it_stands_alone(name: str, request: pytest.FixtureRequest) -> None:
    text = page_of(request.getfixturevalue(name))
    root = parsed(text)
    for element in root.everything():
        assert element.name not in {"script", "link", "iframe", "object", "form", "base", "use", "image"}
        for key, value in element.attributes.items():
            assert key not in {"href", "style", "srcset", "action", "xlink:href"}
            assert not key.startswith("on")
            assert key != "src" or value.startswith("data:image/jpeg;base64,")
    assert "url(" not in text
    assert "@import" not in text
    assert "://" not in text
    style = root.all("style")[0].children[0]
    assert isinstance(style, str)
    fingerprint = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(meta for meta in root.all("meta") if meta.attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy.attributes["content"].startswith("default-src 'none';")
    assert f"style-src 'sha256-{fingerprint}'" in policy.attributes["content"]
    assert "script-src" not in policy.attributes["content"]
    assert len(text.encode()) <= MOST_BYTES
    for drawing in [*root.all("svg", class_="plot"), *root.all("svg", class_="figure")]:
        assert drawing.attributes["role"] == "img"
        assert drawing.all("title")[0].text
    assert all(len(picture.attributes["alt"]) > 20 for picture in root.all("img"))
    ids = [element.attributes["id"] for element in root.everything() if "id" in element.attributes]
    assert len(ids) == len(set(ids))


def test_the_same_analysis_gives_the_same_page(squat: Analysis, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_report(squat, tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_it_names_clip_date_duration_model_and_precision(squat: Analysis) -> None:
    header = parsed(page_of(squat)).all("header")[0].text
    for told in ("squat.mp4", "27 November 2026, 14:03", "8.36", "210 at 25 per second", "poseline-builtin.pt, fp32"):
        assert told in header


def test_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    name = "<b>&\"'</title><script>alert(1)</script>clip.mp4"
    text = page(logged(tmp_path, "builtin", "squat", source=name))
    root = parsed(text)
    assert root.all("h1")[0].text == "script>clip.mp4"  # as a path: behind its last slash
    assert name in root.text
    assert "<script" not in text
    assert "<b>&" not in text
    odd = '<b>&"clip.mp4'
    root = parsed(page(logged(tmp_path, "builtin", "squat", source=odd)))
    assert root.all("h1")[0].text == odd
    assert root.all("title")[0].text == f"Movement analysis: {odd}"


def test_it_is_among_the_files_where_it_is_asked_for(squat: Analysis, tmp_path: Path) -> None:
    assert "report.html" not in [path.name for path in squat.write(tmp_path / "without", formats=())]
    written = squat.write(tmp_path / "with", formats=(), report=True)
    assert tmp_path / "with" / "report.html" in written
    assert (tmp_path / "with" / "report.html").read_text(encoding="utf-8") == page_of(squat)


def test_the_command_writes_it(squat: Analysis, tmp_path: Path) -> None:
    assert squat.log is not None
    command = [
        "analyze",
        str(squat.log),
        "--height",
        "1.8",
        "--formats",
        "csv",
        "--report",
        "-o",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(program(), command, obj=Interruption())
    assert done.exit_code == 0, done.output
    assert "report.html" in done.output
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == page_of(squat)
    again = CliRunner().invoke(program(), command, obj=Interruption())
    assert isinstance(again.exception, OutputError)
    assert "report.html" in str(again.exception)


def test_a_report_that_cannot_be_written_says_so_and_leaves_nothing(squat: Analysis, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(squat, tmp_path / "no such folder" / "report.html")
    assert not list(tmp_path.iterdir())


# what it warns of


@pytest.mark.parametrize("name", ["squat", "sprint", "crossing"])
def test_every_warning_of_the_analysis_is_there(name: str, request: pytest.FixtureRequest) -> None:
    made: Analysis = request.getfixturevalue(name)
    boxes = [box.text for box in parsed(page_of(made)).all("aside")]
    assert all(any(plain(warning) in box for box in boxes) for warning in made.warnings)
    for person, section in zip(made.persons, parsed(page_of(made)).all("section", class_="person"), strict=True):
        told = section.all("aside")[0].text
        assert all(plain(warning) in told for warning in person.warnings)


def test_it_warns_in_plain_words(squat: Analysis, sprint: Analysis, crossing: Analysis) -> None:
    told = {
        name: " ".join(box.text for box in parsed(page_of(made)).all("aside"))
        for name, made in (("squat", squat), ("sprint", sprint), ("crossing", crossing))
    }
    assert re.search(r"Out of the picture's plane.* left knee \d+%", told["squat"])
    assert "The camera moves" in told["sprint"]
    assert "no metres are given" in told["sprint"]
    assert re.search(
        r"Left and right were taken for each other, and exchanged, in [\d.]+% of the frames", told["sprint"]
    )
    assert re.search(rf"Low confidence: \d+{THIN}% of the measured points", told["crossing"])
    assert re.search(r"\d+% of the points are missing", told["crossing"])
    assert "_" not in "".join(told.values())


def test_who_is_never_seen_from_the_side_has_no_flexion() -> None:
    figure = steps()
    front = figure.with_points(figure.points.copy())
    x = {name: front.points[:, NAMES.index(name), 0] for name in NAMES}
    for part, wide in (
        ("shoulder", 40),
        ("hip", 30),
        ("knee", 30),
        ("ankle", 30),
        ("elbow", 60),
        ("wrist", 70),
        ("ear", 15),
        ("eye", 8),
    ):
        x[f"left_{part}"][:], x[f"right_{part}"][:] = 270 + wide, 270 - wide
    x["nose"][:] = 270
    root = parsed(page(analysis([front])))
    assert "sideways deviations in the frontal plane, not flexion" in root.all("aside")[0].text
    titles = [title.text for title in root.all("figcaption")]
    assert "Knee, sideways" in titles
    assert not any("flexion" in title for title in titles)


def test_no_metres_are_claimed_without_a_length(sprint: Analysis) -> None:
    metres = re.compile(rf"\d{THIN}(m|m/s|m/s²)\b")
    without = page(analysis([steps()]))
    for text in (without, page_of(sprint)):  # of the sprint a height is known, but the camera moves
        assert not metres.search(parsed(text).text)
    assert "No metres and no speeds are given, since no length is known in this clip." in parsed(without).text
    known = analysis([jumper(60, 0.5)[0]], AnalysisOptions(known=Known(height=1.8)))
    assert metres.search(parsed(page(known)).text)


# tables


def rows(section: Element, title: str) -> list[list[str]]:
    part = next(
        part for part in section.all("div", class_="part") if part.all("h3") and part.all("h3")[0].text == title
    )
    return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in part.all("tr")]


def test_angles_are_told_with_least_most_range_and_their_uncertainty(squat: Analysis) -> None:
    person = squat.main
    table = rows(parsed(page_of(squat)), "Angles")
    assert table[0] == ["Angle", "Side", "Least", "Most", "Range", "Seen well", "Out of plane"]
    assert [row[0] for row in table[1:]] == [
        "Knee",
        "right",
        "Hip",
        "right",
        "Shoulder",
        "right",
        "Elbow",
        "right",
        "Lean",
    ]
    column = person.angles.names.index("left_knee")
    values, sigma = person.angles.degrees[:, column], person.sigma_with_bias[:, column]
    low, high = int(values.argmin()), int(values.argmax())
    assert table[1][1:4] == [
        "left", with_unit(values[low], sigma[low], "deg"), with_unit(values[high], sigma[high], "deg"),
    ]  # fmt: skip
    assert table[1][6] == percent(float(person.result.plane.share[column]))


def test_repetitions_are_told_one_by_one_with_their_mean(squat: Analysis, sprint: Analysis) -> None:
    table = rows(parsed(page_of(squat)), "Squat by squat")
    assert table[0][:3] == ["No.", "Time", "Depth"]
    assert [row[0] for row in table] == ["No.", "1", "2", "3", "Mean", "Spread"]
    depths = [float(re.match(r"\d+", row[2]).group()) for row in table[1:4]]  # type: ignore[union-attr] # else it fails
    assert all(
        abs(depth - 100 * event.values["depth"].value) <= 1
        for depth, event in zip(depths, squat.main.events, strict=True)
    )
    many = parsed(page_of(sprint))
    assert len(next(fold for fold in many.all("details") if "All 21 steps" in fold.text).all("tr")) == 22
    assert "21 steps" in many.all("div", class_="tile")[0].text


def test_an_event_states_no_less_uncertainty_than_the_angles_do(squat: Analysis) -> None:
    event = squat.main.events[0]
    assert event.values["left_knee"].sigma < 3  # what noise leaves
    column = squat.main.angles.names.index("left_knee")
    wide = squat.main.sigma_with_bias[int(np.abs(squat.main.times - event.time).argmin()), column]
    assert wide > 10
    table = rows(parsed(page_of(squat)), "Squat by squat")
    assert table[1][table[0].index("Left knee")] == with_unit(event.values["left_knee"].value, wide, "deg")


# plots


def subpaths(data: str) -> list[Doubles]:
    """(N, 2) points of each run of a path made of M and L."""
    runs = [run for run in data.split("M") if run]
    return [
        np.array([[float(part) for part in point.split()] for point in re.sub("[hZ].*", "", run).split("L")])
        for run in runs
    ]


def test_gaps_stay_empty() -> None:
    x = np.arange(0, 10, 0.04)
    y = 30 * np.sin(x)
    y[100:150] = np.nan
    svg = parsed(drawn(Plot("t", "t", "°", [Curve("left", x, y, np.full(len(x), 3.0), dots=y)], (0.0, 10.0))))
    line = svg.all("path", class_="line")[0].attributes["d"]
    runs = subpaths(line)
    assert len(runs) == 2
    span = runs[1][-1, 0] - runs[0][0, 0]
    assert runs[1][0, 0] - runs[0][-1, 0] == pytest.approx(span * 51 / 249, abs=0.3)
    assert line.count("M") == svg.all("path", class_="band")[0].attributes["d"].count("M") == 2
    dots = subpaths(svg.all("path", class_="dots")[0].attributes["d"])
    assert len(dots) == 200


def test_a_line_neither_bridges_missing_frames_nor_a_turn_past_half() -> None:
    x = np.r_[np.arange(0, 2, 0.04), np.arange(4, 6, 0.04)]
    y = np.r_[np.linspace(0, 178, 50), np.linspace(-178, 0, 50)]
    y[75:] += 1000 * (y[75:] > 0)
    assert len(subpaths(_line_of(x, y))) == 2
    assert len(subpaths(_line_of(np.linspace(0, 4, 100), y))) == 2  # from 178 to -178 at the usual step


def _line_of(x: Doubles, y: Doubles) -> str:
    plot = Plot("t", "t", "°", [Curve("left", x, y, np.full(len(x), np.nan))], (float(x[0]), float(x[-1])))
    return parsed(drawn(plot)).all("path", class_="line")[0].attributes["d"]


def test_what_was_filled_in_is_dashed_and_a_single_point_is_seen() -> None:
    x, y = np.arange(20.0) / 25, np.full(20, 45.0)
    y[[1, 3, 4]] = np.nan
    filled = np.zeros(20, bool)
    filled[10:13] = True
    plot = Plot("t", "t", "°", [Curve("right", x, y, np.full(20, 1.0), filled=filled)], (0.0, 0.8))
    paths = [path.attributes for path in parsed(drawn(plot)).all("path", class_="line")]
    whole, dashed = paths
    assert "filled" not in whole["class"]
    assert "filled" in dashed["class"]
    assert len(subpaths(whole["d"])) == 4  # two single points, and the line before and behind what was filled in
    assert whole["d"].count("h0") == 2
    (run,) = subpaths(dashed["d"])
    assert len(run) == 5


def test_a_long_clip_keeps_its_peaks_and_stays_small() -> None:
    x = np.arange(50_000) / 25
    y = 10 * np.sin(x)
    y[31_234] = 80.0
    plot = Plot("t", "t", "°", [Curve("left", x, y, np.full(len(x), 2.0), dots=y)], (0.0, float(x[-1])))
    text = drawn(plot)
    assert len(text) < 40_000
    heights = np.concatenate(subpaths(parsed(text).all("path", class_="line")[0].attributes["d"]))[:, 1]
    labels = {label.text: float(label.attributes["y"]) for label in parsed(text).all("text", class_="y")}
    per_degree = (labels["0°"] - labels["30°"]) / 30
    assert labels["0°"] - 4 - heights.min() == pytest.approx(80 * per_degree, abs=0.3)


def test_repetitions_are_marked(squat: Analysis, sprint: Analysis) -> None:
    knee = parsed(page_of(squat)).all("svg", class_="plot")[0]
    assert [mark.text for mark in knee.all("text", class_="mark")] == ["1", "2", "3"]
    assert len(knee.all("rect", class_="stretch")) == 3
    ticks = parsed(page_of(sprint)).all("svg", class_="plot")[0].all("path", class_="event")
    assert [tick.attributes["class"] for tick in ticks] == ["event left", "event right"]
    assert [tick.attributes["d"].count("M") for tick in ticks] == [
        sum(event.side == side for event in sprint.main.events) for side in ("left", "right")
    ]


def test_each_joint_has_its_plots(squat: Analysis) -> None:
    root = parsed(page_of(squat))
    titles = [title.text for title in root.all("figcaption") if "°" not in title.text]
    first = ["Knee flexion", "Hip flexion", "Shoulder flexion", "Elbow flexion", "Trunk lean"]
    folded = ["Thigh direction", "Shank direction", "Upper arm direction", "Forearm direction"]
    folded += ["Pelvis slope", "Shoulder slope"]
    assert titles[-16:] == [*first, *folded, *first]
    for plot in root.all("svg", class_="plot"):
        assert plot.all("path", class_="line")


# cycles


def test_a_cycle_is_the_mean_of_all_repetitions() -> None:
    times = np.arange(0, 12, 0.01)
    values = 50 + 40 * np.sin(2 * np.pi * times) + np.floor(times)  # one degree more each second
    made = cycle(times, values, [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)])
    assert made is not None
    inner = slice(0, 100)
    exact = 52 + 40 * np.sin(2 * np.pi * np.linspace(0, 1, 101))
    np.testing.assert_allclose(made.mean[inner], exact[inner], atol=0.05)
    np.testing.assert_allclose(made.spread[inner], 1.0, atol=0.01)


def test_a_cycle_has_gaps_where_half_of_the_repetitions_do() -> None:
    times = np.arange(0, 4, 0.01)
    values = np.where((times % 1 > 0.4) & (times % 1 < 0.6), np.nan, 10.0)
    made = cycle(times, values, [(0, 1), (1, 2), (2, 3)])
    assert made is not None
    assert np.isnan(made.mean[45:56]).all()
    assert np.isfinite(made.mean[:38]).all()
    assert cycle(times, np.full(len(times), np.nan), [(0, 1)]) is None
    single = cycle(times, values, [(0, 1)])
    assert single is not None
    assert np.isnan(single.spread).all()


def test_a_stride_is_from_a_foot_to_the_same_foot_with_the_other_between() -> None:
    def step(time: float, side: str) -> Event:
        return Event("step", time - 0.1, time, time + 0.1, 0.01, side)  # type: ignore[arg-type] # a side

    events = [step(1.0, "left"), step(1.5, "right"), step(2.0, "left"), step(2.5, "left"), step(9.0, "right")]
    assert spans(events, "step", "left") == [(0.9, 1.9)]
    assert spans(events, "step", "right") == []
    assert spans(events, "step", "middle") == [(0.9, 1.9)]


# odd people


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_few_frames_make_a_report(frames: int) -> None:
    exact = truth("squat")[:frames]
    root = parsed(page(analysis([exact])))
    assert "too few frames" in root.all("aside")[0].text or frames > 2
    assert root.all("svg", class_="plot")
    assert "no repetitions" in root.all("div", class_="tile")[0].text


def test_who_is_hardly_seen_makes_a_report() -> None:
    nothing = motion(np.arange(50) / 25, np.full((50, 17, 2), np.nan), confidence=np.zeros((50, 17)))
    ears = nothing.with_points(nothing.points.copy())
    ears.points[:, 3:5] = 100.0
    ears.confidence[:, 3:5] = 0.9
    for person in (nothing, ears):
        root = parsed(page(analysis([person])))
        assert "No angle could be measured" in root.all("aside")[0].text
        assert not root.all("svg", class_="plot")
        assert "nan" not in root.text.lower()


def test_one_leg_alone_makes_a_report() -> None:
    exact = truth("squat")
    hidden = exact.points.copy()
    hidden[:, [index for index, name in enumerate(NAMES) if name.startswith("left")]] = np.nan
    root = parsed(page(analysis([exact.with_points(hidden)])))
    assert [row[1] for row in rows(root, "Angles")[1:]][:1] == ["right"]


def test_a_kind_of_event_of_ones_own_is_told() -> None:
    @event_finder("high <hand>")
    def high_hands(movement: Movement) -> list[Event]:
        end = float(movement.smoothed.motion.times[-1])
        return [
            Event(
                "high <hand>", at, at + 0.2, at + 0.4, float("nan"), "left", {"how_high": Quantity(at, 0.2, "furlongs")}
            )
            for at in np.arange(0.5, end - 1, 1.0).tolist()
        ]

    try:
        root = parsed(page(analysis([truth("squat")], AnalysisOptions(events=("high <hand>",)))))
    finally:
        del FINDERS["high <hand>"]
    table = rows(root, "High <hand> by high <hand>")
    assert table[0] == ["No.", "Side", "Time", "How high"]
    assert table[1][3] == f"0.50 ±{THIN}0.20{THIN}furlongs"
    assert root.all("div", class_="tile")[0].text == "Counted 7 high <hand>"


def test_the_page_is_bounded_and_says_who_is_left_out() -> None:
    exact = truth("sprint")
    count = 6000
    times, turn = np.arange(count) / 30, np.arange(count) % len(exact)
    rng = np.random.default_rng(1)
    points = exact.points[turn] + rng.normal(size=(count, 17, 2))
    points[rng.uniform(size=(count, 17)) < 0.05] = np.nan
    one = analysis([motion(times, points, (960, 540))])
    assert one.main.counts["step"] > 500
    alone = page(one)
    assert len(alone.encode()) <= MOST_BYTES / 2
    assert "The first 100" in alone
    persons = tuple(replace(one.main, id=number, ids=(number,)) for number in range(1, 9))
    text = page(replace(one, persons=persons, people=8))
    assert len(text.encode()) <= MOST_BYTES
    root = parsed(text)
    shown = len(root.all("section", class_="person"))
    assert 2 <= shown < 8
    assert (
        f"There is no room in this file for {', '.join(f'Person {number}' for number in range(shown + 1, 9))}"
        in root.text
    )


# pictures


def pixels(picture: Element) -> Doubles:
    data = base64.b64decode(picture.attributes["src"].removeprefix("data:image/jpeg;base64,"))
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.float64)


def grey_clip(path: Path, count: int, size: tuple[int, int] = (540, 960), first: int = 0) -> None:
    """A clip, of the squat's size by default, whose frames from number `first` on are grey of level 20 + number."""
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = Fraction(1, 25)
        for number in range(first, first + count):
            shade = np.full((size[1], size[0], 3), 20 + number, np.uint8)
            shown = av.VideoFrame.from_ndarray(shade, format="bgr24")
            shown.pts = number
            container.mux(stream.encode(shown))
        container.mux(stream.encode())


def test_the_best_frames_are_the_clip_s_with_the_skeleton_on_the_person(tmp_path: Path) -> None:
    grey_clip(tmp_path / "clip.mp4", 210)
    made = logged(tmp_path, "builtin", "squat", source="clip.mp4")
    root, squats = parsed(page(made)), made.main.events
    pictures = root.all("img")
    titles = [title.all("b")[0].text for title in root.all("figcaption") if title.all("b")]
    assert titles == ["Start of squat 3", "Halfway down", "Deepest point: squat 3 of 3, all about as deep"]
    moments = [squats[2].start, (squats[2].start + squats[2].time) / 2, squats[2].time]
    heights = []
    for image, moment in zip(pictures, moments, strict=True):
        shown, row = pixels(image), int(np.abs(made.main.times - moment).argmin())
        assert shown.shape[:2] == (int(image.attributes["height"]), int(image.attributes["width"]))
        assert np.median(shown) == pytest.approx(20 + int(made.main.frames[row]), abs=4)
        drawn_on = np.argwhere(np.abs(shown - np.median(shown)).max(axis=2) > 50)
        (top, left), (bottom, right) = drawn_on.min(axis=0), drawn_on.max(axis=0)
        person = made.main.points[row]
        wide, high = np.ptp(person, axis=0)
        assert (right - left) / (bottom - top) == pytest.approx(wide / high, rel=0.06)
        heights.append((bottom - top) / high)
    assert heights == pytest.approx([heights[0]] * 3, rel=0.03)  # all at one scale


def test_pixels_that_are_not_square_make_the_same_picture() -> None:
    square = truth("squat")
    narrow = replace(square, points=square.points / [2.0, 1.0], width=270, pixel_aspect=2.0)
    shown = []
    for given in (square, narrow):
        subject = Subject("A", analysis([given]).main.result, (1,), 0.08)
        frame = np.full((960, given.width, 3), 90, np.uint8)
        frame[: 960 // 2] = 160
        drawing = picture(frame, subject, highlights(subject), 0, Skeleton.for_count(17))
        shown.append(pixels(parsed(drawing).all("img")[0]))
    assert shown[0].shape == shown[1].shape
    assert np.abs(shown[0] - shown[1]).mean() < 1
    assert len(np.unique(shown[0].round(-1))) > 3


def test_a_clip_in_slow_motion_has_its_pictures(tmp_path: Path) -> None:
    grey_clip(tmp_path / "clip.mp4", 210)
    made = logged(tmp_path, "builtin", "squat", source="clip.mp4", slowmo=4, start=2.0)
    root = parsed(page(made))
    assert "filmed 4 times slower" in root.all("header")[0].text
    assert len(root.all("img")) >= 2
    row = highlights(Subject("A", made.main.result, (1,), 0.08))[0].row
    assert np.median(pixels(root.all("img")[0])) == pytest.approx(20 + int(made.main.frames[row]), abs=4)


def test_a_part_in_another_size_than_the_clip_s_first_has_its_pictures(tmp_path: Path) -> None:
    exact = truth("squat")
    grey_clip(tmp_path / "large.ts", 100)
    grey_clip(tmp_path / "small.ts", 110, (270, 480), first=100)
    clip = tmp_path / "clip.ts"
    clip.write_bytes((tmp_path / "large.ts").read_bytes() + (tmp_path / "small.ts").read_bytes())
    records: list[dict[str, Any]] = [header(width=540, height=960) | {"source": str(clip)}]
    records += [frame(row, row / 25, [entry(1, exact.points[row])]) for row in range(100)]
    records.append({"type": "size", "frame": 100, "width": 270, "height": 480})
    records += [frame(row, row / 25, [entry(1, exact.points[row] / 2)]) for row in range(100, 210)]
    log = write_log(tmp_path / "keypoints.jsonl", records)
    for start, end in ((None, 4.0), (4.0, None)):
        made = analyze(log, start=start, end=end)
        root, moments = parsed(page(made)), highlights(Subject("A", made.main.result, (1,), 0.08))
        images = root.all("img")
        assert len(images) == len(moments) > 0
        assert "is not the clip of this log" not in root.text
        for image, moment in zip(images, moments, strict=True):
            assert np.median(pixels(image)) == pytest.approx(20 + int(made.main.frames[moment.row]), abs=4)


def test_the_log_of_a_part_has_its_pictures(builtin: Path, tmp_path: Path) -> None:
    grey_clip(tmp_path / "clip.mp4", 210)
    squat = str(Path(__file__).parents[1] / "samples" / "squat.mp4")
    options = ["-m", str(builtin), "--imgsz", "320", "--from", "2", "--to", "6", "--no-video", "--vid-stride", "2"]
    done = CliRunner().invoke(program(), ["run", squat, *options, "-o", str(tmp_path / "run")], obj=Interruption())
    assert done.exit_code == 0, done.output
    log = tmp_path / "run" / "keypoints.jsonl"
    first, *rest = log.read_text(encoding="utf-8").splitlines()
    told = json.loads(first) | {"source": str(tmp_path / "clip.mp4")}
    log.write_text("\n".join([json.dumps(told), *rest, ""]), encoding="utf-8")
    made = analyze(log)
    root, moments = parsed(page(made)), highlights(Subject("A", made.main.result, (1,), 0.08))
    images = root.all("img")
    assert len(images) == len(moments) > 0
    for image, moment in zip(images, moments, strict=True):
        assert np.median(pixels(image)) == pytest.approx(20 + round(made.main.times[moment.row] * 25), abs=4)


@pytest.mark.parametrize("source", ["not there.mp4", "rtsp://camera/1", ""])
def test_without_the_clip_the_skeleton_is_drawn_and_it_is_said(source: str, tmp_path: Path) -> None:
    made = logged(tmp_path, "builtin", "squat", source=source or "gone")
    root = parsed(page_of(made))
    assert not root.all("img")
    figures = root.all("svg", class_="figure")
    assert len(figures) == 3
    assert all(len(figure.all("circle")) >= 12 for figure in figures)
    assert "the figures are drawn without its pictures" in root.text


def test_another_clip_in_its_place_is_not_shown(tmp_path: Path) -> None:
    for name in ("sprint.mp4", "squat.truth.jsonl"):
        made = logged(tmp_path, "builtin", "squat", source=Path(__file__).parents[1] / "samples" / name)
        root = parsed(page_of(made))
        assert not root.all("img")
        assert "the figures are drawn without its pictures" in root.text


def test_a_path_may_start_at_the_log_s_folder(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[1] / "samples" / "squat.mp4", tmp_path / "clip.mp4")
    assert len(parsed(page(logged(tmp_path, "builtin", "squat", source="clip.mp4"))).all("img")) == 3


def test_no_engine_is_imported(tmp_path: Path) -> None:
    logged(tmp_path, "builtin", "squat")
    code = (
        "import sys, pathlib, poseline; from poseline.analysis.report import write_report; "
        "write_report(poseline.analyze(sys.argv[1]), pathlib.Path(sys.argv[2])); "
        "print(sorted({'torch', 'openvino', 'ultralytics', 'onnxruntime'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "keypoints.jsonl"), str(tmp_path / "report.html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    assert done.stdout.strip() == "[]"
    assert len(parsed((tmp_path / "report.html").read_text(encoding="utf-8")).all("img")) == 3


# on paper


@pytest.mark.parametrize("name", ["squat", "sprint"])
def test_one_person_prints_on_two_pages(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    path = tmp_path / "report.html"
    write_report(request.getfixturevalue(name), path)
    subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'report.pdf'}", path.as_uri(),
        ],
        check=True, capture_output=True, timeout=280,
    )  # fmt: skip
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", (tmp_path / "report.pdf").read_bytes())) == 2
