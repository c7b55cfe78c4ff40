"""Telemetry: usage reports that OpenVINO and NNCF send when they are imported; here they never do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SENDER = "openvino_telemetry"
"""The package that sends them; where it is missing, OpenVINO and NNCF go without."""


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Within, the sender of usage reports cannot be imported; afterwards `sys.modules` is as it was."""
    before = {_SENDER: sys.modules[_SENDER]} if _SENDER in sys.modules else {}
    sys.modules[_SENDER] = None  # type: ignore[assignment] # this is how Python marks a module as not to be had
    try:
        yield
    finally:
        del sys.modules[_SENDER]
        sys.modules.update(before)
