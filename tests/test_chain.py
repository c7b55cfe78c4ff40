from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from media_worlds import WAIT, stage_threads, until
from poseline.errors import StageStalled
from poseline.pipeline import Overflow, chain
from poseline.pipeline.chain import Stage, Work, single_threaded

NAMES = ("inference", "tracking", "overlay")


class Torn(Exception):
    """What a stage raises on purpose."""


class World:
    """A source and three stages that each may raise at an item, sleep, or be left early; it notes every `finally`."""

    def __init__(
        self, count: int | None = 30, broken: str = "", at: int = 10, nap: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.left: list[str] = []
        self.errors: list[str] = []
        self._count, self._broken, self._at, self._nap = count, broken, at, nap

    def source(self) -> Generator[int, None, None]:
        try:
            for item in itertools.count() if self._count is None else range(self._count):
                self._work("capture", item)
                yield item
        finally:
            self.left.append("capture")

    def stages(self) -> list[Stage]:
        return [Stage(name, self._stage(name)) for name in NAMES]

    def _stage(self, name: str) -> Work:
        def run(items: Iterator[Any]) -> Generator[Any, None, None]:
            try:
                for item in items:
                    self._work(name, item)
                    yield item
            finally:
                self.left.append(name)

        return run

    def _work(self, name: str, item: int) -> None:
        if nap := self._nap():
            time.sleep(nap)
        if name == self._broken and item == self._at:
            raise Torn(name)


@contextmanager
def opened(world: World, depth: int, overflow: Overflow) -> Iterator[Iterator[Any]]:
    if not depth:
        with single_threaded(world.source(), world.stages()) as items:
            assert not stage_threads()
            yield items
        return
    with chain(world.source(), world.stages(), depth=depth, overflow=overflow, stall_timeout=WAIT) as (items, _):
        yield items


def consume(world: World, depth: int = 2, overflow: Overflow = Overflow.WAIT, end: int | None = None) -> list[int]:
    """Every item, as the caller's thread gets it; at item `end` the consumer itself raises. Depth 0: on one thread."""
    seen: list[int] = []
    try:
        with opened(world, depth, overflow) as items:
            for item in items:
                if item == end:
                    raise Torn("output")
                seen.append(item)
    except Torn as error:
        world.errors.append(str(error))
        seen.append(-1)
    return seen


@pytest.mark.parametrize("depth", [0, 1, 2, 7])
def test_all_items_come_in_order_and_nothing_is_left(depth: int) -> None:
    world = World()
    assert consume(world, depth) == list(range(30))
    assert sorted(world.left) == sorted(("capture", *NAMES))
    assert not stage_threads()


@pytest.mark.parametrize("depth", [0, 1, 4])
@pytest.mark.parametrize("at", [0, 10, 29])
@pytest.mark.parametrize("broken", ["capture", *NAMES])
def test_an_error_anywhere_comes_behind_the_items_before_it(broken: str, at: int, depth: int) -> None:
    world = World(broken=broken, at=at)
    assert consume(world, depth) == [*range(at), -1]
    assert world.errors == [broken]
    assert sorted(world.left) == sorted(("capture", *NAMES))
    assert not stage_threads()


@pytest.mark.parametrize("count", [30, None])
@pytest.mark.parametrize("end", [0, 10])
@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_of_the_consumer_stops_the_rest(depth: int, end: int, count: int | None) -> None:
    world = World(count)
    assert consume(world, depth, end=end) == [*range(end), -1]
    assert sorted(world.left) == sorted(("capture", *NAMES))
    assert not stage_threads()


def test_a_consumer_that_leaves_early_stops_an_endless_source() -> None:
    world = World(None)
    with chain(world.source(), world.stages(), depth=2) as (items, channels):
        assert list(itertools.islice(items, 5)) == list(range(5))
    assert sorted(world.left) == sorted(("capture", *NAMES))
    assert not stage_threads()
    assert [len(channel) for channel in channels] == [0, 0, 0]


def test_a_consumer_that_reads_nothing_leaves_nothing_behind() -> None:
    world = World(None)
    with chain(world.source(), world.stages(), depth=2):
        pass
    assert "capture" in world.left
    assert not stage_threads()


def test_only_the_first_channel_drops_and_what_comes_is_the_newest() -> None:
    gate, given = threading.Event(), []

    def source() -> Generator[int, None, None]:
        for item in range(100):
            given.append(item)
            yield item
        gate.set()

    def slow(items: Iterator[int]) -> Generator[int, None, None]:
        for item in items:
            gate.wait(WAIT)
            yield item

    stages = [Stage("inference", slow), Stage("tracking", World()._stage("tracking"))]
    with chain(source(), stages, depth=1, overflow=Overflow.DROP_OLDEST) as (items, channels):
        seen = list(items)
    assert len(given) == 100
    assert seen[-1] == 99
    assert len(seen) <= 3
    assert channels[0].dropped == 100 - len(seen)
    assert channels[1].dropped == 0


def test_a_slow_consumer_makes_a_file_wait() -> None:
    world = World(None)
    given: list[int] = []

    def source() -> Generator[int, None, None]:
        for item in world.source():
            given.append(item)
            yield item

    with chain(source(), world.stages(), depth=2) as (items, channels):
        next(items)
        assert until(lambda: len(given) >= 8)
        time.sleep(0.1)
        assert len(given) <= 1 + 3 * (2 + 1) + 1, "every queue is full, and one item is in every hand"
        assert next(items) == 1
        assert sum(channel.dropped for channel in channels) == 0


@pytest.mark.parametrize("hung", ["capture", "inference", "tracking"])
def test_a_stage_that_hangs_is_found_and_named(hung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = import_module("poseline.pipeline.chain")
    monkeypatch.setattr(module, "_JOIN_SECONDS", 0.2)
    monkeypatch.setattr(module, "_STALL_TIMEOUT_STEP", 5 * module._STALL_TIMEOUT_STEP)  # a second, on any machine
    release = threading.Event()

    def hang(items: Iterator[int]) -> Generator[int, None, None]:
        for item in items:
            if item == 3:
                release.wait(WAIT)
            yield item

    source = World().source()
    names = "inference", "tracking", "overlay"
    stages = [Stage(name, hang if name == hung else World().stages()[0].run) for name in names]
    after = {"capture": "inference", "inference": "tracking", "tracking": "overlay"}[hung]
    flow = chain(hang(source) if hung == "capture" else source, stages, depth=2, stall_timeout=2)
    seen: list[int] = []
    with pytest.raises(StageStalled, match=f"nothing came to {after} for"), flow as (items, _):
        seen.extend(items)
    assert hung in stage_threads(), "the caller is told while it hangs"
    release.set()
    assert until(lambda: not stage_threads())


def test_random_naps_change_nothing() -> None:
    """Each round tears one place at one item, every thread sleeping as it likes."""
    world_of_chance = np.random.default_rng(7)
    for rounds in range(100):
        broken = str(world_of_chance.choice(["", "capture", *NAMES, "output"]))
        at, depth = int(world_of_chance.integers(0, 12)), int(world_of_chance.integers(1, 4))
        naps = iter(world_of_chance.choice([0.0, 0.0, 0.0, 0.0005, 0.002], 1000).tolist())
        world = World(12, broken if broken != "output" else "", at, lambda naps=naps: next(naps, 0.0))  # type: ignore[misc]
        seen = consume(world, depth, end=at if broken == "output" else None)
        assert seen == ([*range(at), -1] if broken else list(range(12))), (rounds, broken, at, depth)
        assert sorted(world.left) == sorted(("capture", *NAMES))
        assert not stage_threads()
