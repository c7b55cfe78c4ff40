"""Compiled networks, kept from run to run under a name that tells all that they depend on.

OpenVINO has such a cache of its own, but looks into it with the whole network in hand: to read that and to rewrite it
takes as long again as to load what was compiled. So what must be known of a network before it is compiled is kept too.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openvino

from poseline.inference.runtimes.openvino_core import core, last_line

log = logging.getLogger("poseline")


class CompiledNetworks:
    """The networks that were compiled from the same weights.

    Args:
        folder: where they are kept; None keeps none.
        origin: tells the weights from all others, and from those of another conversion.
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
        kept = self._folder / f"{self._name(size, options)}.network" if self._folder else None
        if kept is not None:
            try:
                return core().import_model(io.BytesIO(kept.read_bytes()), "CPU", dict(options))
            except FileNotFoundError:
                pass  # the first run with it
            except (OSError, RuntimeError) as error:
                log.info("%s cannot be used, and is made anew (%s)", kept, last_line(error))
        compiled = core().compile_model(make(), "CPU", dict(options))
        if kept is not None:
            _keep(kept, lambda: compiled.export_model().getvalue())
        return compiled

    def facts(self, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `find` tells of the network as it was before it was compiled, in numbers, texts and lists."""
        kept = self._folder / f"{_hash(self._origin, openvino.get_version())}.json" if self._folder else None
        if kept is not None:
            try:
                known: dict[str, Any] = json.loads(kept.read_bytes())
                return known
            except (OSError, ValueError):
                pass  # the first run with it
        found = find()
        if kept is not None:
            _keep(kept, lambda: json.dumps(found).encode())
        return found

    def _name(self, size: tuple[int, int] | None, options: Mapping[str, str]) -> str:
        """A hash of the weights, of what is done to them, of the engine and of the CPU that it compiles for."""
        rewriting = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
        cpu = [core().get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
        return _hash(self._origin, size, sorted(options.items()), openvino.get_version(), cpu, rewriting)


def _hash(*known: object) -> str:
    return hashlib.sha256(repr(known).encode()).hexdigest()[:32]


def _keep(file: Path, content: Callable[[], bytes]) -> None:
    """Write it beside and rename it, so that nobody ever reads half of one; to fail only costs the next start."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            written = Path(scratch) / file.name
            written.write_bytes(content())
            written.replace(file)
    except (OSError, RuntimeError) as error:
        log.info("the compiled network cannot be kept in %s: %s", file.parent, last_line(error))
