"""Process: run a program as a user would, and watch it from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from poseline.errors import ModelError, OutputError, PoselineError, SettingsError, SourceError, StageStalled
from poseline.startup import ENVIRONMENT

_POLL_SECONDS = 0.02
_STOP_TIMEOUT = 10.0
"""Seconds that a program may take to close its files after it was asked to stop."""
_ERRORS = {kind.exit_code: kind for kind in (SettingsError, SourceError, OutputError, ModelError)}


@dataclass(frozen=True)
class Watched:
    """A program that came to its end."""

    wall: float
    """Seconds from its start to its end."""
    memory: int
    """Most resident memory in bytes, looked at every 20 ms."""
    first: float | None
    """Seconds to the first look at which `sign` was there."""
    output: str
    """Its stdout and stderr."""


def watch(
    command: Sequence[str], folder: Path, timeout: float, *, cwd: Path | None = None,
    sign: Callable[[], bool] = lambda: False, environment: Mapping[str, str] | None = None,
) -> Watched:  # fmt: skip
    """Run `command` to its end. However this is left, no process of it is.

    Args:
        command: program and arguments.
        folder: where what it says is kept.
        timeout: seconds after which it is ended.
        cwd: where it is started, if not here.
        sign: looked at until it is there, such as a file that holds the first frame.
        environment: variables beside our own.

    Raises:
        StageStalled: it did not end in time.
        PoselineError: it ended with an exit code other than 0; of the kind that the code stands for.
    """
    log = folder / "output.txt"
    first: float | None = None
    memory = 0
    with log.open("wb") as output:
        child = _ChildProcess(command, cwd, output.fileno(), environment)
        with child:
            while not child.ended.wait(_POLL_SECONDS):
                now = time.perf_counter()
                if now - child.began > timeout:
                    raise StageStalled(
                        f"{command_line(command)} did not end within {timeout:g} s; allow more: --timeout"
                    )
                memory = max(memory, child.memory())
                if first is None and sign():
                    first = now - child.began
    text = log.read_text(encoding="utf-8", errors="replace")
    if child.code:
        raise _failure(command, child.code, text)
    return Watched(child.wall, memory, first, text)


def python(*arguments: str) -> list[str]:
    """The command that runs this interpreter with these arguments."""
    return [sys.executable, *arguments]


def command_line(command: Sequence[str]) -> str:
    """A command as one may type it, without the folders, which may be private or gone."""
    return " ".join(_without_folder(part) for part in command)


def _without_folder(part: str) -> str:
    name, sign, value = part.rpartition("=")
    return name + sign + (Path(value).name if Path(value).is_absolute() else value)


class _ChildProcess:
    """A process of its own session, so that a Ctrl-C in the terminal reaches it through us alone."""

    def __init__(
        self, command: Sequence[str], cwd: Path | None, output: int, environment: Mapping[str, str] | None
    ) -> None:
        self.ended = threading.Event()
        self.began = time.perf_counter()
        try:
            self._process = subprocess.Popen(  # noqa: S603 # commands of our own making
                command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**_environment(), **(environment or {})}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise PoselineError(f"{command[0]}: cannot be started: {error.strerror}") from error
        self.wall = 0.0
        self._seen = psutil.Process(self._process.pid)
        # A thread that only waits notes the end when it comes, not when we look.
        self._waiter = threading.Thread(target=self._wait, name="bench-wait", daemon=True)
        self._waiter.start()

    @property
    def code(self) -> int | None:
        """The exit code."""
        return self._process.returncode

    def memory(self) -> int:
        """Resident bytes now, of all its processes."""
        resident = 0
        for member in self._process_tree():
            with suppress(psutil.Error):  # it has just ended
                resident += member.memory_info().rss
        return resident

    def __enter__(self) -> _ChildProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.ended.is_set():
            return
        family = self._process_tree()
        for member in family:
            with suppress(psutil.Error):
                member.terminate()
        self.ended.wait(_STOP_TIMEOUT)
        for member in family:
            with suppress(psutil.Error):
                member.kill()
        self._waiter.join(_STOP_TIMEOUT)

    def _process_tree(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return [self._seen, *self._seen.children(recursive=True)]
        return []

    def _wait(self) -> None:
        self._process.wait()
        self.wall = time.perf_counter() - self.began
        self.ended.set()


def _environment() -> dict[str, str]:
    """Our own, without what only we have set for ourselves: a rival runs as its user would run it."""
    return {name: value for name, value in os.environ.items() if ENVIRONMENT.get(name) != value}


def _failure(command: Sequence[str], code: int, output: str) -> PoselineError:
    """Our own processes print their error as one line; a peer's last line is the likeliest reason."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if errors:
        return _ERRORS.get(code, PoselineError)(errors[-1])
    reason = lines[-1] if lines else "it said nothing"
    return PoselineError(f"{command_line(command)} failed with exit code {code}: {reason}")
