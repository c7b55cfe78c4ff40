"""Kill a batch of many tiny clips at random moments, start it again each time, and see that all are done once.

Three in a hundred of the clips are broken, in ten ways. Prints one line of JSON with what was seen.
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


def records(out: Path) -> list[dict[str, object]]:
    """All whole lines of the manifest."""
    path, found = out / "batch.jsonl", []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


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
    command = [sys.executable, "-m", "poseline", "batch", str(clips), "-o", str(out), "-m", "builtin"]
    command += ["--imgsz", "64", "--no-video", "--jobs", "2"]
    started, memory = time.monotonic(), []
    for kill in range(chosen.kills):
        aim = (kill + 1) * chosen.clips // (chosen.kills + 2) + chance.randrange(chosen.clips // 20 + 1)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 # ours
        while process.poll() is None and sum(each.get("state") == "done" for each in records(out)) < aim:
            time.sleep(0.1 + chance.random() / 5)
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        memory += [child.memory_info().rss >> 20 for child in children]
        process.send_signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(children, timeout=60)
        print(f"kill {kill + 1}: {sum(each.get('state') == 'done' for each in records(out))} done", file=sys.stderr)
    last = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 # likewise
    ends = [each for each in records(out) if each.get("state") in ("done", "failed")]
    done = Counter(each["source"] for each in ends if each["state"] == "done")
    failed = {each["source"]: str(each["error"]) for each in ends if each["state"] == "failed"}
    logs = sum(
        json.loads((path / "keypoints.jsonl").read_text().splitlines()[-1]).get("ended") == "complete"
        for path in out.iterdir() if path.is_dir() and (path / "keypoints.jsonl").exists()
    )  # fmt: skip
    seen = {
        "clips": chosen.clips, "broken": broken, "kills": chosen.kills, "done": len(done),
        "done more than once": sum(count > 1 for count in done.values()), "failed": len(failed),
        "kinds of error": len({error.split(":")[-1] for error in failed.values()}), "whole logs": logs,
        "exit code": last.returncode, "seconds": round(time.monotonic() - started, 1),
        "worker MB, first and most": [memory[0], max(memory)] if memory else [],
    }  # fmt: skip
    print(json.dumps(seen))
    shutil.rmtree(place)
    as_promised = len(done) + len(failed) == chosen.clips and not seen["done more than once"] and logs >= len(done)
    return 0 if as_promised else 1


if __name__ == "__main__":
    sys.exit(main())
