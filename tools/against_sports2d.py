"""How long an analysis takes, in turns with Sports2D's of the same points; neither of them runs a network.

    python -m venv sports2d && sports2d/bin/pip install sports2d==0.8.34
    python tools/against_sports2d.py sports2d/bin/python [FRAMES [TURNS]]

A squat of the samples, repeated, with noise of two pixels and 3 % of the points missing: Poseline reads it as a
keypoint log and writes .csv, .trc, .mot and .json; Sports2D reads it by `load_trc_px`, with a black clip beside it that
it insists on, and writes .trc, .mot and .c3d, without pictures, video and plots. Prints seconds of CPU time of each.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np

from poseline import analyze, read_tracks
from poseline.analysis.files import write

TRUTH = Path(__file__).parents[1] / "samples" / "squat.truth.jsonl"
SPORTS2D = """
import copy, sys
from Sports2D import Sports2D
config = copy.deepcopy(Sports2D.DEFAULT_CONFIG)
folder = sys.argv[1]
config["base"].update(
    video_input=["clip.mp4"], video_dir=folder, result_dir=folder, nb_persons_to_detect=1,
    person_ordering_method="first_detected", first_person_height=1.8, load_trc_px=folder + "/person1_px.trc",
    show_realtime_results=False, save_vid=False, save_img=False, visible_side=["right"])
config["pose"]["pose_model"] = "coco_17"
config["px_to_meters_conversion"]["save_calib"] = False
config["post-processing"].update(show_graphs=False, save_graphs=False)
Sports2D.process(config)
"""


def main() -> int:
    """Measure and print."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    python, frames, turns = sys.argv[1], *(int(number) for number in (*sys.argv[2:], 10_000, 1)[:2])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log(folder / "keypoints.jsonl", frames)
        clip(folder / "clip.mp4", frames)
        write(analyze(folder / "keypoints.jsonl"), folder, ("trc",))
        own = [sys.executable, "-m", "poseline", "analyze", name, "--height", "1.8", "--overwrite"]
        other = [python, "-c", SPORTS2D, name]
        for _ in range(turns):
            mine, theirs = seconds(own), seconds(other)
            print(f"poseline {mine:.1f} s, Sports2D {theirs:.1f} s of CPU time: {theirs / mine:.0f} times")
    return 0


def log(path: Path, frames: int) -> None:
    """The squat again and again, as a keypoint log."""
    tracks = read_tracks(TRUTH)
    exact, rng = tracks.keypoints[:, 0].astype(float), np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(tracks.header) + "\n")
        for row in range(frames):
            points = exact[row % len(exact)] + np.append(rng.normal(size=(17, 2)) * 2, np.zeros((17, 1)), axis=1)
            keypoints = [[None, None, 0] if rng.uniform() < 0.03 else point for point in points.round(2).tolist()]
            box = [*points[:, :2].min(axis=0).tolist(), *points[:, :2].max(axis=0).tolist()]
            person = {"id": 1, "score": 0.9, "box": box, "keypoints": keypoints}
            record = {"type": "frame", "frame": row, "pts": row, "time": row / 25, "persons": [person]}
            file.write(json.dumps({**record, "dropped_before": 0, "corrupt": False}) + "\n")
        file.write('{"type":"end","ended":"complete"}\n')


def clip(path: Path, frames: int) -> None:
    """A black clip of as many frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 540, 960, "yuv420p"
        black = np.zeros((960, 540, 3), np.uint8)
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(black, format="bgr24")))
        container.mux(stream.encode())


def seconds(command: list[str]) -> float:
    """CPU time of a process, its start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603 # ours
    if done.returncode:
        sys.exit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
