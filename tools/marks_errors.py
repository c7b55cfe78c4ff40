"""How many of a log's true faults the marks of `poseline inspect` name, and how many marks are none.

    poseline run samples/crowd.mp4 -m yolo11n-pose.pt -o runs/crowd --no-video
    python tools/marks_errors.py runs/crowd samples/crowd.truth.jsonl [RUN TRUTH ...]

Prints for each log, by kind, the faults by the truth, how many of them a mark names, the marks that name one, and those
that name none; then the faults that no mark names; and at the end the sums for marks of each least severity.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from poseline.evaluation.faults import Fault, faults
from poseline.inspection import Mark, find_marks
from poseline.log import journal_of, read_tracks

KINDS = ("identity", "sides")
LEAST = (0.0, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)


def main() -> int:
    """Print the tables of all logs."""
    paths = sys.argv[1:]
    if not paths or len(paths) % 2:
        print(__doc__)
        return 2
    every: list[tuple[list[Fault], list[Mark]]] = []
    print("log                  kind      faults  named  true marks  false marks")
    for run, truth in zip(paths[::2], paths[1::2], strict=True):
        log = read_tracks(journal_of(run))
        true, marks = faults(read_tracks(truth), log), [mark for mark in find_marks(log) if mark.kind in KINDS]
        every.append((true, marks))
        for kind in KINDS:
            own = [fault for fault in true if fault.kind == kind]
            named, right, wrong = count(own, [mark for mark in marks if mark.kind == kind])
            print(f"{Path(run).name[:20]:20} {kind:9} {len(own):6} {named:6} {right:11} {wrong:12}")
        for fault in true:
            if not any(names(mark, fault) for mark in marks):
                print(f"    not named: {fault}")
    print("\nseverity from  faults  named  true marks  false marks")
    for least in LEAST:
        sums = [count(true, [mark for mark in marks if mark.severity >= least]) for true, marks in every]
        named, right, wrong = (sum(values) for values in zip(*sums, strict=True))
        print(f"{least:13} {sum(len(true) for true, _ in every):7} {named:6} {right:11} {wrong:12}")
    return 0


def count(true: Sequence[Fault], marks: Sequence[Mark]) -> tuple[int, int, int]:
    """Faults that are named, marks that name one, and marks that name none."""
    right = sum(any(names(mark, fault) for fault in true) for mark in marks)
    return sum(any(names(mark, fault) for mark in marks) for fault in true), right, len(marks) - right


def names(mark: Mark, fault: Fault) -> bool:
    """Whether a mark says where a fault is: its kind, one of its ids, its frames, and one of its keypoints."""
    if mark.kind != fault.kind or not set(mark.persons) & set(fault.ids):
        return False
    if fault.kind == "identity":
        return any(mark.start - 2 <= frame <= mark.end + 2 for frame in fault.frames)
    near = mark.start - 1 <= max(fault.frames) and min(fault.frames) - 1 <= mark.end
    return near and bool(set(mark.keypoints) & set(fault.keypoints))


if __name__ == "__main__":
    sys.exit(main())
