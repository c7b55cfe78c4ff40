"""Travelling light: what a process that runs Poseline leaves behind, so that it starts and runs faster."""

from __future__ import annotations

import gc
import os
import sys

_RARELY = 50_000
"""New objects before Python looks for garbage; an import makes tens of thousands, and none of them is any."""


def travel_light() -> None:
    """Leave out of this process what a run has no use for; before numpy, pydantic and OpenVINO are imported."""
    gc.set_threshold(_RARELY)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # our matrices are tiny: its threads would only spin
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # it would look for them in every installed package
    # OpenVINO's converter takes a tenth of a second to import, and is wanted only by the child that converts.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type] # None is how Python is told so
