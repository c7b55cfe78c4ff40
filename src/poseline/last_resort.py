"""Last resort: a process that does not end after a second signal is ended, whatever it is doing.

Python runs a signal's handler on the main thread, between two steps of Python code. A main thread that waits in native
code, for a driver, a dead network share or a library's mistake, runs no handler. Even then the C part of Python takes
each signal and writes its number into a pipe (`signal.set_wakeup_fd`). A guard reads them: a tiny process forked at the
start, because a thread of this process could not run where the native code keeps Python's global lock (GIL). After the
second signal the guard gives this process `GRACE` seconds to finish its files. Then it tells a thread here to exit, and
if that did not help, kills the process.

Where processes cannot be forked, as on Windows, the thread does the guard's work.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Collection
from contextlib import suppress

GRACE = 1.4
"""Seconds after the second signal in which the process may end by itself."""
_OBEY = 0.25
"""Seconds that its thread may take to end it, before it is killed."""
_LOOK = 0.05
_ENDED = "poseline: ended before its files were finished; `poseline recover FOLDER` makes a .part video playable\n"
_CURSOR = "\033[?25h\r\n"
"""Shows a terminal's cursor, which a progress bar has hidden, and begins a new line."""


def stand_by(signals: Collection[signal.Signals], code: int, *, quiet: bool = False) -> None:
    """From now on, end this process with exit code `code` soon after the second of `signals`, unless it ends itself.

    Where even a thread cannot run, the process is killed (SIGKILL). Called once, on the main thread, before there are
    other threads.

    Args:
        signals: signals that have a handler in Python.
        code: the exit code.
        quiet: say nothing on stderr when it comes to that.
    """
    heard, wakes = os.pipe()
    orders, gives = os.pipe()
    if hasattr(os, "set_blocking"):
        os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    guarded = _fork_guard(signals, heard, gives, quiet, closing=(wakes, orders))

    def obey() -> None:
        if not (guarded and os.read(orders, 1)):  # there is no guard, or it was killed
            _second(signals, heard)
            time.sleep(GRACE)
            _say(quiet)
        os._exit(code)

    threading.Thread(target=obey, name="last resort", daemon=True).start()


def _fork_guard(
    signals: Collection[signal.Signals], heard: int, gives: int, quiet: bool, closing: tuple[int, ...]
) -> bool:
    """Start the guard, and leave the ends of the pipes that are its own to it; False where there can be none."""
    if not hasattr(os, "fork"):
        return False
    watched = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # a guard hears none itself
    try:
        if os.fork() == 0:
            try:
                for pipe in closing:
                    os.close(pipe)
                _guard(signals, heard, gives, watched, quiet)
            finally:
                os._exit(0)
    except OSError:  # no more processes are allowed here
        return False
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(gives)
    return True


def _guard(signals: Collection[signal.Signals], heard: int, gives: int, watched: int, quiet: bool) -> None:
    """The guard's life: up to the end of the process that it watches, or the end that it makes."""
    os.setsid()  # neither the terminal's signals nor its end are for the guard
    os.closerange(3, min(heard, gives))
    os.closerange(min(heard, gives) + 1, max(heard, gives))
    if not _second(signals, heard) or _ends(heard, GRACE):
        return
    _say(quiet)
    with suppress(OSError):
        os.write(gives, b"!")
    if not _ends(heard, _OBEY):
        with suppress(OSError):
            os.kill(watched, signal.SIGKILL)


def _second(signals: Collection[signal.Signals], heard: int) -> bool:
    """Wait for the second signal; False where the process ends before."""
    count = 0
    while count < 2:
        numbers = os.read(heard, 64)
        if not numbers:
            return False
        count += sum(number in signals for number in numbers)
    return True


def _ends(heard: int, seconds: float) -> bool:
    """Whether the process ends in time: the pipe ends with it."""
    os.set_blocking(heard, False)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not os.read(heard, 64):
                return True
        except BlockingIOError:
            pass
        time.sleep(_LOOK)
    return False


def _say(quiet: bool) -> None:
    if not quiet:
        with suppress(OSError):
            os.write(2, ((_CURSOR if os.isatty(2) else "") + _ENDED).encode())
