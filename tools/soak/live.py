"""Soak: two cameras that break off again and again, a third that is never there, and what the page says of them.

    python tools/soak/live.py [--seconds 600] [--browser] [--json FILE]

The two cameras are on this computer, MJPEG over HTTP from a sample: people come and go every few seconds, ten times
as often as in a gym, and every 15 seconds a camera breaks off for a while. A run of all three, on the built-in
model, records in segments, keeps a few seconds, and is watched by two light viewers that acknowledge each picture;
with --browser also by a page in headless Chromium, whose words are held against what the cameras do.

It ends with 0 if everything held: states as the cameras were, ids of each camera its own and events of all kinds on the
page; and memory, threads, open files and files on the disk as many at the end as after the first third.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import psutil
from viewers import Watching, address_of, chromium

from poseline.capture import open_source
from poseline.log import read_log
from poseline.settings import CaptureSettings

SAMPLES = Path(__file__).parents[2] / "samples"
RATE = 15
"""Pictures a second of each camera."""
SEEN, EMPTY = 2.0, 1.5
"""Seconds for which people are in the picture, and for which nobody is."""
BREAKS, BROKEN = 15.0, 3.0
"""Seconds between two times at which a camera breaks off, and for which it stays away."""
SETTLING = 2.5
"""Seconds in which the page may still say that a camera is live that has gone: a second of patience."""
BACK = 6.0
"""Seconds in which it may still say that a camera is lost that has come back: it is tried again every few seconds."""
INTERVAL = 1.0
"""Seconds between two looks."""
GROWTH = 0.06
"""Share by which memory may be larger in the last third than in the second, beside 8 MB."""
LATE = 0.1
"""Share of the looks at which a camera that gives pictures may be late."""
EVENTS = "enter", "leave", "gap"
PATIENCE = 100.0
"""Seconds, at most, that a busy computer is given until everything has been seen once."""
DEAD = "rtsp://127.0.0.1:1/dead"


class Camera:
    """Gives pictures of a sample, or of nothing, and breaks off now and then."""

    def __init__(self, first: int, phase: float) -> None:
        self._people = list(jpegs(first))
        self._nobody = jpeg(np.full((360, 640, 3), 90, np.uint8))
        self._phase = phase
        self._began = time.monotonic()
        camera = self

        class Pictures(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not camera.gives():
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
                self.end_headers()
                with contextlib.suppress(OSError):
                    for content in camera.pictures():
                        head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
                        self.wfile.write(head.encode() + content + b"\r\n")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/video"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def pictures(self) -> Iterator[bytes]:
        """Each at its time, until the camera breaks off."""
        number = 0
        while self.gives():
            within = (time.monotonic() - self._began) % (SEEN + EMPTY)
            yield self._people[number % len(self._people)] if within < SEEN else self._nobody
            number += 1
            time.sleep(1 / RATE)

    def gives(self, within: float = 0.0) -> bool:
        """Whether it gives pictures now, and has for so many seconds."""
        into = self._into()
        return into >= BROKEN + within

    def gone(self, within: float) -> bool:
        """Whether it has given none for so many seconds."""
        return within <= self._into() < BROKEN

    def _into(self) -> float:
        passed = time.monotonic() - self._began + self._phase
        return (passed % BREAKS) if passed >= BREAKS else BREAKS


def jpegs(first: int) -> Iterator[bytes]:
    """A sample's pictures, small, thirty of them."""
    for frame in islice(open_source(SAMPLES / "sprint.mp4", CaptureSettings()).frames(), first, first + 60, 2):
        yield jpeg(cv2.resize(frame.bgr, (640, 360)))


def jpeg(pixels: Any) -> bytes:
    """BGR pixels as JPEG."""
    return bytes(cv2.imencode(".jpg", pixels)[1].data)


@dataclass
class Look:
    """What was found at one moment."""

    at: float
    megabytes: float
    threads: int
    files: int
    """Open ones."""
    on_disk: int


@dataclass
class Found:
    """What was found over the whole time."""

    looks: list[Look] = field(default_factory=list)
    states: dict[str, Counter[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    late: int = 0
    """Looks at which a camera was late that gave pictures."""
    pictures: Counter[int] = field(default_factory=Counter)
    """By camera, of both viewers."""

    busy: bool = False
    """Whether this computer has other work, so that what comes too late is no fault."""

    def note(self, message: dict[str, Any]) -> None:
        """Count what a viewer was told: a picture, or an event."""
        if "arrival" in message:
            self.pictures[message["camera"]] += 1
        elif message["type"] == "event":
            self.events[message["kind"]] += 1

    def missing(self) -> list[str]:
        """What has to be seen once, on the busiest computer too, and was not."""
        missing = [f"events {kind}" for kind in EVENTS if not self.events[kind]]
        for name in ("front", "back"):
            states = self.states.get(name, Counter())
            missing += [f"{name} lost"] if not states["lost"] else []
            missing += [f"{name} live"] if not states["live"] + states["late"] else []
        return missing

    def fault(self, text: str, *, late: bool = False) -> None:
        """Something that should not be, or not so `late`; each is kept once."""
        if text not in self.faults and not (late and self.busy):
            self.faults.append(text)


class Run(NamedTuple):
    """The run that is watched."""

    url: str
    process: psutil.Process
    folder: Path


def main() -> int:
    """Run, look and judge; prints what was found as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--browser", action="store_true", help="also read the states on a page in Chromium")
    parser.add_argument("--busy", action="store_true", help="it has other work: being late is no fault")
    parser.add_argument("--json", type=Path, help="file for what was found")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(given.seconds, Path(folder), given.browser, given.busy)
    told = report(found)
    print(json.dumps(told, indent=1))
    if given.json:
        given.json.write_text(json.dumps(told, indent=1) + "\n")
    return 1 if found.faults else 0


def soak(seconds: float, folder: Path, browser: bool, busy: bool = False) -> Found:
    """One run of so many seconds into `folder`."""
    cameras = {"front": Camera(0, 0.0), "back": Camera(40, BREAKS / 2)}
    listed = [{"source": camera.address, "name": name, "max_outage": 3600} for name, camera in cameras.items()]
    listed.append({"source": DEAD, "name": "dead", "max_outage": 3600})
    (folder / "cameras.yaml").write_text(json.dumps(listed))  # which is YAML too
    command = [
        sys.executable, "-m", "poseline", "run", str(folder / "cameras.yaml"), "-m", "builtin", "--imgsz", "160",
        "--serve", "127.0.0.1:0", "--record", "--segment", "4s", "--keep", "6s", "--send", "ws",
        "-o", str(folder / "out"),
    ]  # fmt: skip
    found, output = Found(busy=busy), folder / "printed.txt"
    with output.open("w") as file, subprocess.Popen(  # noqa: S603 # of our own making
        command, stdout=file, stderr=subprocess.STDOUT
    ) as process:  # fmt: skip
        try:
            url = address_of(process, output)
            wait_for_pictures(process, url)
            viewers = [Watching(url, {"0": 640, "1": 320, "2": 320}, found.note) for _ in range(2)]
            for viewer in viewers:
                viewer.start()
            with page(url, browser) as words:
                watched = watch(seconds, cameras, found, Run(url, psutil.Process(process.pid), folder), words)
            for viewer in viewers:
                viewer.stop()
            process.send_signal(signal.SIGINT)
            process.wait(60)
        except subprocess.TimeoutExpired:
            found.fault("the run did not end within 60 s of Ctrl-C")
        finally:
            process.kill()
    if process.returncode not in (130, 3):
        found.fault(f"the run ended with {process.returncode}: {output.read_text()[-500:]}")
    for viewer in viewers:
        if viewer.fault:
            found.fault(viewer.fault)
    judge(found, folder, watched)
    return found


def wait_for_pictures(process: subprocess.Popen[bytes], url: str) -> None:
    """Until both cameras are live."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if sum(each["processed"] > 5 for each in api(url)) >= 2:
                return
        time.sleep(0.2)
    raise SystemExit("the cameras were not taken in within 90 s")


def api(url: str) -> list[dict[str, Any]]:
    """What `/api/cameras` says."""
    with urllib.request.urlopen(f"{url}/api/cameras", timeout=20) as answer:  # noqa: S310 # of this computer
        return list(json.load(answer))


@contextlib.contextmanager
def page(url: str, wanted: bool) -> Iterator[Any]:
    """A page in Chromium; yields what gives the word that it shows for each camera, or None."""
    if not wanted:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1440, "height": 900})
        shown.goto(url)
        shown.wait_for_selector("#link[data-state=live]")
        yield lambda: dict(
            zip(
                shown.locator(".tile .name").all_inner_texts(),
                shown.locator(".tile .word").all_inner_texts(),
                strict=True,
            )
        )
        browser.close()


def watch(seconds: float, cameras: dict[str, Camera], found: Found, run: Run, words: Any) -> float:
    """Look once a second, for so many seconds, or until a busy computer has shown everything; how long it was."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds or (found.busy and found.missing() and passed < PATIENCE):
        states = {each["name"]: (each["state"], each["text"]) for each in api(run.url)}
        said = words() if words else {}
        for name, (state, text) in states.items():
            found.states.setdefault(name, Counter())[state] += 1
            camera = cameras.get(name)
            expected = (
                ("lost",) if camera is None else ("live",) if camera.gives(BACK)
                else ("late", "lost") if camera.gone(SETTLING) else ()
            )  # fmt: skip
            if state == "late" and expected == ("live",):
                found.late += 1  # the truth, on a computer that is too busy for a second
            elif expected and state not in expected:
                found.fault(f"{name} was {state} where it was {' or '.join(expected)}", late=camera is not None)
            if expected and name in said and said[name] not in expected and said[name] != "late":
                found.fault(f"the page said that {name} was {said[name]} where it was {' or '.join(expected)}")
            if camera is None and "trying again" not in text:
                found.fault(f"of the dead one it was said: {text}")
        on_disk = sum(1 for path in (run.folder / "out").rglob("*") if path.is_file())
        memory = run.process.memory_info().rss / 1e6
        found.looks.append(Look(passed, memory, run.process.num_threads(), run.process.num_fds(), on_disk))
        time.sleep(INTERVAL)
    return passed


def judge(found: Found, folder: Path, seconds: float) -> None:
    """Hold the last third against the second one, and the logs against what they should be."""
    looks = found.looks
    third = len(looks) // 3
    before, after = looks[third : 2 * third], looks[2 * third :]
    if third >= 5:
        middle = statistics.median
        grown = middle(each.megabytes for each in after) - middle(each.megabytes for each in before)
        if grown > 8 + GROWTH * middle(each.megabytes for each in before):
            found.fault(f"memory grew by {grown:.0f} MB from the second third to the last", late=True)
        for what, most in (("threads", 1), ("files", 3), ("on_disk", 10)):
            values = [[getattr(each, what) for each in part] for part in (before, after)]
            if max(values[1]) > max(values[0]) + most:
                found.fault(f"{what} grew: {max(values[0])}, then {max(values[1])}", late=True)  # it has not settled
    if found.late > LATE * len(looks):
        found.fault(f"cameras were late at {found.late} of {len(looks)} looks: is the computer too busy?", late=True)
    people = seconds / (SEEN + EMPTY)
    for kind, least in zip(EVENTS, (people, people / 2, seconds / BREAKS / 2), strict=True):
        if found.events[kind] < least:
            found.fault(f"{found.events[kind]} events {kind}, where {least:.0f} were the least", late=True)
    if missing := found.missing():
        found.fault(f"never seen: {', '.join(missing)}")
    if not (found.pictures[0] and found.pictures[1]) or found.pictures[2]:
        found.fault(f"pictures by camera: {dict(found.pictures)}")
    for name in ("front", "back"):
        log = read_log(folder / "out" / name)
        numbers = [frame.index for frame in log.frames]
        ids = {int(number) for frame in log.frames for number in frame.poses.ids if number > 0}
        if log.ended != "interrupted" or log.skipped or numbers != sorted(set(numbers)):
            found.fault(f"the log of {name}: {log.ended}, {log.skipped} lines skipped")
        if not ids:
            found.fault(f"the log of {name} has nobody in it", late=True)  # of whom a few frames tell nothing yet
    if (folder / "out" / "dead").exists():
        found.fault("the dead one has files")


def report(found: Found) -> dict[str, Any]:
    """What was found, as JSON types."""
    looks = found.looks[:: max(1, len(found.looks) // 10)]
    return {
        "faults": found.faults,
        "states, looks": {name: dict(states) for name, states in found.states.items()},
        "events of two viewers": dict(found.events),
        "pictures of two viewers, by camera": {str(number): count for number, count in found.pictures.items()},
        "seconds, MB, threads, open files, files on the disk": [
            [round(each.at), round(each.megabytes), each.threads, each.files, each.on_disk] for each in looks
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
