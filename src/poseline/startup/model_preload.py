"""Model preload: loads the compiled network of the last run on a thread, while Python still imports the rest.

Loading a compiled network takes a third of a second of one core, and no Python. The imports take longer, and leave the
other cores idle. So when the options that choose the network are the same as last time, the network of last time is
loaded at once. It is a guess: the clip may have another size, and then the loaded network is dropped.

Without it a run of five frames with yolo11n takes 4 % longer on two busy cores (16 pairs in turns, median).
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

_DECISIVE = {
    "-m", "--model", "-c", "--config", "--device", "--runtime", "--imgsz", "--precision", "--calibrate", "--live",
    "--half", "--no-half", "--roi", "--no-roi", "--jobs",
}  # fmt: skip
"""Options that decide which network is loaded, and whether this process loads it."""
_SHORT = ("-m", "-c")
"""Options that may have their value in the same word, such as `-mNAME`."""


class ModelPreload:
    """What this process preloads, and what it records for the next one."""

    def __init__(self) -> None:
        self._words: list[list[str]] | None = None
        self._begun: tuple[Path, Loading] | None = None

    def begin(self, arguments: list[str]) -> None:
        """Start loading what the last command line with the same decisive options used, if anything."""
        if not {"-h", "--help"}.isdisjoint(arguments):
            return
        self._words = _decisive_options(arguments)
        try:
            last = json.loads(_last().read_bytes())
            file, options = _last().with_name(last["network"]), dict(last["options"])
            if last["words"] != self._words or not file.exists():
                return
            from poseline.openvino_core import core

            core()  # imported and made here: two threads that import take turns
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, ImportError):
            return  # the first start, or a damaged record; real faults are reported where the network is loaded
        loading: Loading = Future()
        self._begun = file, loading
        threading.Thread(target=_load, args=(file, options, loading), name="model preload", daemon=True).start()

    def take(self, file: Path) -> openvino.CompiledModel | None:
        """The compiled network of `file`, if it is the preloaded one; waits until it is loaded.

        Raises:
            OSError, RuntimeError: it cannot be loaded.
        """
        begun, self._begun = self._begun, None
        return begun[1].result() if begun and begun[0] == file else None

    def record(self, file: Path, options: Mapping[str, str]) -> None:
        """Record that the next process with the same options should preload this file.

        Of several networks in one process the first counts: it is the one that the next process waits for.
        """
        words, self._words = self._words, None
        if words is None or file.parent != compiled_folder():
            return
        recorded = json.dumps({"words": words, "network": file.name, "options": dict(options)}).encode()
        with suppress(OSError):
            if _last().read_bytes() == recorded:
                return
        keep(_last(), lambda: recorded)

    def cancel(self) -> None:
        """Drop what was preloaded, since nobody will take it, and delete the record of it."""
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


def _decisive_options(arguments: list[str]) -> list[list[str]]:
    """Each decisive option with the word behind it, which is its value if it takes one."""
    return [
        arguments[index : index + 2]
        for index, word in enumerate(arguments)
        if word.partition("=")[0] in _DECISIVE or (word.startswith(_SHORT) and not word.startswith("--"))
    ]


model_preload = ModelPreload()
"""This process's."""
