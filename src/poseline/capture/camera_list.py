"""Camera list: a YAML file that names several sources, each with settings of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from poseline.errors import SettingsError
from poseline.settings import CaptureSettings, read_yaml

SUFFIXES = (".yaml", ".yml")
KEYS = ("cam_size", "cam_fps", "fourcc", "rtsp_transport", "open_timeout", "read_timeout", "max_outage")
"""Settings that a source may have of its own."""
_NAME = re.compile(r"\w([\w .-]{0,60}\w)?")
_EXAMPLE = "such as: - {source: 0, name: front, cam_size: 1280x720, fourcc: MJPG}"


@dataclass(frozen=True)
class Listed:
    """One entry."""

    source: str
    """As it would be typed."""
    name: str | None
    """What its folder and its picture on the page are called; None: as its source says."""
    own: tuple[tuple[str, Any], ...]
    """Settings of its own, by the names of `CaptureSettings`."""


def read_camera_list(path: Path) -> list[Listed]:
    """The entries of the file.

    Raises:
        SettingsError: it cannot be read, or is no list of sources; the text says where.
    """
    content = read_yaml(path, "the list of cameras")
    if not isinstance(content, list) or not content:
        raise SettingsError(f"{path}: expected a list of cameras, {_EXAMPLE}")
    return [_listed(entry, f"{path}: camera {number}") for number, entry in enumerate(content, 1)]


def _listed(entry: Any, where: str) -> Listed:
    if not isinstance(entry, dict):
        entry = {"source": entry}
    source, name = entry.get("source"), entry.get("name")
    if isinstance(source, bool) or not isinstance(source, str | int) or not str(source).strip():
        raise SettingsError(f"{where} has no source; {_EXAMPLE}")
    if name is not None and not _NAME.fullmatch(str(name)):  # it names a folder, and a part of an address
        raise SettingsError(f"{where}: the name {name!r} is not one of letters, digits, spaces, dots and dashes")
    given = {key: value for key, value in entry.items() if key not in ("source", "name")}
    if unknown := sorted(map(str, given.keys() - set(KEYS))):
        raise SettingsError(f"{where}: unknown setting {unknown[0]!r}; known here: source, name, {', '.join(KEYS)}")
    if isinstance(given.get("cam_size"), str):
        width, _, height = given["cam_size"].lower().partition("x")
        given["cam_size"] = (width.strip(), height.strip())
    try:
        checked = CaptureSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            f"{where}: {first['loc'][0]}: {first['msg']}, got {entry[str(first['loc'][0])]!r}"
        ) from None
    own = tuple((key, getattr(checked, key)) for key in KEYS if key in given)
    return Listed(str(source), None if name is None else str(name), own)
