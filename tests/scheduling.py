"""Scheduling: what an encoder must not change of the thread that uses it.

SVT-AV1 puts the thread that opens it under real-time scheduling (FIFO, priority 99) where it may, as root, and leaves
it there: with all that this thread starts later, it would take the cores from everything else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def policy() -> int | None:
    """How the system schedules this thread; None where it does not say."""
    return os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None


@contextmanager
def kept() -> Iterator[None]:
    """Schedule this thread as before when the `with` is left."""
    before = policy()
    try:
        yield
    finally:
        if before is not None and policy() != before:
            os.sched_setscheduler(0, before, os.sched_param(0))
