"""Compiled networks, kept from run to run under a name that tells all that they depend on.

OpenVINO has such a cache of its own, but looks into it with the whole network in hand: to read that and to rewrite it
takes as long again as to load what was compiled.
"""

from __future__ import annotations

import hashlib
import io
import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

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
            _keep(compiled, kept)
        return compiled

    def _name(self, size: tuple[int, int] | None, options: Mapping[str, str]) -> str:
        """A hash of the weights, of what is done to them, of the engine and of the CPU that it compiles for."""
        rewriting = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
        cpu = [core().get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
        known = (self._origin, size, sorted(options.items()), openvino.get_version(), cpu)
        return hashlib.sha256(b"".join([repr(known).encode(), *rewriting])).hexdigest()[:32]


def _keep(compiled: openvino.CompiledModel, file: Path) -> None:
    """Write it beside and rename it, so that nobody ever reads half of one; to fail only costs the next start."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            written = Path(scratch) / file.name
            written.write_bytes(compiled.export_model().getvalue())
            written.replace(file)
    except (OSError, RuntimeError) as error:
        log.info("the compiled network cannot be kept in %s: %s", file.parent, last_line(error))
