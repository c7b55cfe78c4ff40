"""Summary: what a run came to, in numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from poseline.atomic import replacing
from poseline.log.jsonable import jsonable


def write_summary(path: Path, data: dict[str, Any]) -> None:
    """Write `data` as indented JSON, atomically; passwords in URLs are hidden, NaN becomes null.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(jsonable(data), indent=2, allow_nan=False) + "\n", encoding="utf-8")
