from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from media_worlds import WAIT, until
from poseline.errors import StageStalled
from poseline.pipeline import Cancelled, Channel, Overflow


def filled(*items: int, capacity: int = 8, overflow: Overflow = Overflow.WAIT) -> Channel[int]:
    channel: Channel[int] = Channel("reader", capacity, overflow)
    for item in items:
        channel.put(item)
    return channel


def waits(channel: Channel[int]) -> bool:
    """Whether its reader or its writer waits for the other."""
    return bool(channel._changed._waiters)  # type: ignore[attr-defined]


def test_items_come_in_order_and_then_it_ends() -> None:
    channel = filled(1, 2, 3)
    assert len(channel) == 3
    channel.finish()
    assert list(channel) == [1, 2, 3]
    assert channel.dropped == 0


def test_an_error_comes_behind_the_items_before_it() -> None:
    channel = filled(1, 2)
    channel.finish(ValueError("torn"))
    items = iter(channel)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="torn"):
        next(items)


def test_nothing_in_the_data_ends_it() -> None:
    channel: Channel[object] = Channel("reader", 8)
    for item in (None, False, StopIteration(), Cancelled()):
        channel.put(item)
    channel.finish()
    assert len(list(channel)) == 4


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_drop_oldest_keeps_the_newest_and_counts(capacity: int) -> None:
    channel = filled(*range(10), capacity=capacity, overflow=Overflow.DROP_OLDEST)
    channel.finish()
    assert list(channel) == list(range(10 - capacity, 10))
    assert channel.dropped == 10 - capacity


def test_a_full_channel_waits_for_its_reader() -> None:
    channel = filled(0, capacity=1)
    writer = threading.Thread(target=channel.put, args=(1,), daemon=True)
    writer.start()
    writer.join(0.1)
    assert writer.is_alive()
    assert len(channel) == 1
    assert next(iter(channel)) == 0
    writer.join(WAIT)
    assert not writer.is_alive()
    assert channel.dropped == 0


def test_cancel_releases_a_waiting_writer_and_throws_the_rest_away() -> None:
    channel = filled(0, capacity=1)
    caught: list[Exception] = []

    def write() -> None:
        try:
            channel.put(1)
        except Cancelled as error:
            caught.append(error)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert until(lambda: waits(channel))
    channel.cancel()
    writer.join(WAIT)
    assert len(caught) == 1
    assert len(channel) == 0
    with pytest.raises(Cancelled):
        channel.put(2)
    assert channel.discarded == 3, "the one in flight, the one that waited, and the one that came too late"
    assert channel.dropped == 0


def test_cancel_releases_a_waiting_reader() -> None:
    channel = filled()
    caught: list[Exception] = []

    def read() -> None:
        try:
            next(iter(channel))
        except Cancelled as error:
            caught.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert until(lambda: waits(channel))
    channel.cancel()
    reader.join(WAIT)
    assert len(caught) == 1


def test_a_reader_without_an_item_gives_up() -> None:
    channel: Channel[int] = Channel("tracking", 1, stall_timeout=0.1)
    began = time.monotonic()
    with pytest.raises(StageStalled, match=r"nothing came to tracking for 0\.1 s"):
        next(iter(channel))
    assert 0.1 <= time.monotonic() - began < WAIT


def test_patience_begins_anew_with_every_item(monkeypatch: pytest.MonkeyPatch) -> None:
    channel: Channel[int] = Channel("tracking", 1, stall_timeout=WAIT)
    wait_for, patience = channel._changed.wait_for, list[float | None]()

    def noting(condition: Callable[[], bool], timeout: float | None = None) -> bool:
        patience.append(timeout)
        return wait_for(condition, timeout)

    monkeypatch.setattr(channel._changed, "wait_for", noting)

    def write() -> None:
        for number in range(5):
            assert until(lambda: waits(channel))
            channel.put(number)
        assert until(lambda: waits(channel))
        channel.finish()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert list(channel) == [0, 1, 2, 3, 4]
    writer.join(WAIT)
    assert patience == [WAIT] * 6


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_channel_without_room_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1"):
        Channel("reader", capacity)


def test_fill_is_what_the_reader_finds() -> None:
    channel: Channel[int] = Channel("tracking", 4)
    assert channel.fill == 0
    for number in range(4):
        channel.put(number)
    reader = iter(channel)
    next(reader)
    assert channel.fill == 1, "it was full when the reader came"
    next(reader)
    assert channel.fill == (4 + 3) / 8
    list(zip(range(2), reader, strict=False))
    assert channel.fill == (4 + 3 + 2 + 1) / 16


def test_fill_is_nothing_where_the_reader_waits() -> None:
    channel: Channel[int] = Channel("tracking", 1)

    def write() -> None:
        for number in range(3):
            assert until(lambda: waits(channel))
            channel.put(number)
        channel.finish()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert list(channel) == [0, 1, 2]
    writer.join(WAIT)
    assert channel.fill == 0
