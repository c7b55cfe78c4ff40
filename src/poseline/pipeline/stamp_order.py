"""StampOrder: to know a frame again by its time stamp, also where stamps repeat or begin anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from poseline.frame import Frame

Item = TypeVar("Item")


def matched(
    frames: Iterable[Frame], items: Iterable[Item], stamp: Callable[[Item], int]
) -> Iterator[tuple[Frame | None, Item]]:
    """Each of `items` with the frame that it is of, or None where that is not among the `frames`.

    Args:
        frames: of a clip, in its order; those of which there is no item are passed over.
        items: in the order of their frames.
        stamp: an item's time stamp, as `Frame.pts`.
    """
    ours, theirs = StampOrder(), StampOrder()
    placed = ((ours.of(frame.pts), frame) for frame in frames)
    here = next(placed, None)
    for item in items:
        wanted = theirs.of(stamp(item))
        while here is not None and here[0] < wanted:
            here = next(placed, None)
        yield (here[1] if here is not None and here[0] == wanted else None), item


class StampOrder:
    """Where each frame of a clip stands among all, by its time stamp alone."""

    def __init__(self) -> None:
        self._last: tuple[int, int, int] | None = None

    def of(self, pts: int) -> tuple[int, int, int]:
        """Of the next frame: how often time has run back before it, its stamp, which of several of this stamp it is.

        Two rows of the frames of one clip, each with a `StampOrder` of its own, give equal frames equal places, and
        rising ones; frames may be missing in either.
        """
        beginning, before, repeated = self._last or (0, pts - 1, 0)
        if pts < before:
            self._last = beginning + 1, pts, 0
        else:
            self._last = beginning, pts, repeated + 1 if pts == before else 0
        return self._last
