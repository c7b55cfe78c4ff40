"""Paths that begin with `~`, or with `~name`."""

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """The path with its user's home in the place of `~`; one of an unknown user stays as it is, and is no error."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises a RuntimeError there
