"""Watched: a camera read by a thread of its own, so that a driver that never answers is noticed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_WAITING = 2
"""Pictures that may wait; the pipeline takes each at once."""
_JOIN_SECONDS = 1.0
"""How long the thread may take to leave the driver; one that does not is left behind, and gives the device back."""


class Silent(Exception):
    """The camera has given nothing for too long."""


class Watched(Generic[T]):
    """Calls `read` again and again on a thread of its own.

    Args:
        read: waits for the next picture; None at the camera's end.
        release: gives the device back; called once, when nobody reads.
    """

    def __init__(self, read: Callable[[], T | None], release: Callable[[], object]) -> None:
        self._read, self._release = read, release
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def next(self, patience: float) -> T | None:
        """The next picture; None at the camera's end. Raises what `read` raised.

        Raises:
            Silent: nothing came for `patience` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._ended, patience):
                raise Silent
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    def close(self) -> None:
        """End the reading and give the device back, now or as soon as the driver answers."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        try:
            while not self._stopped and (item := self._read()) is not None:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped or len(self._items) < _WAITING)
                    self._items.append(item)
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 # raised by `next`
            self._error = error
        finally:
            self._release()
            with self._changed:
                self._ended = True
                self._changed.notify_all()
