from __future__ import annotations

import pytest

from bench_worlds import CLIP, benchmark, case
from poseline.bench import side_by_side
from poseline.errors import SettingsError


def test_what_was_asked_alike_stands_in_one_row() -> None:
    slow = benchmark(case(20.0), case(30.0, video=False))
    fast = benchmark(case(90.0, video=False, precision="auto"), case(50.0))
    grid = side_by_side.grid(side_by_side.columns([("slow", slow), ("fast", fast)]))
    assert grid.headings == ("video", "slow", "fast")
    assert grid.rows == (("yes", "20.0", "50.0 (2.50x)"), ("no", "30.0", "90.0 (3.00x)"))


def test_the_devices_of_one_file_are_columns_too() -> None:
    both = benchmark(case(20.0, device="cpu"), case(400.0, device="cuda", precision="auto"))
    grid = side_by_side.grid(side_by_side.columns([("box", both)]))
    assert grid.headings == ("video", "box, cpu", "box, cuda")
    assert grid.rows[0][-1] == "400.0 (20.00x)"


def test_what_only_one_has_is_left_open() -> None:
    first, second = benchmark(case(20.0)), benchmark(case(50.0), case(80.0, imgsz=320))
    found = side_by_side.columns([("a", first), ("b", second)])
    assert side_by_side.grid(found).rows[1] == ("320", "yes", "-", "80.0")
    assert len(side_by_side.details(found).rows) == 3


def test_what_cannot_be_compared_is_refused() -> None:
    other_clip = benchmark(clip=CLIP.model_copy(update={"frames": 7}))
    with pytest.raises(SettingsError, match="of different clips"):
        side_by_side.columns([("a", benchmark()), ("b", other_clip)])
    with pytest.raises(SettingsError, match="no combination"):
        side_by_side.columns([("a", benchmark(case())), ("b", benchmark(case(imgsz=320)))])
