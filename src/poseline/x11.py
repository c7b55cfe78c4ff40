"""X11: what other programs do to a window behind its toolkit's back, asked of the X server itself."""

from __future__ import annotations

import ctypes
import os
import time
from ctypes import POINTER, Structure, c_char_p, c_int, c_uint8, c_uint16, c_uint32, c_void_p

_ANY_TYPE = 0
_CHANGE_EVENTS = 1 << 11
_STRUCTURE_EVENTS = 1 << 17
_DESTROYED = 17
_ERROR = 0
_SENT = 0x80
"""Added to the type of an event that another program made up."""
_SEARCH_SECONDS = 10.0
"""For which a window is looked for."""
_POLL_SECONDS = 0.02
_LONGEST_TITLE = 1024
"""In units of four bytes."""


class _Cookie(Structure):
    """A question that was sent (`xcb_*_cookie_t`)."""

    _fields_ = (("sequence", c_uint32),)


class _Screens(Structure):
    """`xcb_screen_iterator_t`; each screen begins with its root window."""

    _fields_ = (("root", POINTER(c_uint32)), ("left", c_int), ("index", c_int))


class _Atom(Structure):
    """`xcb_intern_atom_reply_t`."""

    _fields_ = (("kind", c_uint8), ("pad", c_uint8), ("sequence", c_uint16), ("length", c_uint32), ("atom", c_uint32))


class _Event(Structure):
    """`xcb_destroy_notify_event_t`; other events begin with their type, too."""

    _fields_ = (
        ("kind", c_uint8), ("pad", c_uint8), ("sequence", c_uint16), ("event", c_uint32), ("window", c_uint32),
    )  # fmt: skip


def wait_until_destroyed(title: str) -> bool:
    """Wait until this process's window of this title, which may still be about to come, is destroyed.

    Returns:
        False where that cannot be watched: no libxcb, no X server, no such window within some seconds.
    """
    try:
        display = _Display()
    except OSError:
        return False
    deadline = time.monotonic() + _SEARCH_SECONDS
    while (window := display.window(title.encode(), os.getpid())) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return display.wait_for_end(window)


def answers() -> bool:
    """Whether there is an X server that a window could stand on."""
    try:
        _Display().close()
    except OSError:
        return False
    return True


class _Display:
    """A connection of its own to the X server, by libxcb: its errors are answers, and any thread may have one."""

    def __init__(self) -> None:
        self._xcb, self._libc = ctypes.CDLL("libxcb.so.1"), ctypes.CDLL(None)
        answers = {
            "xcb_connect": c_void_p, "xcb_get_setup": c_void_p, "xcb_setup_roots_iterator": _Screens,
            "xcb_intern_atom": _Cookie, "xcb_intern_atom_reply": POINTER(_Atom),
            "xcb_query_tree": _Cookie, "xcb_query_tree_reply": c_void_p, "xcb_query_tree_children": POINTER(c_uint32),
            "xcb_get_property": _Cookie, "xcb_get_property_reply": c_void_p, "xcb_get_property_value": c_void_p,
            "xcb_change_window_attributes": _Cookie, "xcb_wait_for_event": POINTER(_Event),
        }  # fmt: skip
        for name, answer in answers.items():
            getattr(self._xcb, name).restype = answer
        self._connection = c_void_p(self._xcb.xcb_connect(None, None))
        if self._xcb.xcb_connection_has_error(self._connection):
            raise OSError("no X server answers")
        self._pid, self._name = self._atom(b"_NET_WM_PID"), self._atom(b"_NET_WM_NAME")

    def close(self) -> None:
        """End the connection."""
        self._xcb.xcb_disconnect(self._connection)

    def window(self, title: bytes, process: int) -> int | None:
        """The window of a process that has this title; a window manager may have put a frame around it."""
        screens = self._xcb.xcb_setup_roots_iterator(c_void_p(self._xcb.xcb_get_setup(self._connection)))
        level: list[int] = [screens.root[0]] if screens.left else []
        while level:
            for window in level:
                if self._property(window, self._name) == title and self._process(window) == process:
                    return window
            level = [child for window in level for child in reversed(self._children(window))]  # from the top down
        return None

    def wait_for_end(self, window: int) -> bool:
        """Wait until a window is destroyed; False where the X server goes away, which destroys its windows first."""
        self._xcb.xcb_change_window_attributes(
            self._connection, c_uint32(window), c_uint32(_CHANGE_EVENTS), (c_uint32 * 1)(_STRUCTURE_EVENTS)
        )
        self._xcb.xcb_flush(self._connection)
        while event := self._xcb.xcb_wait_for_event(self._connection):
            kind, which = event.contents.kind & ~_SENT, event.contents.window
            self._libc.free(event)
            if kind == _ERROR or (kind == _DESTROYED and which == window):  # an error: it was destroyed just before
                return self._atom(b"WM_NAME") > 0  # still answered
        return False

    def _atom(self, name: bytes) -> int:
        """The server's number for a name."""
        cookie = self._xcb.xcb_intern_atom(self._connection, c_uint8(0), c_uint16(len(name)), c_char_p(name))
        reply = self._xcb.xcb_intern_atom_reply(self._connection, cookie, None)
        atom = int(reply.contents.atom) if reply else 0
        self._libc.free(reply)
        return atom

    def _children(self, window: int) -> list[int]:
        cookie = self._xcb.xcb_query_tree(self._connection, c_uint32(window))
        reply = c_void_p(self._xcb.xcb_query_tree_reply(self._connection, cookie, None))
        if not reply:
            return []
        children = self._xcb.xcb_query_tree_children(reply)[: self._xcb.xcb_query_tree_children_length(reply)]
        self._libc.free(reply)
        return list(children)

    def _process(self, window: int) -> int:
        return int.from_bytes(self._property(window, self._pid), "little")

    def _property(self, window: int, name: int) -> bytes:
        cookie = self._xcb.xcb_get_property(
            self._connection, c_uint8(0), c_uint32(window), c_uint32(name), c_uint32(_ANY_TYPE), c_uint32(0),
            c_uint32(_LONGEST_TITLE),
        )  # fmt: skip
        reply = c_void_p(self._xcb.xcb_get_property_reply(self._connection, cookie, None))
        if not reply:
            return b""
        length = self._xcb.xcb_get_property_value_length(reply)
        value = ctypes.string_at(self._xcb.xcb_get_property_value(reply), length)
        self._libc.free(reply)
        return value
