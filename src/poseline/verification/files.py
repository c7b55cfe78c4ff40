"""Files: the folder that a verification is written to."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from poseline.errors import OutputError
from poseline.output import given_folder, numbered_folder, save_image
from poseline.verification.pictures import side_by_side
from poseline.verification.report import write_json
from poseline.verification.verify import Verification

JSON = "verify.json"
_PICTURE = re.compile(r"worst-\d+(-\d+)?\.jpg")


@dataclass(frozen=True)
class Files:
    """The folder, which is there and holds no verification that may not be replaced.

    One that was made for nothing, as something failed, is removed on leaving.
    """

    folder: Path
    _made: bool

    @classmethod
    def prepare(cls, folder: Path | None, name: str, overwrite: bool) -> Files:
        """Make the folder; without one it is `runs/verify-NAME`, then `runs/verify-NAME-2` and so on.

        Raises:
            OutputError: it cannot be made, or holds a verification and `overwrite` is off.
        """
        folder, made = numbered_folder(f"verify-{name}") if folder is None else given_folder(folder)
        if (folder / JSON).exists() and not overwrite:
            raise OutputError(f"{folder} holds a verification already; --overwrite replaces it")
        return cls(folder, made)

    def __enter__(self) -> Files:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._made:
            with suppress(OSError):  # it holds the results
                self.folder.rmdir()

    def write(self, verification: Verification) -> list[Path]:
        """Write `verify.json` and the pictures of the worst frames, and remove those of an earlier verification.

        Raises:
            OutputError: a file cannot be written.
        """
        for old in self.folder.iterdir():
            if _PICTURE.fullmatch(old.name):
                old.unlink()
        written = [self.folder / JSON]
        write_json(verification, written[0])
        for number, against in enumerate(verification.against, 1):
            of = f"{number}-" if len(verification.against) > 1 else ""
            for place, frame in enumerate(against.worst, 1):
                picture = side_by_side(verification, against, frame)
                written.append(save_image(picture, self.folder / f"worst-{of}{place}.jpg"))
        return written
