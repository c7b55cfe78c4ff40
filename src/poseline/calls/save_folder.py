"""SaveFolder: where calls save to. Calls of one model that ask for the same folder share it, and overwrite nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from poseline.calls.arguments import Output
from poseline.errors import OutputError

_FOLDER = Path("runs") / "pose"


@dataclass(eq=False)
class SaveFolder:
    """A folder, and the names that are taken in it."""

    path: Path
    """Absolute."""
    _taken: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stem(self, wanted: str) -> str:
        """`wanted`, or with a number behind it, where another source had that name: clip, clip-2 ..."""
        with self._lock:
            count = self._taken[wanted] = self._taken.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}-{count}"


class SaveFolders:
    """The folders of one model: a call that asks for the same folder as the call before goes on in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: Path | None = None
        self._last: SaveFolder | None = None

    def get(self, output: Output, mode: str) -> SaveFolder:
        """The folder for a call: runs/pose/predict, then predict-2 ..., or as `project`, `name` and `exist_ok` say.

        Raises:
            OutputError: it cannot be created.
        """
        asked = ((_FOLDER if output.project is None else output.project) / (output.name or mode)).absolute()
        with self._lock:
            if output.exist_ok:
                self._asked = None
                return SaveFolder(_created(asked, exist_ok=True))
            if self._last is None or self._asked != asked or not self._last.path.is_dir():
                self._asked, self._last = asked, SaveFolder(_created(asked, exist_ok=False))
            return self._last


def _created(first: Path, *, exist_ok: bool) -> Path:
    from poseline.output.folder import MOST_FOLDERS, new_folder  # most calls write nothing

    try:
        first.parent.mkdir(parents=True, exist_ok=True)
        if path := new_folder(first, exist_ok=exist_ok):
            return path.resolve()
    except OSError as error:
        raise OutputError(
            f"{first}: the folder cannot be created: {error.strerror}; give another project= or name="
        ) from error
    raise OutputError(f"{first.parent} holds {MOST_FOLDERS} folders of {first.name}; give another name=")
