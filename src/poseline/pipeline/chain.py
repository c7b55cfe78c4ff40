"""Chain: generator stages, one thread each, joined by bounded channels; or all on one thread, with nothing between."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple, TypeAlias

from poseline import forks
from poseline.pipeline.channel import Cancelled, Channel, Overflow

log = logging.getLogger("poseline")

Flow: TypeAlias = Generator[Any, None, None]
Work: TypeAlias = Callable[[Iterator[Any]], Flow]
"""What a stage does: a generator function from the items of the stage before it to its own."""


class Stage(NamedTuple):
    """One step of the pipeline, with the words by which people know it: all that tables and advice say of it."""

    name: str
    """Its name in tables, in `summary.json` and in errors."""
    run: Work
    work: str = ""
    """What takes its time, in words, such as `drawing`; the name where there are none."""
    advice: str = ""
    """What would help where the other stages wait for it."""


_JOIN_SECONDS = 15.0
"""How long a stage may take to leave a native call; longer than a source's read timeout."""
_STALL_TIMEOUT_STEP = 0.1
"""Share of its time-out that each further stage waits longer."""


@contextmanager
def chain(
    source: Flow,
    stages: Sequence[Stage],
    *,
    depth: int,
    overflow: Overflow = Overflow.WAIT,
    stall_timeout: float | None = None,
    before_taking: Callable[[], object] | None = None,
) -> Iterator[tuple[Flow, list[Channel[Any]]]]:
    """Yield the last stage's output, which runs on the caller's thread, and the channels; the rest have threads.

    A stage's exception travels down the channels behind the items before it and is raised in the caller. Leaving the
    `with` cancels every channel and joins every thread.

    Args:
        source: what the first stage reads.
        stages: in order.
        depth: items in flight between two stages.
        overflow: what a full first channel does; the others always wait.
        stall_timeout: seconds without an item after which a stage counts as hung.
        before_taking: called by the first stage before it takes an item; see `Channel`.
    """
    channels: list[Channel[Any]] = []
    threads: list[threading.Thread] = []
    upstream, name = source, "capture"
    for reader, stage, *_ in stages:
        policy = overflow if not channels else Overflow.WAIT  # only the camera may drop
        # Each waits a little longer than the one before it, so that the first to give up is the one behind the hang.
        limit = None if stall_timeout is None else stall_timeout * (1 + _STALL_TIMEOUT_STEP * len(channels))
        channel: Channel[Any] = Channel(reader, depth, policy, limit, None if channels else before_taking)
        # Daemons, so that a driver that never returns cannot keep the process alive after its time.
        threads.append(threading.Thread(target=_pump, args=(upstream, channel), name=name, daemon=True))
        channels.append(channel)
        upstream, name = stage(iter(channel)), reader
    process = forks.generation()
    for thread in threads:
        thread.start()
    try:
        with closing(upstream):
            yield upstream, channels
    finally:
        if process == forks.generation():  # a fork has none of the threads, but perhaps a lock that one of them held
            for channel in channels:
                channel.cancel()
            _join(threads)


@contextmanager
def single_threaded(source: Flow, stages: Sequence[Stage]) -> Iterator[Flow]:
    """Yield the last stage's output; all of it runs on the caller's thread.

    For stages that are Python alone: on threads of their own they would take turns, and lose time at each.
    """
    with ExitStack() as flows:
        flow = flows.enter_context(closing(source))
        for stage in stages:
            flow = flows.enter_context(closing(stage.run(flow)))
        yield flow


def _join(threads: list[threading.Thread]) -> None:
    deadline = time.monotonic() + _JOIN_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            log.warning("%s does not stop; left behind", thread.name)


def _pump(upstream: Flow, channel: Channel[Any]) -> None:
    try:
        with closing(upstream):
            for item in upstream:
                channel.put(item)
    except Cancelled:
        channel.finish()
    except BaseException as error:  # noqa: BLE001 # carried to the reader, which re-raises it
        channel.finish(error)
    else:
        channel.finish()
