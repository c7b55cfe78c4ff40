"""Optional packages: what a slim installation goes without, said by name before the work that would need it begins."""

from __future__ import annotations

from importlib.util import find_spec

from poseline.errors import SettingsError


def require(package: str, purpose: str, module: str = "") -> None:
    """Make sure that a package is installed; it is not imported.

    Args:
        package: its name, as pip knows it.
        purpose: what needs it, as the subject of a sentence.
        module: its name, as Python knows it, where that is another.

    Raises:
        SettingsError: it is not installed.
    """
    if find_spec(module or package) is None:
        raise SettingsError(f"{purpose} needs {package}, which is not installed: pip install {package}")
