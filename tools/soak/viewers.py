"""Viewers of the live page: one program that takes every picture, and browsers that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import threading
import time
from typing import Any

import aiohttp

PATIENCE = 120.0
"""Seconds within which a page shows a picture, on a busy computer and with the camera gone for a while."""


class Watching(threading.Thread):
    """Takes every picture and acknowledges it; knows how old each was when it came."""

    def __init__(self, port: int) -> None:
        super().__init__(name="watching", daemon=True)
        self.ages: list[float] = []
        """Seconds from a frame's arrival at Poseline until its picture was here."""
        self.events: dict[str, int] = {}
        """How many of each kind."""
        self.fault = ""
        self._url = f"http://127.0.0.1:{port}"
        self._ended = threading.Event()

    def stop(self) -> None:
        """No more."""
        self._ended.set()

    def run(self) -> None:
        """Watch until stopped or cut off."""
        with contextlib.suppress(aiohttp.ClientError):
            asyncio.run(self._watch())
        if not self._ended.is_set():
            self.fault = "the viewer was cut off"

    async def _watch(self) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self._url}/ws", headers={"Origin": self._url}) as socket,
        ):
            await socket.send_json({"watch": {"0": 320}})
            async for message in socket:
                if self._ended.is_set():
                    return
                if message.type is aiohttp.WSMsgType.BINARY:
                    length = int.from_bytes(message.data[:4], "little")
                    head = json.loads(message.data[4 : 4 + length])
                    self.ages.append(time.monotonic() - head["arrival"] / 1000)
                    await socket.send_json({"ack": [head["camera"], head["number"]]})
                elif (said := json.loads(message.data))["type"] == "event":
                    self.events[said["kind"]] = self.events.get(said["kind"], 0) + 1


class Visitor(threading.Thread):
    """A browser that opens the page, stays, and leaves, again and again: by closing the page, or the whole browser."""

    def __init__(self, port: int, stay: float, away: float) -> None:
        super().__init__(name="visitor", daemon=True)
        self.visits = 0
        self.faults: list[str] = []
        self._url, self._stay, self._away = f"http://127.0.0.1:{port}/", stay, away
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
