"""Travelling light: what a process that runs Poseline leaves behind, so that it starts and runs faster."""

from __future__ import annotations

import gc
import os
import sys

OURS = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "1"}
"""Our matrices are tiny: OpenBLAS's threads would only spin. Pydantic would look for plug-ins in every package."""
_RARELY = 200_000
"""New objects before Python looks for garbage; an import makes tens of thousands, and none of them is any."""


def travel_light() -> None:
    """Leave out of this process what a run has no use for; before numpy, pydantic and OpenVINO are imported."""
    gc.set_threshold(_RARELY)
    for name, value in OURS.items():
        os.environ.setdefault(name, value)
    # OpenVINO's converter takes a tenth of a second to import, and is wanted only by the child that converts.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type] # None is how Python is told so
