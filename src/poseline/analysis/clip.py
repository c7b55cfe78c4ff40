"""`analyze`: a keypoint log to the analysis of its people. It reads the log alone; no model and no video is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from poseline.analysis import persons as logged
from poseline.analysis.analyse import AnalysisOptions, Prepared, finish, prepare
from poseline.analysis.angles import DEFINITIONS, split_side
from poseline.analysis.event import check_kinds
from poseline.analysis.facing import FacingOption
from poseline.analysis.floor import Floor, together
from poseline.analysis.motion import Bools, Integers
from poseline.analysis.persons import LoggedPerson
from poseline.analysis.result import Analysis, Person, PersonChoice
from poseline.analysis.scale import Known
from poseline.analysis.smoothing import Smoothing
from poseline.corrections import line_points
from poseline.errors import SettingsError, SourceError, redact
from poseline.log import Tracks, journal_of, read_tracks
from poseline.words import counted

_LEAST = 0.5
"""Seconds for which somebody must be seen to be analysed where everybody is asked for."""
_ENDED = {
    "interrupted": "The run was interrupted; the log ends where it was.",
    "failed": "The run failed; the log holds the frames before that.",
    "killed": "The run was killed, or still goes on: the log has no end; what it holds so far was used.",
}


def analyze(
    log: str | Path | Tracks,
    *,
    person: PersonChoice = "main",
    start: float | None = None,
    end: float | None = None,
    height: float | None = None,
    scale: float | None = None,
    calibrate: Sequence[float] | None = None,
    facing: FacingOption = "auto",
    floor_angle: float | None = None,
    smooth: str = "auto",
    max_gap: float = 0.2,
    slowmo: float = 1.0,
    events: Sequence[str] = ("auto",),
    swap_repair: bool = True,
    raw: bool = False,
) -> Analysis:
    """Analyse the people of a keypoint log: angles, speeds, metres, events. Reads the log alone, loads no model.

    >>> analysis = poseline.analyze("runs/squat", height=1.80)
    >>> analysis.main.times, analysis.main.angles["left_knee"], analysis.main.counts

    Args:
        log: a run's folder, a `keypoints.jsonl`, or `Tracks` that were read.
        person: `main`, the person who is seen longest and largest; `all`; or an id of the log.
        start: seconds of the clip from which on it is analysed; its first frame if None.
        end: seconds of the clip before which the analysis ends; behind its last frame if None.
        height: the person's, in metres. Of several people, it is the main person's, and nobody else has metres.
        scale: square pixels of a metre at the person's distance. At most one of `height`, `scale`, `calibrate`.
        calibrate: x1, y1, x2, y2 in pixels of the picture, and the metres between the two points.
        facing: where the person faces, or `auto`: decided in each frame by a vote over the whole motion.
        floor_angle: degrees by which the floor rises to the picture's right; by footprints if None.
        smooth: `auto`, `none`, or `butterworth:HZ` with the real -3 dB frequency.
        max_gap: the longest gap that is filled, in seconds.
        slowmo: by how much the clip is slower than what it shows: 8 for 240 frames a second played at 30.
        events: kinds of events to look for; `auto` is all of them; none: ().
        swap_repair: exchange left and right where they were taken for each other.
        raw: read the log without the corrections that were made by hand. With them, the main person, facing, scale and
            floor that they state count where no option says otherwise.

    Raises:
        SourceError: the log cannot be read, is of separate pictures, lacks a torso, or holds nobody (there).
        SettingsError: an option out of its range, options that contradict each other, or an id that nobody has.
    """
    options = check_options(
        start=start, end=end, height=height, scale=scale, calibrate=calibrate, floor_angle=floor_angle,
        smooth=smooth, max_gap=max_gap, slowmo=slowmo, events=events, swap_repair=swap_repair,
    )  # fmt: skip
    if facing not in get_args(FacingOption):
        raise SettingsError(f"facing: auto, right, left, front or back, got {facing!r}")
    if not (person in ("main", "all") or isinstance(person, int)):
        raise SettingsError(f"person: main, all or an id of the log, got {person!r}")
    options = replace(options, facing=facing)
    path = None if isinstance(log, Tracks) else journal_of(log)
    try:
        part = _Part.of(read_tracks(path, raw=raw) if path else log, start, end, slowmo)  # type: ignore[arg-type] # Tracks
        return _analysed(part, person, options, path)
    except SourceError as error:
        raise (SourceError(f"{path}: {error}") if path and str(path) not in str(error) else error) from None


def check_options(
    *,
    start: float | None,
    end: float | None,
    height: float | None,
    scale: float | None,
    calibrate: Sequence[float] | None,
    floor_angle: float | None,
    smooth: str,
    max_gap: float,
    slowmo: float,
    events: Sequence[str],
    swap_repair: bool,
) -> AnalysisOptions:
    """The options of an analysis, from those of `analyze`; raises SettingsError as it does, whatever the log."""
    check_kinds(events)
    if not (slowmo > 0 and np.isfinite(slowmo)):
        raise SettingsError(f"slowmo: by how much the clip is slower must be above 0, got {slowmo:g}")
    if floor_angle is not None and not -45 <= floor_angle <= 45:
        raise SettingsError(f"floor angle: degrees from -45 to 45, got {floor_angle:g}")
    for name, value in (("start", start), ("end", end)):
        if value is not None and not (np.isfinite(value) and value >= 0):
            raise SettingsError(f"{name}: seconds of the clip, 0 or more, got {value:g}")
    if start is not None and end is not None and start >= end:
        raise SettingsError(f"the part from {start:g} s to {end:g} s is empty; give an end behind its start")
    return AnalysisOptions(
        smoothing=Smoothing.parse(smooth, max_gap),
        swap_repair=swap_repair,
        floor_angle=floor_angle,
        known=Known(height, scale, _calibration(calibrate)),
        events=tuple(events),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """What is looked at of a log: everybody in it, and the frames that were asked for."""

    tracks: Tracks
    """The whole log, times divided by `slowmo`."""
    start: float
    end: float
    slowmo: float

    @classmethod
    def of(cls, tracks: Tracks, start: float | None, end: float | None, slowmo: float) -> _Part:
        tracks = logged.usable(tracks)
        if slowmo != 1:
            tracks = replace(tracks, times=tracks.times / slowmo)
        first, last = float(tracks.times[0]), float(tracks.times[-1])
        begin = first if start is None else start / slowmo
        stop = last if end is None else float(np.nextafter(end / slowmo, -np.inf))  # the end is not included
        if not ((tracks.times >= begin) & (tracks.times <= stop)).any():
            until = "on" if end is None else f"to {end:g} s"
            raise SettingsError(
                f"there is no frame from {begin * slowmo:g} s {until}: "
                f"the log goes from {first * slowmo:.3f} s to {last * slowmo:.3f} s"
            )
        return cls(tracks, begin, stop, slowmo)

    @property
    def window(self) -> Tracks:
        """The frames that were asked for."""
        return self.tracks.between(self.start, self.end)

    def chosen(self, everybody: Sequence[LoggedPerson], person: PersonChoice) -> list[LoggedPerson]:
        """Those who were asked for, with their rows in the part, the main person first.

        That is who was said to be it by hand, else the most prominent one.

        Raises:
            SettingsError: nobody has the id, or is seen in the part.
        """
        if person not in ("main", "all"):
            everybody = [each for each in everybody if person in each.ids]
            if not everybody:
                ids = np.unique(self.tracks.rows.id[self.tracks.rows.id >= 0])
                known = ", ".join(map(str, ids[:20].tolist())) or "none"
                raise SettingsError(f"no person has the id {person}; this log has {known}")
        inside = [self._inside(each) for each in everybody]
        facts = self.tracks.corrections
        main = None if facts is None else facts.main
        seen = sorted(
            (each for each in inside if each is not None), key=lambda each: (main not in each.ids, -each.prominence)
        )
        if not seen:
            whom = "nobody is" if person in ("main", "all") else f"person {person} is not"
            raise SettingsError(f"{whom} seen from {self.start * self.slowmo:g} s to {self.end * self.slowmo:g} s")
        return seen

    def _inside(self, person: LoggedPerson) -> LoggedPerson | None:
        rows = logged.within(self.tracks, person.rows, self.start, self.end)
        return replace(person, rows=rows, prominence=logged.prominence(self.tracks, rows)) if len(rows) else None


def _analysed(part: _Part, person: PersonChoice, options: AnalysisOptions, path: Path | None) -> Analysis:
    tracks, window = part.tracks, part.window
    width, height, aspect = logged.shape(window)
    options = _with_facts(options, tracks, aspect)
    pictured = replace(tracks, shapes=None, size=(width, height), pixel_aspect=aspect)
    everybody = logged.people(tracks)
    seen = part.chosen(everybody, person)
    long = [each for each in seen if _seconds(tracks, each) >= _LEAST] or seen[:1]
    chosen = seen[:1] if person == "main" else long if person == "all" else seen
    made = [_Made.of(pictured, each, options, first=index == 0) for index, each in enumerate(chosen)]
    ground = together([each.prepared.floor for each in made])
    if options.floor_angle is not None or len(made) == 1:
        ground = made[0].prepared.floor
    return Analysis(
        persons=tuple(each.person(ground, aspect) for each in made),
        source=redact(str(tracks.header.get("source", ""))),
        log=path,
        size=(width, height),
        pixel_aspect=aspect,
        start=float(window.times[0]),
        end=float(window.times[-1]),
        frames=len(window),
        slowmo=part.slowmo,
        people=len(everybody),
        floor=ground,
        options=options,
        header=tracks.header,
        ended=tracks.ended,
        warnings=(*_warnings(part, options, seen, chosen), *_corrected(tracks, made)),
        corrections=tracks.corrections,
    )


def _with_facts(options: AnalysisOptions, tracks: Tracks, aspect: float) -> AnalysisOptions:
    """Options with the scale and the floor that were set by hand, where they say nothing themselves."""
    facts = tracks.corrections
    if facts is not None and facts.scale is not None and not options.known.anything:
        first, second = facts.scale.points
        options = replace(options, known=Known(points=(*first, *second, facts.scale.metres)))
    if facts is not None and facts.floor is not None and options.floor_angle is None:
        across, down = line_points(facts.floor.points, aspect)
        options = replace(options, floor_angle=float(np.degrees(np.arctan2(-down, across))))
    return options


@dataclass(frozen=True, eq=False)
class _Made:
    """A person on the way."""

    logged: LoggedPerson
    frames: Integers
    found: Bools
    options: AnalysisOptions
    prepared: Prepared

    @classmethod
    def of(cls, tracks: Tracks, person: LoggedPerson, options: AnalysisOptions, first: bool) -> _Made:
        own = options
        if options.known.height is not None and not first:
            own = replace(options, known=Known())
        motion, frames, found = logged.motion(tracks, person.rows)
        return cls(person, frames, found, own, prepare(motion, own))

    def person(self, ground: Floor, aspect: float) -> Person:
        result = finish(self.prepared, self.options, ground)
        height = self.options.known.height
        return Person(self.logged.id, self.logged.ids, self.frames, self.found, result, aspect, height)


def _seconds(tracks: Tracks, person: LoggedPerson) -> float:
    """From a person's first frame to their last."""
    times = tracks.times[tracks.rows.frame[person.rows]]
    return float(times[-1] - times[0])


def _warnings(
    part: _Part, options: AnalysisOptions, seen: Sequence[LoggedPerson], chosen: Sequence[LoggedPerson]
) -> list[str]:
    notes = [_ENDED[part.tracks.ended]] if part.tracks.ended in _ENDED else []
    if without := _lacking(part.tracks.skeleton.names):
        notes.append(f"No angle of {', '.join(without)}: the log has no {', '.join(sorted({*without.values()}))}.")
    if gaps := [gap for gap in part.tracks.gaps if gap.end > part.start * part.slowmo]:
        notes.append(f"The source was gone {counted(len(gaps), 'time')}; nothing is known of those seconds.")
    if len(chosen) < len(seen) and len(chosen) > 1:
        notes.append(f"{counted(len(seen) - len(chosen), 'person')} left out: seen for less than {_LEAST:g} s.")
    if options.known.height is not None and len(chosen) > 1:
        notes.append(f"The height is person {chosen[0].id}'s; the others have no metres.")
    return notes


def _corrected(tracks: Tracks, made: Sequence[_Made]) -> list[str]:
    """How much of the points was corrected by hand."""
    if tracks.corrections is None:
        return []
    measured = [each.prepared.measured for each in made]
    hands = [motion.by_hand for motion in measured if motion.by_hand is not None]
    count = sum(int(hand.points.sum()) for hand in hands)
    share = count / max(1, sum(int(motion.seen.sum()) for motion in measured))
    acts = counted(tracks.corrections.acts, "correction")
    return [f"{acts} made by hand applied; {counted(count, 'keypoint')} set by them ({share:.1%})."]


def _lacking(names: Sequence[str]) -> dict[str, str]:
    """The angles, by name and without their side, that a skeleton has no points for, and what it lacks for each."""
    lacking: dict[str, str] = {}
    for definition in DEFINITIONS:
        for point in definition.points:
            sides = [f"{side}_{point.removeprefix('mid_')}" for side in ("left", "right")]
            if not {*(sides if point.startswith("mid_") else [point])} <= {*names}:
                lacking.setdefault(split_side(definition.name)[1], split_side(point.removeprefix("mid_"))[1])
    return lacking


def _calibration(given: Sequence[float] | None) -> Any:
    if given is None:
        return None
    if len(given) != 5:
        raise SettingsError(f"calibrate: x1, y1, x2, y2 in pixels and the metres between, got {len(given)} numbers")
    return tuple(float(value) for value in given)
