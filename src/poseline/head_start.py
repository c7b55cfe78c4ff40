"""A head start: the network of the last run is loaded while Python still imports what else a run needs.

To load a compiled network takes a core a third of a second, without Python. Python's imports take longer, and leave the
other cores idle. So a command line that names the network in the same words as the last one begins with it. It is a
guess: the clip may have another size, and then what was loaded is let go.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from poseline.cache import compiled_folder, keep

if TYPE_CHECKING:
    import openvino

    Loading = Future[openvino.CompiledModel]

_TELLING = {
    "-m", "--model", "-c", "--config", "--device", "--runtime", "--imgsz", "--precision", "--calibrate", "--live",
    "--half", "--no-half", "--roi", "--no-roi", "--jobs",
}  # fmt: skip
"""Options that decide which network is loaded, and whether by this process."""
_SHORT = ("-m", "-c")
"""Those that may have their value in the same word."""


class HeadStart:
    """What one process begins with, and what it leaves for the next."""

    def __init__(self) -> None:
        self._words: list[list[str]] | None = None
        self._begun: tuple[Path, Loading] | None = None

    def begin(self, arguments: list[str]) -> None:
        """Begin to load what a command line in these words used last, on a thread of its own, if there is any."""
        if not {"-h", "--help"}.isdisjoint(arguments):
            return
        self._words = _telling(arguments)
        try:
            last = json.loads(_last().read_bytes())
            file, options = _last().with_name(last["network"]), dict(last["options"])
            if last["words"] != self._words or not file.exists():
                return
            from poseline.openvino_core import core

            core()  # imported and made here: two threads that import take turns
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, ImportError):
            return  # the first start, or whatever else lies there; what is amiss is told where it is wanted
        loading: Loading = Future()
        self._begun = file, loading
        threading.Thread(target=_load, args=(file, options, loading), name="head start", daemon=True).start()

    def taken(self, file: Path) -> openvino.CompiledModel | None:
        """The compiled network of `file`, if this process began with it; waits until it is loaded.

        Raises:
            OSError, RuntimeError: it cannot be loaded.
        """
        begun, self._begun = self._begun, None
        return begun[1].result() if begun and begun[0] == file else None

    def leave(self, file: Path, options: Mapping[str, str]) -> None:
        """Let the next process in the same words begin with this file of the compiled networks.

        Of several networks in one process the first counts: it is what the next one waits for.
        """
        words, self._words = self._words, None
        if words is None or file.parent != compiled_folder():
            return
        left = json.dumps({"words": words, "network": file.name, "options": dict(options)}).encode()
        with suppress(OSError):
            if _last().read_bytes() == left:
                return
        keep(_last(), lambda: left)

    def dismiss(self) -> None:
        """Let go of a guess that nobody will ask for, and do not let the next process make it again."""
        if self._begun is not None:
            self._begun = None
            with suppress(OSError):
                _last().unlink(missing_ok=True)


def _load(file: Path, options: dict[str, str], loading: Loading) -> None:
    try:
        from poseline.openvino_core import import_network

        loading.set_result(import_network(file.read_bytes(), options))
    except BaseException as error:  # noqa: BLE001 # carried to whoever waits for it
        loading.set_exception(error)


def _last() -> Path:
    return compiled_folder() / "last.json"


def _telling(arguments: list[str]) -> list[list[str]]:
    """Each telling option with the word behind it, which is its value if it takes one."""
    return [
        arguments[index : index + 2]
        for index, word in enumerate(arguments)
        if word.partition("=")[0] in _TELLING or (word.startswith(_SHORT) and not word.startswith("--"))
    ]


head_start = HeadStart()
"""This process's."""
