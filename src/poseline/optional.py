"""Installed packages: which are here, and what a slim installation goes without, said by name before it is needed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec

from poseline.errors import SettingsError


def require(package: str, purpose: str, module: str = "", install: str = "") -> None:
    """Make sure that a package is installed; it is not imported.

    Args:
        package: its name, as pip knows it.
        purpose: what needs it, as the subject of a sentence.
        module: its name, as Python knows it, where that is another.
        install: what pip is to install, where that is not the package alone, such as an extra.

    Raises:
        SettingsError: it is not installed.
    """
    if find_spec(module or package) is None:
        raise SettingsError(f"{purpose} needs {package}, which is not installed: pip install {install or package}")


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those of the packages that are installed, by the names of the folders of their metadata.

    `importlib.metadata`, which would read what is in these folders, takes longer to import than a clip to open.
    """
    found: dict[str, str] = {}
    for place in sys.path:
        with suppress(OSError):  # a zip, or a folder that is gone
            for entry in os.listdir(place or "."):
                stem, suffix = os.path.splitext(entry)
                name, _, version = stem.partition("-")
                if suffix == ".dist-info" and version:
                    found.setdefault(_normal(name), version)
    return {package: found[_normal(package)] for package in packages if _normal(package) in found}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
