"""The one OpenVINO core of this process, and all networks that are compiled by it."""

from __future__ import annotations

import io
import os
import threading
import weakref
from collections.abc import Callable, Mapping

from poseline import forks
from poseline.errors import ModelError
from poseline.telemetry import without_telemetry

with without_telemetry():
    import openvino

__all__ = ["compile_network", "core", "import_network", "openvino"]  # OpenVINO is first imported here, without reports

_making = threading.Lock()
_forking: list[bool] = []
"""Not empty while a fork is going on that has the lock."""


def _before_fork() -> None:
    _making.acquire()
    _forking.append(True)


def _after_fork() -> None:
    if _forking:  # else the fork began before this module was there, as where a program imports OpenVINO, which forks
        _forking.clear()
        _making.release()


if hasattr(os, "register_at_fork"):  # not on Windows; a fork meanwhile would get the lock as it is
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
_made: list[openvino.Core] = []
"""The core, once there is one."""


def core() -> openvino.Core:
    """OpenVINO's core, made once and kept, whichever thread asks first.

    OpenVINO's CPU plugin gives the thread that first uses a core a stack for signal handlers, and unmaps it with the
    core. When another thread lets the core go, the first one is left without: the next Ctrl-C would end in a
    segmentation fault.
    """
    if not _made:
        with _making:
            if not _made:
                _made.append(openvino.Core())
                forks.keep_in_forks(_made[0])
    return _made[0]


def compile_network(network: openvino.Model, options: Mapping[str, str]) -> openvino.CompiledModel:
    """`network`, compiled for the CPU with OpenVINO's `options`.

    Raises:
        RuntimeError: OpenVINO cannot compile it. ModelError: this process cannot use OpenVINO, being a fork.
    """
    return _threads.started(lambda: core().compile_model(network, "CPU", dict(options)))


def import_network(exported: bytes, options: Mapping[str, str]) -> openvino.CompiledModel:
    """A network that was compiled and exported before; errors as of `compile_network`."""
    return _threads.started(lambda: core().import_model(io.BytesIO(exported), "CPU", dict(options)))


class _Threads:
    """What is known of OpenVINO's threads: whether a fork of this process can start some of its own.

    A compiled network has threads. When it is released OpenVINO keeps them, and gives them to the next network of the
    same kind. In a fork they do not exist, and the next network would wait for them for ever; OpenVINO starts no
    new ones. Networks that are alive keep their threads to themselves, and do no harm.
    """

    def __init__(self) -> None:
        self._process = forks.generation()
        self._usable = True
        self._compiling: list[None] = []
        """One entry for each network that is being compiled."""
        self._released = False
        """Some network of this process has left threads behind."""

    def started(self, make: Callable[[], openvino.CompiledModel]) -> openvino.CompiledModel:
        """The network that `make` compiles."""
        self._look()
        if not self._usable:
            raise ModelError(
                "OpenVINO cannot be used here: this process was forked from one that had released a network, or was "
                "just compiling one; start workers with multiprocessing.get_context('spawn'), or fork them earlier"
            )
        compiling = self._compiling
        compiling.append(None)
        try:
            network = make()
        finally:
            compiling.pop()
        forks.keep_in_forks(network)  # in a fork, releasing the parent's network would offer its dead threads
        weakref.finalize(network, self._note_release).atexit = False
        return network

    def _note_release(self) -> None:
        self._released = True

    def _look(self) -> None:
        """Notice that this process is a fork of the one that the notes are about."""
        if self._process != forks.generation():
            self._process = forks.generation()
            self._usable = self._usable and not self._released and not self._compiling
            self._released = False
            self._compiling = []


_threads = _Threads()
