"""Compiled networks, kept from run to run under a name that is a hash of all that they depend on.

OpenVINO has such a cache of its own, but looks into it with the whole network in hand: to read that and to rewrite it
takes as long again as to load what was compiled. So what must be known of a network before it is compiled is kept too.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from poseline.cache import keep
from poseline.errors import ModelError, last_line
from poseline.openvino_core import compile_network, core, import_network, openvino
from poseline.startup.model_preload import model_preload

log = logging.getLogger("poseline")


class CompiledNetworks:
    """The networks that were compiled from the same weights.

    Args:
        folder: where they are kept; None keeps none.
        origin: identifies the weights and their conversion.
    """

    def __init__(self, folder: Path | None, origin: str) -> None:
        self._folder, self._origin = folder, origin

    def get(
        self, size: tuple[int, int] | None, options: Mapping[str, str], make: Callable[[], openvino.Model]
    ) -> openvino.CompiledModel:
        """The network that `make` gives for inputs of `size`, compiled with OpenVINO's `options`.

        Raises:
            RuntimeError: OpenVINO cannot compile it.
        """
        if self._folder is None:
            return compile_network(make(), options)
        file = self._folder / f"{self._name(size, options)}.network"
        compiled = _loaded(file, options)
        if compiled is None:
            made = compiled = compile_network(make(), options)
            keep(file, lambda: made.export_model().getvalue())
        model_preload.record(file, options)
        return compiled

    def facts(self, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `find` finds out about the network as it was before it was compiled, in numbers, texts and lists."""
        if self._folder is None:
            return find()
        file = self._folder / f"{self._hash()}.json"
        try:
            known: dict[str, Any] = json.loads(file.read_bytes())
        except (OSError, ValueError):  # the first run with it
            known = find()
            keep(file, lambda: json.dumps(known).encode())
        return known

    def _name(self, size: tuple[int, int] | None, options: Mapping[str, str]) -> str:
        """A hash of all that a compiled network depends on: its input, the options, and the CPU too."""
        cpu = [core().get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
        return self._hash(size, sorted(options.items()), cpu)

    def _hash(self, *known: object) -> str:
        """Of the weights, of what is done to them, of the engine, and of what else is known."""
        text = repr((self._origin, self._rewriting, openvino.get_version(), *known))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @cached_property
    def _rewriting(self) -> str:
        """A hash of the code that reads and rewrites networks: what another one found or made is not this one's."""
        code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
        return hashlib.sha256(code).hexdigest()


def _loaded(file: Path, options: Mapping[str, str]) -> openvino.CompiledModel | None:
    try:
        return model_preload.take(file) or import_network(file.read_bytes(), options)
    except FileNotFoundError:
        pass  # the first run with it
    except ModelError:  # the file is fine
        raise
    except (OSError, RuntimeError) as error:
        log.info("%s cannot be used, and is made anew (%s)", file, last_line(error))
    return None
