"""Window: the annotated picture on the screen. q, Esc or closing it ends the run; space pauses a file."""

from __future__ import annotations

from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from poseline.errors import OutputError
from poseline.output.screen import Screen, WindowProcess

if TYPE_CHECKING:
    from poseline.frame import Picture

_QUIT = (ord("q"), ord("Q"), 27)
_PAUSE = ord(" ")
_LOOK_MILLISECONDS = 50
_PROBE_SECONDS = 30
_NONE = "run without --show (the results are written all the same)"


class Window:
    """Shows pictures; all of it from one thread.

    Args:
        title: what stands above the picture.
        pausable: whether space pauses; not for a live source, which does not wait.
        screen: where to show; None is a window of OpenCV in a process of its own.
        pixel_aspect: width of a pixel by its height; the picture is stretched by it.

    Raises (from all but `close`):
        OutputError: the window cannot be opened, has crashed or hangs.
    """

    def __init__(
        self, title: str, pausable: bool, screen: Screen | None = None, pixel_aspect: Fraction = Fraction(1)
    ) -> None:
        self._screen = screen or WindowProcess(title, pixel_aspect)
        self._pausable = pausable
        """Once False, it pauses no more."""

    @staticmethod
    def check() -> None:
        """Make sure that a window can be opened here, by opening one as a run does. It takes about half a second.

        Raises:
            OutputError: there is no display, or no window comes up on it.
        """
        try:
            screen = WindowProcess("poseline")
            try:
                screen.show(np.zeros((90, 160, 3), np.uint8))
                opened = screen.opens(_PROBE_SECONDS)
            finally:
                screen.close()
        except OutputError as error:
            raise OutputError(f"--show: {error}; {_NONE}") from error
        if not opened:
            raise OutputError(f"--show: no window came up within {_PROBE_SECONDS} s; {_NONE}")

    def show(self, picture: Picture) -> bool:
        """Show `picture`, (H, W, 3) uint8 BGR or a decoder's, waiting as long as a pause lasts.

        Returns:
            False when the user pressed q or Esc, or closed the window.
        """
        self._screen.show(picture)
        key = self._screen.key(0)
        if key == _PAUSE and self._pausable:
            key = self._paused()
        return key not in _QUIT and self._screen.is_open()

    def wait(self) -> bool:
        """Wait until the user presses a key or closes the window; False when that was q or Esc, or it is closed."""
        key = -1
        while self._screen.is_open() and key < 0:
            key = self._screen.key(_LOOK_MILLISECONDS)
        return key not in _QUIT and self._screen.is_open()

    def resume(self) -> None:
        """End a pause, and pause no more: the run comes to its end."""
        self._pausable = False

    def close(self) -> None:
        """Close the window."""
        self._screen.close()

    def __enter__(self) -> Window:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _paused(self) -> int:
        """The key that ended the pause."""
        while self._pausable and self._screen.is_open():
            key = self._screen.key(_LOOK_MILLISECONDS)
            if key == _PAUSE or key in _QUIT:
                return key
        return -1
