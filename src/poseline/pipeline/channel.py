"""Channel: a bounded hand-off between two threads. It ends by finish, fail or cancel, never by a sentinel."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Generic, TypeVar

from poseline.errors import StageStalled

T = TypeVar("T")


class Overflow(Enum):
    """What a full channel does with the next item."""

    WAIT = "wait"  # a file: every frame counts
    DROP_OLDEST = "drop-oldest"  # a camera: only now counts


class Cancelled(Exception):
    """The other end has gone; stop."""


class Channel(Generic[T]):
    """One writer, one reader, at most `capacity` items in flight.

    Args:
        name: the stage that reads, for messages.
        capacity: the most items in flight.
        overflow: what happens to the next one.
        stall_timeout: seconds after which a reader that got nothing gives up; None waits as long as the writer lives.
        before_taking: called by the reader when an item is there, and before it takes one: a newer one may come.
    """

    def __init__(
        self, name: str, capacity: int, overflow: Overflow = Overflow.WAIT, stall_timeout: float | None = None,
        before_taking: Callable[[], object] | None = None,
    ) -> None:  # fmt: skip
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.name, self.capacity, self.overflow = name, capacity, overflow
        self.dropped = 0
        """Items dropped for a newer one."""
        self.discarded = 0
        """Items thrown away because the reader has gone: what was in flight when it was cancelled, or came later."""
        self._taken = self._found = 0
        self._stall_timeout, self._before_taking = stall_timeout, before_taking
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._cancelled = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def fill(self) -> float:
        """Mean share of its places that were taken when the reader came, 0..1.

        0: the reader always waits, the stages before it are the slower ones; 1: they always wait for the reader.
        """
        return self._found / (self._taken * self.capacity) if self._taken else 0.0

    def put(self, item: T) -> None:
        """Hand over `item`; waits or drops when full. Raises `Cancelled` once the reader has gone."""
        with self._changed:
            if len(self._items) == self.capacity:
                if self.overflow is Overflow.DROP_OLDEST:
                    self._items.popleft()
                    self.dropped += 1
                else:
                    self._changed.wait_for(self._has_room)
            if self._cancelled:
                self.discarded += 1
                raise Cancelled(self.name)
            self._items.append(item)
            self._changed.notify()  # writer and reader never wait at once: there is one to be woken, if any

    def finish(self, error: BaseException | None = None) -> None:
        """End the stream: the reader drains what is left, then stops or re-raises `error`."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def cancel(self) -> None:
        """Release both ends now and throw away what is in flight."""
        with self._changed:
            self._cancelled = True
            self.discarded += len(self._items)
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            if self._before_taking is not None:
                with self._changed:
                    self._changed.wait_for(self._has_item, self._stall_timeout)
                self._before_taking()
            with self._changed:
                waiting = len(self._items)
                if not waiting and not self._changed.wait_for(self._has_item, self._stall_timeout):
                    raise StageStalled(
                        f"nothing came to {self.name} for {self._stall_timeout:g} s; the stage before it hangs"
                    )
                if self._cancelled:
                    raise Cancelled(self.name)
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._taken, self._found = self._taken + 1, self._found + waiting
                self._changed.notify()
            yield item

    def _has_room(self) -> bool:
        return self._cancelled or len(self._items) < self.capacity

    def _has_item(self) -> bool:
        return bool(self._items) or self._finished or self._cancelled
