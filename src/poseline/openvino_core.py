"""The one OpenVINO core of this process."""

from __future__ import annotations

from functools import cache

import openvino


@cache
def core() -> openvino.Core:
    """OpenVINO's core, made once and kept.

    OpenVINO's CPU plugin gives the thread that first uses a core a stack for signal handlers, and unmaps it with the
    core. When another thread lets the core go, the first one is left without: the next Ctrl-C would end in a
    segmentation fault.
    """
    return openvino.Core()
