"""A clip drawn anew from its log: the same pictures as the run drew, or others as asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import CAPTURE, estimator, number_in, picture, settings, write_clip
from output_worlds import SAMPLES, header, lines, opened, seconds, seen
from poseline.capture import VideoFile
from poseline.cli import command
from poseline.errors import OutputError, PoselineError, SettingsError, SourceError
from poseline.interruption import Interruption
from poseline.log import Counts, KeypointLog, LogReader, journal_of, read_log
from poseline.pose import Poses
from poseline.rendering import LoggedClip, RenderOptions, Size, render, style_of
from poseline.rendering.blur import blur, blurred_areas
from poseline.settings import Settings, load
from poseline.skeleton import COCO17, Skeleton
from test_capture_time import PLAIN, REORDERED, joined
from test_main_person import two_people
from test_run import recorded
from test_time_end_to_end import with_sound

TRACKED = settings(tracking={"enabled": True})
VARYING = np.cumsum(np.random.default_rng(1).integers(1000, 6000, 60)).tolist()


def shown(path: Path) -> list[NDArray[np.uint8]]:
    """Every picture of a video, BGR."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def run(clip: Path, folder: Path, **sections: dict[str, object]) -> Path:
    """A run of two scripted people; returns its folder."""
    chosen = load(overrides={"tracking": {"enabled": True}, **sections})
    assert recorded(clip, folder, estimator(two_people), chosen).error is None
    return folder


@pytest.fixture(scope="module")
def sounding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a clip with sound."""
    folder = tmp_path_factory.mktemp("render")
    return run(with_sound(folder / "clip.ts", start=3, length=2), folder / "run")


CLIPS = {
    "B-frames": lambda folder: write_clip(folder / "a.mp4", range(60), options=REORDERED, size=(128, 96)),
    "varying rate": lambda folder: write_clip(
        folder / "a.mkv", VARYING, Fraction(1, 90_000), options=REORDERED, size=(128, 96)
    ),
    "a break": lambda folder: joined(folder / "a.ts", [(100, 30), (5, 30)], REORDERED),
    "no time stamps": lambda folder: write_clip(folder / "a.h264", range(40), options=PLAIN, size=(128, 96)),
}


@pytest.mark.parametrize("kind", CLIPS)
@pytest.mark.parametrize("stride", [1, 3])
def test_it_draws_what_the_run_drew(kind: str, stride: int, tmp_path: Path) -> None:
    folder = run(CLIPS[kind](tmp_path), tmp_path / "run", capture={"vid_stride": stride}, overlay={"trail": 0.5})
    journal = journal_of(folder)
    options = RenderOptions(style_of(LogReader(journal).run, Settings()))
    made = render(journal, tmp_path / "again.mp4", options)
    assert made.frames == len(read_log(journal).frames)
    assert made.files == [tmp_path / "again.mp4"]
    assert seconds(tmp_path / "again.mp4") == seconds(folder / "annotated.mp4")
    for again, first in zip(shown(tmp_path / "again.mp4"), shown(folder / "annotated.mp4"), strict=True):
        assert np.array_equal(again, first)


def test_sound_is_kept(sounding: Path, tmp_path: Path) -> None:
    render(sounding / "keypoints.jsonl", tmp_path / "again.mp4", RenderOptions())
    assert seconds(tmp_path / "again.mp4", "a") == seconds(sounding / "annotated.mp4", "a")


def test_a_part_has_its_own_frames_and_sound(sounding: Path, tmp_path: Path) -> None:
    render(sounding / "keypoints.jsonl", tmp_path / "part.mp4", RenderOptions(start=0.4, end=1.2))
    assert [float(time) for time in seconds(tmp_path / "part.mp4")] == pytest.approx(
        [number / 25 for number in range(20)], abs=1e-4
    )
    heard = [float(time) for time in seconds(tmp_path / "part.mp4", "a")]
    assert 0 <= heard[0] < 0.03
    assert 0.75 < heard[-1] < 0.8
    plain = load(overrides={"overlay": {"boxes": False, "labels": False, "keypoints": False}})
    render(sounding / "keypoints.jsonl", tmp_path / "plain.mp4", RenderOptions(plain, start=0.4, end=1.2))
    assert [number_in(each) for each in shown(tmp_path / "plain.mp4")] == list(range(10, 30))


def test_slow_motion_is_longer_and_silent(sounding: Path, tmp_path: Path) -> None:
    render(sounding / "keypoints.jsonl", tmp_path / "slow.mp4", RenderOptions(slowmo=2.5))
    times, usual = seconds(tmp_path / "slow.mp4"), seconds(sounding / "annotated.mp4")
    assert [float(time - times[0]) for time in times] == pytest.approx(
        [2.5 * float(time - usual[0]) for time in usual], abs=1e-4
    )
    with av.open(str(tmp_path / "slow.mp4")) as container:
        assert not container.streams.audio


def test_a_log_of_a_part_is_rendered_as_that_part(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(90), options=REORDERED)
    folder = run(clip, tmp_path / "run", capture={"start": 1, "end": 2})
    made = render(folder / "keypoints.jsonl", tmp_path / "again.mp4", RenderOptions())
    assert made.frames == 30
    assert seconds(tmp_path / "again.mp4") == seconds(folder / "annotated.mp4")
    made = render(folder / "keypoints.jsonl", tmp_path / "less.mp4", RenderOptions(start=1.5, end=50))
    assert made.frames == 15
    with pytest.raises(SourceError, match="no frame|is empty"):
        render(folder / "keypoints.jsonl", tmp_path / "none.mp4", RenderOptions(start=2.5))


@pytest.mark.parametrize(
    ("text", "picture", "size"),
    [
        ("96p", (128, 96), (128, 96)), ("48p", (128, 96), (64, 48)), ("200x96", (128, 96), (200, 96)),
        ("64x96", (128, 96), (64, 96)), ("721p", (128, 96), (960, 720)),
    ],
)  # fmt: skip
def test_sizes(text: str, picture: tuple[int, int], size: tuple[int, int], tmp_path: Path) -> None:
    folder = run(write_clip(tmp_path / "a.mp4", range(3), size=picture), tmp_path / "run")
    render(folder / "keypoints.jsonl", tmp_path / "b.mp4", RenderOptions(size=Size.parse(text)))
    assert {(each.shape[1], each.shape[0]) for each in shown(tmp_path / "b.mp4")} == {size}


def test_poses_go_with_the_picture_into_another_size(tmp_path: Path) -> None:
    folder = run(write_clip(tmp_path / "a.mp4", range(3), size=(128, 96)), tmp_path / "run")
    bare = load(overrides={"overlay": {"labels": False, "keypoints": False, "line_width": 2}, "output": {"crf": 0}})
    render(folder / "keypoints.jsonl", tmp_path / "b.mp4", RenderOptions(bare, size=Size.parse("256x256"), ids=(1,)))
    first = shown(tmp_path / "b.mp4")[0].astype(int)
    assert first[:28].max() < 12, "black above"
    assert first[-28:].max() < 12
    (box,) = (person["box"] for person in lines(folder / "keypoints.jsonl")[1]["persons"] if person["id"] == 1)
    coloured = np.argwhere(first.max(axis=2) - first.min(axis=2) > 60)
    (top, left), (bottom, right) = coloured.min(axis=0), coloured.max(axis=0)
    expected = 2 * np.array(box) + [0, 32, 0, 32]
    assert np.abs(np.array([left, top, right, bottom]) - expected).max() < 4


def test_pixels_that_are_not_square_become_square(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for number in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number, (96, 96)), format="bgr24")))
        out.mux(stream.encode(None))
    folder = run(clip, tmp_path / "run")
    render(folder / "keypoints.jsonl", tmp_path / "b.mp4", RenderOptions(size=Size.parse("96p")))
    with opened(tmp_path / "b.mp4", "v") as (_, shown_stream):
        assert isinstance(shown_stream, av.VideoStream)
        assert (shown_stream.width, shown_stream.height) == (128, 96)
        assert shown_stream.sample_aspect_ratio in (None, 0, 1)


@pytest.mark.parametrize("text", ["", "720", "axb", "1280x", "x720", "0p", "1280x720p", "99999x99999", "-5p"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--size"):
        Size.parse(text)


def test_only_the_chosen_are_drawn(tmp_path: Path) -> None:
    folder = run(write_clip(tmp_path / "a.mp4", range(3), size=(320, 240)), tmp_path / "run")
    ids = {person["id"]: person["box"] for person in lines(folder / "keypoints.jsonl")[1]["persons"]}
    small = min(ids, key=lambda number: ids[number][3] - ids[number][1])
    render(folder / "keypoints.jsonl", tmp_path / "b.mp4", RenderOptions(ids=(small,)))
    drawn = shown(tmp_path / "b.mp4")[0].astype(int)
    colour = drawn.max(axis=2) - drawn.min(axis=2)
    x1, y1, x2, y2 = (int(edge) for edge in ids[small])
    assert colour[y1 : y2 + 1, x1 : x2 + 1].max() > 60
    assert colour[:, 130:].max() < 30
    with pytest.raises(SettingsError, match=r"--ids: .* has no person 77 there; it has 1, 2"):
        render(folder / "keypoints.jsonl", tmp_path / "c.mp4", RenderOptions(ids=(1, 77)))


# What belongs together


def test_another_clip_is_refused(tmp_path: Path) -> None:
    folder = run(write_clip(tmp_path / "a.mp4", range(40), size=(128, 96)), tmp_path / "run")
    log = folder / "keypoints.jsonl"
    others = {
        "its picture is 64x48, the log's 128x96": write_clip(tmp_path / "small.mp4", range(40)),
        "it has no frame at the times of": write_clip(tmp_path / "late.mp4", range(500, 540), size=(128, 96)),
        "its time stamps are in units of": write_clip(
            tmp_path / "other.mkv", range(40), Fraction(1, 1000), size=(128, 96)
        ),
        "it has 90 frames, the log's had 40": write_clip(tmp_path / "long.mp4", range(90), size=(128, 96)),
    }
    for reason, clip in others.items():
        with pytest.raises(SourceError, match=f"is not the clip that .* is of: {reason}.*--clip"):
            render(log, tmp_path / "b.mp4", RenderOptions(clip=clip))
        assert not (tmp_path / "b.mp4").exists()


def test_a_clip_that_was_moved_is_given_or_found_beside_the_run(tmp_path: Path) -> None:
    folder = run(write_clip(tmp_path / "a.mp4", range(5)), tmp_path / "run")
    (tmp_path / "a.mp4").rename(tmp_path / "b.mp4")
    with pytest.raises(SourceError, match=r"is of .*a\.mp4, and no such file is here; give the clip with --clip"):
        render(folder / "keypoints.jsonl", tmp_path / "c.mp4", RenderOptions())
    assert render(folder / "keypoints.jsonl", tmp_path / "c.mp4", RenderOptions(clip=tmp_path / "b.mp4")).frames == 5
    (tmp_path / "b.mp4").rename(folder / "a.mp4")
    assert render(folder / "keypoints.jsonl", tmp_path / "d.mp4", RenderOptions()).frames == 5
    with pytest.raises(SourceError, match="no such file"):
        render(folder / "keypoints.jsonl", tmp_path / "e.mp4", RenderOptions(clip=tmp_path / "nothing.mp4"))


def journal(path: Path, source: str, **changes: object) -> Path:
    with KeypointLog(path, header(source=source, **changes)) as log:
        log.frame(seen(0, Poses.none(2), source))
        log.end(Counts(1, 1), 1.0, 1.0)
    return path


def test_a_log_without_a_file_is_refused(tmp_path: Path) -> None:
    for name, source, message in (("url", "rtsp://camera/live", "is of rtsp://camera/live; give a recording"),
                                  ("camera", "camera 0", "is of camera 0, and no such file is here")):  # fmt: skip
        with pytest.raises(SourceError, match=message):
            LoggedClip(journal(tmp_path / f"{name}.jsonl", source))
    with pytest.raises(SourceError, match="is of separate pictures"):
        LoggedClip(journal(tmp_path / "pictures.jsonl", "a.png", video=None))
    with pytest.raises(SourceError, match=r"holds no keypoints\.jsonl"):
        journal_of(tmp_path)
    with pytest.raises(SourceError, match="no such log"):
        journal_of(tmp_path / "nothing")


def test_frames_that_the_clip_has_lost_are_told(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.ts", range(60), options=PLAIN)
    folder = run(clip, tmp_path / "run")
    clip.write_bytes(clip.read_bytes()[: int(0.8 * clip.stat().st_size)])
    made = render(folder / "keypoints.jsonl", tmp_path / "b.mp4", RenderOptions())
    assert 30 < made.frames < 60
    assert f"{60 - made.frames} frames of the log were not found in the clip" in made.notes


# Where it goes


def test_nothing_is_replaced_unless_asked_for_and_never_the_clip(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(5))
    log = run(clip, tmp_path / "run") / "keypoints.jsonl"
    before = clip.read_bytes()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is what is read"):
            render(log, clip, RenderOptions(), overwrite=overwrite)
    assert clip.read_bytes() == before
    render(log, tmp_path / "b.mp4", RenderOptions())
    with pytest.raises(OutputError, match="is there already; --overwrite replaces it"):
        render(log, tmp_path / "b.mp4", RenderOptions())
    assert render(log, tmp_path / "b.mp4", RenderOptions(), overwrite=True).frames == 5
    with pytest.raises(SettingsError, match=r"is written as \.mp4"):
        render(log, tmp_path / "b.avi", RenderOptions())
    with pytest.raises(OutputError, match="its folder is not there"):
        render(log, tmp_path / "no" / "b.mp4", RenderOptions())


def test_an_interruption_finishes_the_video(tmp_path: Path) -> None:
    log = run(write_clip(tmp_path / "a.mp4", range(200), options=PLAIN), tmp_path / "run") / "keypoints.jsonl"
    interruption = Interruption()
    made = render(
        log, tmp_path / "b.mp4", RenderOptions(), interruption=interruption,
        on_frame=lambda seen, _: interruption() if seen.frame.index == 20 else None,
    )  # fmt: skip
    assert made.interrupted
    assert 20 < made.frames < 60
    assert made.notes == []
    assert len(shown(tmp_path / "b.mp4")) == made.frames


# Style


def test_the_style_is_the_runs_but_for_what_is_given() -> None:
    run = {"settings": {"overlay": {"boxes": False, "trail": 2.0, "unheard": 1}, "output": {"crf": 30, "video": False}}}
    style = style_of(run, load(overrides={"overlay": {"trail": 0.5}, "output": {"preset": "fast"}}))
    assert (style.overlay.boxes, style.overlay.trail, style.overlay.labels) == (False, 0.5, True)
    assert (style.output.crf, style.output.preset) == (30, "fast")
    assert style_of({"settings": {"overlay": {"trail": "long"}}}, Settings()).overlay == Settings().overlay
    assert style_of({}, Settings()) == Settings()


def call(*arguments: object) -> tuple[int, str]:
    """The command's exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "poseline", "render", *map(str, arguments)], capture_output=True, text=True, timeout=280
    )
    return done.returncode, done.stdout + done.stderr


def test_the_command_loads_no_engine_and_says_what_it_wrote(tmp_path: Path) -> None:
    folder = run(write_clip(tmp_path / "a.mp4", range(30)), tmp_path / "run")
    (tmp_path / "style.yaml").write_text("overlay:\n  boxes: false\n")
    code = """
import sys
sys.argv = ["poseline", "render", *sys.argv[1:]]
from poseline.cli import command
from poseline.interruption import Interruption
code = command(Interruption())
print("LOADED", *sorted({name.split('.')[0] for name in sys.modules}))
raise SystemExit(code)
"""
    arguments = [
        str(folder),
        "-c",
        str(tmp_path / "style.yaml"),
        "--from",
        "0:00.2",
        "--to",
        "0.6",
        "--blur",
        "persons",
    ]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    told, _, loaded = done.stdout.partition("LOADED")
    assert "12 frames in" in told
    assert str(folder / "rendered.mp4") in told
    assert not {"openvino", "torch", "onnxruntime", "ultralytics", "scipy"} & set(loaded.split())
    assert len(shown(folder / "rendered.mp4")) == 12


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--blur", "cats"], 2, "blur"), (["--slowmo", "0.5"], 2, "--slowmo"), (["--ids", "a"], 2, "--ids"),
        (["--size", "big"], 2, "--size"), (["--from", "2", "--to", "1"], 2, "is empty"), (["--from", "x"], 2, "start"),
        (["--from", "99"], 3, "has no frame from 99 s on"), (["-c", "nothing.yaml"], 2, "nothing.yaml"),
    ],
)  # fmt: skip
def test_wrong_words_have_their_exit_codes(
    arguments: list[str], code: int, message: str, sounding: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["poseline", "render", str(sounding), "-o", str(tmp_path / "x.mp4"), *arguments])
    assert command(Interruption()) == code
    assert message in "".join(capsys.readouterr())
    assert not (tmp_path / "x.mp4").exists()


# Blur

BODY = np.array([
    (0, -80), (4, -84), (-4, -84), (9, -81), (-9, -81), (18, -60), (-18, -60), (25, -35), (-25, -35), (28, -10),
    (-28, -10), (11, 0), (-11, 0), (12, 40), (-12, 40), (12, 80), (-12, 80),
])  # fmt: skip
"""Somebody who stands, pixels around the hips."""


def person(x: float, y: float, confidence: float = 0.9, head: float = 0.9, number: int = 1) -> Poses:
    points = np.concatenate((BODY + np.array([x, y]), np.full((17, 1), confidence)), axis=1)
    points[:5, 2] = head
    box = np.array([[x - 30, y - 95, x + 30, y + 88]])
    found = Poses.of(box, np.array([confidence]), points[None].astype(np.float32))
    return found.with_ids(np.array([number]))


def logged(path: Path, people: list[Poses], skeleton: Skeleton = COCO17, size: tuple[int, int] = (320, 240)) -> Path:
    """A log of 25 frames a second."""
    video = {"width": size[0], "height": size[1], "fps": 25.0, "time_base": "1/25", "pixel_aspect": 1.0}
    with KeypointLog(path, header(skeleton=skeleton, video=video, source=str(path.with_suffix(".mp4")))) as log:
        for index, found in enumerate(people):
            log.frame(seen(index, found, str(path.with_suffix(".mp4"))))
        log.end(Counts(len(people), len(people)), 1.0, 1.0)
    record = [json.loads(line) for line in path.read_text().splitlines()]
    for line in record:
        if line["type"] == "frame":
            line["time"] = line["frame"] / 25
    path.write_text("".join(json.dumps(line) + "\n" for line in record if line["type"] != "size"))
    return path


def covers(areas: NDArray[np.float64], point: tuple[float, float]) -> bool:
    """Whether a point is inside one of the ellipses."""
    middle, radii = (areas[:, :2] + areas[:, 2:4]) / 2, (areas[:, 2:4] - areas[:, :2]) / 2
    return bool(len(areas) and ((((np.array(point) - middle) / radii) ** 2).sum(axis=1) < 1).any())


def head_of(x: float, y: float) -> list[tuple[float, float]]:
    """Crown, chin, both sides: the outline of the head of `person`."""
    return [(x, y - 94), (x, y - 67), (x - 10, y - 80), (x + 10, y - 80)]


@pytest.mark.parametrize("head", [0.9, 0.3, 0.0])
def test_the_whole_head_is_in_the_blur_whatever_the_confidence(head: float, tmp_path: Path) -> None:
    frames = read_log(logged(tmp_path / "a.jsonl", [person(100, 120, head=head)])).frames
    (areas,) = blurred_areas(frames, "faces", COCO17)
    assert all(covers(areas, point) for point in head_of(100, 120))
    size = float((areas[:, 2:4].max(axis=0) - areas[:, :2].min(axis=0)).max())
    if head == 0.9:
        assert size < 70, "and not the whole person"
        assert not covers(areas, (100, 120))


def test_when_in_doubt_more_is_blurred(tmp_path: Path) -> None:
    sure, unsure = read_log(logged(tmp_path / "a.jsonl", [person(100, 120), person(100, 120, head=0.2)])).frames
    (first,), (second,) = (blurred_areas([frame], "faces", COCO17) for frame in (sure, unsure))

    def area(found: NDArray[np.float64]) -> float:
        return float(np.prod(found[:, 2:4].max(axis=0) - found[:, :2].min(axis=0)))

    assert area(second) > 1.3 * area(first)


def test_a_head_is_blurred_where_it_is_although_its_points_are_elsewhere(tmp_path: Path) -> None:
    lost = person(100, 120, head=0.1)
    points = lost.keypoints.copy()
    points[0, :5, :2] += (90, 100)
    moved = Poses(lost.boxes, lost.scores, points, lost.classes, lost.ids)
    frames = read_log(logged(tmp_path / "a.jsonl", [moved])).frames
    (areas,) = blurred_areas(frames, "faces", COCO17)
    assert all(covers(areas, point) for point in head_of(100, 120))


def test_somebody_who_is_missing_for_a_moment_stays_blurred(tmp_path: Path) -> None:
    nobody = Poses.none(17)
    people = [person(50 + 4 * index, 120) if index < 10 or index >= 25 else nobody for index in range(40)]
    areas = blurred_areas(read_log(logged(tmp_path / "a.jsonl", people)).frames, "faces", COCO17)
    for index in range(40):
        assert all(covers(areas[index], point) for point in head_of(50 + 4 * index, 120)), index


def test_before_and_after_somebody_is_seen_a_moment_is_blurred(tmp_path: Path) -> None:
    nobody = Poses.none(17)
    for number in (1, -1):
        people = [nobody] * 20 + [person(100, 120, number=number)] * 5 + [nobody] * 20
        areas = blurred_areas(read_log(logged(tmp_path / f"{number}.jsonl", people)).frames, "faces", COCO17)
        held = [index for index in range(45) if covers(areas[index], (100, 40))]
        assert held == list(range(13, 32))


@pytest.mark.parametrize("what", ["faces", "persons"])
def test_what_is_blurred_cannot_be_seen_and_all_else_is_as_it_was(what: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    noise = np.repeat(np.repeat(noise[::4, ::4], 4, axis=0), 4, axis=1)
    frame = av.VideoFrame.from_ndarray(noise, format="bgr24").reformat(format="yuv420p")
    before = frame.to_ndarray(format="yuv420p").astype(int)[:240]
    (areas,) = blurred_areas(
        read_log(logged(tmp_path / "a.jsonl", [person(100, 120)])).frames, what, COCO17  # type: ignore[arg-type] # one of both
    )  # fmt: skip
    blur(frame, areas, what == "faces")
    after = frame.to_ndarray(format="yuv420p").astype(int)[:240]
    head = slice(30, 52), slice(92, 108)
    assert after[head].std() < 0.35 * before[head].std()
    body = slice(100, 200), slice(85, 115)
    assert (after[body].std() < 0.35 * before[body].std()) == (what == "persons")
    outside = slice(0, 240), slice(180, 320)
    assert np.array_equal(after[outside], before[outside])


def test_a_skeleton_without_a_head_blurs_persons_alone(tmp_path: Path) -> None:
    skeleton = Skeleton(("tail", "paw"))
    with pytest.raises(SettingsError, match="--blur persons blurs all of everybody"):
        blurred_areas([], "faces", skeleton)
    found = Poses.of(
        np.array([[10, 10, 50, 60]], np.float32), np.ones(1, np.float32), np.full((1, 2, 3), 20, np.float32)
    )
    frames = read_log(logged(tmp_path / "a.jsonl", [found], skeleton)).frames
    (areas,) = blurred_areas(frames, "persons", skeleton)
    assert areas[0, 0] < 10
    assert areas[0, 3] > 60


def test_missing_numbers_are_harmless(tmp_path: Path) -> None:
    broken = person(100, 120)
    points, boxes = broken.keypoints.copy(), broken.boxes.copy()
    points[0, :7] = np.nan
    boxes[0, 0] = np.nan
    people = [Poses(boxes, broken.scores, points, broken.classes, broken.ids), person(100, 120)]
    for what in ("faces", "persons"):
        areas = blurred_areas(read_log(logged(tmp_path / f"{what}.jsonl", people)).frames, what, COCO17)
        frame = av.VideoFrame(320, 240, "yuv420p")
        for each in areas:
            blur(frame, each, what == "faces")


def test_the_blur_moves_with_the_size(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(5), size=(320, 240), options={"qp": "4"})
    frames = [person(270, 150)] * 5
    log = logged(tmp_path / "a.jsonl", frames)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    stamps = [frame.pts for frame in VideoFile(clip, CAPTURE).frames()]
    told[0]["video"]["time_base"] = str(VideoFile(clip, CAPTURE).info.time_base)
    for line, pts in zip(told[1:-1], stamps, strict=True):
        line["pts"] = pts
    log.write_text("".join(json.dumps(line) + "\n" for line in told))
    bare = load(overrides={"overlay": {"boxes": False, "labels": False, "keypoints": False}, "output": {"crf": 4}})
    made = render(log, tmp_path / "b.mp4", RenderOptions(bare, blur="faces", size=Size.parse("640x640")))
    assert made.frames == 5


def test_the_samples_log_and_clip_belong_together(tmp_path: Path) -> None:
    made = render(SAMPLES / "sprint.truth.jsonl", tmp_path / "b.mp4", RenderOptions(size=Size.parse("120p")))
    assert made.frames == len(read_log(SAMPLES / "sprint.truth.jsonl").frames)
    assert issubclass(SourceError, PoselineError)
    with opened(tmp_path / "b.mp4", "a") as (_, sound):
        assert sound.codec_context.name == "aac"
