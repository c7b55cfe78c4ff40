"""Start-up: settings of a whole process that make Poseline start and run faster. Only for processes of our own."""

from __future__ import annotations

import gc
import os
import sys

ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "1"}
"""Environment variables. Our matrices are tiny: OpenBLAS's threads would only spin. Pydantic would look for plug-ins in
every installed package."""
_RARELY = 200_000
"""Threshold of the garbage collector: imports make tens of thousands of objects, and none of them is garbage."""


def tune_process() -> None:
    """Tune this process for a run; call it before numpy, pydantic and OpenVINO are imported."""
    gc.set_threshold(_RARELY)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # OpenVINO's converter takes a tenth of a second to import, and is wanted only by the child that converts.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type] # None is how Python is told so
