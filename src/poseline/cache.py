"""The cache: where fetched, converted and compiled networks are kept from run to run."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from poseline.errors import last_line
from poseline.home import expanded

log = logging.getLogger("poseline")


def cache_folder() -> Path:
    """$POSELINE_CACHE, or the user's cache folder."""
    given = os.environ.get("POSELINE_CACHE")
    if given:
        return expanded(given)
    from platformdirs import user_cache_path

    return user_cache_path("poseline")


def compiled_folder() -> Path:
    """Where compiled networks are kept."""
    return cache_folder() / "compiled"


def keep(file: Path, content: Callable[[], bytes]) -> None:
    """Write it beside and rename it, so that nobody ever reads half of one; to fail only costs the next start."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            written = Path(scratch) / file.name
            written.write_bytes(content())
            written.replace(file)
    except (OSError, RuntimeError) as error:  # OpenVINO's own are RuntimeErrors
        _log_once(file.parent, last_line(error))


@cache
def _log_once(folder: Path, why: str) -> None:
    log.info("the compiled network cannot be kept in %s: %s", folder, why)
