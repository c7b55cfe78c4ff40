"""How fast the inspector's page is on a long run, in Debian's Chromium.

    python tools/inspect_page.py [FRAMES [PERSONS [GOP]]]

Makes a clip of 1280x720 and a log with everybody in every frame, opens the page and prints: the time to its first view,
the time from a key to the frame drawn with its picture and poses (step by step, back, and to anywhere), the time of an
act, and the memory of the page: of its scripts, and all of its process. Needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import psutil

from poseline.inspection.inspected import InspectedRun
from poseline.inspection.server import InspectAddress, InspectServer
from poseline.skeleton import COCO17

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZE = (1280, 720)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
STEP = """(place) => new Promise((done) => {
    const began = performance.now(), { state, stage } = poseline;
    const look = () => (stage.drawn.place === place && stage.drawn.complete ? done(performance.now() - began)
        : requestAnimationFrame(look));
    state.go(place);
    look();
})"""


def make(folder: Path, frames: int, persons: int, gop: int) -> None:
    """Write the clip and its log."""
    noise = np.random.default_rng(0).integers(60, 190, (SIZE[1] // 8, SIZE[0] // 8), np.uint8)
    ground = np.kron(noise, np.ones((8, 8), np.uint8))
    with av.open(str(folder / "clip.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "veryfast", "g": str(gop)})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90000)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(ground, index, axis=1), format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = 3000 * index, Fraction(1, 90000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    header = {
        "type": "run", "schema": 1, "source": "clip.mp4", "model": {"name": "none", "sha256": "0" * 64},
        "skeleton": {"names": list(COCO17.names), "edges": [list(edge) for edge in COCO17.edges]},
        "video": {"width": SIZE[0], "height": SIZE[1], "fps": 30.0, "time_base": "1/90000", "pixel_aspect": 1},
    }  # fmt: skip
    with (folder / "keypoints.jsonl").open("w", encoding="utf-8") as log:
        log.write(json.dumps(header) + "\n")
        for index in range(frames):
            record = {
                "type": "frame", "frame": index, "pts": 3000 * index, "time": index / 30, "dropped_before": 0,
                "corrupt": False, "persons": [person(number, index) for number in range(persons)],
            }  # fmt: skip
            log.write(json.dumps(record) + "\n")
        log.write('{"type":"end","ended":"complete","counts":{},"error":null}\n')


def person(number: int, index: int) -> dict[str, object]:
    """Somebody who sways."""
    x = 80 + 150 * number + 30 * np.sin(index / 20 + number)
    points = [[round(x + 12 * (each % 3), 2), 150.0 + 24 * each, 0.9] for each in range(17)]
    return {"id": number + 1, "score": 0.9, "box": [x - 20, 130.0, x + 60, 560.0], "keypoints": points}


def measure(page: Page, url: str, frames: int) -> None:
    """Print the figures."""
    began = time.perf_counter()
    page.goto(url)
    while not page.evaluate("Boolean(window.poseline?.stage.drawn?.complete)"):
        page.wait_for_timeout(5)
    print(f"first view: {time.perf_counter() - began:.2f} s")
    page.wait_for_timeout(3000)
    middle = frames // 2
    anywhere = [(7919 * number) % frames for number in range(1, 41)]
    for name, places in (
        ("to anywhere", anywhere), ("to anywhere, a second time", anywhere), ("one on", range(middle, middle + 60)),
        ("one back", range(middle, middle - 60, -1)),
    ):  # fmt: skip
        page.evaluate(STEP, places[0] + 1)
        page.wait_for_timeout(500)
        taken = []
        for place in places:
            taken.append(page.evaluate(STEP, place))
            page.wait_for_timeout(30)
        shown = sorted(taken)
        print(
            f"{name}: median {statistics.median(shown):.0f} ms, 95 % within {shown[int(0.95 * len(shown))]:.0f} ms, "
            f"longest {shown[-1]:.0f} ms"
        )
    page.focus("#view")
    page.keyboard.press("s")
    began = time.perf_counter()
    page.keyboard.press("w")
    while page.evaluate("poseline.acts.queue.length || poseline.poses.coming.size"):
        page.wait_for_timeout(5)
    print(
        f"an act, from the key until it is saved and its poses are here: {1e3 * (time.perf_counter() - began):.0f} ms"
    )
    for place in range(0, frames, 100):  # all chunks of poses, and as many pictures as are kept
        page.evaluate(STEP, place)
    scripts = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    processes = [each for each in psutil.Process().children(recursive=True) if "--type=renderer" in each.cmdline()]
    whole = max(each.memory_info().rss - each.memory_info().shared for each in processes) / 1e6
    print(f"memory of the page: {scripts:.0f} MB of scripts, {whole:.0f} MB of its process")


def main() -> None:
    """Make the run, serve it, and look at it."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("frames", type=int, nargs="?", default=10_000)
    parser.add_argument("persons", type=int, nargs="?", default=8)
    parser.add_argument("gop", type=int, nargs="?", default=250, help="frames from one key frame to the next")
    given = parser.parse_args()
    frames, persons, gop = given.frames, given.persons, given.gop
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), frames, persons, gop)
        print(f"{frames} frames of {SIZE[0]}x{SIZE[1]}, {persons} persons, a key frame every {gop} frames")
        began = time.perf_counter()
        server = InspectServer(InspectAddress("127.0.0.1", 0), InspectedRun(Path(name)))
        server.start()
        print(f"the server reads the log: {time.perf_counter() - began:.2f} s")
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox", "--enable-precise-memory-info"]
                )
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.set_default_timeout(120_000)
                measure(page, server.urls()[0], frames)
                browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
