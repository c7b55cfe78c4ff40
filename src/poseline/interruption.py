"""Interruption: what Ctrl-C and SIGTERM ask for, and where the program may be broken off for it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, TypeVar

from poseline.last_resort import stand_by

T = TypeVar("T")

INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """The user's wish to end. In a run the first signal ends it in good order and the second at once; else the first.

    At once means a KeyboardInterrupt. There is one at most, and none where it would tear a file: further signals only
    count. Calling it is hearing a signal. What does not end by all this, `last_resort` ends.
    """

    def __init__(self) -> None:
        self.asked = 0
        """Signals heard."""
        self.broken_off = False
        """Whether there was a KeyboardInterrupt."""
        self._stop: Callable[[], object] | None = None
        self._held = False

    def __call__(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
        """Hear a signal, as its handler."""
        del number, frame
        self.asked += 1
        if self.asked == 1 and self._stop is not None:
            self._stop()
        else:
            self._break_off()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within, no signal breaks off, but where something is `breakable`."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Within, the first signal calls `stop`; at the beginning, if it has come already."""
        self._stop = stop
        if self.asked:
            stop()
        try:
            yield
        finally:
            self._stop = None

    def breakable(self, items: Iterator[T]) -> Iterator[T]:
        """The same items; a second signal breaks off while one is waited for, and not while it is worked on."""
        while True:
            before, self._held = self._held, False
            try:
                if self.asked > 1:
                    self._break_off()
                item = next(items)
            except StopIteration:
                return
            finally:
                self._held = before
            yield item

    def over(self) -> None:
        """Break off no more."""
        self._held = True

    def _break_off(self) -> None:
        if not self._held and not self.broken_off:
            self.broken_off = True
            raise KeyboardInterrupt


def exit_with(command: Callable[[Interruption], int], *, quiet: bool = False) -> NoReturn:
    """Run `command` with the signals heard, and end the process with its exit code, or with 130 after a signal.

    Soon after a second signal it ends in any case, see `last_resort`; `quiet` has that said by nobody, for a process
    whose parent says it.
    """
    interruption = Interruption()
    try:
        for number in _SIGNALS:
            signal.signal(number, interruption)
        stand_by(_SIGNALS, INTERRUPTED, quiet=quiet)
        code = command(interruption)
        interruption.over()
    except KeyboardInterrupt:
        code = INTERRUPTED
    for number in _SIGNALS:  # as it ends, Python puts back the default of any other handler, and a late signal kills
        signal.signal(number, signal.SIG_IGN)
    _leave(code or (INTERRUPTED if interruption.asked else 0))


def _leave(code: int) -> NoReturn:
    """End without Python's own tidying: all files are closed, and it takes a tenth of a second.

    It may wait for ever, too: an import that is broken off leaves its lock held, and a thread may be compiling.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
