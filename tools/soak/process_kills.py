"""Kill one process of several at random moments, while the others go on; see how it ends, and what is left.

    python tools/soak/process_kills.py [--kills 60] [--seed 1] [--kinds drawing,...] [--json FILE]

A run with second processes that draw and encode, and two that look for poses in pieces of the clip; a run with one that
draws; a run with a window (needs Xvfb); a batch with two workers; and a batch on Ray (needs Ray). What is killed, by
`--kinds`:

- `drawing`, `piece`: that process; the run must end with exit code 4 or 1, one line, and a log that is whole so far;
- `main`: the run's own process; the others must end by themselves, and the video may lack 0.2 s of the log;
- `window`: the window's process; the run must go on to its end, and say so;
- `worker`: a worker of a batch; its clip must be failed in the manifest, the others done, the exit code not 0;
- `batch`: the batch's own process, started again at once: all clips must be done, each once;
- `ray worker`, `ray batch`: the same on Ray; `ray task`: Ray's own process, whose clip Ray must run again.

In no case may a process stay behind.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import psutil
from batch_kills import done_in, records, untrue, write_clips
from cases import Cases, parser
from kills import LOST, QUICK_ENOUGH, SAMPLE, logged, pictures

from poseline.errors import PoselineError
from poseline.log import read_log
from poseline.output.recover import recover

RUN = ["run", str(SAMPLE), "-m", "builtin", "--imgsz", "64"]
TOGETHER = "import poseline.session as s; s._CORES_TO_RENDER = 1; from poseline.__main__ import main; main()"
"""A second process draws from four cores on; here on any machine."""
CLIPS = 12


class Hang(Exception):
    """A command that did not end; its text is the last that it wrote."""


class Killed:
    """A command of ours in the middle of its work, with the processes that it has started.

    Args:
        arguments: of `poseline`.
        patched: a second process draws on any machine.
        environment: variables of the command.
    """

    def __init__(self, arguments: list[str], patched: bool = False, environment: dict[str, str] | None = None) -> None:
        start = ["-c", TOGETHER] if patched else ["-m", "poseline"]
        self.process = subprocess.Popen(  # noqa: S603 # our own command
            [sys.executable, *start, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self.seen: dict[int, psutil.Process] = {}

    def wait_until(self, there: Callable[[], bool]) -> bool:
        """Until something is there, or the command has ended; whether it is."""
        deadline = time.monotonic() + QUICK_ENOUGH
        while self.process.poll() is None and time.monotonic() < deadline:
            self.children()
            if there():
                return True
            time.sleep(0.01)
        return False

    def children(self) -> list[psutil.Process]:
        """The processes that it has started, in their order."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.seen |= {each.pid: each for each in found}
        return sorted(found, key=lambda each: (each.create_time(), each.pid))

    def end(self) -> tuple[int, str]:
        """Its exit code and all that it wrote; raises `Hang` where it does not end, and ends it with its processes."""
        try:
            text, _ = self.process.communicate(timeout=QUICK_ENOUGH)
        except subprocess.TimeoutExpired:
            self.children()
            self.process.kill()
            for each in self.seen.values():
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            text, _ = self.process.communicate(timeout=60)  # nobody is left to hold its other end
            raise Hang(text[-300:]) from None
        return self.process.returncode, text

    def orphans(self) -> int:
        """Processes that are still there a minute after it has ended; they are ended."""
        _, left = psutil.wait_procs([*self.seen.values()], timeout=60)
        for each in left:
            each.kill()
        return len(left)


def working(killed: Killed) -> list[psutil.Process]:
    """Its workers."""
    return [each for each in killed.children() if "poseline.workers" in " ".join(_command(each))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def kill_one(place: Path, kind: str, chance: random.Random) -> tuple[str, float]:
    """Kill the process that draws, one that looks for poses, or the run's own; what is wrong, and the video lost."""
    out = place / "out"
    pieces = "1" if kind == "main" else "2"  # of a recording in pieces, a kill of all costs those in work
    killed = Killed([*RUN, "-o", str(out), "--jobs", pieces], patched=True)
    least = chance.randrange(2, 190)
    running = killed.wait_until(lambda: logged(out) >= least)
    time.sleep(chance.random() / 20)
    # who draws is told by its argument; it is started first where there is a video
    drawing = [each for each in working(killed) if "ignore-signals" in _command(each)]
    others = [each for each in working(killed) if each not in drawing]
    aim = {"drawing": drawing, "piece": others, "main": [psutil.Process(killed.process.pid)] if running else []}[kind]
    hit = running and bool(aim)
    if hit:
        chance.choice(aim).kill()
    code, text = killed.end()
    left = killed.orphans()
    if left:
        return f"{left} processes stay behind", 0.0
    if not hit or code == 0:
        whole = (out / "annotated.mp4").exists() and pictures(out / "annotated.mp4") == 210
        return ("" if whole and code == 0 else f"not hit, exit code {code}: {text[-300:]}"), 0.0
    expected = {"drawing": 4, "piece": 1, "main": -signal.SIGKILL}[kind]
    log = read_log(out)
    if code != expected and log.ended != "complete":
        return f"exit code {code}: {text[-300:]}", 0.0
    if kind != "main" and ("Traceback" in text or "error: " not in text):
        return f"no error in words: {text[-300:]}", 0.0
    if [frame.index for frame in log.frames] != list(range(len(log.frames))) or log.skipped > 1:
        return f"the log skips {log.skipped} lines, and has {len(log.frames)} frames", 0.0
    return _video_of(out, len(log.frames), log.frames[-1].time if log.frames else 0.0)


def _video_of(out: Path, frames: int, last: float) -> tuple[str, float]:
    """What is wrong with the video, made readable where it is not, and the seconds that it lacks."""
    video = out / "annotated.mp4"
    if not video.exists():
        try:
            recover(out)
        except PoselineError as error:
            return ("" if frames < 100 else f"recover: {error}"), last
    return "", max(0.0, (frames - pictures(video)) / 25)


def kill_window(place: Path, chance: random.Random, environment: dict[str, str]) -> tuple[str, float]:
    """Kill the window's process: the run must go on, and say so."""
    out = place / "out"
    killed = Killed([*RUN, "-o", str(out), "--show"], environment=environment)
    least = chance.randrange(2, 150)
    if killed.wait_until(lambda: logged(out) >= least):
        for each in killed.children():
            if "poseline.window_process" in _command(each):
                each.kill()
    code, text = killed.end()
    if left := killed.orphans():
        return f"{left} processes stay behind", 0.0
    if code or pictures(out / "annotated.mp4") != 210 or read_log(out).ended != "complete":
        return f"exit code {code}: {text[-300:]}", 0.0
    told = "the run goes on without it" in text
    return ("" if told else f"not told: {text[-300:]}"), 0.0


def kill_of_batch(place: Path, kind: str, chance: random.Random, on: list[str]) -> tuple[str, float]:
    """Kill a worker of a batch, or the batch, which is started again at once."""
    clips, out = place / "clips", place / "out"
    clips.mkdir()
    write_clips(clips, 7)  # none of these is broken
    for number in range(CLIPS - 7):
        shutil.copy(SAMPLE, clips / f"long{number}.mp4")
    command = ["batch", str(clips), "-m", "builtin", "--imgsz", "64", "-o", str(out), *on]
    ray, again = "ray" in kind, "batch" in kind
    killed = Killed(command)
    least = chance.randrange(CLIPS - 2)
    running = killed.wait_until(lambda: done_in(out) >= least and (ray or len(working(killed)) > 1))
    time.sleep(chance.random())
    workers = working(killed)
    if kind == "ray task":
        workers = [each for each in killed.children() if "ray::run_unit" in " ".join(_command(each))]
    if running and again:
        killed.process.kill()
    elif running and workers:
        chance.choice(workers).kill()
    code, text = killed.end()
    if again:
        second = Killed(command)
        code, text = second.end()
        killed.seen |= second.seen
    if left := killed.orphans():
        return f"{left} processes stay behind", 0.0
    states = {each["source"]: each for each in records(out) if each["type"] == "source"}
    failed = [each for each in states.values() if each["state"] == "failed"]
    done = Counter(each["source"] for each in records(out) if each.get("state") == "done")
    if len(states) != CLIPS or len(done) + len(failed) != CLIPS or max(done.values()) > 1:
        return f"{len(done)} done, {len(failed)} failed of {CLIPS}: {text[-300:]}", 0.0
    wrong = [name for name in untrue(out) if "long" not in name]
    expected = 1 if failed else 0
    if wrong or code != expected or (failed and kind not in ("worker", "ray worker")) or len(failed) > 1:
        return f"exit code {code}, {wrong}, {[each['error'] for each in failed]}: {text[-300:]}", 0.0
    if failed and "-9" not in failed[0]["error"]:
        return f"told as {failed[0]['error']}", 0.0
    for name, each in states.items():
        if each["state"] == "done" and "long" in name and pictures(out / each["folder"] / "annotated.mp4") != 210:
            return f"{name} is done without its video", 0.0
    return "", 0.0


def main() -> int:
    """Run it; 0 where there is no fault."""
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=60)
    options.add_argument("--kinds", default="drawing,piece,main,window,worker,batch")
    chosen = options.parse_args()
    kinds = chosen.kinds.split(",")
    chance = random.Random(chosen.seed)  # noqa: S311 # the same for a seed
    cases = Cases()
    with screen() if "window" in kinds else nullcontext("") as display:
        for number in range(chosen.kills):
            kind = kinds[number % len(kinds)]
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                cases.add(kind, *tried(Path(folder), kind, chance, display))
    return cases.conclude(chosen.seed, chosen.json)


def tried(place: Path, kind: str, chance: random.Random, display: str) -> tuple[str, float]:
    """What is wrong after a kill of this kind, empty for nothing; and the seconds of video that were lost."""
    try:
        if kind == "window":
            return kill_window(place, chance, {"DISPLAY": display})
        if kind not in ("drawing", "piece", "main"):
            return kill_of_batch(place, kind, chance, ["--on", "ray"] if kind.startswith("ray") else ["--jobs", "2"])
        fault, lost = kill_one(place, kind, chance)
    except Hang as hang:
        return f"hang: {hang}", 0.0
    if kind == "main" and lost > LOST + 1e-6:
        fault = fault or f"{lost:.2f} s of video lost"
    return fault, lost


@contextmanager
def screen() -> Iterator[str]:
    """An X server without a screen, on a number that is free; yields the name of its display."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:  # noqa: S603 # ours
        os.close(writing)
        try:
            with os.fdopen(reading) as told:
                yield f":{int(told.readline())}"
        finally:
            server.kill()


if __name__ == "__main__":
    sys.exit(main())
