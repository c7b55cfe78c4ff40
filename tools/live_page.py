"""Measure the live page: how old a picture is when a browser has drawn it, and what viewers cost the run.

    python tools/live_page.py CLIP [--seconds 60] [--model builtin] [--imgsz 640] [--json FILE]

CLIP is taken as a camera (`--live`), and repeated until it is long enough; with video and log written as usual. Three
runs: without any viewer, with one viewer, and with four of whom one has a link of 8 Mbit/s. Viewers are pages in
headless Chromium on this computer, on the same cores. Needs Playwright and Chromium.

The delay is counted from the frame's arrival at the run (`Frame.arrival`) to the call that draws its picture on the
page's canvas. Both clocks are this computer's: the browser's wall clock is set against the monotonic one once, at the
start. When the screen shows it is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import av
import psutil
from playwright.sync_api import sync_playwright

PORT = 8177
SLOW_BITS = 8_000_000
_SETTLING = 8.0
"""Seconds at the start that are not counted: the browser starts, and quality finds its level."""
_HOOKS = """
    window.delays = [];
    let arrival = 0;
    const arrivals = {};
    const decode = TextDecoder.prototype.decode;
    TextDecoder.prototype.decode = function (...given) {
        const text = decode.apply(this, given);
        const head = JSON.parse(text);
        arrival = arrivals[head.number] = head.arrival;
        return text;
    };
    const made = window.createImageBitmap, drawn = CanvasRenderingContext2D.prototype.drawImage;
    window.createImageBitmap = async (...given) => {
        const of = arrival, bitmap = await made(...given);
        bitmap.arrival = of;
        return bitmap;
    };
    CanvasRenderingContext2D.prototype.drawImage = function (picture, ...given) {
        drawn.call(this, picture, ...given);
        if (picture.timestamp !== undefined && arrivals[picture.timestamp]) {  // a VideoFrame, of H.264
            picture.arrival = arrivals[picture.timestamp];
            delete arrivals[picture.timestamp];
        }
        if (picture.arrival) window.delays.push([performance.timeOrigin + performance.now(), picture.arrival]);
        picture.arrival = 0;
    };
"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results: dict[str, Any] = {"machine": f"{os.cpu_count()} cores", "imgsz": given.imgsz, "seconds": given.seconds}
    with tempfile.TemporaryDirectory() as folder:
        clip = repeated(given.clip, Path(folder) / "camera.mp4", given.seconds + 2 * _SETTLING + 15)
        for name, links in (("nobody", []), ("one viewer", [0]), ("four, one slow", [0, 0, 0, SLOW_BITS])):
            results[name] = measured(clip, Path(folder) / name.replace(" ", "-"), given, links)
            print(name, json.dumps(results[name], indent=1), flush=True)
    results["load of other programs at the end"] = os.getloadavg()[0]
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


def repeated(source: Path, target: Path, seconds: float) -> Path:
    """The clip again and again, at 30 frames a second, without encoding it again."""
    with av.open(str(source)) as media, av.open(str(target), "w") as out:
        stream = media.streams.video[0]
        copy = out.add_stream_from_template(stream)
        packets = [packet for packet in media.demux(stream) if packet.dts is not None]
        step = round(1 / 30 / stream.time_base)
        order = sorted(packet.pts for packet in packets)
        rank = {pts: index for index, pts in enumerate(order)}
        count = 0
        while count < seconds * 30:
            for index, packet in enumerate(packets):
                again = av.Packet(bytes(packet))
                again.stream, again.time_base, again.is_keyframe = copy, stream.time_base, packet.is_keyframe
                again.dts, again.pts = (count + index - 2) * step, (count + rank[packet.pts]) * step
                out.mux(again)
            count += len(packets)
    return target


def measured(clip: Path, folder: Path, given: argparse.Namespace, links: list[int]) -> dict[str, Any]:
    """One run, watched over these links (bits a second; 0: as they are)."""
    command = [sys.executable, "-m", "poseline", "run", str(clip), "-m", given.model, "--imgsz", str(given.imgsz),
               "--live", "--serve", f"127.0.0.1:{PORT}", "-o", str(folder)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 # of our own making
    try:
        while True:
            try:
                cameras = json.load(urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/cameras", timeout=2))
                if cameras and cameras[0]["processed"] > 30:
                    break
            except OSError:
                pass
            time.sleep(0.2)
        viewers = watched(links, given.seconds, psutil.Process(process.pid))
    finally:
        process.send_signal(2)
        process.wait(30)
    summary = json.loads((folder / "summary.json").read_text())
    keep = ("fps", "counts", "ages", "drawn_ages", "cpu")
    return {**viewers, "run": {key: summary[key] for key in keep if key in summary}}


def watched(links: list[int], seconds: float, process: psutil.Process) -> dict[str, Any]:
    """What the pages saw, and the memory that the run needed meanwhile."""
    offset = 1e3 * (time.time() - time.monotonic())
    with sync_playwright() as playwright:
        pages, proxies = [], []
        browser = None
        if links:
            chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for link in links:
            proxies.append(Proxy(link) if link else None)
            page = browser.new_context(viewport={"width": 1700, "height": 1000}).new_page()
            page.add_init_script(_HOOKS)
            page.goto(f"http://127.0.0.1:{proxies[-1].port if link else PORT}/")
            pages.append(page)
        time.sleep(_SETTLING)
        for page in pages:
            page.evaluate("delays.length = 0")
        memory = [process.memory_info().rss]
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(1.0)
            memory.append(process.memory_info().rss)
        found = []
        for page, link in zip(pages, links, strict=True):
            delays = [drawn - offset - arrival for drawn, arrival in page.evaluate("delays")]
            facts = dict(zip(("age", "fps", "drops"), page.locator(".facts span").all_inner_texts(), strict=False))
            found.append({"bits": link, "pictures a second": round(len(delays) / seconds, 1), **percentiles(delays),
                          "page says": facts})  # fmt: skip
        if browser:
            browser.close()
    return {
        "viewers": found,
        "memory MB first, last, most": [round(each / 1e6) for each in (memory[0], memory[-1], max(memory))],
    }


def percentiles(delays: list[float]) -> dict[str, float]:
    """Median, 95th percentile and worst, in milliseconds."""
    if len(delays) < 20:
        return {}
    ranks = statistics.quantiles(delays, n=100)
    return {"median ms": round(ranks[49], 1), "95 % ms": round(ranks[94], 1), "worst ms": round(max(delays), 1)}


class Proxy:
    """A link to the server of so many bits a second, with little room of its own; on a thread."""

    def __init__(self, bits: int) -> None:
        self._bytes = bits / 8
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()

        async def serve() -> None:
            server = await asyncio.start_server(self._connect, "127.0.0.1", 0, limit=16 << 10)
            self.port: int = server.sockets[0].getsockname()[1]
            ready.set()
            await server.serve_forever()

        threading.Thread(target=lambda: self._loop.run_until_complete(serve()), daemon=True).start()
        ready.wait()
        self._free = 0.0

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", PORT, limit=16 << 10)
        await asyncio.gather(self._pass(reader, back, paced=False), self._pass(there, writer, paced=True))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, paced: bool) -> None:
        try:
            while data := await reader.read(4096):
                if paced:
                    now = time.monotonic()
                    self._free = max(self._free, now) + len(data) / self._bytes
                    await asyncio.sleep(max(0.0, self._free - now))
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


if __name__ == "__main__":
    main()
