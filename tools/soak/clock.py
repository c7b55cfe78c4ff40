"""Set the clock by hours in the middle of recordings and of a batch, and see that nothing goes by it.

    python tools/soak/clock.py [--sets 12] [--seed 1] [--json FILE]

Needs libfaketime (Debian: `apt-get install faketime`), which gives a command another wall clock, read anew from a file
each second of ours; its monotonic clock stays. Once so many frames are in the log, the clock goes up to 30 hours back
or forward. Then the exit code must be 0, the log's times as those of the clip or rising (live), no file of a segment
missing, and the manifest of a batch complete, with a pace that is no hours.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from batch_kills import done_in
from kills import QUICK_ENOUGH, SAMPLE, logged, pictures

from poseline.log import read_log
from poseline.manifest import read_status

LIBRARIES = [Path(f"/usr/lib/{kind}-linux-gnu/faketime/libfaketimeMT.so.1") for kind in ("x86_64", "aarch64")]
COMMAND = [sys.executable, "-m", "poseline"]
MODEL = ["-m", "builtin", "--imgsz", "64"]


def begun(arguments: list[str], clock: Path) -> subprocess.Popen[str]:
    """The command, with a clock that goes as the file says."""
    clock.write_text("+0\n")
    environment = {
        **os.environ, "LD_PRELOAD": str(next(path for path in LIBRARIES if path.exists())),
        "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
    }  # fmt: skip
    return subprocess.Popen(  # noqa: S603 # our own command
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def set_clock(place: Path, kind: str, chance: random.Random) -> str:
    """What is wrong after the clock was set, empty for nothing."""
    out, clock = place / "out", place / "clock"
    hours = chance.choice([-1, 1]) * chance.uniform(1, 30)
    if kind == "batch":
        (place / "clips").mkdir()
        for number in range(4):
            shutil.copy(SAMPLE, place / "clips" / f"clip{number}.mp4")
        arguments = ["batch", str(place / "clips"), *MODEL, "--no-video", "-o", str(out), "--jobs", "2"]
    else:
        more = {"whole": [], "live": ["--live"], "segments": ["--live", "--segment", "2s", "--keep", "1h"]}[kind]
        arguments = ["run", str(SAMPLE), *MODEL, "-o", str(out), *more]
    began = time.monotonic()
    process = begun(arguments, clock)
    least = chance.randrange(3) if kind == "batch" else chance.randrange(5, 120)
    while process.poll() is None and (done_in(out) if kind == "batch" else logged(out)) < least:
        time.sleep(0.02)
    clock.write_text(f"{hours * 3600:+.0f}\n")
    try:
        _, text = process.communicate(timeout=QUICK_ENOUGH)
    except subprocess.TimeoutExpired:
        process.kill()
        return "hang"
    if process.returncode or "Traceback" in text:
        return f"{hours:+.1f} h: exit code {process.returncode}: {text[-300:]}"
    return _fault_of_batch(out, began) if kind == "batch" else _fault_of_run(out, kind)


def _fault_of_run(out: Path, kind: str) -> str:
    log = read_log(out)
    times = [frame.time for frame in log.frames]
    steps = [after - before for before, after in itertools.pairwise(times)]
    if log.ended != "complete" or any(step <= 0 or step > 5 for step in steps):
        return f"the log's times go by {min(steps)} to {max(steps)} s, ended: {log.ended}"
    videos = sorted(out.glob("annotated*.mp4"))
    if len(videos) != len(list(out.glob("keypoints*.jsonl"))) or (kind == "segments" and len(videos) < 3):
        return f"{len(videos)} videos"
    count = sum(map(pictures, videos))
    return "" if count == len(times) else f"{count} pictures, {len(times)} frames"


def _fault_of_batch(out: Path, began: float) -> str:
    status = read_status(out)
    if status.ended != 4 or status.left or status.states["done"] != 4:
        return f"{status.ended} ended, {status.states}"
    return "" if 0 < status.since_start < time.monotonic() - began else f"{status.since_start} s since the start"


def main() -> int:
    """Run it; 0 where there is no fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)  # noqa: S311 # the same for a seed
    table: dict[str, Counter[str]] = defaultdict(Counter)
    faults = []
    for number in range(chosen.sets):
        kind = ("whole", "live", "segments", "batch")[number % 4]
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            fault = set_clock(Path(folder), kind, chance)
        table[kind]["cases"] += 1
        table[kind]["faults"] += bool(fault)
        if fault:
            faults.append(f"{kind}: {fault}")
            print(faults[-1], file=sys.stderr, flush=True)
    for name, row in table.items():
        print(f"{name:20}{row['cases']:5} cases {row['faults']:5} faults")
    if chosen.json:
        chosen.json.write_text(json.dumps({"table": table, "faults": faults}))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
