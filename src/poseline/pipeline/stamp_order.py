"""StampOrder: to know a frame again by its time stamp, also where stamps repeat or begin anew."""

from __future__ import annotations


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
