"""A head start: the network of the last run is loaded while Python still imports what else a run needs.

To load a compiled network takes a core a third of a second, without Python. Python's imports take longer, and leave the
other cores idle. So a command line that names the network in the same words as the last one begins with it. It is a
guess: the clip may have another size, and then what was loaded is let go.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseline.cache import cache_folder, keep

if TYPE_CHECKING:
    import openvino

_TELLING = {
    "-m", "--model", "-c", "--config", "--device", "--runtime", "--imgsz", "--precision", "--calibrate", "--live",
    "--half", "--no-half", "--roi", "--no-roi", "--jobs",
}  # fmt: skip
"""Options that decide which network is loaded, and whether by this process."""


class HeadStart:
    """What one process begins with, and what it leaves for the next."""

    def __init__(self) -> None:
        self._words: list[list[str]] | None = None
        self._file: Path | None = None
        self._network: Future[openvino.CompiledModel] = Future()

    def begin(self, arguments: list[str]) -> None:
        """Begin to load what a command line in these words used last, on a thread of its own, if there is any."""
        if not {"-h", "--help"}.isdisjoint(arguments):
            return
        self._words = _telling(arguments)
        try:
            last: dict[str, Any] = json.loads(_last().read_bytes())
            file, options = _last().with_name(last["network"]), dict(last["options"])
            known = last["words"] == self._words and file.exists()
        except (OSError, ValueError, LookupError, TypeError):  # the first start, or whatever else lies there
            return
        if known:
            from poseline.openvino_core import core

            core()  # imported and made here: two threads that import take turns
            self._file = file
            threading.Thread(target=self._load, args=(file, options), name="head start", daemon=True).start()

    def _load(self, file: Path, options: dict[str, str]) -> None:
        from poseline.openvino_core import core

        try:
            self._network.set_result(core().import_model(io.BytesIO(file.read_bytes()), "CPU", options))
        except BaseException as error:  # noqa: BLE001 # carried to whoever waits for it
            self._network.set_exception(error)

    def taken(self, file: Path) -> openvino.CompiledModel | None:
        """The compiled network of `file`, if this process began with it; waits until it is loaded.

        Raises:
            OSError, RuntimeError: it cannot be loaded.
        """
        begun, self._file = self._file, None
        network, self._network = self._network, Future()
        return network.result() if begun == file else None

    def leave(self, file: Path, options: Mapping[str, str]) -> None:
        """Let the next process in the same words begin with this file of the cache's compiled networks."""
        if self._words is None or file.parent != _last().parent:
            return
        left = json.dumps({"words": self._words, "network": file.name, "options": dict(options)}).encode()
        if not (_last().exists() and _last().read_bytes() == left):
            keep(_last(), lambda: left)


def _last() -> Path:
    return compiled_folder() / "last.json"


def compiled_folder() -> Path:
    """Where compiled networks are kept."""
    return cache_folder() / "compiled"


def _telling(arguments: list[str]) -> list[list[str]]:
    """Each telling option with the word behind it, which is its value if it takes one."""
    return [arguments[i : i + 2] for i, word in enumerate(arguments) if word.partition("=")[0] in _TELLING]


head_start = HeadStart()
"""This process's."""
