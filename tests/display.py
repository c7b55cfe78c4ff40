"""A display of the tests' own: Xvfb, its pixels, and a user's hands, which are xdotool's and Xlib's."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from media_worlds import until
from poseline.frame import Pixels

_CLIENT_MESSAGE = 33
"""The number of the event by which a window manager speaks to a program (X.h)."""


class Display:
    """An X server without a screen, on a number that is free; `environment` is of those who are to use it."""

    def __init__(self, folder: Path) -> None:
        for program in ("Xvfb", "xdotool"):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        reading, writing = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24", "-fbdir", folder, "-noreset"],
            pass_fds=[writing], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            self.name = f":{int(told.readline())}"
        self.environment = {name: value for name, value in os.environ.items() if name != "WAYLAND_DISPLAY"}
        self.environment["DISPLAY"] = self.name
        self._memory = folder / "Xvfb_screen0"

    def pixels(self) -> Pixels:
        """(600, 800, 3) uint8 BGR: what is on the screen now."""
        dump = np.fromfile(self._memory, np.uint8)  # as xwd writes it: a header of big-endian words, colours, rows
        header = dump[:100].view(">u4")
        size, width, height, row, colours = (int(header[index]) for index in (0, 4, 5, 12, 19))
        rows = dump[size + 12 * colours :][: height * row].reshape(height, row)
        return rows[:, : 4 * width].reshape(height, width, 4)[:, :, :3]

    def window(self, title: str) -> str | None:
        """The id of the window that has `title` in its title, if there is one."""
        found = self._xdotool("search", "--name", title).split()
        return found[0] if found else None

    def wait_for_window(self, title: str, seconds: float) -> str:
        """The id of the window, once it is there."""
        assert until(lambda: self.window(title) is not None, seconds), "no window came"
        found = self.window(title)
        assert found is not None
        return found

    def press(self, window: str, key: str) -> None:
        """Press a key in a window."""
        self._xdotool("windowfocus", "--sync", window, "key", key)

    def close_window(self, window: str) -> None:
        """Ask the window to close, as the cross in its corner does: by WM_DELETE_WINDOW."""
        xlib = ctypes.CDLL(ctypes.util.find_library("X11"))
        xlib.XOpenDisplay.restype = ctypes.c_void_p
        xlib.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        xlib.XInternAtom.restype = ctypes.c_ulong
        xlib.XSendEvent.argtypes = [
            ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.POINTER(_ClientMessage),
        ]  # fmt: skip
        xlib.XCloseDisplay.argtypes = [ctypes.c_void_p]
        display = xlib.XOpenDisplay(self.name.encode())
        atoms = [xlib.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")]
        event = _ClientMessage(type=_CLIENT_MESSAGE, window=int(window), message_type=atoms[0], format=32)
        event.data[0] = atoms[1]
        assert xlib.XSendEvent(display, int(window), 0, 0, ctypes.byref(event))
        xlib.XCloseDisplay(display)  # which sends it

    def take_away(self, window: str, way: str) -> None:
        """Destroy the window (`windowclose`), or cut its program off from the display (`windowkill`), unasked."""
        self._xdotool(way, window)

    def close(self) -> None:
        """Turn it off."""
        self._server.terminate()
        self._server.wait(60)

    def _xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments], capture_output=True, text=True, timeout=280, env=self.environment
        )
        return done.stdout


class _ClientMessage(ctypes.Structure):
    """XClientMessageEvent, as long as the union that it is part of (Xlib.h)."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("rest", ctypes.c_long * 24),
    )
