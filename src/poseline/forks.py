"""Forks: what a process made by fork() may still use of what its parent had.

A fork copies the memory of a process, but of its threads only the one that forks. Whatever waits for another thread (a
network's workers, a stage of a running stream) would wait for ever in the copy. So what has threads remembers the
process that made it, by `generation`, and refuses to work in another one.
"""

from __future__ import annotations

import os
import sys
from typing import Any
from weakref import WeakSet

_generation = 0
_inherited: frozenset[str] = frozenset()
_never_destroyed: WeakSet[Any] = WeakSet()


def generation() -> int:
    """How many forks lie between this process and the first one: the same number, the same process."""
    return _generation


def inherited(module: str) -> bool:
    """Whether the parent of this forked process had imported `module`; False in a process that was not forked."""
    return module in _inherited


def keep_in_forks(thing: Any) -> None:
    """Never destroy `thing` in a process forked from this one: destroying it would wait for threads that are not there.

    Without this such a process hangs when it ends.
    """
    _never_destroyed.add(thing)


def _forked() -> None:
    """In a new process, before anything else runs there."""
    import ctypes

    global _generation, _inherited
    _generation += 1
    _inherited = frozenset(sys.modules)
    for thing in list(_never_destroyed):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))  # the interpreter's own end would destroy it otherwise


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forked)
