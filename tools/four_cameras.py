"""Four cameras at once: how old their frames are when they are drawn and recorded, and how many are dropped.

    python tools/four_cameras.py CLIP [--seconds 30] [--cameras 4] [--rate 10] [-m yolo11n-pose.pt] [--src OTHER/src]

CLIP is scaled to 1280x720 and sent as H.264 over RTSP by GStreamer on this computer, on the same cores, to one
`poseline run` of all cameras, with annotated video and log; ages are counted from a frame's arrival at the run. With
`--src`, another version of Poseline runs in turns with this one, and `--pairs` says how often. Start it on a quiet
machine: the load is printed too. Needs GStreamer's RTSP server for the system's Python (see tests/stream_worlds.py).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import av

PROJECT = Path(__file__).parents[1]
sys.path.append(str(PROJECT / "tests"))
import rtp_units  # noqa: E402 # of the tests

SYSTEM_PYTHON = "/usr/bin/python3"
"""The one that has GStreamer's bindings."""
SIZE = 1280, 720
FRAMES = 100
"""Of the clip, sent again and again."""
PATIENCE = 60.0
"""Seconds that a run may take to end."""


def main() -> None:
    """Measure, and print a line for each run and camera."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--rate", type=int, default=10)
    parser.add_argument("-m", "--model", default="yolo11n-pose.pt")
    parser.add_argument("--src", type=Path, help="`src` of another version")
    parser.add_argument("--pairs", type=int, default=1)
    given = parser.parse_args()
    sources = [PROJECT / "src", *([given.src.resolve()] if given.src else [])]
    with tempfile.TemporaryDirectory() as scratch:
        units = write_units(given.clip, Path(scratch) / "units", given.rate)
        server_script = PROJECT / "tests" / "rtsp_server.py"
        command = [SYSTEM_PYTHON, str(server_script), "--units", str(units), "--file", str(units)]
        command += ["--rate", str(given.rate)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:  # noqa: S603 # ours
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline())
                cameras = [f"rtsp://127.0.0.1:{port}/live?{number}" for number in range(given.cameras)]
                for number in range(given.pairs):
                    for source in sources if number % 2 == 0 else reversed(sources):
                        out = Path(scratch) / f"{number}-{sources.index(source)}"
                        show(source, *run(source, cameras, given.model, out, given.seconds))
            finally:
                server.kill()


def write_units(clip: Path, path: Path, rate: int) -> Path:
    """The clip's first frames as H.264 without delay, for tests/rtsp_server.py."""
    with av.open(str(clip)) as container:
        frames = (frame.reformat(*SIZE, format="yuv420p") for frame in islice(container.decode(video=0), FRAMES))
        return rtp_units.write(path, rtp_units.encoded(frames, rate, preset="veryfast", g=str(2 * rate)))


def run(src: Path, cameras: list[str], model: str, out: Path, seconds: float) -> tuple[list[dict[str, Any]], float]:
    """Run all cameras until Ctrl-C after `seconds` from the first frame; their summaries, and cores kept busy."""
    options = ["-m", model, "-o", str(out), "--jobs", str(len(cameras))]
    before, began = _children(), time.monotonic()
    with subprocess.Popen(  # noqa: S603 # ours
        [sys.executable, "-m", "poseline", "run", *cameras, *options],
        env={**os.environ, "PYTHONPATH": str(src)}, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            while process.poll() is None and len(list(out.glob("*/keypoints.jsonl"))) < len(cameras):
                time.sleep(0.1)
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
        finally:
            process.kill()
    passed = time.monotonic() - began
    return [json.loads(path.read_bytes()) for path in sorted(out.glob("*/summary.json"))], (
        _children() - before
    ) / passed


def show(src: Path, summaries: list[dict[str, Any]], busy: float) -> None:
    """Print what each camera's run says of itself."""
    print(f"{src}: {busy:.2f} cores busy with it, load of the machine {os.getloadavg()[0]:.1f}")
    for number, summary in enumerate(summaries):
        counts, parts = summary["counts"], []
        for word, key in (("drawn", "drawn_ms"), ("recorded", "latency_ms")):
            if ages := summary.get(key):
                parts.append(f"{word} after {ages['p50']:.0f} ms, 95 % within {ages['p95']:.0f} ms")
        print(f"  camera {number}: {counts['processed']} frames, {counts['dropped']} dropped; {'; '.join(parts)}")


def _children() -> float:
    """CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
