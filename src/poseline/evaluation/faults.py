"""Faults: where a log is wrong, by the truth: ids that change, and sides that are exchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from poseline.log import Tracks
from poseline.pose import UNTRACKED, Floats
from poseline.skeleton import body_areas, oks
from poseline.tracking.assignment import assign

_FOUND = 0.5
"""OKS, of the pose or of its mirror image, from which a pose is a person's."""
_APART = 0.25
"""Torsos that a person's left and right point are from each other at least, for their exchange to count."""
_NEARER = 0.5
"""A pair is exchanged whose points are so much nearer to each other's true places than to their own."""
_BETWEEN = 3
"""Exchanges of one limb no more frames apart are one fault."""
_LIMBS = (("shoulder", "hip", "knee", "ankle"), ("elbow", "wrist"))


@dataclass(frozen=True)
class Fault:
    """Something that is wrong for some frames."""

    kind: Literal["identity", "sides"]
    """An id of the log goes over to another person or a person to another id; or left and right are exchanged."""
    person: int
    """Of the truth."""
    ids: tuple[int, ...]
    """Of the log, that take part."""
    frames: tuple[int, ...]
    """In which it shows; of an id the last frames before and the first one after."""
    keypoints: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Match:
    """A person of the truth and the pose that was found of them."""

    frame: int
    person: int
    id: int
    true: Floats
    """(K, 3)."""
    found: Floats
    """(K, 3)."""


def faults(truth: Tracks, log: Tracks) -> list[Fault]:
    """What is wrong in a log.

    Args:
        truth: who is where, such as a sample's `.truth.jsonl`; of the log's skeleton.
        log: what was found.
    """
    matches = list(_matches(truth, log))
    return [*_switches(matches), *_exchanges(matches, log.skeleton.names)]


def _matches(truth: Tracks, log: Tracks) -> Iterator[_Match]:
    mirrored = np.array(log.skeleton.mirrored, np.intp)
    sigmas = np.array(log.skeleton.sigmas, np.float32)
    places = dict(zip(log.frames.tolist(), range(len(log)), strict=True))
    for place, frame in enumerate(truth.frames.tolist()):
        own = np.flatnonzero(truth.rows.frame == place)
        theirs = np.flatnonzero(log.rows.frame == places.get(frame, -1))
        if not (len(own) and len(theirs)):
            continue
        true, found, areas = truth.rows.keypoints[own], log.rows.keypoints[theirs], body_areas(truth.rows.box[own])
        alike = np.maximum(oks(true, found, areas, sigmas, 0.0), oks(true, found[:, mirrored], areas, sigmas, 0.0))
        for row, column in zip(*assign(np.where(alike >= _FOUND, alike, 0)), strict=True):
            if alike[row, column] >= _FOUND:
                number = int(log.rows.id[theirs[column]])
                yield _Match(frame, int(truth.rows.id[own[row]]), number, true[row], found[column])


def _switches(matches: Iterable[_Match]) -> Iterator[Fault]:
    """One fault for each frame and person whose id is another than before, or whose id was somebody else's before."""
    by_person: dict[int, _Match] = {}
    by_id: dict[int, _Match] = {}
    for match in matches:
        if match.id == UNTRACKED:
            continue
        before, other = by_person.get(match.person), by_id.get(match.id)
        changed = [each for each in (before, other) if each and (each.id, each.person) != (match.id, match.person)]
        if changed:
            ids = dict.fromkeys((match.id, *(each.id for each in changed)))
            yield Fault("identity", match.person, tuple(ids), (*(each.frame for each in changed), match.frame))
        by_person[match.person] = by_id[match.id] = match


def _exchanges(matches: Iterable[_Match], names: tuple[str, ...]) -> Iterator[Fault]:
    index = {name: column for column, name in enumerate(names)}
    torso = [index[f"{side}_{part}"] for part in ("shoulder", "hip") for side in ("left", "right")]
    ids: dict[int, dict[int, None]] = {}
    found: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for match in matches:
        ids.setdefault(match.person, {})[match.id] = None
        high, low = match.true[torso[:2], :2].mean(axis=0), match.true[torso[2:], :2].mean(axis=0)
        size = float(np.linalg.norm(high - low))
        for limb, parts in enumerate(_LIMBS):
            for part in parts:
                pair = [index[f"left_{part}"], index[f"right_{part}"]]
                if _is_exchanged(match.true[pair, :2], match.found[pair, :2], _APART * size):
                    found.setdefault((match.person, limb), []).append((match.frame, part))
    for (person, _), exchanged in found.items():
        frames = np.array([frame for frame, _ in exchanged])
        for part_of in np.split(np.arange(len(frames)), np.flatnonzero(np.diff(frames) > _BETWEEN) + 1):
            named = dict.fromkeys(exchanged[place][1] for place in part_of.tolist())
            keypoints = tuple(f"{side}_{part}" for part in named for side in ("left", "right"))
            numbers = tuple(number for number in ids[person] if number != UNTRACKED)
            yield Fault("sides", person, numbers, tuple(dict.fromkeys(frames[part_of].tolist())), keypoints)


def _is_exchanged(true: Floats, found: Floats, apart: float) -> bool:
    """Of a pair's (2, 2) places."""
    if not np.isfinite(found).all() or np.linalg.norm(true[0] - true[1]) <= apart:
        return False
    straight, crossed = (np.linalg.norm(found - places, axis=1).sum() for places in (true, true[::-1]))
    return bool(crossed < _NEARER * straight)
