"""Viewers of the live page: programs that take every picture, and browsers that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp

PATIENCE = 120.0
"""Seconds within which a page shows a picture, on a busy computer and with the camera gone for a while."""


SILENT = 60.0
"""Seconds after which a viewer that is told nothing counts as forgotten: the server tells its state twice a second."""


def address_of(process: subprocess.Popen[bytes], output: Path) -> str:
    """Where the page of a run is, which writes to `output`: http://HOST:PORT."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"page: (http://[\d.]+:\d+)/", output.read_text()):
            return found[1]
        time.sleep(0.1)
    raise SystemExit(f"no page within {PATIENCE:g} s: {output.read_text()[-2000:]}")


async def heard(url: str, watch: dict[str, int]) -> AsyncIterator[dict[str, Any]]:
    """What a light viewer is told, until it is cut off: messages with a `type`, and the heads of pictures.

    It wants pictures of these widths, by the cameras' numbers, and acknowledges each.

    Raises:
        asyncio.TimeoutError: nothing came for `SILENT` seconds.
    """
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/ws", headers={"Origin": url}) as socket,
    ):
        await socket.send_json({"watch": watch})
        while True:
            message = await socket.receive(timeout=SILENT)
            if message.type is aiohttp.WSMsgType.BINARY:
                length = int.from_bytes(message.data[:4], "little")
                head = json.loads(message.data[4 : 4 + length])
                yield head
                await socket.send_json({"ack": [head["camera"], head["number"]]})
            elif message.type is aiohttp.WSMsgType.TEXT:
                yield json.loads(message.data)
            else:
                return


class Watching(threading.Thread):
    """A light viewer; `hear` is called with all that it is told."""

    def __init__(self, url: str, watch: dict[str, int], hear: Callable[[dict[str, Any]], object]) -> None:
        super().__init__(name="watching", daemon=True)
        self.fault = ""
        self._url, self._wanted, self._hear = url, watch, hear
        self._ended = threading.Event()

    def stop(self) -> None:
        """No more."""
        self._ended.set()

    def run(self) -> None:
        """Watch until stopped or cut off."""
        fault = "a viewer was cut off"
        try:
            asyncio.run(self._watch())
        except asyncio.TimeoutError:
            fault = f"a viewer was told nothing for {SILENT:g} s"
        except (aiohttp.ClientError, ConnectionError) as error:
            fault += f": {error}"
        if not self._ended.is_set():
            self.fault = fault

    async def _watch(self) -> None:
        async with contextlib.aclosing(heard(self._url, self._wanted)) as told:
            async for message in told:
                if self._ended.is_set():
                    return
                self._hear(message)


class Visitor(threading.Thread):
    """A browser that opens the page, stays, and leaves, again and again: by closing the page, or the whole browser."""

    def __init__(self, url: str, stay: float, away: float) -> None:
        super().__init__(name="visitor", daemon=True)
        self.visits = 0
        self.faults: list[str] = []
        self._url, self._stay, self._away = url, stay, away
        self._ended = threading.Event()

    def stop(self) -> None:
        """End after the visit."""
        self._ended.set()

    def run(self) -> None:
        """Visits until stopped."""
        try:
            from playwright.sync_api import sync_playwright

            with sync_playwright() as playwright:
                while not self._ended.is_set():
                    browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
                    for _ in range(2):
                        self._visit(browser)
                        if self._ended.wait(self._away):
                            break
                    browser.close()
        except Exception as error:  # noqa: BLE001 # of another thread, which is to hear of it
            self.faults.append(f"a browser failed: {type(error).__name__}: {error}")

    def _visit(self, browser: Any) -> None:
        page = browser.new_page(viewport={"width": 480, "height": 400})
        page.on("pageerror", lambda error: self.faults.append(f"an error on the page: {error}"))
        page.goto(self._url)
        page.wait_for_selector("#link[data-state=live]", timeout=1000 * PATIENCE)
        page.wait_for_function("document.querySelector('.tile canvas')?.width > 0", timeout=1000 * PATIENCE)
        page.wait_for_selector(".tile .word:text-is('live')", timeout=1000 * PATIENCE)
        self.visits += 1
        self._ended.wait(self._stay)
        if self.visits % 2:
            page.close()  # else the browser takes it along


def chromium() -> str:
    """The program's path."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise RuntimeError("Chromium is not here")
    return found
