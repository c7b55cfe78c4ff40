"""Window process: owns the window on the screen, imports nothing but OpenCV.

`python -m poseline.window_process TITLE PIXEL_ASPECT`. Pictures come in by stdin: a header (`HEADER`, height and width)
and the picture's bytes, (H, W, 3) uint8 BGR. Words go out by stdout, one a line: `open` when the first picture is on
the screen, `key N` for a key, `alive` once a second, `closed` when the user closed the window, `error TEXT`. It all
ends when stdin does.

Why a process of its own: the Linux wheels of PyAV and OpenCV both bring a library named libxcb-shm-0be6dfbf.so.0.0.0.
PyAV's needs the libxcb that PyAV brings, OpenCV's the system's, and a process loads only one library of a name, the
first. Where PyAV was imported first, OpenCV's Qt opens the display through the system's libxcb, asks through PyAV's,
and waits for ever for the answer. So the window lives where PyAV is never imported. Then a window that hangs or crashes
stops no run either, and the window has a main thread of its own, as macOS wants it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import threading
import time
from contextlib import suppress
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADER = struct.Struct("<II")
"""Height and width of the picture that follows, in pixels."""
_LARGEST = (1280, 720)
"""Pixels of a new window at most, width and height; it can be resized."""
_FRAME_SECONDS = 1 / 60
"""Least time between two pictures: screens show no more."""
_WAIT_MILLISECONDS = 5
"""How long the window is looked after between two looks for a picture."""
_ALIVE_SECONDS = 1.0
_KEY = 0xFFFF
"""The part of a key's code that is the key; above it GTK puts Shift and Num Lock."""
_LAST_CHARACTER = 0xFF
"""Above it are arrows and the like. Their lowest eight bits, which `waitKey` gives, are letters': left is a Q."""


def main() -> None:
    """Show what comes in, until the user closes the window or nothing more comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends this process
    words = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is not a word of ours
    try:
        _prefer_the_systems_xlib()
        _Shown(sys.argv[1], float(sys.argv[2]), words).go_on()
    except Exception as error:  # noqa: BLE001 # sent to the run, which reports it
        text = str(error) or type(error).__name__
        words.write(f"error {' '.join(text.split())}\n")


def _prefer_the_systems_xlib() -> None:
    """Keep events from getting lost on Linux: one window in four stayed black, and some keys did nothing.

    OpenCV's wheel brings a libX11-xcb that is older than most systems' libX11. By it Qt says that the events are Qt's,
    but in a place where that libX11 does not look, so it takes some of them for itself. The system's own libX11-xcb
    knows the place; loaded with its names for all to see, it is found first.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError):  # it is not installed
            ctypes.CDLL("libX11-xcb.so.1", mode=ctypes.RTLD_GLOBAL)


class _Shown:
    """The window and what is in it."""

    def __init__(self, title: str, pixel_aspect: float, words: Any) -> None:
        import cv2

        self._cv2, self._title, self._aspect, self._words = cv2, title, pixel_aspect, words
        self._pictures: Queue[NDArray[np.uint8]] = Queue(1)
        self._open = self._destroyed = False
        self._next_alive = 0.0
        threading.Thread(target=self._read, args=(sys.stdin.buffer,), daemon=True).start()

    def go_on(self) -> None:
        """Show pictures and send keys until the user closes the window."""
        self._put_up(self._first())
        self._look_after(_WAIT_MILLISECONDS)
        self._say("open")
        due = 0.0
        while self._look_after(_WAIT_MILLISECONDS):
            if time.monotonic() < due:
                continue
            try:
                self._put_up(self._pictures.get_nowait())
            except Empty:
                continue
            due = time.monotonic() + _FRAME_SECONDS
        self._say("closed")

    def _first(self) -> NDArray[np.uint8]:
        while True:
            self._say_alive()
            try:
                return self._pictures.get(timeout=_ALIVE_SECONDS)
            except Empty:
                continue

    def _put_up(self, picture: NDArray[np.uint8]) -> None:
        cv2 = self._cv2
        height, width = picture.shape[:2]
        if self._aspect != 1:
            width = max(1, round(width * self._aspect))
            picture = cv2.resize(picture, (width, height))
        if not self._open:
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            scale = min(1.0, _LARGEST[0] / width, _LARGEST[1] / height)
            cv2.resizeWindow(self._title, max(1, round(width * scale)), max(1, round(height * scale)))
            self._open = True
            threading.Thread(target=self._watch, daemon=True).start()
        cv2.imshow(self._title, picture)

    def _look_after(self, milliseconds: int) -> bool:
        """Let the window react; False when the user has closed it."""
        key = int(self._cv2.waitKeyEx(milliseconds)) & _KEY
        if 0 < key <= _LAST_CHARACTER:
            self._say(f"key {key}")
        self._say_alive()
        if self._destroyed:
            return False
        try:
            return bool(self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1)
        except self._cv2.error:  # the last window was closed, and Qt with it
            return False

    def _watch(self) -> None:
        """Notice a window that another program destroys: OpenCV's Qt goes on as if it were there."""
        if sys.platform.startswith("linux"):
            from poseline.x11 import wait_until_destroyed

            self._destroyed = wait_until_destroyed(self._title)

    def _say_alive(self) -> None:
        now = time.monotonic()
        if now >= self._next_alive:
            self._next_alive = now + _ALIVE_SECONDS
            self._say("alive")

    def _say(self, word: str) -> None:
        self._words.write(word + "\n")

    def _read(self, pictures: BinaryIO) -> None:
        """Take in pictures one by one; end the process when there are no more, whatever the window does."""
        import numpy as np

        while header := pictures.read(HEADER.size):
            height, width = HEADER.unpack(header)
            picture = np.empty((height, width, 3), np.uint8)
            if pictures.readinto(picture.data.cast("B")) != picture.size:  # type: ignore[attr-defined] # a buffered reader has it
                break
            self._pictures.put(picture)
        os._exit(0)


if __name__ == "__main__":
    main()
