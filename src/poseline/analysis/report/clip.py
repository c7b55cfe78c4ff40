"""The clip behind an analysis: its log's header in words, and its pictures where it is still there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from poseline.capture.stills import stills
from poseline.errors import PoselineError
from poseline.frame import Pixels
from poseline.settings import CaptureSettings


@dataclass(frozen=True)
class Clip:
    """A clip as a report names it."""

    source: str
    """Path or address, as the log has it."""
    header: Mapping[str, Any]
    """The log's first record."""
    size: tuple[int, int]
    """Width and height in pixels of the upright pictures that were analysed; (0, 0) where the log does not say."""
    beside: Path | None = None
    """The folder of the log, from which a relative path may also start."""

    @property
    def title(self) -> str:
        """The file's name."""
        kind = PureWindowsPath if "\\" in self.source else PurePosixPath
        return kind(self.source).name or self.source or "Clip"

    @property
    def started(self) -> str:
        """When the run began, such as `27 November 2026, 14:03`; empty where the log does not say."""
        try:
            moment = datetime.fromisoformat(str(self.header.get("started", "")))
        except ValueError:
            return ""
        return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M}"

    @property
    def model(self) -> str:
        """The model's name."""
        return PurePosixPath(str(self._model.get("name", "")).replace("\\", "/")).name

    @property
    def precision(self) -> str:
        """Arithmetic that ran."""
        return str(self._model.get("precision", ""))

    @property
    def version(self) -> str:
        """Of Poseline, that made the log."""
        return str((self.header.get("versions") or {}).get("poseline", ""))

    def pictures(self, times: Sequence[float]) -> tuple[list[Pixels | None], str]:
        """The clip's pictures at some times, and in words why there are none; empty where all are there.

        Args:
            times: in seconds of the clip, as its log has them.

        Returns:
            (H, W, 3) uint8 BGR each, None for one that is not there; and the words.
        """
        nothing: list[Pixels | None] = [None] * len(times)
        path = self._path()
        if path is None:
            return nothing, f"{self.source or 'The clip'} is not there any more{_ALONE}"
        try:
            found = stills(path, times, CaptureSettings(decoder="cpu"))
        except PoselineError as error:
            return nothing, f"The clip cannot be read{_ALONE} {error}"
        fitting = [one if one is not None and (one.shape[1], one.shape[0]) == self.size else None for one in found]
        if times and not any(one is not None for one in fitting):
            return nothing, f"{path} is not the clip of this log any more{_ALONE}"
        return fitting, ""

    @property
    def _model(self) -> Mapping[str, Any]:
        model: Mapping[str, Any] = self.header.get("model") or {}
        return model

    def _path(self) -> Path | None:
        """Where the clip is; None where it is not there, is no file, or was no single video."""
        if not self.source or "://" in self.source or not all(self.size):
            return None
        places = [Path(self.source)]
        if self.beside is not None and not places[0].is_absolute():
            places.append(self.beside / self.source)
        return next((place for place in places if _is_file(place)), None)


_ALONE = "; the figures are drawn without its pictures."
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False
