"""Region of interest: squares for people on a plain ground, and a network that finds what is bright in its input."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from output_worlds import SKELETON
from poseline.capture import ClipSample
from poseline.errors import SettingsError
from poseline.frame import Frame, Pixels
from poseline.inference import Letterbox, ModelSpec, PoseEstimator, ScriptedRuntime, infer, load_estimator, weights
from poseline.inference.agreement import agreement
from poseline.inference.roi import RoiSelector
from poseline.inference.scaler import PAD, Scaler
from poseline.openvino_core import core
from poseline.pose import Observation
from poseline.settings import InferenceSettings

WIDTH, HEIGHT, IMGSZ = 1280, 720, 640
WHOLE = (384, 640)
GROUND, FAINT, BRIGHT = 60, 68, 200
SIDE = 80
EVERY = 12
Place = tuple[float, float]
World = Callable[[int], list[tuple[Place, int]]]
"""The centres of the squares in frame i, and how bright they are."""


def bright_ones(pixels: Pixels) -> NDArray[np.float32]:
    """A network's answer: a person for each region that is brighter than the ground, keypoints at its upper corners."""
    mask = ((pixels[0, 0] > (GROUND + FAINT) / 2) & (pixels[0, 0] != PAD)).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found = np.zeros((11, len(stats)), np.float32)
    for column, (x, y, width, height, area) in enumerate(stats[1:]):
        if area >= 20:
            found[:, column] = [x + width / 2, y + height / 2, width, height, 0.9, x, y, 0.9, x + width, y, 0.9]
    return found


def frames(world: World, count: int) -> Iterator[Frame]:
    for index in range(count):
        picture = np.full((HEIGHT, WIDTH, 3), GROUND, np.uint8)
        for (x, y), grey in world(index):
            left, top = round(x - SIDE / 2), round(y - SIDE / 2)
            picture[max(top, 0) : max(top + SIDE, 0), max(left, 0) : max(left + SIDE, 0)] = grey
        yield Frame(picture, index, index, Fraction(1, 30), index / 30, 0.0, "squares")


def seen(world: World, count: int, *, roi: bool, in_flight: int = 3) -> list[Observation]:
    spec = ModelSpec("squares", Path("squares.xml"), "openvino", "0" * 64, {0: "person"}, (2, 3), 32, False, SKELETON)
    settings = InferenceSettings(imgsz=IMGSZ, roi=roi, roi_every=EVERY)
    estimator = PoseEstimator(spec, ScriptedRuntime(bright_ones, in_flight=in_flight), settings)
    return list(infer(frames(world, count), estimator))


def wholes(observations: list[Observation]) -> list[int]:
    """The frames that were looked at as a whole."""
    return [one.frame.index for one in observations if one.input_shape == WHOLE]


def standing(_: int) -> list[tuple[Place, int]]:
    return [((640, 400), BRIGHT)]


def walking(index: int) -> list[tuple[Place, int]]:
    return [((200 + 6 * index, 400), BRIGHT), ((320 + 6 * index, 300 + 2 * index), BRIGHT)]


def running(index: int) -> list[tuple[Place, int]]:
    """A third of the own height from frame to frame, from a stand."""
    return [((100 + 28 * max(0, index - 8), 400), BRIGHT)]


def appearing(index: int) -> list[tuple[Place, int]]:
    return standing(index) + ([((100, 100), BRIGHT)] if index >= 20 else [])


def walking_in(index: int) -> list[tuple[Place, int]]:
    return [*standing(index), ((-60 + 8 * index, 200), BRIGHT)]


def appearing_faintly(index: int) -> list[tuple[Place, int]]:
    return standing(index) + ([((100, 100), FAINT)] if index >= 20 else [])


def leaving(index: int) -> list[tuple[Place, int]]:
    return [*standing(index), *([((740, 400), BRIGHT)] if index < 20 else [])]


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize("world", [standing, walking, running, appearing, walking_in, leaving])
def test_everybody_is_seen_as_in_the_whole_picture(world: World, in_flight: int) -> None:
    plain, focused = seen(world, 48, roi=False), seen(world, 48, roi=True, in_flight=in_flight)
    assert [one.frame.index for one in focused] == list(range(48))
    for truth, found in zip(plain, focused, strict=True):
        assert len(found.poses) == len(truth.poses), f"frame {found.frame.index}"
        order = [poses.boxes[:, 0].argsort() for poses in (truth.poses, found.poses)]
        np.testing.assert_allclose(found.poses.boxes[order[1]], truth.poses.boxes[order[0]], atol=2.1)
        np.testing.assert_allclose(found.poses.keypoints[order[1]], truth.poses.keypoints[order[0]], atol=2.1)
    assert wholes(plain) == list(range(48))
    assert len(wholes(focused)) < 36, "hardly ever was it a part"


def test_the_whole_is_looked_at_every_so_often_and_no_oftener() -> None:
    found = seen(standing, 60, roi=True)
    assert wholes(found)[:3] == [0, 1, 2], "until the first answer"
    assert wholes(found)[3:] == list(range(2 + EVERY, 60, EVERY))
    assert {one.input_shape for one in found} == {WHOLE, (96, 160)}


def test_who_cannot_be_told_from_the_ground_is_seen_when_the_whole_is_looked_at() -> None:
    counts = [len(one.poses) for one in seen(appearing_faintly, 60, roi=True)]
    first = counts.index(2)
    assert 20 <= first < 20 + EVERY
    assert counts[first + EVERY :] == [2] * (60 - first - EVERY), "from then on it is in the part too"


def test_nobody_at_all_is_looked_for_in_the_whole() -> None:
    assert wholes(seen(lambda _: [], 10, roi=True)) == list(range(10))


def test_a_cell_that_never_rests_does_not_cost_every_frame() -> None:
    def flickering(index: int) -> list[tuple[Place, int]]:
        return [*standing(index), ((100, 100), GROUND - 50 * (index % 2))]

    assert len(wholes(seen(flickering, 60, roi=True))) < 20


def test_few_sizes_are_used_however_people_spread() -> None:
    def spreading(index: int) -> list[tuple[Place, int]]:
        return [((640 - 2.4 * index, 380), BRIGHT), ((640 + 2.4 * index, 340 + index), BRIGHT)]

    shapes = {one.input_shape for one in seen(spreading, 240, roi=True)}
    assert 2 < len(shapes) <= 5
    assert all(height % 32 == 0 and width % 32 == 0 for height, width in shapes)


def test_another_source_is_looked_at_anew() -> None:
    roi, whole = RoiSelector(EVERY, 32), Letterbox.fit(WIDTH, HEIGHT, IMGSZ, 32)
    other = Letterbox.fit(HEIGHT, WIDTH, IMGSZ, 32)
    first = seen(standing, 1, roi=False)[0]
    assert roi.letterbox(first.frame, whole) == whole
    roi.note(first, whole)
    assert roi.letterbox(first.frame, whole).size == (160, 96)
    upright = Frame(np.zeros((WIDTH, HEIGHT, 3), np.uint8), 1, 1, Fraction(1), 0.0, 0.0)
    assert roi.letterbox(upright, other) == other


@pytest.mark.parametrize("size", [(1280, 720), (1768, 994), (641, 481)])
def test_a_part_is_where_it_is_in_the_whole(size: tuple[int, int]) -> None:
    whole = Letterbox.fit(*size, IMGSZ, 32)
    scale = whole.source[0] / whole.scaled[0]
    for left, top, width, height in ((0, 0, 320, 192), (160, 96, 320, 192), (320, 192, 320, 192), (64, 0, 96, 384)):
        part = whole.part(left, top, width, height)
        assert part.size == (width, height)
        assert part.corner[0] % 2 == part.corner[1] % 2 == 0
        inside = np.array([[8, 20], [width / 2, height / 2], [width - 8, height - 20]], np.float32)
        there = whole.to_source(inside + np.array([left, top], np.float32))
        np.testing.assert_allclose(part.to_source(inside), there, atol=1.01)
        np.testing.assert_allclose(part.to_input(there), inside, atol=1.01 / scale)
        clear = (there > 0).all() and (there < size).all()
        if clear:
            np.testing.assert_allclose(part.to_source(part.to_input(there)), there, atol=1e-3)


@pytest.mark.parametrize("kind", ["bgr", "yuv420p"])
def test_a_part_shows_what_the_whole_shows_there(kind: str) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 3)
    picture = np.asarray(noise, np.uint8)
    frame = Frame(
        picture if kind == "bgr" else av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=kind),
        0, 0, Fraction(1), 0.0, 0.0,
    )  # fmt: skip
    whole, scaler = Letterbox.fit(WIDTH, HEIGHT, IMGSZ, 32), Scaler()
    everything = np.full((3, *WHOLE), PAD, np.uint8)
    scaler.fill(frame, whole, everything)
    for left, top, width, height in ((160, 96, 320, 192), (0, 0, 320, 192), (480, 288, 160, 96)):
        part = whole.part(left, top, width, height)
        planes = np.full((3, height, width), PAD, np.uint8)
        scaler.fill(frame, part, planes)
        expected = everything[:, top : top + height, left : left + width]
        rim = 0 if kind == "bgr" else 1  # half-size colour planes are sampled across the part's edge
        inner = np.s_[:, rim : height - rim, rim : width - rim]
        np.testing.assert_allclose(planes[inner].astype(int), expected[inner].astype(int), atol=0 if rim == 0 else 2)


def test_a_real_network_agrees_with_itself(builtin: Path) -> None:
    settings = InferenceSettings(model=str(builtin), imgsz=320)
    plain, focused = load_estimator(settings), load_estimator(settings.model_copy(update={"roi": True}))
    squat = Path(__file__).parents[1] / "samples" / "squat.mp4"
    given = list(ClipSample(squat).frames(24))
    observations = list(infer(iter(given), focused))
    assert sum(one.input_shape != observations[0].input_shape for one in observations) >= 8
    replay = iter(observations)

    class Replayed:
        spec = focused.spec

        def estimate(self, _: Frame) -> Observation:
            return next(replay)

    found = agreement(plain, Replayed(), given)  # type: ignore[arg-type] # it is asked for nothing else
    assert found.persons >= 12
    assert found.oks >= 0.97


def of_one_size(folder: Path) -> Path:
    """The built-in network, for inputs of 256 x 256 alone."""
    built_in = weights.find("builtin").with_name("poseline-builtin_openvino_model")
    model = core().read_model(next(built_in.glob("*.xml")))
    model.reshape([1, 3, 256, 256])
    openvino.save_model(model, folder / "model.xml")
    shutil.copy(built_in / "metadata.yaml", folder)
    return folder


def test_only_openvino_and_networks_of_any_size_can_focus(builtin: Path, tmp_path: Path) -> None:
    fixed = of_one_size(tmp_path)
    with pytest.raises(SettingsError, match="--roi needs a network that takes any size, and .* takes one"):
        load_estimator(InferenceSettings(model=str(fixed), roi=True))
    with pytest.raises(SettingsError, match="--roi is for the openvino runtime, but poseline-builtin.pt would run on"):
        load_estimator(InferenceSettings(model=str(builtin), runtime="torch", roi=True))
