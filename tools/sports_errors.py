"""How far a log's joint angles are off, against the exact points of a rendered clip.

    poseline run samples/squat.mp4 -m builtin -o runs/squat --no-video
    python tools/sports_errors.py runs/squat/keypoints.jsonl samples/squat.truth.jsonl

Prints, for knees, hips and elbows, the mean and the 95 % error in degrees of the angles as measured and smoothed, both
against the truth in the picture; the error of the angles' speed; and how many of the true angles the bands hold.
"""

from __future__ import annotations

import sys

import numpy as np

from poseline import Log, read_log
from poseline.analysis import AnalysisOptions, Motion, analyse_motion
from poseline.analysis.angles import angles

NEAR = 0.6
"""Torsos between the keypoints of a pose and of a true person, on average, up to which it is them."""


def main() -> int:
    """Print the table of one log."""
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    log, truth = read_log(sys.argv[1]), read_log(sys.argv[2])
    people = sorted({int(number) for frame in truth.frames for number in frame.poses.ids})
    print("person  joint         raw        smoothed    speed, raw  smoothed  2 sigma  + bias")
    for number in people:
        found, exact = motions(log, truth, number)
        if found is not None and exact is not None:
            table(number, found, exact)
    return 0


def motions(log: Log, truth: Log, number: int) -> tuple[Motion | None, Motion | None]:
    """What the log has of true person `number`, and the truth of the same frames."""
    poses = {frame.index: frame.poses.keypoints for frame in log.frames}
    times, own, theirs = [], [], []
    for frame in truth.frames:
        rows = np.flatnonzero(frame.poses.ids == number)
        if not len(rows) or not len(poses.get(frame.index, ())):
            continue
        exact = frame.poses.keypoints[rows[0]].astype(float)
        torso = np.linalg.norm(exact[5:7, :2].mean(axis=0) - exact[11:13, :2].mean(axis=0))
        away = np.linalg.norm(poses[frame.index][:, :, :2] - exact[None, :, :2], axis=2).mean(axis=1)
        if away.min() < NEAR * torso:
            times.append(frame.time)
            own.append(poses[frame.index][away.argmin()].astype(float))
            theirs.append(exact)
    if len(times) < 10:
        return None, None
    video = truth.run["video"]
    made = [
        Motion(
            np.array(times),
            np.array(points)[:, :, :2],
            np.maximum(np.array(points)[:, :, 2], 0.01),
            truth.names,
            video["width"],
            video["height"],
        )
        for points in (own, theirs)
    ]
    return made[0], made[1]


def table(number: int, found: Motion, exact: Motion) -> None:
    """Print a person's rows."""
    person = analyse_motion(found, AnalysisOptions(floor_angle=0, swap_repair=False))
    true = angles(exact, person.facing.facings)
    speed = np.gradient(true, exact.times, axis=0)
    for joint in ("knee", "hip", "elbow"):
        columns = [person.angles.names.index(f"{side}_{joint}") for side in ("left", "right")]
        raw, smooth = (
            np.abs((values - true + 180) % 360 - 180)[:, columns]
            for values in (person.raw_angles, person.angles.degrees)
        )
        rates = [
            float(np.sqrt(np.nanmean((values - speed)[:, columns] ** 2)))
            for values in (np.gradient(person.raw_angles, exact.times, axis=0), person.angles.velocity)
        ]
        held = [
            float((smooth < 2 * band[:, columns])[np.isfinite(smooth)].mean())
            for band in (person.angles.sigma, person.sigma_with_bias)
        ]
        print(
            f"{number:<8}{joint:8}{np.nanmean(raw):7.1f}{np.nanpercentile(raw, 95):7.1f}"
            f"{np.nanmean(smooth):7.1f}{np.nanpercentile(smooth, 95):7.1f}"
            f"{rates[0]:12.0f}{rates[1]:10.0f}{held[0]:9.0%}{held[1]:8.0%}"
        )


if __name__ == "__main__":
    sys.exit(main())
