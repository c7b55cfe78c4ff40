"""Extra: the packages that compute the field's measures, installed by `pip install 'poseline[evaluate]'`."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from poseline.errors import SettingsError


def needed(module: str, what: str) -> Any:
    """The module of this name.

    Raises:
        SettingsError: it is not installed; the text says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise SettingsError(f"{what} needs {package} ({error}): pip install 'poseline[evaluate]'") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Within, nothing is printed: these packages report their progress on standard output."""
    with redirect_stdout(io.StringIO()):
        yield
