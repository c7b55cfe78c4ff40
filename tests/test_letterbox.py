"""Where a picture lies in the network's input, against ultralytics' own letterbox, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from poseline.inference import Letterbox
from reference import asked

REFERENCE = """
from ultralytics.data.augment import LetterBox
from ultralytics.utils.checks import check_imgsz
def placed(width, height, shape, **options):
    fit = LetterBox(shape, **options).get_params({"img": np.broadcast_to(np.uint8(0), (height, width, 3))})
    (wide, high), left, top = fit["new_unpad"], fit["left"], fit["top"]
    return wide, high, left + wide + fit["right"], top + high + fit["bottom"], left, top
answer["rectangular"] = [
    placed(width, height, check_imgsz(imgsz, stride), auto=True, stride=stride)
    for width, height, imgsz, stride in given["cases"].tolist()
]
answer["fixed"] = [placed(width, height, (high, wide)) for width, height, high, wide in given["fixed"].tolist()]
"""

THIN = [(1, 3000), (3000, 1), (2, 2), (1, 1), (5000, 7), (641, 640), (640, 641), (7680, 4320), (99, 1999)]
COMMON = [(1280, 720), (1920, 1080), (1768, 994), (720, 1280), (640, 480), (640, 640)]


def numbers(cases: list[tuple[int, int, int, int]]) -> NDArray[np.int64]:
    return np.array(cases, np.int64)


def cases() -> list[tuple[int, int, int, int]]:
    """(width, height, imgsz, stride) of a few hundred pictures."""
    chance = np.random.default_rng(7)
    anyhow = chance.integers((16, 16, 32, 1), (4000, 4000, 1300, 3), (300, 4)) * (1, 1, 1, 32)
    return [(w, h, imgsz, stride) for w, h, imgsz, stride in anyhow.tolist()] + [
        (*size, imgsz, 32) for size in THIN + COMMON for imgsz in (320, 640, 641)
    ]


def fixed() -> list[tuple[int, int, int, int]]:
    """(width, height, input's height, input's width)."""
    sizes = np.random.default_rng(8).integers(16, 4000, (100, 2)).tolist()
    return [
        (width, height, *limits)
        for width, height in [*sizes, *THIN, *COMMON]
        for limits in ((640, 640), (384, 640), (256, 192))
    ]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[np.int64]]:
    folder = tmp_path_factory.mktemp("letterbox")
    return asked(REFERENCE, folder, cases=numbers(cases()), fixed=numbers(fixed()))


def placed(letterbox: Letterbox) -> tuple[int, ...]:
    return (*letterbox.scaled, *letterbox.size, *letterbox.offset)


def test_rectangles_are_ultralytics_own(reference: dict[str, NDArray[np.int64]]) -> None:
    for case, expected in zip(cases(), reference["rectangular"].tolist(), strict=True):
        assert placed(Letterbox.fit(*case)) == tuple(expected), case


def test_a_network_of_one_size_is_filled_as_ultralytics_does(reference: dict[str, NDArray[np.int64]]) -> None:
    for (width, height, *limits), expected in zip(fixed(), reference["fixed"].tolist(), strict=True):
        letterbox = Letterbox.fit(width, height, 640, 32, (limits[0], limits[1]))
        assert placed(letterbox) == tuple(expected), (width, height, limits)
        assert letterbox.size == (limits[1], limits[0])


def test_the_way_back_undoes_the_way_in() -> None:
    for case in cases():
        letterbox, stride = Letterbox.fit(*case), case[3]
        assert letterbox.size[0] % stride == letterbox.size[1] % stride == 0
        source, scaled = np.array(letterbox.source), np.array(letterbox.scaled)
        there = np.random.default_rng(0).random((50, 2)) * source
        inside = there * scaled / source + letterbox.offset
        assert ((inside >= 0) & (inside <= letterbox.size)).all(), case
        back = letterbox.to_source(inside.astype(np.float32))
        assert back.dtype == np.float32
        # float32 holds a place in the input to 2**-24 of its size; the picture is so many times as large.
        exact = 2e-7 * float((max(letterbox.size) * source / scaled).max())
        np.testing.assert_allclose(back, there, rtol=1e-6, atol=exact, err_msg=str(case))


def test_the_margins_lead_to_the_nearest_edge() -> None:
    letterbox = Letterbox.fit(1280, 720, 640, 32)
    assert (letterbox.size, letterbox.offset) == ((640, 384), (0, 12))
    points = np.array([[-5, 0], [320, 11], [640, 384], [np.nan, 12]], np.float32)
    np.testing.assert_array_equal(letterbox.to_source(points), [[0, 0], [640, 0], [1280, 720], [np.nan, 0]])


def test_any_shape_of_points_goes_back() -> None:
    letterbox = Letterbox.fit(100, 50, 64, 32)
    assert letterbox.to_source(np.zeros((0, 17, 2), np.float32)).shape == (0, 17, 2)
    assert letterbox.to_source(np.zeros(2, np.float32)).tolist() == [0, 0]
