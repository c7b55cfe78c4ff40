"""Watchdog: ends this process soon after a second signal, whatever it is doing.

Python runs a signal's handler on the main thread, between two steps of Python code. A main thread that waits in native
code, for a driver, a dead network share or a faulty library, runs no handler. Even then the C part of Python writes
each signal's number into a pipe (`signal.set_wakeup_fd`). The watchdog reads that pipe. It is a tiny process forked at
the start, because a thread cannot run while native code keeps Python's global lock (GIL). After the second signal it
gives this process `GRACE` seconds to finish its files. Then it orders a thread here to exit, and if that did not help,
kills the process.

Where processes cannot be forked, as on Windows, the thread does the watchdog's work.
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
_EXIT_SECONDS = 0.25
"""Seconds that the thread may take to exit, before the process is killed."""
_POLL_SECONDS = 0.05
_ENDED = "poseline: ended before its files were finished; `poseline recover FOLDER` makes a .part video playable\n"
_CURSOR = "\033[?25h\r\n"
"""Shows a terminal's cursor, which a progress bar has hidden, and begins a new line."""


def start_watchdog(signals: Collection[signal.Signals], code: int, *, quiet: bool = False) -> None:
    """From now on, end this process with exit code `code` soon after the second of `signals`, unless it ends itself.

    Where even a thread cannot run, the process is killed (SIGKILL). Called once, on the main thread, before there are
    other threads.

    Args:
        signals: signals that have a handler in Python.
        code: the exit code.
        quiet: say nothing on stderr when it comes to that.
    """
    signals_read, signals_write = os.pipe()
    exit_read, exit_write = os.pipe()
    if hasattr(os, "set_blocking"):
        os.set_blocking(signals_write, False)
    signal.set_wakeup_fd(signals_write, warn_on_full_buffer=False)
    forked = _fork_watchdog(signals, signals_read, exit_write, quiet, closing=(signals_write, exit_read))

    def exit_on_order() -> None:
        if not (forked and os.read(exit_read, 1)):  # there is no watchdog process, or it was killed
            _wait_for_second(signals, signals_read)
            time.sleep(GRACE)
            _print_notice(quiet)
        os._exit(code)

    threading.Thread(target=exit_on_order, name="watchdog", daemon=True).start()


def _fork_watchdog(
    signals: Collection[signal.Signals], signals_read: int, exit_write: int, quiet: bool, closing: tuple[int, ...]
) -> bool:
    """Fork the watchdog process and hand it its ends of the pipes; False where that is impossible."""
    if not hasattr(os, "fork"):
        return False
    watched = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # the watchdog itself ignores them
    try:
        if os.fork() == 0:
            try:
                for pipe in closing:
                    os.close(pipe)
                _watch(signals, signals_read, exit_write, watched, quiet)
            finally:
                os._exit(0)
    except OSError:  # no more processes are allowed here
        return False
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(exit_write)
    return True


def _watch(signals: Collection[signal.Signals], signals_read: int, exit_write: int, watched: int, quiet: bool) -> None:
    """The watchdog process: runs until the watched process has ended, by itself or by force."""
    os.setsid()  # so that the terminal's signals do not reach it
    os.closerange(3, min(signals_read, exit_write))
    os.closerange(min(signals_read, exit_write) + 1, max(signals_read, exit_write))
    if not _wait_for_second(signals, signals_read) or _process_ends(signals_read, GRACE):
        return
    _print_notice(quiet)
    with suppress(OSError):
        os.write(exit_write, b"!")
    if not _process_ends(signals_read, _EXIT_SECONDS):
        with suppress(OSError):
            os.kill(watched, signal.SIGKILL)


def _wait_for_second(signals: Collection[signal.Signals], signals_read: int) -> bool:
    """Wait for the second signal; False where the process ends before."""
    count = 0
    while count < 2:
        numbers = os.read(signals_read, 64)
        if not numbers:
            return False
        count += sum(number in signals for number in numbers)
    return True


def _process_ends(signals_read: int, seconds: float) -> bool:
    """Whether the process ends in time: the pipe ends with it."""
    os.set_blocking(signals_read, False)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not os.read(signals_read, 64):
                return True
        except BlockingIOError:
            pass
        time.sleep(_POLL_SECONDS)
    return False


def _print_notice(quiet: bool) -> None:
    if not quiet:
        with suppress(OSError):
            os.write(2, ((_CURSOR if os.isatty(2) else "") + _ENDED).encode())
