"""Acts: what somebody can correct by hand, each kind as a frozen dataclass, and how it is written as JSON.

Frames are the frame numbers of the log; a span `start`..`end` includes both, and None means from the first frame, or to
the last one. Pixels are those of the upright picture, as in the log. A person's id is the one that the person has after
all acts before this one. In JSON, `start` and `end` are called `from` and `to`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import Any, ClassVar, Literal, TypeAlias, cast, get_args

from poseline.errors import SettingsError
from poseline.pose import UNTRACKED

Point: TypeAlias = tuple[float, float]
"""x, y in pixels of the upright picture."""
Box: TypeAlias = tuple[float, float, float, float]
"""x1 y1 x2 y2 in pixels of the upright picture."""
FacingWord = Literal["right", "left", "front", "back"]

_JSON_NAMES = {"start": "from", "end": "to"}
_LONGEST_NAME = 200
_FARTHEST = 1e6
"""Pixels; no picture is larger."""


@dataclass(frozen=True)
class Change:
    """What one act changes; the kinds are the classes below.

    Raises:
        SettingsError: a field is missing or is not what it must be.
    """

    do: ClassVar[str] = ""
    """What the kind is called in the file."""

    def __post_init__(self) -> None:
        for each in fields(self):
            name = _JSON_NAMES.get(each.name, each.name)
            try:
                object.__setattr__(self, each.name, _CHECKS[each.name](getattr(self, each.name)))
            except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
                raise SettingsError(f"correction {self.do}: {name}: {error}") from None
        if getattr(self, "person", 1) == UNTRACKED and self.do != "delete":
            raise SettingsError(
                f"correction {self.do}: person: a person's id is a whole number from 1, got {UNTRACKED}"
            )
        start, end = self.span
        if start is not None and end is not None and start > end:
            raise SettingsError(f"correction {self.do}: from frame {start} to {end} is empty")

    @property
    def span(self) -> tuple[int | None, int | None]:
        """The first and the last frame that it is about; None: from the first, or to the last."""
        at: Mapping[int, Any] | None = getattr(self, "at", None)
        if at is not None:
            return min(at), max(at)
        return getattr(self, "start", None), getattr(self, "end", None)

    def as_record(self) -> dict[str, Any]:
        """As JSON types: `do` and the fields of the kind."""
        values = {_JSON_NAMES.get(each.name, each.name): _plain(getattr(self, each.name)) for each in fields(self)}
        return {"do": self.do, **values}


@dataclass(frozen=True)
class Place(Change):
    """Set a keypoint in some frames; between them it is interpolated linearly, wherever the person is."""

    do: ClassVar[str] = "place"
    person: int
    keypoint: str
    at: Mapping[int, Point]
    """Where it is, by frame."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_points(self)


@dataclass(frozen=True)
class Hide(Change):
    """Keypoints are hidden, by the own body or something else: their position stays, with little confidence."""

    do: ClassVar[str] = "hide"
    person: int
    keypoints: Sequence[str]
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Drop(Change):
    """Keypoints are wrong: their position is removed."""

    do: ClassVar[str] = "drop"
    person: int
    keypoints: Sequence[str]
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class SwapSides(Change):
    """Left and right keypoints were taken for each other."""

    do: ClassVar[str] = "swap_sides"
    person: int
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class SwapPersons(Change):
    """Two persons were taken for each other: they exchange their ids."""

    do: ClassVar[str] = "swap_persons"
    persons: tuple[int, int]
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Join(Change):
    """Two ids are one person: `person` gets the id `into`. Where both are in one frame, both keep their ids."""

    do: ClassVar[str] = "join"
    person: int
    into: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_two(self, self.person, self.into)


@dataclass(frozen=True)
class Split(Change):
    """One id is two persons: from the frame `start` on it is `new`. Where `new` is in a frame already, it stays."""

    do: ClassVar[str] = "split"
    person: int
    start: int
    new: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_two(self, self.person, self.new)
        if self.start is None:
            raise SettingsError("correction split: from: a frame is needed")


@dataclass(frozen=True)
class Rename(Change):
    """A person gets a name."""

    do: ClassVar[str] = "rename"
    person: int
    name: str


@dataclass(frozen=True)
class Delete(Change):
    """Nobody is there: the person is removed."""

    do: ClassVar[str] = "delete"
    person: int
    """An id; or -1, for everybody in these frames who has none."""
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Add(Change):
    """A person who was not found: poses in some frames, interpolated linearly between them, wherever they are not."""

    do: ClassVar[str] = "add"
    person: int
    at: Mapping[int, Mapping[str, Point]]
    """Where the keypoints are, by frame and by name; one that is in two neighbours is interpolated between them."""
    boxes: Mapping[int, Box] = field(default_factory=dict)
    """The boxes by frame; around the keypoints where there is none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(isinstance(pose, dict) for pose in self.at.values()):
            raise SettingsError('correction add: at: a pose is keypoints by name, such as {"nose": [x, y]}')


@dataclass(frozen=True)
class Identify(Change):
    """A pose to which the tracker gave no id is this person's, in frames in which the person is not found else."""

    do: ClassVar[str] = "identify"
    person: int
    at: Mapping[int, Point]
    """A point inside the pose's box, by frame."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_points(self)


@dataclass(frozen=True)
class Main(Change):
    """Who the clip's main person is."""

    do: ClassVar[str] = "main"
    person: int


@dataclass(frozen=True)
class Face(Change):
    """Where a person faces, as the camera sees it."""

    do: ClassVar[str] = "facing"
    person: int
    facing: FacingWord
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Scale(Change):
    """How many metres two points of the picture are apart, at the main person's distance."""

    do: ClassVar[str] = "scale"
    points: tuple[Point, Point]
    metres: float


@dataclass(frozen=True)
class Floor(Change):
    """Two points of a line on the floor that is level, and that rises by 45 degrees at most in the picture."""

    do: ClassVar[str] = "floor"
    points: tuple[Point, Point]

    def __post_init__(self) -> None:
        super().__post_init__()
        (x1, y1), (x2, y2) = self.points
        if abs(y2 - y1) > abs(x2 - x1):
            raise SettingsError("correction floor: points: the line rises by more than 45 degrees; mark one across")


KINDS: dict[str, type[Change]] = {
    kind.do: kind
    for kind in (
        Place, Hide, Drop, SwapSides, SwapPersons, Join, Split, Rename, Delete, Add, Identify, Main, Face, Scale,
        Floor,
    )
}  # fmt: skip
"""All kinds by what they are called in the file."""


@dataclass(frozen=True)
class Act:
    """A change that somebody made."""

    id: str
    """Unique; an act that comes again under the same id counts once."""
    change: Change
    by: str = ""
    """Who made it."""
    when: str = ""
    """Time of day, ISO 8601 with its zone."""

    def as_record(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {"type": "act", "act": self.id, "by": self.by, "when": self.when, **self.change.as_record()}


def new_id() -> str:
    """An id for an act, which nobody else has."""
    return os.urandom(6).hex()


def now() -> str:
    """The time of day as acts have it."""
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")


def change_of(record: Mapping[str, Any]) -> Change:
    """The change that a record is of: `do` and the fields of its kind. Fields that no kind has are ignored.

    Raises:
        SettingsError: `do` is no kind of this version, or a field is missing or is not what it must be.
    """
    do = record.get("do")
    kind = KINDS.get(do) if isinstance(do, str) else None
    if kind is None:
        raise SettingsError(f"correction: do is one of {', '.join(KINDS)}, got {do!r}")
    names = {each.name: _JSON_NAMES.get(each.name, each.name) for each in fields(kind)}
    given = {name: record[written] for name, written in names.items() if written in record}
    try:
        return kind(**given)
    except TypeError:
        lacking = [written for name, written in names.items() if name not in given]
        raise SettingsError(f"correction {do}: {', '.join(lacking)} missing") from None


def act_of(record: Mapping[str, Any]) -> Act:
    """The act that a record of the file is.

    Raises:
        SettingsError: it is none.
    """
    number = record.get("act")
    if not (isinstance(number, str) and 0 < len(number) <= _LONGEST_NAME):
        raise SettingsError(f"correction: act is a short text that is unique, got {number!r}")
    return Act(number, change_of(record), str(record.get("by", "")), str(record.get("when", "")))


def _require_points(change: Place | Identify) -> None:
    if any(isinstance(point, dict) for point in change.at.values()):
        raise SettingsError(f"correction {change.do}: at: a point is [x, y] in pixels, in each frame")


def _require_two(change: Change, first: int, second: int) -> None:
    if first == second:
        raise SettingsError(f"correction {change.do}: two persons, got {first} twice")


# Each field has one meaning in all kinds, and is checked by its name.


def _person(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**53:
        raise ValueError(f"a person's id is a whole number from 1, got {value!r}")
    return value


def _person_or_untracked(value: Any) -> int:
    return UNTRACKED if value == UNTRACKED and isinstance(value, int) else _person(value)


def _frame(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError(f"a frame is a whole number from 0, got {value!r}")
    return value


def _end(value: Any) -> int | None:
    return None if value is None else _frame(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"a finite number, got {value!r}")
    return float(value)


def _point(value: Any) -> Point:
    if isinstance(value, str) or len(value) != 2:
        raise ValueError(f"a point is [x, y] in pixels, got {value!r}")
    x, y = (_number(part) for part in value)
    if max(abs(x), abs(y)) > _FARTHEST:
        raise ValueError(f"a point is [x, y] in pixels of the picture, got {value!r}")
    return x, y


def _text(value: Any) -> str:
    if not (isinstance(value, str) and value.strip() and len(value) <= _LONGEST_NAME and value.isprintable()):
        raise ValueError(f"a text of 1 to {_LONGEST_NAME} letters, got {value!r}")
    return value.strip()


def _keypoints(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not value:
        raise ValueError(f"a list of keypoints' names, got {value!r}")
    return tuple(_text(each) for each in value)


def _two(value: Any) -> tuple[int, int]:
    first, second = (_person(each) for each in value)
    if first == second:
        raise ValueError(f"two persons, got {first} twice")
    return first, second


def _by_frame(value: Any, check: Callable[[Any], Any]) -> dict[int, Any]:
    return dict(sorted((_frame(int(frame)), check(each)) for frame, each in value.items()))


def _at(value: Any) -> dict[int, Any]:
    """Points by frame, or by frame and name."""
    if not value:
        raise ValueError("nothing is set in any frame")
    return _by_frame(value, lambda each: _pose(each) if isinstance(each, Mapping) else _point(each))


def _pose(value: Mapping[str, Any]) -> dict[str, Point]:
    if not value:
        raise ValueError("a pose without a keypoint")
    return {_text(name): _point(point) for name, point in value.items()}


def _box(value: Any) -> Box:
    x1, y1, x2, y2 = (_number(each) for each in value)
    if not (x1 <= x2 and y1 <= y2):
        raise ValueError(f"a box is [x1, y1, x2, y2], got {value!r}")
    return x1, y1, x2, y2


def _line(value: Any) -> tuple[Point, Point]:
    first, second = (_point(each) for each in value)
    if math.dist(first, second) <= 1:
        raise ValueError("two points more than a pixel apart are needed")
    return first, second


def _metres(value: Any) -> float:
    if not 0 < _number(value) < 1e5:
        raise ValueError(f"metres above 0, got {value!r}")
    return float(value)


def _facing(value: Any) -> FacingWord:
    if value not in get_args(FacingWord):
        raise ValueError(f"{', '.join(get_args(FacingWord))}, got {value!r}")
    return cast(FacingWord, value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "person": _person_or_untracked, "into": _person, "new": _person, "persons": _two, "name": _text, "keypoint": _text,
    "keypoints": _keypoints, "at": _at, "boxes": lambda value: _by_frame(value, _box), "start": _end, "end": _end,
    "facing": _facing, "points": _line, "metres": _metres,
}  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
