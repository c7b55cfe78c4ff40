"""Motions whose truth is known: the samples' exact points, the same with seeded noise, and figures made of formulas."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from poseline.analysis import Motion
from poseline.analysis.motion import Bools, Doubles
from poseline.skeleton import COCO17

SAMPLES, DATA = Path(__file__).parents[1] / "samples", Path(__file__).parent / "data"
NAMES = COCO17.names
SIZES = {"squat": (540, 960), "sprint": (960, 540), "crossing": (960, 540), "crowd": (1280, 720)}
PAIRS = {
    part: (NAMES.index(f"left_{part}"), NAMES.index(f"right_{part}"))
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
}
SIX = tuple(
    tuple(NAMES.index(f"{side}_{part}") for part in parts)
    for parts in (("hip", "knee", "ankle"), ("shoulder", "hip", "knee"), ("shoulder", "elbow", "wrist"))
    for side in ("left", "right")
)
"""Knees, hips and elbows of both sides: the joints over which errors are averaged."""


@cache
def truth_records(name: str) -> list[dict[str, Any]]:
    lines = (SAMPLES / f"{name}.truth.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["type"] == "frame"]


@cache
def log_records(model: str, name: str) -> list[dict[str, Any]]:
    """What `poseline run samples/NAME.mp4 -m MODEL` logged."""
    with gzip.open(DATA / f"{model}-{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [record for record in map(json.loads, lines) if record["type"] == "frame"]


@cache
def truth(name: str, person: int = 1) -> Motion:
    """The exact points of a sample's person, from their first frame to their last; all of them count as seen."""
    return _motion(name, truth_records(name), lambda record: {p["id"]: p for p in record["persons"]}.get(person))


@cache
def logged(model: str, name: str, person: int = 1) -> tuple[Motion, Motion]:
    """What a model found of a sample's person, by the nearest points in each frame; and the truth of these frames."""
    exact = {record["frame"]: record for record in truth_records(name)}

    def found(record: dict[str, Any]) -> dict[str, Any] | None:
        persons = exact[record["frame"]]["persons"]
        own = next((index for index, p in enumerate(persons) if p["id"] == person), None)
        if own is None or not record["persons"]:
            return None
        away = _distances(persons, record["persons"])
        best = int(away[own].argmin())
        return record["persons"][best] if away[own, best] < 0.6 and away[:, best].argmin() == own else None

    log = _motion(name, log_records(model, name), found)
    own = truth(name, person)
    rows = np.isin(own.times, log.times)
    return log[np.isin(log.times, own.times)], own[rows]


def _distances(persons: list[dict[str, Any]], found: list[dict[str, Any]]) -> Doubles:
    """(N, M) mean distance of keypoints in torsos of the true ones."""
    exact = np.array([person["keypoints"] for person in persons], float)[:, :, :2]
    guess = np.array([person["keypoints"] for person in found], float)[:, :, :2]
    torso = np.linalg.norm(exact[:, 5:7].mean(axis=1) - exact[:, 11:13].mean(axis=1), axis=1)
    result: Doubles = np.linalg.norm(exact[:, None] - guess[None], axis=3).mean(axis=2) / torso[:, None]
    return result


def _motion(name: str, records: list[dict[str, Any]], pick: Any) -> Motion:
    times = np.array([record["time"] for record in records])
    points, confidence = np.full((len(records), 17, 2), np.nan), np.zeros((len(records), 17))
    for row, record in enumerate(records):
        if (person := pick(record)) is not None:
            keypoints = np.array(person["keypoints"], float)
            points[row], confidence[row] = keypoints[:, :2], np.maximum(keypoints[:, 2], 0.1)
    rows = np.flatnonzero(np.isfinite(points[:, 0, 0]))
    inside = slice(int(rows[0]), int(rows[-1]) + 1)
    return Motion(times[inside], points[inside], confidence[inside], NAMES, *SIZES[name])


def motion(times: Doubles, points: Doubles, size: tuple[int, int] = (960, 540), **given: Any) -> Motion:
    """COCO points (T, 17, 2), all seen with confidence 0.9."""
    given.setdefault("confidence", np.full(points.shape[:2], 0.9))
    given.setdefault("names", NAMES)
    return Motion(times, points, given.pop("confidence"), given.pop("names"), *size, **given)


def disturbed(exact: Motion, seed: int, outliers: float = 0.03, gaps: int = 3) -> Motion:
    """Seeded noise of 2 % of the torso by confidence, outliers of 0.4 torsos, gaps of 2 to 5 frames a keypoint."""
    rng = np.random.default_rng(seed)
    count, size = exact.confidence.shape
    confidence = rng.uniform(0.3, 1, (count, size))
    points = exact.points + rng.normal(size=exact.points.shape) * (0.02 * exact.torso * (1.5 - confidence))[:, :, None]
    hit = rng.uniform(size=(count, size)) < outliers
    points = np.where(hit[:, :, None], points + 0.4 * exact.torso * rng.normal(size=points.shape), points)
    for keypoint in range(size):
        for _ in range(gaps):
            start = int(rng.integers(5, count - 10))
            points[start : start + int(rng.integers(2, 6)), keypoint] = np.nan
    return Motion(exact.times, points, confidence, exact.names, exact.width, exact.height)


def six(points: Doubles) -> Doubles:
    """(T, 6) included angles in degrees of the six joints."""
    columns = []
    for first, middle, last in SIX:
        a, b = points[:, first] - points[:, middle], points[:, last] - points[:, middle]
        across = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
        columns.append(np.degrees(np.abs(np.arctan2(across, (a * b).sum(axis=1)))))
    return np.stack(columns, axis=1)


def six_rates(motion: Motion, velocity: Doubles) -> Doubles:
    """(T, 6) how fast the included angles change, degrees a second, by the points' velocities."""
    step = 1e-4
    rates: Doubles = (six(motion.points + step * velocity) - six(motion.points - step * velocity)) / (2 * step)
    return rates


def swapped_pairs(points: Doubles, exact: Motion) -> dict[str, tuple[Bools, Bools]]:
    """For each pair, (T,) where its sides are more than 0.25 torsos apart, and where they are taken for each other."""
    result = {}
    for part, (left, right) in PAIRS.items():
        straight = _apart(points, exact.points, left, left) + _apart(points, exact.points, right, right)
        crossed = _apart(points, exact.points, left, right) + _apart(points, exact.points, right, left)
        apart = _apart(exact.points, exact.points, left, right) > 0.25 * exact.torso
        result[part] = apart & np.isfinite(straight), crossed < 0.5 * straight
    return result


def mended(before: Doubles, after: Doubles, exact: Motion) -> tuple[int, int, int, int]:
    """How many pairs were swapped, were mended, were broken, and had been good."""
    old, new = swapped_pairs(before, exact), swapped_pairs(after, exact)
    swapped = fixed = broken = good = 0
    for part, (counted, was) in old.items():
        now = new[part][1]
        swapped += int((counted & was).sum())
        fixed += int((counted & was & ~now).sum())
        broken += int((counted & ~was & now).sum())
        good += int((counted & ~was).sum())
    return swapped, fixed, broken, good


def _apart(points: Doubles, others: Doubles, first: int, second: int) -> Doubles:
    distance: Doubles = np.linalg.norm(points[:, first] - others[:, second], axis=1)
    return distance


HEIGHT, PX_PER_M, GROUND = 1.80, 250.0, 500.0
"""Of the figure that `jumper` draws: metres, pixels of a metre, and y of the floor."""


def jumper(rate: float, flight: float, noise: float = 0.0) -> tuple[Motion, list[tuple[float, float]]]:
    """Somebody seen from the side who jumps twice, and the true times of take-off and landing.

    They sink by 0.3 m in 0.6 s, push off within 0.3 s, stand on their toes (ankles 0.09 m up) at take-off, fly as
    bodies fall, and land as they took off.
    """
    times = np.arange(0, 7, 1 / rate)
    hip, heel = np.zeros(len(times)), np.zeros(len(times))
    starts = (0.5, 3.5)
    for start in starts:
        height, lift = _leap(times - start, flight)
        hip, heel = hip + height, heel + lift
    points = _figure(hip + 0.528 * HEIGHT, heel + 0.057 * HEIGHT)
    points += np.random.default_rng(0).normal(size=points.shape) * noise
    return motion(times, points), [(start + 0.9, start + 0.9 + flight) for start in starts]


def _leap(time: Doubles, flight: float) -> tuple[Doubles, Doubles]:
    """Metres that hips and heels are above where they stand, (T,) seconds after the movement began."""
    sink, push, depth, toes, gravity = 0.6, 0.3, 0.3, 0.09, 9.81
    total = 2 * (sink + push) + flight
    mirrored = np.where(time > total / 2, total - time, time)  # the landing is the take-off played backwards
    ramp = np.clip(mirrored / sink, 0, 1)
    down = -depth * (ramp**3 * (10 - 15 * ramp + 6 * ramp**2))
    speed, fall = gravity * flight / 2 * push, -gravity * push**2
    part = np.clip((mirrored - sink) / push, 0, 1)
    rise = depth + toes
    up = (10 * rise - 4 * speed + fall / 2) * part**3
    up += (-15 * rise + 7 * speed - fall) * part**4 + (6 * rise - 3 * speed + fall / 2) * part**5
    lifted = np.clip((part - 0.6) / 0.4, 0, 1)
    heel = toes * lifted**2 * (3 - 2 * lifted)
    air = np.clip(mirrored - sink - push, 0, None)
    flying = gravity * flight / 2 * air - gravity * air**2 / 2
    moving = (time > 0) & (time < total)
    return np.where(moving, down + up + flying, 0), np.where(moving, heel + flying, 0)


def _figure(hip: Doubles, ankle: Doubles) -> Doubles:
    """(T, 17, 2) somebody who faces right, by the heights of hips and ankles in metres."""
    thigh, shank = 0.243 * HEIGHT, 0.228 * HEIGHT
    reach = np.minimum(hip - ankle, (thigh + shank) * 0.9999)
    upper = (reach**2 + thigh**2 - shank**2) / (2 * reach)
    knee = np.sqrt(np.maximum(thigh**2 - upper**2, 0))
    shoulder = hip + 0.272 * HEIGHT
    nothing = np.zeros_like(hip)
    places = {
        "ankle": (nothing, ankle), "knee": (knee, hip - upper), "hip": (nothing, hip), "shoulder": (nothing, shoulder),
        "elbow": (nothing - 0.1, shoulder - 0.17 * HEIGHT), "wrist": (nothing + 0.05, shoulder - 0.3 * HEIGHT),
        "ear": (nothing, shoulder + 0.126 * HEIGHT), "eye": (nothing + 0.09, shoulder + 0.136 * HEIGHT),
        "nose": (nothing + 0.13, shoulder + 0.117 * HEIGHT),
    }  # fmt: skip
    points = np.empty((len(hip), 17, 2))
    for column, name in enumerate(NAMES):
        side, _, part = name.rpartition("_")
        x, y = places[part]
        points[:, column, 0] = 480 + PX_PER_M * (x + {"left": 0.02, "right": -0.02, "": 0.0}[side])
        points[:, column, 1] = GROUND - PX_PER_M * y
    return points
