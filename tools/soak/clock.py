"""Set the clock by hours in the middle of recordings and of a batch, and see that nothing goes by it.

    python tools/soak/clock.py [--sets 12] [--seed 1] [--json FILE]

Needs a C compiler, for a small library that adds to what the system's functions say of the wall clock; the monotonic
clock stays. (libfaketime shifts sleeping as well, which in Python goes by the monotonic clock.) Once so many frames are
in the log, the clock goes up to 30 hours back or forward. Then the exit code must be 0, the log's times rising in small
steps, no file of a segment missing, and the manifest of a batch complete, with a pace that is no hours.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from batch_kills import done_in
from cases import Cases, parser
from kills import QUICK_ENOUGH, SAMPLE, logged, pictures

from poseline.log import read_log
from poseline.manifest import read_status

LIBRARY = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile int64_t *added(void) {
    static volatile int64_t none, *shared;
    if (!shared) {
        int file = open(getenv("CLOCK_FILE"), O_RDONLY);
        void *found = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        shared = found == MAP_FAILED ? &none : found;
    }
    return shared;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *added();
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec, now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
"""
"""Adds as many seconds to the wall clock as the first eight bytes of CLOCK_FILE say."""
COMMAND = [sys.executable, "-m", "poseline"]
MODEL = ["-m", "builtin", "--imgsz", "64"]


def compiled(folder: Path) -> Path:
    """The library."""
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(LIBRARY)
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)  # noqa: S603, S607
    return library


def set_to(clock: Path, seconds: float) -> None:
    """Let the commands' clock be so many seconds off."""
    with clock.open("rb+") as file:
        file.write(struct.pack("q", round(seconds)))


def begun(arguments: list[str], clock: Path, library: Path) -> subprocess.Popen[str]:
    """The command, with a clock that goes as the file says."""
    clock.write_bytes(bytes(8))
    environment = {**os.environ, "LD_PRELOAD": str(library), "CLOCK_FILE": str(clock)}
    return subprocess.Popen(  # noqa: S603 # our own command
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def set_clock(place: Path, kind: str, chance: random.Random, library: Path) -> str:
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
    process = begun(arguments, clock, library)
    least = chance.randrange(3) if kind == "batch" else chance.randrange(5, 120)
    deadline = began + QUICK_ENOUGH
    while process.poll() is None and (done_in(out) if kind == "batch" else logged(out)) < least:
        if time.monotonic() > deadline:
            break  # below it counts as a hang
        time.sleep(0.02)
    set_to(clock, hours * 3600)
    try:
        _, text = process.communicate(timeout=max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()  # its workers have outputs of their own, and end with it
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
    options = parser(__doc__)
    options.add_argument("--sets", type=int, default=12)
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)  # noqa: S311 # the same for a seed
    cases = Cases()
    with tempfile.TemporaryDirectory() as built:
        library = compiled(Path(built))
        for number in range(chosen.sets):
            kind = ("whole", "live", "segments", "batch")[number % 4]
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                cases.add(kind, set_clock(Path(folder), kind, chance, library))
    return cases.conclude(chosen.seed, chosen.json)


if __name__ == "__main__":
    sys.exit(main())
