"""Wire: a run as the page gets it, in JSON and, what is much, in binary. All numbers are little-endian."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseline.corrections import Act
from poseline.inspection.inspected import State
from poseline.inspection.marks import Mark
from poseline.log import Tracks
from poseline.pose import UNTRACKED
from poseline.skeleton import Skeleton


def run(state: State, name: str, picture: str) -> dict[str, Any]:
    """What the page must know first.

    Args:
        state: of the run.
        name: of the run, to show.
        picture: why there are no pictures, in words; empty where there are.
    """
    tracks = state.tracks
    width, height = canvas(tracks)
    return {
        "revision": state.revision,
        "name": name,
        "source": str(tracks.header.get("source", "")),
        "frames": len(tracks),
        "width": width,
        "height": height,
        "pixel_aspect": tracks.pixel_aspect,
        "ended": tracks.ended,
        "separate": tracks.sources is not None,
        "no_pictures": picture,
        **_skeleton(tracks.skeleton),
        "persons": persons(tracks),
        **history(state),
    }


def frames(state: State) -> bytes:
    """For T frames: T times in seconds, T numbers of frames, (T, 2) width and height in pixels; all float64.

    Sizes are NaN where the log does not say.
    """
    tracks = state.tracks
    shapes = np.full((len(tracks), 2), np.nan) if tracks.shapes is None else tracks.shapes[:, :2]
    return b"".join(np.ascontiguousarray(column, "<f8").tobytes() for column in (tracks.times, tracks.frames, shapes))


def poses(state: State, first: int, last: int) -> bytes:
    """The poses from place `first` in the log to before place `last`: N persons with K keypoints.

    Four uint32 (revision, N, K, 0); then N float64 ids (-1: untracked); N int32 places; N float32 scores; (N, 4)
    float32 boxes; (N, K, 3) float32 x, y, confidence, NaN where there is none; (N, K) uint8, see `poseline.State`.
    """
    rows = state.tracks.rows
    order = np.argsort(rows.frame, kind="stable")
    found = rows.frame[order]
    chosen = order[np.searchsorted(found, first) : np.searchsorted(found, last)]
    part = rows[chosen]
    head = np.array([state.revision, len(part), part.keypoints.shape[1], 0], "<u4")
    columns: list[NDArray[Any]] = [
        head, part.id.astype("<f8"), part.frame.astype("<i4"), part.score.astype("<f4"), part.box.astype("<f4"),
        part.keypoints.astype("<f4"), part.state,
    ]  # fmt: skip
    return b"".join(np.ascontiguousarray(column).tobytes() for column in columns)


def persons(tracks: Tracks) -> list[dict[str, Any]]:
    """Each person: id, name, in how many frames, and the spans of places (first and last, both included)."""
    facts = tracks.corrections
    names = dict(facts.names) if facts is not None else {}
    order = np.lexsort((tracks.rows.frame, tracks.rows.id))
    ids, places = tracks.rows.id[order], tracks.rows.frame[order]
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.empty(0, np.intp)
    listed = []
    for start, end in zip(starts, np.r_[starts[1:], len(ids)], strict=True):
        own = places[start:end]
        if ids[start] == UNTRACKED:
            continue
        breaks = np.flatnonzero(np.diff(own) > 1)
        spans = np.stack([own[np.r_[0, breaks + 1]], own[np.r_[breaks, len(own) - 1]]], axis=1)
        number = int(ids[start])
        listed.append(
            {"id": number, "name": names.get(number, ""), "frames": int(end - start), "spans": spans.tolist()}
        )
    return listed


def history(state: State) -> dict[str, Any]:
    """The acts, those in force and those undone, and what they say beside poses."""
    facts = state.tracks.corrections
    said: dict[str, Any] = {"main": None, "scale": None, "floor": None, "facings": []}
    if facts is not None:
        said = {
            "main": facts.main,
            "scale": facts.scale and {"points": facts.scale.points, "metres": facts.scale.metres},
            "floor": facts.floor and {"points": facts.floor.points},
            "facings": [[each.where.person, each.where.start, each.where.end, each.facing] for each in facts.facings],
        }
    return {"acts": [_act(each) for each in state.acts], "undone": [_act(each) for each in state.undone], **said}


def marks(revision: int, found: list[Mark], tracks: Tracks) -> dict[str, Any]:
    """What deserves a look, the worst first; `place` and `last` are places in the log."""
    listed = []
    for mark in found:
        first, last = np.searchsorted(tracks.frames, [mark.start, mark.end]).clip(0, len(tracks) - 1).tolist()
        listed.append(
            {"kind": mark.kind, "persons": mark.persons, "start": mark.start, "end": mark.end, "place": first,
             "last": last, "severity": round(mark.severity, 3), "keypoints": mark.keypoints, "why": mark.why}
        )  # fmt: skip
    return {"revision": revision, "marks": listed}


def canvas(tracks: Tracks) -> tuple[int, int]:
    """(width, height) of the pictures in pixels; the largest where they differ, and around the poses if unknown."""
    if tracks.size[0]:
        return tracks.size
    if tracks.shapes is not None and np.isfinite(tracks.shapes[:, :2]).any():
        width, height = np.nanmax(tracks.shapes[:, :2], axis=0)
        return int(width), int(height)
    seen = tracks.rows.box[np.isfinite(tracks.rows.box).all(axis=1)]
    return (int(np.ceil(seen[:, 2].max())), int(np.ceil(seen[:, 3].max()))) if len(seen) else (640, 480)


def _act(act: Act) -> dict[str, Any]:
    record = act.as_record()
    del record["type"]
    return record


def _skeleton(skeleton: Skeleton) -> dict[str, Any]:
    sides = [skeleton.side(number) for number in range(len(skeleton))]
    return {"keypoints": skeleton.names, "edges": skeleton.edges, "sides": sides}
