"""Turns: several live runs share one network, each with its newest frame, in the order in which they came."""

from __future__ import annotations

import threading


class Turns:
    """A lock that is given to whoever has waited longest, so that no run has two turns while another waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = self._now = 0

    def take(self) -> None:
        """Wait for the turn."""
        with self._changed:
            number, self._next = self._next, self._next + 1
            self._changed.wait_for(lambda: self._now == number)

    def give_back(self) -> None:
        """End the turn."""
        with self._changed:
            self._now += 1
            self._changed.notify_all()


class Turn:
    """One run's use of `Turns`, on the thread of its inference."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._taken = False

    def begin(self) -> None:
        """Wait for the turn, unless it is taken already. A frame waits meanwhile, and newer ones replace it."""
        if not self._taken:
            self._turns.take()
            self._taken = True

    def end(self) -> None:
        """Let the next run begin, unless that is done."""
        if self._taken:
            self._taken = False
            self._turns.give_back()
