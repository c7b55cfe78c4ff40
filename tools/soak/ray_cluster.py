"""Run a batch on a local Ray cluster of three machines, and as processes, and compare the results.

A machine is killed in the middle, and so is the process that the batch was started in, which is then started again.
Prints one line of JSON with what was seen.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from batch_kills import done_in, records
from ray.cluster_utils import Cluster

CROSSING = Path(__file__).parents[2] / "samples" / "crossing.mp4"
WIDTH, HEIGHT = 320, 240


def write_clips(folder: Path, count: int, frames: int) -> None:
    """Write clips of two persons who walk, each from another moment on."""
    with av.open(str(CROSSING)) as source:
        pictures = [frame.reformat(WIDTH, HEIGHT, "yuv420p") for frame in source.decode(video=0)]
    for number in range(count):
        with av.open(str(folder / f"clip{number:05}.mp4"), "w") as out:
            stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for index in range(frames):
                picture = pictures[(number + index) % len(pictures)]
                picture.pts, picture.time_base, picture.pict_type = (
                    index,
                    Fraction(1, 25),
                    av.video.frame.PictureType.NONE,
                )
                out.mux(stream.encode(picture))
            out.mux(stream.encode(None))


def frames_of(log: Path) -> list[dict[str, Any]]:
    """A log's records but for its beginning, its end and what the run's speed is part of."""
    found = [json.loads(line) for line in log.read_bytes().splitlines()]
    return [record for record in found if record["type"] not in ("run", "end")]


def wait_until(done: int, out: Path, process: subprocess.Popen[bytes]) -> None:
    """Until so many sources are done, or the batch has ended."""
    while process.poll() is None and done_in(out) < done:
        time.sleep(0.05)


def main() -> int:
    """Run it; 0 where all is as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--no-video", action="store_true")
    parser.add_argument("--client", action="store_true", help="through Ray Client, as from outside the cluster")
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    clips, here, there = place / "clips", place / "here", place / "there"
    clips.mkdir()
    write_clips(clips, chosen.clips, chosen.frames)
    command = [sys.executable, "-m", "poseline", "batch", str(clips), "-m", "builtin", "--imgsz", "320"]
    command += ["--no-video"] if chosen.no_video else []
    subprocess.run([*command, "-o", str(here), "--jobs", "2"], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 # ours
    started = time.monotonic()
    head = {"num_cpus": 0, "include_dashboard": False} | ({"ray_client_server_port": 20001} if chosen.client else {})
    cluster = Cluster(initialize_head=True, head_node_args=head)
    machines = [cluster.add_node(num_cpus=1) for _ in range(3)]
    command += ["-o", str(there), "--on", "ray://127.0.0.1:20001" if chosen.client else "ray"]
    environment = {**os.environ, "RAY_ADDRESS": "" if chosen.client else str(cluster.address)}
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 # ours
    wait_until(chosen.clips // 4, there, first)
    cluster.remove_node(machines[0], allow_graceful=False)
    wait_until(chosen.clips // 2, there, first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    between = done_in(there)
    last = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603 # ours
    seconds = time.monotonic() - started
    cluster.shutdown()
    names = [path.stem for path in sorted(clips.iterdir())]
    logs = [(here / name / "keypoints.jsonl", there / name / "keypoints.jsonl") for name in names]
    done = Counter(each["source"] for each in records(there) if each.get("state") == "done")
    seen = {
        "clips": chosen.clips, "done when it was killed": between, "done": len(done), "exit code": last.returncode,
        "done more than once": sum(count > 1 for count in done.values()),
        "persons": sum(len(record.get("persons", ())) for log, _ in logs for record in frames_of(log)),
        "other records than processes": sum(not b.exists() or frames_of(a) != frames_of(b) for a, b in logs),
        "left over": [path.name for path in there.iterdir() if path.name.startswith(".")],
        "seconds": round(seconds, 1),
    }  # fmt: skip
    print(json.dumps(seen))
    if last.returncode:
        print(last.stdout, last.stderr, file=sys.stderr)
    shutil.rmtree(place)
    good = last.returncode == 0 and len(done) == chosen.clips and seen["persons"] and not seen["left over"]
    return 0 if good and not seen["done more than once"] and not seen["other records than processes"] else 1


if __name__ == "__main__":
    sys.exit(main())
