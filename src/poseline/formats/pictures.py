"""Pictures: what the frames of a clip are called as picture files, and which frame a picture file is of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from poseline.log import Tracks

_NUMBERED = re.compile(r"(.*?)(\d+)(\.\w+)?")


def picture_names(tracks: Tracks) -> list[str]:
    """A name for each frame's picture: `clip_000012.jpg` for frame 12; separate pictures keep their own."""
    if tracks.sources is not None:
        names = [PurePath(source).name for source in tracks.sources]
        return names if len(set(names)) == len(names) else list(tracks.sources)
    stem = clip_name(tracks).rpartition(".")[0] or clip_name(tracks)
    return [f"{stem}_{number:06d}.jpg" for number in tracks.frames.tolist()]


def clip_name(tracks: Tracks) -> str:
    """The clip's name without its folder; `clip` where that is not known."""
    source = str(tracks.header.get("source", "")).split("?")[0].rstrip("/")
    return re.sub(r"[^\w.-]+", "-", re.split(r"[/\\]", source)[-1]).strip("-.") or "clip"


def numbered(names: Sequence[str]) -> list[int] | None:
    """The numbers at the ends of the names of pictures, if the names differ in nothing else; None otherwise."""
    found = [_NUMBERED.fullmatch(PurePath(name).name) for name in names]
    if not all(found):
        return None
    heads = {each[1] for each in found if each}
    numbers = [int(each[2]) for each in found if each]
    return numbers if len(heads) == 1 and len(set(numbers)) == len(numbers) else None
