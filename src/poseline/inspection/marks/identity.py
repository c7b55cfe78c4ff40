"""Identity: where an id may go over to somebody else, or somebody to another id.

- somebody's path goes on under another id: by `analysis.stitching`;
- an id is suddenly not where its path leads, and then goes another way: it jumps to somebody else, or two exchange;
- two meet, and what each does afterwards continues what the other did before;
- two ids lie on one body.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from poseline.analysis.motion import Bools, Doubles, Integers, percentile
from poseline.inspection.marks.mark import Mark
from poseline.inspection.marks.sequences import BREAK, Sequences
from poseline.pose import UNTRACKED
from poseline.words import counted

_OFF, _USUAL = 0.28, 3.0
"""Torsos that a person may be off their path from one frame to the next, and how many times the 90th percentile."""
_NEAR, _ROAM, _FAR = 0.6, 1.5, 2.0
"""After a gap: torsos at once, torsos a second more, up to what second."""
_LONGEST = 4.0
"""Seconds of absence after which nothing is expected of a path."""
_THERE = 0.6
"""Torsos from somebody else's path at which a person who jumps has jumped to them."""
_MEETING, _APART, _LONG = 1.0, 0.5, 1.5
"""Two meet when their torsos' middles are nearer than so many torsos; seconds that end it, and that it may last."""
_AROUND, _AHEAD = 0.5, 0.3
"""Seconds before and after a meeting that show where two go; seconds by which speeds count as places."""
_BETTER = 0.6
"""Two who meet have exchanged ids when that fits so much better than if they had not."""
_SAME, _FRAMES = 0.12, 3
"""Two ids lie on one body: points so many torsos from each other in the mean, for so many frames."""


def identity_marks(persons: Sequences, ids: Sequences) -> list[Mark]:
    """Frames in which ids may not stay with the people that had them.

    Args:
        persons: with their fragments joined.
        ids: as the log has them.
    """
    pairs = _pairs(ids)
    jumps = list(_jumps(ids))
    jumped = {(each, frame) for mark in jumps for each in mark.persons for frame in (mark.start, mark.end)}
    meetings = [
        mark for mark in _meetings(ids, pairs)
        if not any(mark.start - 1 <= frame <= mark.end + 1 and each in mark.persons for each, frame in jumped)
    ]  # fmt: skip
    return [*_breaks(persons), *jumps, *meetings, *_doubles(ids, pairs)]


# Going on under another id


def _breaks(persons: Sequences) -> Iterator[Mark]:
    tracked = np.flatnonzero(persons.tracks.rows.id[persons.rows] != UNTRACKED)
    ids, person = persons.ids[tracked], persons.person[tracked]
    for place in np.flatnonzero((ids[1:] != ids[:-1]) & (person[1:] == person[:-1])):
        first, last = tracked[place], tracked[place + 1]
        old, new = int(ids[place]), int(ids[place + 1])
        yield Mark(
            "identity", (old, new), int(persons.frame[first]), int(persons.frame[last]), 0.85,
            f"the path of {old} goes on as {new}",
        )  # fmt: skip


# Off the path


@dataclass(frozen=True, eq=False)
class _Path:
    """Where each pose is expected, by the poses before it (or after it) of the same id."""

    place: Doubles
    """(N, 2) square pixels, NaN where there are none."""
    speed: Doubles
    """(N, 2) px/s, 0 where fewer than three show it."""


def _path(poses: Sequences, before: bool) -> _Path:
    """By a straight line through the poses of a quarter of a second that lie before, or after, each."""
    count = len(poses.rows)
    here = np.arange(count)
    step = float(np.median(np.diff(poses.tracks.times))) if len(poses.tracks.times) > 1 else 0.04
    nearest = np.clip(here - 1 if before else here + 1, 0, count - 1)
    total, time, square = np.zeros(count), np.zeros(count), np.zeros(count)
    places, products = np.zeros((count, 2)), np.zeros((count, 2))
    for span in range(1, int(np.clip(0.25 / max(step, 1e-3), 3, 30)) + 1):
        there = np.clip(here - span if before else here + span, 0, count - 1)
        chosen = (poses.person[there] == poses.person) & (np.abs(there - here) == span)
        chosen &= (np.abs(poses.times[there] - poses.times[nearest]) <= 0.25) & np.isfinite(poses.centre[there, 0])
        ahead = np.where(chosen, poses.times[there] - poses.times, 0)
        centre = np.where(chosen[:, None], poses.centre[there], 0)
        total, time, square = total + chosen, time + ahead, square + ahead**2
        places, products = places + centre, products + centre * ahead[:, None]
    spread = total * square - time**2
    moving = (total >= 3) & (spread > 0)
    slope = (total[:, None] * products - time[:, None] * places) / np.where(moving, spread, 1)[:, None]
    speed = np.where(moving[:, None], slope, 0)
    place = (places - speed * time[:, None]) / np.where(total > 0, total, np.nan)[:, None]
    return _Path(place, speed)


def _jumps(ids: Sequences) -> Iterator[Mark]:
    """Where an id is not where its path leads, seen from before and from after."""
    before, after = _path(ids, before=True), _path(ids, before=False)
    gap = ids.gap
    ahead = np.linalg.norm(before.place - ids.centre, axis=1) / ids.torso
    back = np.full(len(gap), np.nan)
    back[1:] = (np.linalg.norm(after.place - ids.centre, axis=1) / ids.torso)[:-1]
    least, most = np.fmin(ahead, back), np.fmax(ahead, back)
    near = gap < BREAK
    usual = ids.each(np.where(near, least, np.nan), lambda values: percentile(values, 90))[ids.person]
    limit = np.where(near, np.fmax(_OFF, _USUAL * usual), _NEAR + _ROAM * np.minimum(gap, _FAR))
    share = np.where(gap <= _LONGEST, np.nan_to_num(np.where(near, least, most) / limit), 0)
    left = ~near & np.roll(ids.at_side, 1) & ids.at_side  # and came back: a gap, and nothing was expected of them
    rows = np.flatnonzero((share > 1) & ~left)
    by_place = rows[np.argsort(ids.place[rows], kind="stable")]
    places = ids.place[by_place]
    used: set[int] = set()
    for row in rows[np.argsort(-share[rows], kind="stable")].tolist():
        if row in used:
            continue
        together = by_place[slice(*np.searchsorted(places, [ids.place[row], ids.place[row] + 1]))]
        other = _exchanged_with(ids, row, together[together != row], before)
        if other is not None:
            used |= {row, other}
            pair = tuple(sorted((int(ids.ids[row]), int(ids.ids[other]))))
            yield _jump_mark(ids, row, pair, 1.0, f"{pair[0]} and {pair[1]} exchange places")
            continue
        yield _one_jump(ids, row, float(share[row]), float(most[row]))


def _exchanged_with(ids: Sequences, row: int, others: Integers, path: _Path) -> int | None:
    """The one of `others`, rows of the same frame, who is where `row` was expected and the other way round."""
    for other in others.tolist():
        there = np.linalg.norm(path.place[row] - ids.centre[other]) / ids.torso[row]
        back = np.linalg.norm(path.place[other] - ids.centre[row]) / ids.torso[row]
        if there < _THERE and back < _THERE:
            return int(other)
    return None


def _one_jump(ids: Sequences, row: int, share: float, torsos: float) -> Mark:
    own, gone = int(ids.ids[row]), float(ids.gap[row]) >= BREAK
    near = [other for other in _there(ids, row) if other != own]
    persons = (own, *near[:1])
    where = f", to where {near[0]} was" if near else ""
    text = (
        f"{own} is seen again {torsos:.1f} torsos from where the path led{where}" if gone
        else f"{own} leaves its path by {torsos:.1f} torsos from one frame to the next{where}"
    )  # fmt: skip
    return _jump_mark(ids, row, persons, 0.5 + 0.4 * min(1.0, (share - 1) / 1.5), text)


def _there(ids: Sequences, row: int) -> list[int]:
    """Ids, the nearest first, whose last pose in the half second before a jump was where it leads to."""
    recent = ids.by_time[slice(*np.searchsorted(ids.sorted_times, [ids.times[row] - 2 * BREAK, ids.times[row]]))]
    away = np.nan_to_num(np.linalg.norm(ids.centre[recent] - ids.centre[row], axis=1) / ids.torso[row], nan=np.inf)
    order = np.argsort(away)[: int((away < _THERE).sum())]
    return list(dict.fromkeys(ids.ids[recent[order]].tolist()))


def _jump_mark(ids: Sequences, row: int, persons: tuple[int, ...], severity: float, text: str) -> Mark:
    """From the first frame in which the path is left; of one who was gone, from the first without them."""
    start = ids.place[row] if ids.gap[row] < BREAK else ids.place[row - 1] + 1
    return Mark("identity", persons, int(ids.tracks.frames[start]), int(ids.frame[row]), severity, text)


# Two in one frame


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Two ids that are near each other in a frame; the first has the lower id."""

    first: Integers
    """(M,) row of one ..."""
    second: Integers
    """... and of the other."""
    apart: Doubles
    """(M,) torsos between their middles."""


def _pairs(ids: Sequences) -> _Pairs:
    """All pairs nearer than a meeting asks for."""
    order = np.lexsort((ids.ids, ids.place))
    place = ids.place[order]
    found = []
    for span in range(1, len(order)):
        same = np.flatnonzero(place[span:] == place[:-span])
        if not len(same):
            break
        first, second = order[same], order[same + span]
        apart = np.linalg.norm(ids.centre[first] - ids.centre[second], axis=1)
        apart /= (ids.torso[first] + ids.torso[second]) / 2
        close = apart < _MEETING
        found.append((first[close], second[close], apart[close]))
    if not found:
        nothing = np.zeros(0, np.int64)
        return _Pairs(nothing, nothing, np.zeros(0))
    return _Pairs(*(np.concatenate(each) for each in zip(*found, strict=True)))


def _stretches(ids: Sequences, pairs: _Pairs, chosen: Bools) -> Iterator[Integers]:
    """Indices into `pairs` of each stretch of time for which the same two are near each other."""
    which = np.flatnonzero(chosen)
    first, second = ids.person[pairs.first[which]], ids.person[pairs.second[which]]
    times = ids.times[pairs.first[which]]
    order = np.lexsort((times, second, first))
    if not len(order):
        return
    other = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0) | (np.diff(times[order]) > _APART)
    yield from np.split(which[order], np.flatnonzero(other) + 1)


def _meetings(ids: Sequences, pairs: _Pairs) -> Iterator[Mark]:
    """Meetings after which each of two does what the other did before."""
    for stretch in _stretches(ids, pairs, pairs.apart < _MEETING):
        one, two = pairs.first[stretch], pairs.second[stretch]
        start, end = float(ids.times[one[0]]), float(ids.times[one[-1]])
        if end - start > _LONG:
            continue
        middle = (start + end) / 2
        ways = [[_way(ids, int(each[0]), middle, *span) for each in (one, two)]
                for span in ((start - _AROUND, start), (end, end + _AROUND))]  # fmt: skip
        if any(way is None for side in ways for way in side):
            continue
        kept = sum(_unlike(ways[0][index], ways[1][index]) for index in (0, 1)) / ids.torso[one[0]]
        exchanged = sum(_unlike(ways[0][index], ways[1][1 - index]) for index in (0, 1)) / ids.torso[one[0]]
        if exchanged < _BETTER * kept and kept - exchanged > 2 * _OFF:
            names = int(ids.ids[one[0]]), int(ids.ids[two[0]])
            yield Mark(
                "identity", names, int(ids.frame[one[0]]), int(ids.frame[one[-1]]),
                0.5 + 0.4 * (1 - exchanged / kept),
                f"{names[0]} and {names[1]} meet, and go on as if they had exchanged ids",
            )  # fmt: skip


_Way = tuple[Doubles, Doubles]
"""(2,) where somebody is at the middle of a meeting, and (2,) by how much they move in `_AHEAD` seconds."""


def _way(ids: Sequences, row: int, middle: float, start: float, end: float) -> _Way | None:
    """Of the person of `row`, by what they do from `start` to `end`; None where that is not seen."""
    person = ids.person[row]
    begin, stop = ids.starts[person], ids.starts[person + 1]
    first, last = np.searchsorted(ids.times[begin:stop], [start - 1e-6, end + 1e-6]) + begin
    rows = np.arange(first, last)
    rows = rows[np.isfinite(ids.centre[rows, 0])]
    if len(rows) < 4 or ids.times[rows[-1]] - ids.times[rows[0]] < _AROUND / 3:
        return None
    time = ids.times[rows] - ids.times[rows].mean()
    centre = ids.centre[rows].mean(axis=0)
    speed = (time[:, None] * (ids.centre[rows] - centre)).sum(axis=0) / (time**2).sum()
    return centre + speed * (middle - float(ids.times[rows].mean())), speed * _AHEAD


def _unlike(before: _Way | None, after: _Way | None) -> float:
    """Pixels between two ways."""
    assert before is not None
    assert after is not None
    return float(np.linalg.norm(before[0] - after[0]) + np.linalg.norm(before[1] - after[1]))


def _doubles(ids: Sequences, pairs: _Pairs) -> Iterator[Mark]:
    """Two ids on one body."""
    near = np.flatnonzero(pairs.apart < 3 * _SAME)
    first, second = pairs.first[near], pairs.second[near]
    away = np.linalg.norm(ids.points[first] - ids.points[second], axis=2)
    known = np.isfinite(away)
    mean = np.where(known, away, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1) / ids.torso[first]
    chosen = np.zeros(len(pairs.apart), bool)
    chosen[near] = mean < _SAME
    for stretch in _stretches(ids, pairs, chosen):
        if len(stretch) < _FRAMES:
            continue
        rows = pairs.first[stretch]
        names = int(ids.ids[rows[0]]), int(ids.ids[pairs.second[stretch[0]]])
        yield Mark(
            "identity", names, int(ids.frame[rows[0]]), int(ids.frame[rows[-1]]), 0.7,
            f"{names[0]} and {names[1]} lie on one body for {counted(len(stretch), 'frame')}",
        )  # fmt: skip
