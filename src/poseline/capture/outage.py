"""Outage: trying again, ever less often, until a limit."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from poseline.errors import SourceError

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


class Outage:
    """A broken source and the time that is left to mend it."""

    def __init__(self, name: str, limit: float, stopped: threading.Event) -> None:
        self._name, self._limit, self._stopped = name, limit, stopped
        self._since: float | None = None

    def over(self) -> None:
        """A frame has come."""
        self._since = None

    def until(self, attempt: Callable[[], T]) -> T | None:
        """The first success of `attempt`; None when stopped meanwhile.

        Raises:
            SourceError: nothing came for as long as an outage may last.
        """
        self._since = time.monotonic() if self._since is None else self._since
        pause = _FIRST_PAUSE
        while not self._stopped.wait(pause * random.uniform(0.8, 1.2)):  # noqa: S311 # spreads clients, hides nothing
            try:
                return attempt()
            except SourceError as error:
                if time.monotonic() - self._since >= self._limit:
                    raise SourceError(f"{self._name}: gone for {self._limit:g} s; the last attempt: {error}") from error
            pause = min(2 * pause, _LONGEST_PAUSE)
        return None
