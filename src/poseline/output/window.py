"""Window: the annotated picture on the screen. q, Esc or closing it ends the run; space pauses a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from poseline.errors import OutputError
from poseline.frame import Pixels, reformatted

if TYPE_CHECKING:
    import av

_QUIT = (ord("q"), ord("Q"), 27)
_PAUSE = ord(" ")
_LARGEST = (1280, 720)
"""Pixels of a new window at most; it can be resized."""
_PROBE_SECONDS = 30
_NONE = "run without --show (the results are written all the same)"


class Screen(Protocol):
    """What a window needs of a screen; everything from one thread."""

    def show(self, pixels: Pixels) -> None:
        """Put up (H, W, 3) BGR."""

    def key(self, milliseconds: int) -> int:
        """Wait this long at most; the key that was pressed, or -1."""

    def is_open(self) -> bool:
        """Whether the user has not closed it."""

    def close(self) -> None:
        """Take it down."""


class OpenCvScreen:
    """A window of OpenCV."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = False

    def show(self, pixels: Pixels) -> None:
        """Put up (H, W, 3) BGR; the first picture gives the window its size."""
        import cv2

        if not self._shown:
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            height, width = pixels.shape[:2]
            scale = min(1.0, _LARGEST[0] / width, _LARGEST[1] / height)
            cv2.resizeWindow(self._title, round(width * scale), round(height * scale))
            self._shown = True
        cv2.imshow(self._title, pixels)

    def key(self, milliseconds: int) -> int:
        """Wait this long at most; the key that was pressed, or -1."""
        import cv2

        key = int(cv2.waitKey(milliseconds))
        return key if key < 0 else key & 0xFF

    def is_open(self) -> bool:
        """Whether the user has not closed it."""
        import cv2

        return not self._shown or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """Take it down."""
        import cv2

        if self._shown:
            with suppress(cv2.error):  # the user has closed it already
                cv2.destroyWindow(self._title)


class ScriptedScreen:
    """A screen for tests and rehearsals: it keeps what it is shown, and presses the given keys, one a look.

    Args:
        keys: what is pressed at each look: a character, or None for nothing; nothing after the last.
        closed_after: looks after which the user closes the window.
    """

    def __init__(self, keys: Iterable[str | None] = (), closed_after: int | None = None) -> None:
        self.shown: list[Pixels] = []
        self.looks = 0
        self.closed = False
        self._keys = iter(keys)
        self._closed_after = closed_after

    def show(self, pixels: Pixels) -> None:
        """Keep the picture."""
        self.shown.append(pixels)

    def key(self, milliseconds: int) -> int:
        """The next key of the script, without waiting."""
        del milliseconds
        self.looks += 1
        pressed = next(self._keys, None)
        return -1 if pressed is None else ord(pressed)

    def is_open(self) -> bool:
        """Whether fewer than `closed_after` looks have been taken."""
        return self._closed_after is None or self.looks < self._closed_after

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


class Window:
    """Shows pictures; all of it from one thread.

    Args:
        title: what stands above the picture.
        pausable: whether space pauses; not for a live source, which does not wait.
        screen: where to show; None is a window of OpenCV.
    """

    def __init__(self, title: str, pausable: bool, screen: Screen | None = None) -> None:
        self._screen = screen or OpenCvScreen(title)
        self._pausable = pausable
        """Once False, it pauses no more."""

    @staticmethod
    def check() -> None:
        """Make sure that a window can be opened here, before a run begins. It takes about half a second.

        Raises:
            OutputError: there is no display, or OpenCV was built without windows.
        """
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OutputError(f"--show: this machine has no display (DISPLAY is not set); {_NONE}")
        opens = "import cv2; cv2.namedWindow('poseline'); cv2.destroyAllWindows()"
        try:  # in a process of its own: where it cannot reach the display, Qt ends the process that asked
            tried = subprocess.run(  # noqa: S603 # our own interpreter and a constant
                [sys.executable, "-c", opens], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OutputError(f"--show: a window could not be tried: {error}; {_NONE}") from error
        if tried.returncode != 0:
            why = "OpenCV was built without windows" if "not implemented" in tried.stderr else _first_line(tried.stderr)
            raise OutputError(f"--show: no window can be opened here: {why}; {_NONE}")

    def show(self, picture: av.VideoFrame | Pixels) -> bool:
        """Show `picture`, waiting as long as a pause lasts.

        Returns:
            False when the user pressed q or Esc, or closed the window.
        """
        pixels = picture if isinstance(picture, np.ndarray) else reformatted(picture, "bgr24").to_ndarray()
        self._screen.show(pixels.astype(np.uint8, copy=False))
        key = self._screen.key(1)
        if key == _PAUSE and self._pausable:
            key = self._paused()
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
            key = self._screen.key(50)
            if key == _PAUSE or key in _QUIT:
                return key
        return -1


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "it ended without a word"
