"""Kill a batch of many tiny clips at random moments, start it again each time, and see that all are done once.

Three in a hundred of the clips are broken, in ten ways. Afterwards all run once more without a kill, and the memory of
the batch and of its workers is looked at. Prints one line of JSON with what was seen.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

FRAMES = 5
BROKEN: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("empty", lambda whole: whole[:0]),
    ("text", lambda whole: b"no video at all\n" * (len(whole) // 16)),
    ("no index", lambda whole: whole[: whole.index(b"moov") - 4]),
    ("first hundred bytes", lambda whole: whole[:100]),
    ("zeros", lambda whole: bytes(len(whole))),
    ("noise", lambda whole: np.random.default_rng(0).bytes(len(whole))),
    ("no file type", lambda whole: bytes(32) + whole[32:]),
    ("pictures zeroed", lambda whole: _zeroed(whole, b"mdat", b"moov")),
    ("index zeroed", lambda whole: whole[: whole.index(b"stbl") + 4] + bytes(len(whole) - whole.index(b"stbl") - 4)),
    ("a picture's beginning", lambda whole: b"\xff\xd8\xff\xe0" + whole[:200]),
]


def _zeroed(whole: bytes, begin: bytes, end: bytes) -> bytes:
    first, last = whole.index(begin) + 4, whole.index(end) - 4
    return whole[:first] + bytes(last - first) + whole[last:]


def write_clips(folder: Path, count: int) -> int:
    """Write the clips; returns how many are broken."""
    whole = folder / "whole.mp4"
    with av.open(str(whole), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 30)
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    content, broken = whole.read_bytes(), 0
    whole.unlink()
    for number in range(count):
        path = folder / f"clip{number:05}.mp4"
        if number % 33 == 7:
            path.write_bytes(BROKEN[broken % len(BROKEN)][1](content))
            broken += 1
        else:
            path.write_bytes(content)
    return broken


def records(out: Path) -> list[dict[str, Any]]:
    """All whole lines of the manifest."""
    path, found = out / "batch.jsonl", []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def done_in(out: Path) -> int:
    """Sources that the manifest has as done."""
    return sum(each.get("state") == "done" for each in records(out))


def untrue(out: Path) -> list[str]:
    """What the manifest's last word about each source says, and its folder does not."""
    latest = {each["source"]: each for each in records(out) if each["type"] == "source"}
    wrong = []
    for source, entry in latest.items():
        log = out / entry["folder"] / "keypoints.jsonl"
        last = json.loads(log.read_bytes().splitlines()[-1]) if log.exists() else {}
        frames = last.get("counts", {}).get("processed")
        whole = last.get("ended") == "complete" and frames == entry.get("frames") == FRAMES
        told = whole and log.stat().st_size == entry["log"] if entry["state"] == "done" else bool(entry.get("error"))
        if not told:
            wrong.append(source)
    return wrong


def killed(command: list[str], out: Path, aim: int, pause: float) -> None:
    """Start the batch, and kill it when `aim` sources are done."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 # ours
    while process.poll() is None and done_in(out) < aim:
        time.sleep(pause)
    children = psutil.Process(process.pid).children() if process.poll() is None else []
    process.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(children, timeout=60)


def memory(command: list[str], out: Path, count: int) -> dict[str, list[int]]:
    """Run all once more; MB of the batch and of its largest worker, in the second and the last tenth of the clips."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 # ours
    samples = list[tuple[int, int, int]]()
    while process.poll() is None:
        time.sleep(0.2)
        try:
            parent = psutil.Process(process.pid)
            workers = [child.memory_info().rss >> 20 for child in parent.children()]
            samples.append((done_in(out), parent.memory_info().rss >> 20, max(workers, default=0)))
        except psutil.NoSuchProcess:
            break
    process.wait()
    tenths = [range(count // 10, count // 5), range(count - count // 10, count + 1)]
    return {
        name: [max((sample[which] for sample in samples if sample[0] in tenth), default=0) for tenth in tenths]
        for which, name in ((1, "batch MB"), (2, "worker MB"))
    }


def main() -> int:
    """Run it; 0 where all is as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)  # noqa: S311 # where it is killed, the same for a seed
    place = Path(tempfile.mkdtemp())
    clips, out = place / "clips", place / "out"
    clips.mkdir()
    broken = write_clips(clips, chosen.clips)
    sources = chosen.clips - max(0, broken // len(BROKEN) - 1)  # those that begin as pictures do are one source
    command = [sys.executable, "-m", "poseline", "batch", str(clips), "-m", "builtin"]
    command += ["--imgsz", "64", "--no-video", "--jobs", "2", "-o"]
    started = time.monotonic()
    for kill in range(chosen.kills):
        aim = (kill + 1) * chosen.clips // (chosen.kills + 2) + chance.randrange(chosen.clips // 20 + 1)
        killed([*command, str(out)], out, aim, 0.1 + chance.random() / 5)
        print(f"kill {kill + 1}: {done_in(out)} done", file=sys.stderr)
    last = subprocess.run([*command, str(out)], capture_output=True, text=True)  # noqa: S603 # likewise
    seconds = time.monotonic() - started
    ends = [each for each in records(out) if each.get("state") in ("done", "failed")]
    done = Counter(each["source"] for each in ends if each["state"] == "done")
    failed = {each["source"]: str(each["error"]).rpartition("mp4: ")[2] for each in ends if each["state"] == "failed"}
    again = place / "again"
    seen = {
        "clips": chosen.clips, "broken": broken, "sources": sources, "kills": chosen.kills, "done": len(done),
        "done more than once": sum(count > 1 for count in done.values()), "failed": len(failed),
        "errors": dict(Counter(failed.values())), "untrue": untrue(out)[:5], "exit code": last.returncode,
        "seconds": round(seconds, 1), **memory([*command, str(again)], again, len(done)),
    }  # fmt: skip
    print(json.dumps(seen))
    shutil.rmtree(place)
    counted = len(done) + len(failed) == sources and len(done) == chosen.clips - broken
    flat = all(end <= begin * 1.1 for begin, end in (seen["batch MB"], seen["worker MB"]))
    return 0 if counted and flat and not seen["untrue"] and not seen["done more than once"] else 1


if __name__ == "__main__":
    sys.exit(main())
