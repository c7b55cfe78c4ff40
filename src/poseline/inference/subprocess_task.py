"""Runs a task in a worker, so that what it imports never burdens a run, and what hangs in it never holds one up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from queue import Empty
from typing import Any

from poseline.errors import ModelError
from poseline.telemetry import without_telemetry
from poseline.workers import Context, Worker, WorkerDied

_STOP_TIMEOUT = 1.0


def run_in_subprocess(
    name: str, task: Callable[..., None], *arguments: Any, seconds: float, environment: Mapping[str, str]
) -> None:
    """Call `task(*arguments)` in a process of its own, with `environment` added.

    Args:
        name: of the task in messages, such as `yolo11n-pose.pt: convert`.
        task: a function of a module.
        arguments: those that can be pickled.
        seconds: the most it may take.
        environment: variables added to those of this process.

    Raises:
        PoselineError: what the task raised. ModelError: the process died, or took longer than `seconds`.
    """
    with Worker(_call, environment=environment, stop_timeout=_STOP_TIMEOUT) as worker:
        worker.send((task, arguments))
        try:
            _, outcome = worker.events.get(timeout=seconds)
        except Empty:
            raise ModelError(f"{name} gave up after {seconds:g} s") from None
    if isinstance(outcome.error, WorkerDied):
        last = outcome.error.last_line or "no message"
        raise ModelError(f"{name} failed (exit {outcome.error.process_exit_code}): {last}")
    if outcome.traceback:
        raise ModelError(f"{name} failed: {outcome.error}")
    if outcome.error:
        raise outcome.error


def _call(unit: tuple[Callable[..., None], tuple[Any, ...]], _: Context) -> None:
    task, arguments = unit
    with without_telemetry():
        task(*arguments)
