"""`poseline batch status DIR`: how far a batch is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poseline.errors import SettingsError

BATCH_HELP = """Run many recorded sources into the folder of -o, and go on where an earlier start stopped.

What is done is kept; what is missing, failed, was cut off, or has changed since is run. Takes the options of run.
`poseline batch status DIR` says how far the batch in DIR is, also while it runs.
"""


def show_status(folders: Sequence[str]) -> int:
    """Show how far the batch in the one folder is; returns the exit code.

    Raises:
        SettingsError: it is not one folder.
        SourceError: there is no batch in it.
    """
    from poseline.manifest import read_status
    from poseline.terminal import show_batch

    if len(folders) != 1:
        raise SettingsError("poseline batch status DIR: name one folder, which a batch was given as -o")
    show_batch(read_status(Path(folders[0])))
    return 0
