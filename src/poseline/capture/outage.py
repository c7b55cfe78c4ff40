"""Outage: trying again, ever less often, until a limit."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from poseline.errors import SourceError, redact

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


class Outage:
    """A broken source and the time that is left to mend it."""

    def __init__(self, name: str, limit: float, stopped: threading.Event) -> None:
        self._name, self._limit, self._stopped = name, limit, stopped
        self._since: float | None = None
        self.retry_at: float | None = None
        """When the next attempt is due, in `time.monotonic()` seconds; None where the source is well."""
        self.cause = ""
        """Why the last attempt failed, in words; empty where none has."""
        self._pause = _FIRST_PAUSE
        self._last_error = "it opens, but gives no picture"

    def failed(self, error: Exception) -> None:
        """What broke it, where that is known."""
        self._last_error = str(error) or self._last_error

    def over(self) -> None:
        """A frame has come."""
        self._since, self.retry_at, self.cause, self._pause = None, None, "", _FIRST_PAUSE

    def until(self, attempt: Callable[[], T]) -> T | None:
        """The first success of `attempt`; None when stopped meanwhile.

        Raises:
            SourceError: nothing came for as long as an outage may last.
        """
        self._since = time.monotonic() if self._since is None else self._since
        deadline = self._since + self._limit
        while (left := deadline - time.monotonic()) > 0:  # also where every attempt opens it, and none brings a frame
            pause = self._pause * random.uniform(0.8, 1.2)  # noqa: S311 # spreads clients, hides nothing
            self.retry_at = time.monotonic() + min(pause, left)
            if self._stopped.wait(min(pause, left)):
                return None
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            try:
                return attempt()
            except SourceError as error:
                self._last_error = str(error)
                self.cause = self._last_error.removeprefix(f"{redact(self._name)}: ")
        raise SourceError(f"{self._name}: gone for {self._limit:g} s; the last attempt: {self._last_error}")
