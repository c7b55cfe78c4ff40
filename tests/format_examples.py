"""The examples in docs/formats.md, made of a small log: `python tests/format_examples.py` writes them anew.

An example stands between `<!-- example of NAME -->` and `<!-- end of example -->`.
"""

from __future__ import annotations

import json
import re
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import format_described
from format_worlds import write_log
from poseline.formats import FORMATS
from rooms import PROJECT

PAGE = PROJECT / "docs" / "formats.md"
MARKED = re.compile(r"<!-- example of ([\w-]+) -->\n(.*?)<!-- end of example -->\n", re.DOTALL)
_WIDE, _LINES = 116, 9


def example(name: str, folder: Path) -> str:
    """What the format makes of two frames of one person, abridged; a new file in `folder`."""
    log = write_log(folder / "keypoints.jsonl", 2, persons=1, hard=False)
    target = folder / FORMATS[name].file_name()
    FORMATS[name].convert(log, target)
    describe = OWN.get(name, _described)
    return f"```\n{describe(target)}\n```\n"


def renewed(page: str) -> str:
    """The page with its examples as they are to be now."""

    def made(found: re.Match[str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return f"<!-- example of {found[1]} -->\n{example(found[1], Path(folder))}<!-- end of example -->\n"

    return MARKED.sub(made, page)


def _described(path: Path) -> str:
    """A file of text, or the files of a folder, the first lines of each."""
    if path.is_file():
        return _beginning(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return "\n\n".join(f"{file.relative_to(path.parent).as_posix()}\n{_beginning(file)}" for file in files)


def _beginning(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return _json(json.loads(text))
    lines = text.splitlines()
    kept = [line if len(line) <= _WIDE else f"{line[:_WIDE]}..." for line in lines[:_LINES]]
    return "\n".join([*kept, *(["..."] if len(lines) > _LINES else [])])


def _json(value: Any) -> str:
    """JSON with the first entries of each list only, a line for each field of the outermost objects."""
    if isinstance(value, dict):
        return "{\n" + ",\n".join(_wrapped(f'"{key}": {_short(item)}') for key, item in value.items()) + "\n}"
    return "[\n" + _wrapped(_short(value[0])) + (",\n ...\n]" if len(value) > 1 else "\n]")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDE, initial_indent=" ", subsequent_indent="  ", break_long_words=False)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        text = "{" + ", ".join(f'"{key}": {_short(item)}' for key, item in value.items()) + "}"
    elif isinstance(value, list):
        most = 6 if value and isinstance(value[0], int | float | str) else 1
        text = "[" + ", ".join(map(_short, value[:most])) + (", ...]" if len(value) > most else "]")
    else:
        text = json.dumps(value)
    return text if len(text) <= 700 else f"{text[:700]}..."


def _cvat(folder: Path) -> str:
    """The beginning of the first track, and the drawing of the labels cut short."""
    annotations = (folder / "annotations.xml").read_text(encoding="utf-8")
    lines = annotations[annotations.index("  <track") :].splitlines()[:5]
    label = json.loads((folder / "labels.json").read_text(encoding="utf-8"))[0]
    label["svg"] = label["svg"][:130] + "..."
    label["sublabels"] = label["sublabels"][:2]
    shown = "\n".join([*lines, "..."])
    return f"{folder.name}/annotations.xml\n{shown}\n\n{folder.name}/labels.json\n{_wrapped(json.dumps(label))}"


OWN: dict[str, Callable[[Path], str]] = {
    "cvat": _cvat,
    "deeplabcut": format_described.table,
    "nwb": format_described.nwb,
    "openpose": format_described.openpose,
    "rerun": format_described.rerun,
    **dict.fromkeys(("deeplabcut-h5", "movement", "sleap", "sleap-analysis"), format_described.hdf5),
}
"""Descriptions of formats of which the beginning does not tell much, or which are not text, by their names."""

if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
