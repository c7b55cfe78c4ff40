"""Interruption: Ctrl-C and SIGTERM. The first signal stops a run gracefully, the second aborts it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, TypeVar

from poseline.watchdog import start_watchdog

T = TypeVar("T")

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Handler of SIGINT and SIGTERM. The first stops a run gracefully, the second aborts it; the first aborts all else.

    To abort means to raise a KeyboardInterrupt, once at most, and never while files are `shielded`. Later signals only
    count. The watchdog ends whatever does not end by this.
    """

    def __init__(self) -> None:
        self.signal_count = 0
        """Signals received."""
        self.aborted = False
        """Whether there was a KeyboardInterrupt."""
        self._stop: Callable[[], object] | None = None
        self._shielded = False

    def __call__(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
        """Handle a signal."""
        del number, frame
        self.signal_count += 1
        if self.signal_count == 1 and self._stop is not None:
            self._stop()
        else:
            self._abort()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Within, no signal raises a KeyboardInterrupt, but where items are `interruptible`."""
        before, self._shielded = self._shielded, True
        try:
            yield
        finally:
            self._shielded = before

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Within, the first signal calls `stop`; if it has come already, `stop` is called at once."""
        self._stop = stop
        if self.signal_count:
            stop()
        try:
            yield
        finally:
            self._stop = None

    def interruptible(self, items: Iterator[T]) -> Iterator[T]:
        """The same items; a second signal aborts while the next is waited for, not while one is worked on."""
        while True:
            before, self._shielded = self._shielded, False
            try:
                if self.signal_count > 1:
                    self._abort()
                item = next(items)
            except StopIteration:
                return
            finally:
                self._shielded = before
            yield item

    def disarm(self) -> None:
        """From now on, do not raise."""
        self._shielded = True

    def _abort(self) -> None:
        if not self._shielded and not self.aborted:
            self.aborted = True
            raise KeyboardInterrupt


def exit_with(command: Callable[[Interruption], int], *, quiet: bool = False) -> NoReturn:
    """Run `command` with signals handled, then end the process with its exit code, or with 130 after a signal.

    The watchdog ends it in any case soon after a second signal; with `quiet` it prints nothing, for a process whose
    parent does.
    """
    interruption = Interruption()
    try:
        for number in SIGNALS:
            signal.signal(number, interruption)
        start_watchdog(SIGNALS, INTERRUPTED, quiet=quiet)
        code = command(interruption)
        interruption.disarm()
    except KeyboardInterrupt:
        code = INTERRUPTED
    for number in SIGNALS:  # when Python ends it restores default handlers, and a late signal would kill
        signal.signal(number, signal.SIG_IGN)
    exit_now(code or (INTERRUPTED if interruption.signal_count else 0))


def exit_now(code: int) -> NoReturn:
    """End without Python's own clean-up: all files are closed, and it takes a tenth of a second.

    It could also wait for ever: an aborted import leaves its lock held, and a thread may be compiling.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
