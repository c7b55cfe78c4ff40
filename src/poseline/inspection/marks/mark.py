"""Mark: one place in a log that deserves a look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

MarkKind: TypeAlias = Literal["identity", "sides", "jump", "low_confidence", "gap", "brief"]
"""`identity`: ids cross or break; `sides`: left and right exchanged; `jump`: a point moves farther than limbs can;
`low_confidence`: the model is unsure of hips, knees or ankles; `gap`: somebody is missing for a while; `brief`:
somebody is seen for a moment only."""


@dataclass(frozen=True)
class Mark:
    """A stretch of frames in which something may be wrong."""

    kind: MarkKind
    persons: tuple[int, ...]
    """Ids of the log whom it is about, at least one."""
    start: int
    """The log's number of the first frame that looks wrong ..."""
    end: int
    """... and of the last, included."""
    severity: float
    """0..1: how sure it is that something is wrong, and how much of an analysis would suffer from it."""
    why: str
    """In words, such as `left and right knee exchanged for 4 frames`."""
    keypoints: tuple[str, ...] = ()
    """Names of the keypoints whom it is about; none where it is about whole persons."""
