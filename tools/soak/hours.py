"""Soak: hours of an RTSP camera that is in trouble again and again, watched by browsers that come and go.

    python tools/soak/hours.py [--seconds 7200] [--pace 1] [--browsers 2] [--figures FILE] [--json FILE]

The camera is on this computer and gives 30 pictures a second, with people who come and go. Every half minute it is in
trouble: it stalls, shortly or until the run gives up waiting; it changes the size of its pictures; it stops and is
started anew, or is killed; it wants another password for a while. Poseline runs on the built-in model, records in
segments, and removes old ones. A viewer takes every picture, and browsers open the page and leave it.

It ends with 0 if everything held: memory grows by 1 MB an hour at most after the first ten minutes; threads, open
files and files on the disk are as many at the end as before; frames are as old at the end as at the beginning; each
outage is one gap record, and nothing else is; frames are counted, without a hole; and the password is nowhere.
A line of figures is printed every minute, so that a soak that is cut off has shown something.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from camera import RATE, Camera, camera
from following import Following
from looks import Look, look, slope
from viewers import Visitor, Watching, address_of

EVERY = 30.0
"""Seconds of good pictures between two troubles."""
STAY, AWAY = (50.0, 35.0), (25.0, 40.0)
"""Seconds for which each browser stays, and is away."""
SHORT_STALL, LONG_STALL, GONE, REFUSED = 1.0, 6.0, 4.0, 8.0
"""Seconds of each trouble."""
TIMEOUT = 4.0
"""Seconds after which the run gives up waiting for a picture."""
BACK = 120.0
"""Seconds within which pictures come again: it is tried again every 10 s, and the computer may be busy."""
SETTLING = 600.0
"""Seconds in which memory may grow."""
GROWTH = 1.0
"""Megabytes an hour by which it may grow then."""
LOOKS = 2.0
"""Seconds between two looks."""
LOST_ON_THE_WAY = 60
"""Pictures, at most, that the camera gave and nobody got, when a connection ended or was begun."""


@dataclass
class Soak:
    """What goes on, and what was found."""

    camera: Camera
    log: Following
    pace: float
    folder: Path
    url: str = ""
    """Where the page is, once the run has said it."""
    looks: list[Look] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    troubles: dict[str, int] = field(default_factory=dict)
    gaps: int = 0
    """Outages that were made."""
    sizes: int = 0
    """Changes of size that were made."""
    said: set[str] = field(default_factory=set)
    """What the page's server said of the camera while it refused the password."""
    minutes: list[dict[str, Any]] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    """Seconds from a frame's arrival at Poseline until its picture was with the viewer."""

    def note_age(self, message: dict[str, Any]) -> None:
        """Take in what the viewer was told: how old a picture was when it came."""
        if "arrival" in message:
            self.ages.append(time.monotonic() - message["arrival"] / 1000)

    def fault(self, text: str) -> None:
        """Something that should not be; each is kept once."""
        if text not in self.faults:
            self.faults.append(text)
            print("FAULT", text, flush=True)

    def wait(self, seconds: float) -> None:
        """A trouble's time, shorter the higher the pace, but for what has to outlast a time-out."""
        time.sleep(max(0.5, seconds / self.pace))


def short_stall(soak: Soak) -> None:
    """No picture for a moment, which is no outage."""
    soak.camera.stall(SHORT_STALL)
    time.sleep(SHORT_STALL)


def long_stall(soak: Soak) -> None:
    """No picture for longer than the run waits."""
    soak.gaps += 1
    soak.camera.stall(LONG_STALL)
    time.sleep(LONG_STALL)


def other_size(soak: Soak) -> None:
    """Pictures of the other size, without a break."""
    soak.sizes += 1
    soak.camera.change_size()


def restart(soak: Soak) -> None:
    """Gone in order, and back."""
    soak.gaps += 1
    soak.camera.stop()
    soak.wait(GONE)
    soak.camera.start()


def kill_and_other_size(soak: Soak) -> None:
    """Gone without a word, and back with pictures of the other size."""
    soak.gaps, soak.sizes = soak.gaps + 1, soak.sizes + 1
    soak.camera.kill()
    soak.camera.change_size()
    soak.wait(GONE)
    soak.camera.start()


def other_password(soak: Soak) -> None:
    """Connections ended, and the password refused for a while."""
    soak.gaps += 1
    soak.camera.refuse()
    ends = time.monotonic() + max(4.0, REFUSED / soak.pace)  # at least one attempt fails
    while time.monotonic() < ends:
        time.sleep(0.5)
        soak.said.add(api(soak.url)["text"])
    soak.camera.accept()


TROUBLES: dict[str, Callable[[Soak], None]] = {
    "short stall": short_stall,
    "other size": other_size,
    "stopped and started": restart,
    "stall beyond the time-out": long_stall,
    "killed, back with the other size": kill_and_other_size,
    "another password": other_password,
}


def trouble(soak: Soak, ended: threading.Event) -> None:
    """One after another, each when the camera has been well for a while; and what the log has of each."""
    for name, make in itertools.cycle(TROUBLES.items()):
        if ended.wait(EVERY / soak.pace):
            return
        compare(soak)
        gaps, sizes = soak.gaps, soak.sizes
        try:
            make(soak)
            came_back = soak.log.frames + RATE / 2
            until = time.monotonic() + BACK
            while soak.log.frames < came_back or (len(soak.log.gaps), len(soak.log.sizes)) < (soak.gaps, soak.sizes):
                if time.monotonic() > until:
                    soak.fault(f"{name}: no pictures, or no record of it, within {BACK:g} s")
                    break
                time.sleep(0.1)
        except Exception as error:  # noqa: BLE001 # of a thread: without a fault it would end unseen
            soak.fault(f"{name}: {type(error).__name__}: {error}")
            return
        soak.troubles[name] = soak.troubles.get(name, 0) + 1
        print(name, soak.log.gaps[gaps:], soak.log.sizes[sizes:], flush=True)


def compare(soak: Soak) -> None:
    """Hold the log's gaps and sizes against what was made; a difference is told once."""
    for what, made, logged in (("gaps", soak.gaps, soak.log.gaps), ("sizes", soak.sizes, soak.log.sizes)):
        if made != len(logged):
            soak.fault(f"{made} {what} were made, {len(logged)} are in the log; the newest: {logged[-3:]}")
    soak.gaps, soak.sizes = len(soak.log.gaps), len(soak.log.sizes)


def api(url: str) -> dict[str, Any]:
    """What the page's server says of the camera."""
    with urllib.request.urlopen(f"{url}/api/cameras", timeout=20) as answer:  # noqa: S310 # of this computer
        (said,) = json.load(answer)
    return dict(said)


def command(camera: Camera, out: Path, pace: float) -> list[str]:
    """The run."""
    segment = max(4.0, 60 / pace)
    return [
        sys.executable, "-m", "poseline", "run", camera.address, "-m", "builtin", "--imgsz", "160",
        "--serve", "127.0.0.1:0", "--record", "--segment", f"{segment:g}s", "--keep", f"{5 * segment:g}s",
        "--timeout", f"{TIMEOUT:g}", "--max-outage", "3600", "-o", str(out),
    ]  # fmt: skip


def main() -> int:
    """Run, make trouble, look and judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=7200.0)
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as often everything happens")
    parser.add_argument("--browsers", type=int, default=2, choices=(0, 1, 2))
    parser.add_argument("--figures", type=Path, help="file for a line of figures every minute")
    parser.add_argument("--json", type=Path, help="file for what was found")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with camera(folder) as there:
            soak = Soak(there, Following(folder / "out"), given.pace, folder / "out")
            printed = run(soak, given.seconds, given.browsers, given.figures)
        told = judge(soak, printed, given.seconds)
    print(json.dumps(told, indent=1), flush=True)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1) + "\n")
    return 1 if soak.faults else 0


def run(soak: Soak, seconds: float, browsers: int, figures: Path | None) -> str:
    """The run, from its first picture on for so many seconds; returns what it printed."""
    output = soak.folder.with_name("printed.txt")
    with output.open("w") as file, subprocess.Popen(  # noqa: S603 # of our own making
        command(soak.camera, soak.folder, soak.pace), stdout=file, stderr=subprocess.STDOUT
    ) as process:  # fmt: skip
        try:
            soak.url = address_of(process, output)
            wait_for_pictures(soak, process, output)
            watch(soak, seconds, browsers, process, figures)
            process.send_signal(signal.SIGINT)
            process.wait(120)
        finally:
            process.kill()
    soak.log.finish()
    if process.returncode != 130:
        soak.fault(f"the run ended with {process.returncode}: {output.read_text()[-500:]}")
    return output.read_text()


def wait_for_pictures(soak: Soak, process: subprocess.Popen[bytes], output: Path) -> None:
    """Until there is something to look at."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if api(soak.url)["processed"] > RATE:
                return
        time.sleep(0.2)
    raise SystemExit(f"the camera was not taken in within 120 s: {output.read_text()[-2000:]}")


def watch(soak: Soak, seconds: float, browsers: int, process: subprocess.Popen[bytes], figures: Path | None) -> None:
    """Make trouble, have it watched, and look at it, for so many seconds."""
    ended, began = threading.Event(), time.monotonic()
    watching = Watching(soak.url, {"0": 320}, soak.note_age)
    visitors = [Visitor(soak.url, STAY[n] / soak.pace, AWAY[n] / soak.pace) for n in range(browsers)]
    troubles = threading.Thread(target=trouble, args=(soak, ended), name="trouble", daemon=True)
    for thread in (soak.log, watching, *visitors, troubles):
        thread.start()
    looked_at, minute = psutil.Process(process.pid), 1
    while (passed := time.monotonic() - began) < seconds:
        if process.poll() is not None:
            soak.fault("the run ended by itself")
            break
        soak.looks.append(look(began, looked_at, soak.folder))
        if passed >= 60 * minute:
            minute += 1
            note(soak, visitors, figures)
        time.sleep(LOOKS)
    ended.set()
    for thread in (troubles, *visitors):
        if isinstance(thread, Visitor):
            thread.stop()
        thread.join(2 * BACK)
        if thread.is_alive():
            soak.fault(f"{thread.name} does not end")
    watching.stop()
    note(soak, visitors, figures)
    for text in (*itertools.chain(*(visitor.faults for visitor in visitors)), watching.fault):
        if text:
            soak.fault(text)
    if any(not visitor.visits for visitor in visitors):
        soak.fault("a browser never saw a picture")


def note(soak: Soak, visitors: list[Visitor], figures: Path | None) -> None:
    """A line of figures: of now, and of the time since the line before."""
    now, before = soak.looks[-1], soak.minutes[-1] if soak.minutes else None
    ages = soak.ages[before["pictures seen"] if before else 0 :]
    cpu = now.cpu - (before["cpu"] if before else soak.looks[0].cpu)
    passed = now.at - (before["seconds"] if before else soak.looks[0].at)
    grows = slope(soak.looks, SETTLING)
    line = {
        "seconds": round(now.at),
        "MB allocated": round(now.megabytes, 1),
        "MB resident": round(now.resident, 1),
        "MB an hour after 10 minutes": None if grows is None else round(grows, 2),
        "threads": now.threads,
        "open files": now.files,
        "files on disk": now.on_disk,
        "age of a picture, ms": {
            "median": milliseconds(ages, 50),
            "95 %": milliseconds(ages, 95),
        },
        "pictures seen": len(soak.ages),
        "camera gave": soak.camera.given,
        "processed": soak.log.frames,
        "dropped": soak.log.dropped,
        "segments": soak.log.parts,
        "outages made": soak.gaps,
        "gap records": len(soak.log.gaps),
        "sizes made": soak.sizes,
        "changes of size": len(soak.log.sizes),
        "visits": sum(visitor.visits for visitor in visitors),
        "cores": round(cpu / passed, 2) if passed else None,
        "cpu": round(now.cpu, 1),
        "faults": len(soak.faults),
    }
    soak.minutes.append(line)
    print(json.dumps(line), flush=True)
    if figures:
        with figures.open("a") as file:
            file.write(json.dumps(line) + "\n")


def milliseconds(seconds: list[float], rank: float) -> float | None:
    """A percentile; None of nothing."""
    return round(1e3 * float(np.percentile(seconds, rank)), 1) if seconds else None


def judge(soak: Soak, printed: str, seconds: float) -> dict[str, Any]:
    """Hold what was found against what it should be."""
    judge_growth(soak)
    judge_log(soak)
    judge_secrets(soak, printed)
    if not soak.ages:
        soak.fault("the viewer never saw a picture")
    if not soak.troubles:
        soak.fault("no trouble was made")
    if soak.troubles.get("another password") and not any("401" in text for text in soak.said):
        soak.fault(f"while the password was refused, it was said: {sorted(soak.said)}")
    return {
        "faults": soak.faults,
        "seconds": seconds,
        "troubles": soak.troubles,
        "said while the password was refused": sorted(soak.said),
        "reasons of gaps": sorted({record["reason"] for record in soak.log.gaps}),
        "persons": soak.log.persons,
        "end": soak.log.end,
        "first and last": [soak.minutes[0], soak.minutes[-1]],
        "printed": printed[-3000:],
    }


def judge_growth(soak: Soak) -> None:
    """Memory, threads, files and ages: the last third against the second, or all after the first ten minutes."""
    third = len(soak.looks) // 3
    before, after = soak.looks[third : 2 * third], soak.looks[2 * third :]
    grows = slope(soak.looks, SETTLING)
    if grows is not None and soak.looks[-1].at > 3 * SETTLING and grows > GROWTH:
        soak.fault(f"memory grows by {grows:.2f} MB an hour")
    if third >= 5:
        memory = [float(np.median([each.megabytes for each in part])) for part in (before, after)]
        if memory[1] > 1.06 * memory[0] + 8:
            soak.fault(f"memory: {memory[0]:.0f} MB in the second third, {memory[1]:.0f} MB in the last")
        for what, most in (("threads", 3), ("files", 6), ("on_disk", 12)):
            values = [max(getattr(each, what) for each in part) for part in (before, after)]
            if values[1] > values[0] + most:
                soak.fault(f"{what}: up to {values[0]} in the second third, {values[1]} in the last")
    ages = [age for line in soak.minutes if (age := line["age of a picture, ms"]["95 %"]) is not None]
    parts = [ages[: len(ages) // 3], ages[-(len(ages) // 3) :]]
    if len(ages) >= 6:
        first, last = (float(np.median(part)) for part in parts)
        if last > 1.5 * first + 100:
            soak.fault(f"age of a picture: 95 % within {first:.0f} ms in the first third, {last:.0f} ms in the last")


def judge_log(soak: Soak) -> None:
    """Whether every frame is counted, and every outage."""
    compare(soak)
    for text in soak.log.faults[:10]:
        soak.fault(text)
    if soak.log.end is None:
        soak.fault("the log has no end")
        return
    counts = soak.log.end["counts"]
    if counts["read"] != counts["processed"] + counts["dropped"] + counts["bad"]:
        soak.fault(f"frames that are not counted: {counts}")
    waiting = counts["dropped"] - soak.log.dropped
    if counts["processed"] != soak.log.frames or not 0 <= waiting <= 2:  # those that nobody waited for at the end
        soak.fault(f"{soak.log.frames} frame records, {soak.log.dropped} dropped before them; the end says {counts}")
    given, lost = soak.camera.given, LOST_ON_THE_WAY * (len(soak.log.gaps) + 2)
    if not given - lost <= counts["read"] <= given + 10 * (len(soak.log.gaps) + 1):
        soak.fault(f"the camera gave {given} pictures, the run read {counts['read']}")
    if not soak.log.persons:
        soak.fault("nobody was found")


def judge_secrets(soak: Soak, printed: str) -> None:
    """The password is in nothing that was written or printed."""
    if soak.camera.password in printed:
        soak.fault("the password was printed")
    for path in soak.folder.rglob("*"):
        if path.is_file() and soak.camera.password.encode() in path.read_bytes():
            soak.fault(f"the password is in {path.name}")


if __name__ == "__main__":
    sys.exit(main())
