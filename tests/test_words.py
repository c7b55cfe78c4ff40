from __future__ import annotations

from poseline.words import counted, often, were


def test_one_is_not_spoken_of_as_many() -> None:
    assert [counted(count, "packet") for count in (0, 1, 2)] == ["0 packets", "1 packet", "2 packets"]
    assert [were(count) for count in (0, 1, 2)] == ["were", "was", "were"]
    assert [often(count) for count in (1, 2)] == ["once", "2 times"]
