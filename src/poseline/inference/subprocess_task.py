"""Runs a task that needs torch in a subprocess, so that torch's start-up and memory never burden a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from poseline.errors import ModelError

_ANSWER = '{"poseline"'


def run_in_subprocess(module: str, arguments: list[str], seconds: float, environment: dict[str, str]) -> None:
    """Run `python -m module arguments` with `environment` added; arguments are a verb, what it works on, and more.

    Raises:
        ModelError: what the child answered, or that it failed, or took longer than `seconds`.
    """
    verb, subject = arguments[0], Path(arguments[1]).name
    try:
        child = subprocess.run(  # noqa: S603 # our own interpreter and module
            [sys.executable, "-m", module, *arguments],
            env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{subject}: {verb} gave up after {seconds:g} s") from error
    found = _found(child.stdout)
    if found is None:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(f"{subject}: {verb} failed (exit {child.returncode}): {last}")
    if "error" in found:
        raise ModelError(found["error"])


def answer(work: Callable[[], None]) -> None:
    """In the child: do `work`, then say that it is done, or why not. Where the parent is gone, the child goes too."""
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    content: dict[str, str] = {}
    try:
        work()
    except ModelError as error:
        content["error"] = str(error)
    sys.stdout.write("\n" + json.dumps({"poseline": content}) + "\n")


def _leave_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _found(output: str) -> dict[str, str] | None:
    for line in reversed(output.splitlines()):
        if line.startswith(_ANSWER):
            content: dict[str, str] = json.loads(line)["poseline"]
            return content
    return None
