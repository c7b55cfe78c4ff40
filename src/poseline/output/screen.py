"""Screens: where a window shows its pictures. The real one is a process of its own: see `poseline.window_process`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from queue import Empty, Queue
from typing import Protocol

import numpy as np

from poseline import x11
from poseline.errors import OutputError
from poseline.frame import Picture, Pixels, bgr_pixels
from poseline.window_process import HEADER

_STALL_TIMEOUT = 30.0
"""Seconds without a word from the window's process after which it counts as hung. Starting it can take some."""
_RECHECK_SECONDS = 2.0
"""Seconds for which it is listened to once more before that: this process may have been the one that slept."""
_POLL_SECONDS = 0.05
_STOP_TIMEOUT = 2.0
"""Seconds that it may take to end by itself."""
_NOISE = ("QFontDatabase:", "Note that Qt")
"""Beginnings of lines that Qt writes at every start."""


class Screen(Protocol):
    """What a window needs of a screen; everything from one thread."""

    def show(self, picture: Picture) -> None:
        """Put up (H, W, 3) uint8 BGR, or a decoder's picture."""

    def key(self, milliseconds: int) -> int:
        """Wait this long at most; the key that was pressed, or -1."""

    def is_open(self) -> bool:
        """Whether the user has not closed it."""

    def close(self) -> None:
        """Take it down."""


class ScriptedScreen:
    """A screen for tests: it keeps what it is shown, and presses the given keys, one a look.

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

    def show(self, picture: Picture) -> None:
        """Keep the picture."""
        self.shown.append(bgr_pixels(picture))

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


class WindowProcess:
    """A window of OpenCV in a process of its own. Nothing here waits for it: it shows the newest picture when it can.

    A thread converts and sends the pictures, and another one reads the window's messages.

    Args:
        title: what stands above the picture.
        pixel_aspect: width of a pixel by its height; the picture is stretched by it.

    Raises (from `show`, `key` and `is_open`):
        OutputError: the window cannot be opened, has crashed or hangs; with the reason.
    """

    def __init__(self, title: str, pixel_aspect: Fraction = Fraction(1)) -> None:
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OutputError("this machine has no display (DISPLAY is not set)")
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 # closed in `close`
        self._keys: Queue[int] = Queue()
        self._newest: Picture | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._opened = threading.Event()
        self._ended = threading.Event()
        self._user_closed = False
        self._error = ""
        self._last_message = time.monotonic()
        command = [sys.executable, "-m", "poseline.window_process", title.replace("\0", ""), str(float(pixel_aspect))]
        try:
            self._process = subprocess.Popen(  # noqa: S603 # our own interpreter and module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
                start_new_session=True,  # the terminal's Ctrl-C is for this process
            )  # fmt: skip
        except OSError as error:
            self._stderr.close()
            raise OutputError(f"no window can be opened here: its process cannot be started: {error}") from error
        for work in (self._send, self._read_messages):
            threading.Thread(target=work, name="window", daemon=True).start()

    def show(self, picture: Picture) -> None:
        """Let the window show `picture`, in place of one that it has not begun with; the picture must not change."""
        self._check()
        with self._changed:
            self._newest = picture
            self._changed.notify()

    def key(self, milliseconds: int) -> int:
        """Wait this long at most; the key that was pressed, or -1."""
        try:
            return self._keys.get(timeout=milliseconds / 1e3) if milliseconds else self._keys.get_nowait()
        except Empty:
            return -1

    def is_open(self) -> bool:
        """Whether the user has not closed it."""
        self._check()
        return not self._user_closed

    def opens(self, seconds: float) -> bool:
        """Whether the first picture comes to stand on the screen within so many seconds."""
        deadline = time.monotonic() + seconds
        while not self._opened.wait(_POLL_SECONDS):
            self._check()
            if time.monotonic() > deadline:
                return False
        return True

    def close(self) -> None:
        """Take the window down, and end its process."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):  # the system itself holds on to it; it holds nothing of ours
                self._process.wait(_STOP_TIMEOUT)
        self._stderr.close()

    def _check(self) -> None:
        """Raise where the window went away by itself, or has said nothing for too long."""
        if not self._ended.is_set() and time.monotonic() - self._last_message > _STALL_TIMEOUT:
            last_message = self._last_message
            time.sleep(_RECHECK_SECONDS)
            if last_message == self._last_message:
                self._error = "it hangs"
                self._process.kill()
                self._ended.wait(_STOP_TIMEOUT)
        if (self._ended.is_set() or self._error) and not self._user_closed:
            what = "the window went away" if self._opened.is_set() else "no window can be opened here"
            self._user_closed = self._was_cut_off()
            if not self._user_closed:
                raise OutputError(f"{what}: {self._reason()}")

    def _was_cut_off(self) -> bool:
        """Whether a user ended the window's connection to a display that is still there, as xkill does.

        The toolkit then ends the process with 1; one that crashes ends by a signal.
        """
        return self._opened.is_set() and not self._error and self._process.wait() == 1 and x11.answers()

    def _reason(self) -> str:
        if "not implemented" in self._error:
            return "OpenCV was built without windows (opencv-python has them, opencv-python-headless has not)"
        return self._error or f"its process ended with {self._process.wait()}: {self._first_error_line()}"

    def _send(self) -> None:
        """Send the newest picture as often as it is taken; close the pipe at the end, which ends the process."""
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as pipe:  # where it has ended, `_check` says so
            while (picture := self._next()) is not None:
                pixels = np.ascontiguousarray(bgr_pixels(picture))
                pipe.write(HEADER.pack(*pixels.shape[:2]))
                pipe.write(pixels.data)
                pipe.flush()

    def _next(self) -> Picture | None:
        """The newest picture, waited for; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._closing)
            picture, self._newest = self._newest, None
            return None if self._closing else picture

    def _read_messages(self) -> None:
        """Take in what the window says, up to its end."""
        assert self._process.stdout is not None
        with self._process.stdout as words:
            for line in words:
                self._last_message = time.monotonic()
                word, _, rest = line.decode(errors="replace").strip().partition(" ")
                if word == "key":
                    self._keys.put(int(rest))
                elif word == "open":
                    self._opened.set()
                elif word == "closed":
                    self._user_closed = True
                elif word == "error":
                    self._error = rest
        self._ended.set()

    def _first_error_line(self) -> str:
        """The first line of what the libraries wrote on stderr that says something."""
        self._stderr.seek(0)
        lines = [line.strip() for line in self._stderr.read().decode(errors="replace").splitlines()]
        return next((line for line in lines if line and not line.startswith(_NOISE)), "without a word")
