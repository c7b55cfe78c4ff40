"""Overlay: pixels where they belong, the same on BGR and on YUV planes, and none where nothing was seen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from output_worlds import SAMPLES
from poseline.frame import Frame, Picture, Pixels, plane_pixels
from poseline.overlay import (
    BgrCanvas,
    Canvas,
    Colour,
    Drawn,
    Font,
    Overlay,
    Style,
    Trails,
    YuvCanvas,
    draw_hud,
    draw_poses,
    id_colour,
    render,
    skeleton_image,
    writable_yuv,
)
from poseline.overlay.style import KEYPOINT_COLOURS, LIMB_COLOURS
from poseline.pose import Floats, Observation, Poses
from poseline.settings import OverlaySettings
from poseline.skeleton import COCO17, Skeleton

Mask: TypeAlias = NDArray[np.bool_]

PERSON = {0: "person"}
STICK = Skeleton(("left_top", "left_bottom", "right_top", "right_bottom"), ((0, 1), (2, 3)))
GREY = 128


def settings(**wanted: Any) -> OverlaySettings:
    return OverlaySettings.model_validate(wanted)


def grey(width: int = 320, height: int = 240) -> Pixels:
    return np.full((height, width, 3), GREY, np.uint8)


def grey_yuv(width: int = 320, height: int = 240, colorspace: int = 1, color_range: int = 1) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (GREY, 128, 128), strict=True):
        plane_pixels(plane)[:] = value
    frame.colorspace, frame.color_range = colorspace, color_range
    return frame


def frame_of(picture: Picture, **other: Any) -> Frame:
    return Frame(picture, **{"index": 0, "pts": 0, "time_base": Fraction(1, 30), "time": 0.0, "arrival": 0.0, **other})


def stick(confidence: float = 0.9, ids: tuple[int, ...] = (-1,), dx: float = 0) -> Poses:
    """The left limb stands at x = 100, the right one at x = 200, both from y = 60 to 180."""
    limbs = np.array([[100 + dx, 60], [100 + dx, 180], [200 + dx, 60], [200 + dx, 180]], np.float32)
    keypoints = np.concatenate((limbs, np.full((4, 1), confidence)), axis=1, dtype=np.float32)
    box = np.array([80 + dx, 50, 220 + dx, 190], np.float32)
    count = len(ids)
    poses = Poses.of(np.tile(box, (count, 1)), np.full(count, 0.91, np.float32), np.tile(keypoints, (count, 1, 1)))
    return poses.with_ids(np.array(ids, np.int64))


def crowd(size: tuple[int, int], count: int = 10) -> Poses:
    """`count` scattered COCO persons, some of whom reach over the edge of a picture of `size` (width, height)."""
    random = np.random.default_rng(7)
    centres = random.uniform((0, 0), size, (count, 1, 2))
    places = centres + random.uniform(-size[1] / 6, size[1] / 6, (count, 17, 2))
    keypoints = np.concatenate((places, random.uniform(0, 1, (count, 17, 1))), axis=2, dtype=np.float32)
    boxes = np.concatenate((places.min(axis=1), places.max(axis=1)), axis=1, dtype=np.float32)
    scores = np.linspace(0.95, 0.3, count, dtype=np.float32)
    return Poses.of(boxes, scores, keypoints).with_ids(np.arange(1, count + 1))


def decoded(number: int = 20) -> av.VideoFrame:
    with av.open(str(SAMPLES / "crowd.mp4")) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                return frame
    raise AssertionError(f"no frame {number}")


def planes(frame: av.VideoFrame) -> list[Pixels]:
    return [plane_pixels(plane).copy() for plane in frame.planes]


def shown(drawn: Drawn) -> av.VideoFrame:
    assert isinstance(drawn.picture, av.VideoFrame)
    return drawn.picture


def as_bgr(frame: av.VideoFrame) -> Pixels:
    return np.array(frame.to_ndarray(format="bgr24"), np.uint8)


def changed(picture: Pixels) -> Mask:
    """(H, W) bool: where a picture is no longer plain grey."""
    mask: Mask = (picture != GREY).any(axis=2)
    return mask


ONLY_KEYPOINTS = settings(boxes=False, labels=False, line_width=3)


# --- what is drawn ------------------------------------------------------------------------------------------------


def test_a_limb_is_drawn_between_its_ends_and_nowhere_else() -> None:
    picture = render(grey(), stick(), STICK, PERSON, ONLY_KEYPOINTS)
    for y in range(66, 175):
        assert tuple(picture[y, 100]) == LIMB_COLOURS["left"], y
        assert tuple(picture[y, 200]) == LIMB_COLOURS["right"], y
    assert changed(picture)[120].nonzero()[0].tolist() == [*range(97, 104), *range(197, 204)]  # 5 px and an edge
    assert not changed(picture)[:55].any()
    assert not changed(picture)[186:].any()


def test_a_keypoint_is_a_round_disc_of_its_sides_colour() -> None:
    picture = render(grey(), stick(), Skeleton(STICK.names), PERSON, ONLY_KEYPOINTS)
    radius = Style.of(ONLY_KEYPOINTS, 320, 240).radius
    rows, columns = np.nonzero((picture == np.array(KEYPOINT_COLOURS["left"])).all(axis=2))
    distances = np.minimum(np.hypot(columns - 100, rows - 60), np.hypot(columns - 100, rows - 180))
    assert distances.max() <= radius + 0.5
    assert len(rows) == pytest.approx(2 * np.pi * radius**2, rel=0.1)
    assert tuple(picture[60, 200]) == KEYPOINT_COLOURS["right"]


def test_a_limb_across_the_body_has_the_colour_of_neither_side() -> None:
    skeleton = Skeleton(STICK.names, ((0, 2),))
    picture = render(grey(), stick(), skeleton, PERSON, ONLY_KEYPOINTS)
    assert tuple(picture[60, 150]) == LIMB_COLOURS["middle"]


def test_keypoints_below_the_threshold_are_not_drawn() -> None:
    assert not changed(render(grey(), stick(0.49), STICK, PERSON, ONLY_KEYPOINTS)).any()
    assert changed(render(grey(), stick(0.51), STICK, PERSON, ONLY_KEYPOINTS)).any()
    low = settings(boxes=False, labels=False, kpt_conf=0.4)
    assert changed(render(grey(), stick(0.49), STICK, PERSON, low)).any()


def test_a_limb_needs_both_its_ends() -> None:
    poses = stick()
    keypoints = poses.keypoints.copy()
    keypoints[0, 1, 2] = 0.1
    picture = render(grey(), Poses.of(poses.boxes, poses.scores, keypoints), STICK, PERSON, ONLY_KEYPOINTS)
    assert not changed(picture)[70:, 90:110].any()  # neither the limb nor its far end
    assert tuple(picture[60, 100]) == KEYPOINT_COLOURS["left"]
    assert tuple(picture[120, 200]) == LIMB_COLOURS["right"]


def test_a_box_is_as_wide_as_asked_and_centred_on_its_edge() -> None:
    picture = render(grey(), stick(ids=(3,)), STICK, PERSON, settings(keypoints=False, labels=False, line_width=3))
    assert changed(picture)[120].nonzero()[0].tolist() == [79, 80, 81, 219, 220, 221]
    assert changed(picture)[:, 150].nonzero()[0].tolist() == [49, 50, 51, 189, 190, 191]
    assert tuple(picture[50, 80]) == id_colour(3)


def test_every_option_draws_its_own_part_only() -> None:
    nothing = {"boxes": False, "labels": False, "keypoints": False}
    assert not changed(render(grey(), stick(), STICK, PERSON, settings(**nothing))).any()
    inside, above, edge = (slice(90, 150), slice(100, 101)), (slice(30, 45), slice(82, 100)), (slice(90, 150), 80)
    for option, where in (("keypoints", inside), ("labels", above), ("boxes", edge)):
        picture = changed(render(grey(), stick(), STICK, PERSON, settings(**{**nothing, option: True})))
        assert [bool(picture[place].any()) for place in (inside, above, edge)] == [
            place is where for place in (inside, above, edge)
        ], option


@pytest.mark.parametrize(
    ("ids", "names", "wanted", "text"),
    [
        ((3,), PERSON, {}, "#3 0.91"),
        ((-1,), PERSON, {}, "person 0.91"),
        ((3,), PERSON, {"conf": False}, "#3"),
        ((-1,), PERSON, {"conf": False}, "person"),
        ((3,), {0: "dog", 1: "cat"}, {}, "dog #3 0.91"),
        ((-1,), {}, {}, "class 0 0.91"),
    ],
)
def test_a_label_says(ids: tuple[int, ...], names: dict[int, str], wanted: dict[str, Any], text: str) -> None:
    style = Style.of(settings(boxes=False, keypoints=False, **wanted), 320, 240)
    canvas = _Recorder()
    draw_poses(canvas, stick(ids=ids), STICK, style, names)
    (_, mask, ground, _), *others = canvas.stamps
    assert not others
    assert ground == id_colour(ids[0])
    assert np.array_equal(mask, style.font.mask(text))
    assert not np.array_equal(mask, style.font.mask(text + "."))


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (-300, 0), (300, 0), (0, -300), (0, 300), (-90, -50)])
def test_a_label_is_always_whole_inside_the_picture(dx: int, dy: int) -> None:
    poses = stick()
    moved = Poses.of(poses.boxes + np.array([dx, dy, dx, dy], np.float32), poses.scores, poses.keypoints)
    canvas = _Recorder()
    draw_poses(canvas, moved, STICK, Style.of(settings(boxes=False, keypoints=False), 320, 240), PERSON)
    (x, y), mask, _, _ = canvas.stamps[0]
    assert 0 <= x <= 320 - mask.shape[1]
    assert 0 <= y <= 240 - mask.shape[0]


def test_a_label_hangs_inside_its_box_where_there_is_no_room_above() -> None:
    style = Style.of(settings(boxes=False, keypoints=False, line_width=3), 320, 240)
    for top, expected in ((100.0, 100 - 1 - style.font.mask("person 0.91").shape[0]), (10.0, 9), (-20.0, 0)):
        canvas = _Recorder()
        boxes = np.array([[80, top, 220, 190]], np.float32)
        draw_poses(canvas, Poses.of(boxes, stick().scores, stick().keypoints), STICK, style, PERSON)
        assert canvas.stamps[0][0] == (79, expected)


def test_an_id_keeps_its_colour_and_its_neighbours_have_others() -> None:
    for number in range(1, 60):
        assert len({id_colour(number + step) for step in range(6)} | {id_colour(-1)}) == 7, number
    without = settings(labels=False, keypoints=False)
    alone = render(grey(), stick(ids=(5,)), STICK, PERSON, without)
    in_a_crowd = render(grey(), stick(ids=(2, 5)), STICK, PERSON, without)
    assert tuple(alone[50, 150]) == id_colour(5)
    assert tuple(in_a_crowd[50, 150]) == id_colour(2)  # the surest comes first in poses, and lies on top


def test_the_original_of_a_rendered_picture_is_untouched() -> None:
    picture = grey()
    render(picture, stick(), STICK, PERSON, settings())
    assert not changed(picture).any()


# --- what must not break it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -1e30, 2.0**31, 40_000])
@pytest.mark.parametrize("kind", ["bgr", "yuv"])
def test_wild_coordinates_are_harmless_and_spoil_nobody_else(bad: float, kind: str) -> None:
    good = stick(ids=(1,))
    keypoints, boxes = np.tile(good.keypoints, (2, 1, 1)), np.tile(good.boxes, (2, 1))
    keypoints[1, 1, :2] = bad
    keypoints[1, 3, 0] = bad
    boxes[1, 2:] = bad
    poses = Poses.of(boxes, np.tile(good.scores, 2), keypoints).with_ids(np.array([1, 2]))
    style = Style.of(settings(), 320, 240)
    picture, yuv = grey(), grey_yuv()
    canvas: Canvas = BgrCanvas(picture) if kind == "bgr" else YuvCanvas(yuv)
    draw_poses(canvas, poses, STICK, style, PERSON)
    luma = picture[:, :, 1] if kind == "bgr" else planes(yuv)[0]
    assert luma[120, 100] != GREY
    assert luma[120, 200] != GREY
    assert luma[120, 40] == GREY


def test_a_limb_that_leaves_the_picture_keeps_its_direction() -> None:
    picture = grey()
    BgrCanvas(picture).lines(np.array([[[100, 100], [20_100, 10_100]]], np.float32), (0, 0, 255), 3)
    assert tuple(picture[100 + 60, 100 + 120]) == (0, 0, 255)
    assert tuple(picture[100 + 105, 100 + 210]) == (0, 0, 255)


def test_no_poses_and_poses_without_keypoints_draw_nothing_of_them() -> None:
    none = render(grey(), Poses.none(17), COCO17, PERSON, settings())
    assert not changed(none).any()
    bare = Poses.of(np.array([[80, 50, 220, 190]], np.float32), np.ones(1, np.float32), np.zeros((1, 0, 3), np.float32))
    assert changed(render(grey(), bare, Skeleton(()), PERSON, settings(labels=False))).any()


# --- YUV against BGR ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("colorspace", [1, 5, 6, 2])
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255), (86, 180, 233), (0, 94, 213)])
def test_a_colour_survives_the_frames_matrix_and_range(colour: Colour, colorspace: int, color_range: int) -> None:
    frame = grey_yuv(64, 64, colorspace, color_range)
    YuvCanvas(frame).discs(np.array([[32, 32]], np.float32), colour, 20)
    back = as_bgr(frame)[32, 32].astype(int)
    assert np.abs(back - colour).max() <= 4


def test_luma_is_drawn_exactly_as_on_a_grey_picture() -> None:
    """White on grey has no chroma, so that Y must be what BGR is, in its own range."""
    frame, picture = grey_yuv(color_range=2), grey()
    for canvas in (YuvCanvas(frame), BgrCanvas(picture)):
        canvas.lines(np.array([[[20, 30], [250, 200.4]]], np.float32), (255, 255, 255), 3)
        canvas.discs(np.array([[50, 150], [-3, 100]], np.float32), (255, 255, 255), 6)
        canvas.rectangle(np.array([30, 40, 600, 90], np.float32), (255, 255, 255), 3)
        canvas.stamp((201, 101), Font(20).mask("#3 0.91"), (0, 0, 0), (255, 255, 255))
        canvas.stamp((300, 230), Font(20).mask("cut off"), (0, 0, 0), (255, 255, 255))
    luma, u, v = planes(frame)
    assert np.array_equal(luma, picture[:, :, 0])
    assert (u == 128).all()
    assert (v == 128).all()


@pytest.mark.parametrize("real", [False, True], ids=["grey", "clip"])
def test_a_drawing_on_yuv_looks_like_one_on_bgr(real: bool) -> None:
    """Away from edges the colours agree; at edges luma does, and chroma is off by no more than its own coarseness."""
    source = decoded() if real else grey_yuv(1280, 720)
    poses, style = crowd((1280, 720)), Style.of(settings(), 1280, 720)
    before = as_bgr(source)
    on_bgr, on_yuv = before.copy(), writable_yuv(frame_of(source))
    for canvas in (BgrCanvas(on_bgr), YuvCanvas(on_yuv)):
        draw_poses(canvas, poses, COCO17, style, PERSON)
        draw_hud(canvas, style, ["29.9 fps", "12 ms", "0 dropped"])
    after = as_bgr(on_yuv)

    drawn = (on_bgr != before).any(axis=2).astype(np.uint8)
    assert drawn.sum() > 20_000
    near = cv2.dilate(drawn, np.ones((7, 7), np.uint8)).astype(bool)
    assert np.array_equal(after[~near], before[~near])  # nothing at all beyond the reach of a chroma sample

    flat = _even(on_bgr)
    difference = np.abs(after.astype(int) - on_bgr)
    assert difference[flat & drawn.astype(bool)].max() <= 6  # inside an area of one colour: rounding only

    subsampled = as_bgr(writable_yuv(frame_of(on_bgr)))
    explained = np.abs(subsampled.astype(int) - on_bgr)[near].mean()
    assert difference[near].mean() <= 1.5 * explained + 1
    weights = np.array([0.0722, 0.7152, 0.2126])
    assert np.quantile(np.abs((after.astype(float) - on_bgr) @ weights)[near], 0.95) <= 6


def test_text_leaves_no_coloured_noise() -> None:
    """Every chroma sample is the mixture of two colours that its four pixels ask for, and no other."""
    frame, mask = grey_yuv(color_range=2), Font(18).mask("#38 0.64 noise")
    YuvCanvas(frame).stamp((11, 13), mask, (0, 255, 255), (0, 0, 0))  # black on yellow, from the even place before
    luma, u, v = planes(frame)
    height, width = mask.shape
    assert np.flatnonzero((luma != GREY).any(axis=0))[[0, -1]].tolist() == [10, 10 + width - 1]
    assert np.flatnonzero((u != 128).any(axis=1))[[0, -1]].tolist() == [6, 6 + height // 2 - 1]
    ground = 1 - mask.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)) / 255
    rows, columns = slice(6, 6 + height // 2), slice(5, 5 + width // 2)
    assert np.abs(u[rows, columns] - (128 + (u[6, 5] - 128.0) * ground)).max() <= 1
    assert np.abs(v[rows, columns] - (128 + (v[6, 5] - 128.0) * ground)).max() <= 1
    assert u[6, 5] == 0  # yellow is blue's opposite: the end of the range
    assert ground.min() < 0.3  # letters are there at all


def test_colour_lies_where_brightness_does() -> None:
    """A chroma sample's middle is half a pixel from its first one's; without that, colours sit beside their lines."""
    offsets = []
    for x in range(40, 48):
        frame = grey_yuv()
        YuvCanvas(frame).lines(np.array([[[x, 20], [x, 220]]], np.float32), (255, 0, 0), 7)
        luma, u, _ = (np.abs(plane[60].astype(float) - plane[0, 0]) for plane in planes(frame))
        centre = (luma * np.arange(320)).sum() / luma.sum()
        offsets.append(2 * (u * np.arange(160)).sum() / u.sum() + 0.5 - centre)
    assert abs(np.mean(offsets)) < 0.3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_canvas_leaves_out_what_is_not_finite(bad: float) -> None:
    pictures = grey(), grey()
    first, last = [[20, 30], [60, 90]], [[200, 30], [160, 90]]
    for picture, limbs in zip(pictures, ([first, [[bad, 50], [100, 60]], last], [first, last]), strict=True):
        segments, canvas = np.array(limbs, np.float32), BgrCanvas(picture)
        canvas.lines(segments, (0, 0, 255), 3)
        canvas.discs(segments[:, 0], (0, 255, 0), 4)
        canvas.rectangle(np.array([10, 10, bad, 50], np.float32), (255, 0, 0), 3)
    assert np.array_equal(*pictures)
    assert changed(pictures[0])[30, 200]


# --- the private copy ---------------------------------------------------------------------------------------------


def test_the_decoders_planes_are_never_drawn_on() -> None:
    source = decoded()
    before = planes(source)
    drawn = next(Overlay(settings(hud=True), COCO17, PERSON).stage(iter([_seen(source)])))
    assert all(np.array_equal(left, right) for left, right in zip(before, planes(source), strict=True))
    assert not np.array_equal(before[0], planes(shown(drawn))[0])


def test_a_copy_is_exact_and_carries_time_and_colour() -> None:
    source = decoded()
    source.pts, source.time_base = 77, Fraction(1, 90_000)
    copy = writable_yuv(frame_of(source, pts=66, time_base=Fraction(1, 90_000)))
    assert all(np.array_equal(left, right) for left, right in zip(planes(source), planes(copy), strict=True))
    assert (copy.pts, copy.time_base) == (77, Fraction(1, 90_000))
    assert (copy.colorspace, copy.color_range) == (source.colorspace, source.color_range) == (1, 1)
    for colorspace, color_range in ((5, 2), (1, 2), (6, 1)):
        copy = writable_yuv(frame_of(grey_yuv(64, 48, colorspace, color_range)))
        assert (copy.colorspace, copy.color_range) == (colorspace, color_range)


@pytest.mark.parametrize(("width", "height"), [(63, 47), (64, 47), (63, 48)])
def test_odd_planes_are_padded_with_their_last_column_and_row(width: int, height: int) -> None:
    odd = av.VideoFrame(width, height, "yuv420p")
    random = np.random.default_rng(1)
    for plane in odd.planes:
        pixels = plane_pixels(plane)
        pixels[:] = random.integers(0, 256, pixels.shape)
    source, copy = planes(odd), writable_yuv(frame_of(odd))
    assert (copy.width, copy.height) == (64, 48)
    right, below = 64 - width, 48 - height
    assert np.array_equal(planes(copy)[0], np.pad(source[0], ((0, below), (0, right)), mode="edge"))
    assert np.array_equal(planes(copy)[1], source[1])
    assert np.array_equal(planes(copy)[2], source[2])


def test_a_bgr_picture_becomes_even_tagged_yuv_and_comes_back() -> None:
    picture = cv2.resize(as_bgr(decoded()), (319, 179), interpolation=cv2.INTER_AREA)
    picture = cv2.GaussianBlur(picture, (0, 0), 3)  # so that halving its chroma loses little
    picture.flags.writeable = False
    copy = writable_yuv(frame_of(picture, pts=5))
    assert (copy.width, copy.height, copy.format.name, copy.pts) == (320, 180, "yuv420p", 5)
    assert (copy.colorspace, copy.color_range) == (1, 1)
    back = as_bgr(copy).astype(int)
    assert np.abs(back[:179, :319] - picture).mean() < 3  # swscale's quick way is a level dark
    assert np.abs(back[179, :319] - picture[178]).mean() < 4
    plane_pixels(copy.planes[0])[:] = 0  # private: the picture stays
    assert picture.any()


# --- trails, status and the stage ---------------------------------------------------------------------------------


def test_a_trail_follows_its_id_for_its_seconds_only() -> None:
    trails, style = Trails(1.0), Style.of(settings(), 320, 240)
    for step in range(100):
        trails.update(stick(ids=(4,), dx=step), step / 10)
    assert len(trails) <= 11
    picture = grey()
    trails.draw(BgrCanvas(picture), style)
    columns = np.flatnonzero(changed(picture).any(axis=0))
    assert tuple(picture[190, 245]) == id_colour(4)  # 150 is the middle of the box, moved by up to 99
    assert 236 <= columns.min() <= 239
    assert 249 <= columns.max() <= 252


def test_trails_forget_who_is_gone_untracked_or_of_another_time() -> None:
    trails = Trails(0.5)
    for step in range(1000):
        trails.update(stick(ids=(step + 1,)), step / 30)
    assert len(trails) <= 16
    trails.update(Poses.none(4), 40.0)
    assert len(trails) == 0
    trails.update(stick(ids=(-1,)), 41.0)
    assert len(trails) == 0
    trails.update(stick(ids=(1,)), 42.0)
    trails.update(stick(ids=(2,)), 0.0)  # the next source begins
    assert len(trails) == 1
    for _ in range(50):
        trails.update(stick(ids=(1, 2)), 0.0)  # pictures: time stands still
    assert len(trails) == 2


def test_the_status_shows_rate_latency_and_all_drops() -> None:
    ticks = iter(np.arange(0, 100, 0.025).tolist())  # two readings a frame: one every 50 ms, the panel 25 ms later
    overlay = Overlay(settings(hud=True, labels=False, boxes=False), STICK, PERSON, clock=lambda: next(ticks))
    seen = [_seen(grey(), index * 0.05, arrival=index * 0.05 - 0.075, dropped_before=index % 2) for index in range(10)]
    last = list(overlay.stage(iter(seen)))[-1]
    expected = writable_yuv(frame_of(grey()))
    canvas, style = YuvCanvas(expected), Style.of(settings(), 320, 240)
    draw_poses(canvas, stick(), STICK, Style.of(settings(labels=False, boxes=False), 320, 240), PERSON)
    draw_hud(canvas, style, ["20.0 fps", "100 ms", "5 dropped"])
    assert np.array_equal(planes(shown(last))[0], planes(expected)[0])


def test_the_stage_keeps_order_and_time_and_follows_a_change_of_size() -> None:
    small, large = grey(320, 240), grey(1280, 960)
    overlay = Overlay(settings(keypoints=False, labels=False), STICK, PERSON)
    observations = [_seen(small, 0.0, pts=3), _seen(large, 0.1, pts=9), _seen(small, 0.2, pts=11)]
    drawn = list(overlay.stage(iter(observations)))
    assert [one.observation for one in drawn] == observations
    assert [shown(one).pts for one in drawn] == [3, 9, 11]
    luma = [planes(shown(one))[0] for one in drawn]
    widths = [int((plane[120, 70:90] != plane[0, 0]).sum()) for plane in luma]
    assert widths == [2, 3, 2]


def test_stills_are_drawn_in_full_colour_without_a_panel() -> None:
    picture, wanted = grey(321, 241), settings(hud=True, trail=1.0)
    (drawn,) = Overlay(wanted, STICK, PERSON).stills(iter([_seen(picture)]))
    assert isinstance(drawn.picture, np.ndarray)
    assert np.array_equal(drawn.picture, render(picture, stick(), STICK, PERSON, wanted))
    assert not changed(picture).any()


def test_the_stage_draws_trails_in_the_ids_colour() -> None:
    overlay = Overlay(settings(keypoints=False, labels=False, boxes=False, trail=1.0, line_width=4), STICK, PERSON)
    seen = [Observation(frame_of(grey(), time=step / 10), stick(ids=(2,), dx=20 * step)) for step in range(4)]
    *_, last = overlay.stage(iter(seen))
    bgr = as_bgr(shown(last))
    assert np.abs(bgr[190, 180].astype(int) - id_colour(2)).max() <= 6
    assert np.abs(bgr[190, 240].astype(int) - GREY).max() <= 4


# --- style and letters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "width"), [((320, 240), 2), ((1280, 720), 3), ((1920, 1080), 4), ((3840, 2160), 9)])
def test_lines_and_letters_scale_with_the_picture_unless_told(size: tuple[int, int], width: int) -> None:
    style = Style.of(settings(), *size)
    assert style.line_width == width
    assert style.font.size == max(12, sum(size) / 100)
    told = Style.of(settings(line_width=7, font_size=14), *size)
    assert (told.line_width, told.font.size) == (7, 14)


@pytest.mark.parametrize("size", [10, 14, 20, 33.3])
def test_letters_are_as_high_as_asked_and_stay_inside_their_mask(size: float) -> None:
    mask = Font(size).mask("Ågj 0.91")
    rows, columns = np.flatnonzero((mask > 64).any(axis=1)), np.flatnonzero((mask > 64).any(axis=0))
    assert mask.shape[0] % 2 == mask.shape[1] % 2 == 0
    assert 0.7 * size <= rows[-1] - rows[0] + 1 <= 1.3 * size
    assert rows[-1] < mask.shape[0] - 1
    assert columns[0] > 0
    assert columns[-1] < mask.shape[1] - 1


def test_words_with_and_without_tails_stand_level() -> None:
    plain, tailed = Font(20).mask("ox"), Font(20).mask("oxg")
    assert np.array_equal(plain[:, 4:16], tailed[:, 4:16])


# --- the picture of a skeleton ------------------------------------------------------------------------------------


def test_the_picture_of_coco_has_the_persons_left_on_its_right() -> None:
    picture = skeleton_image(COCO17)
    assert picture.dtype == np.uint8
    assert picture.shape[0] == 900
    assert 600 <= picture.shape[1] <= 1000
    for colour, on_the_right in ((KEYPOINT_COLOURS["left"], True), (KEYPOINT_COLOURS["right"], False)):
        columns = np.nonzero((picture == np.array(colour)).all(axis=2))[1]
        assert len(columns) > 5000
        assert ((columns > picture.shape[1] / 2) == on_the_right).all()


@pytest.mark.parametrize("count", [0, 1, 2, 5, 21, 133])
def test_any_skeleton_has_a_picture_on_which_no_name_covers_another(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"left_part_{index}" for index in range(count))
    covered: list[tuple[int, int, int, int]] = []
    stamp: Callable[..., None] = BgrCanvas.stamp

    def recorded(canvas: BgrCanvas, corner: tuple[int, int], mask: Pixels, ground: Colour, ink: Colour) -> None:
        if ground == (255, 255, 255):
            covered.append((*corner, corner[0] + mask.shape[1], corner[1] + mask.shape[0]))
        stamp(canvas, corner, mask, ground, ink)

    monkeypatch.setattr(BgrCanvas, "stamp", recorded)
    picture = skeleton_image(Skeleton(names, tuple((index, index + 1) for index in range(count - 1))))
    assert len(covered) == count
    for index, (x1, y1, x2, y2) in enumerate(covered):
        assert x1 >= 0
        assert y1 >= 0
        assert x2 <= picture.shape[1]
        assert y2 <= picture.shape[0]
        for a1, b1, a2, b2 in covered[:index]:
            assert x2 <= a1 or a2 <= x1 or y2 <= b1 or b2 <= y1


def test_importing_overlay_brings_in_no_engine() -> None:
    heavy = "{'torch', 'ultralytics', 'openvino', 'polars', 'scipy', 'matplotlib'}"
    code = f"import sys, poseline.overlay; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True)
    assert run.stdout.strip() == "[]"


class _Recorder:
    """A Canvas that remembers its stamps."""

    size = (320, 240)

    def __init__(self) -> None:
        self.stamps: list[tuple[tuple[int, int], Pixels, Colour, Colour]] = []

    def lines(self, segments: Floats, colour: Colour, width: int) -> None:
        """Nothing to remember."""

    def discs(self, centres: Floats, colour: Colour, radius: int) -> None:
        """Nothing to remember."""

    def rectangle(self, box: Floats, colour: Colour, width: int) -> None:
        """Nothing to remember."""

    def stamp(self, corner: tuple[int, int], mask: Pixels, ground: Colour, ink: Colour) -> None:
        self.stamps.append((corner, mask, ground, ink))


def _seen(picture: Picture, time: float = 0.0, **other: Any) -> Observation:
    frame = frame_of(picture, time=time, **other)
    poses = crowd((frame.width, frame.height)) if isinstance(picture, av.VideoFrame) else stick()
    return Observation(frame, poses)


def _even(picture: Pixels) -> Mask:
    """(H, W) bool: pixels whose whole surroundings, as far as a chroma sample reaches, have one colour."""
    size = np.ones((7, 7), np.uint8)
    mask: Mask = (cv2.dilate(picture, size) == cv2.erode(picture, size)).all(axis=2)
    return mask
