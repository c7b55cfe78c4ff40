"""Hub: hands each viewer the newest frame of each camera, as fast as the viewer draws them, and no faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from poseline.amounts import whole_in
from poseline.serve.feed import Feed, Shot
from poseline.serve.h264 import H264
from poseline.serve.pace import Pace
from poseline.serve.picture import Variant, as_it_came, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poseline.frame import Frame

_STATUS_SECONDS = 0.5
_ENCODERS = 2
"""Threads that encode pictures."""
MOST_WIDTH = 8192
"""Pixels across that a viewer may want."""


class Hub:
    """The cameras and who watches them. It lives on the server's event loop; `wake` may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.feeds: list[Feed] = []
        self.viewers: set[Viewer] = set()
        self._loop = loop
        self._waiting: set[asyncio.Event] = set()
        self._waking = False
        self._encoders = ThreadPoolExecutor(_ENCODERS, "jpeg")
        self._videos: dict[Feed, H264] = {}

    def add(self, name: str) -> Feed:
        """One more camera."""
        feed = Feed(name, self.wake)
        self.feeds.append(feed)
        return feed

    def wake(self) -> None:
        """Something is new: a frame, or a state."""
        if not self._waking and not self._loop.is_closed():
            self._waking = True
            self._loop.call_soon_threadsafe(self._wake)

    @contextmanager
    def news(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever something is new."""
        event = asyncio.Event()
        event.set()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)

    async def picture(self, shot: Shot, variant: Variant) -> bytes:
        """The frame as JPEG; viewers who want the same share it, and what the camera gave is passed on untouched."""
        untouched = as_it_came(shot.observation.frame, variant)
        if untouched is not None:
            return untouched
        if variant not in shot.encodings:
            work = self._loop.run_in_executor(self._encoders, encode, shot.observation.frame, variant)
            shot.encodings[variant] = work
        return await asyncio.shield(shot.encodings[variant])

    def video(self, feed: Feed) -> H264:
        """The camera's H.264 encoder."""
        if feed not in self._videos:
            self._videos[feed] = H264()
        return self._videos[feed]

    def close_unused_videos(self) -> None:
        """End the H.264 encoders that no viewer needs now: each holds one to two megabytes, and a thread."""
        for feed in self._videos.keys() - {feed for viewer in self.viewers for feed in viewer.coded_feeds()}:
            self._videos.pop(feed).close()

    async def delay(self, frame: Frame) -> float | None:
        """Milliseconds from the latency page's code to the frame's arrival; None where it shows no code."""
        from poseline.serve.latency import delay

        return await self._loop.run_in_executor(self._encoders, delay, frame)

    async def newest(self, feed: Feed, width: int | None = None, quality: int = 85) -> tuple[Shot, bytes] | None:
        """The newest frame and its JPEG, in its own size unless a `width` is wanted; None before the first."""
        shot = feed.newest
        if shot is None:
            return None
        frame = shot.observation.frame
        share = min(1.0, (width or frame.width) / frame.width)
        return shot, await self.picture(shot, Variant.scaled(frame.width, frame.height, share, quality))

    async def shots(self, feed: Feed) -> AsyncIterator[Shot]:
        """Its frames, each the newest when it is asked for."""
        last: Shot | None = None
        with self.news() as event:
            while True:
                if feed.newest is None or feed.newest is last:
                    await event.wait()
                    event.clear()
                    continue
                last = feed.newest
                yield last

    def close(self) -> None:
        """Encode no more."""
        self._encoders.shutdown(wait=False, cancel_futures=True)
        for video in self._videos.values():
            video.close()

    def _wake(self) -> None:
        self._waking = False  # first: what is put from now on wakes again
        for event in self._waiting:
            event.set()


class _Watched:
    """One camera of one viewer."""

    def __init__(self, width: int, now: float, h264: bool) -> None:
        self.width = width
        self.pace = Pace(now, h264)
        self.coded = 0
        """Number of the newest frame that was sent as H.264, 0 of none."""
        self.last = 0
        """Number of the newest frame that was sent or passed over."""


class Viewer:
    """One page that is open somewhere.

    Args:
        hub: what it watches.
        send_bytes, send_text: send one message each, and return when the connection takes more.
    """

    def __init__(self, hub: Hub, send_bytes: Callable[[bytes], Any], send_text: Callable[[str], Any]) -> None:
        self._hub, self._send_bytes, self._send_text = hub, send_bytes, send_text
        self._watched: dict[int, _Watched] = {}
        self._h264 = False
        self._described: dict[int, int] = {}
        self._sent_events: dict[int, int] = {}
        self._status_due = 0.0
        self._answers: list[dict[str, Any]] = []
        self._filmed: list[asyncio.Future[None]] = []
        self._event: asyncio.Event | None = None

    @property
    def paces(self) -> dict[int, Pace]:
        """Of each camera that it watches, by the camera's index."""
        return {index: watched.pace for index, watched in self._watched.items()}

    def coded_feeds(self) -> list[Feed]:
        """The cameras of which it gets H.264."""
        return [self._hub.feeds[index] for index, pace in self.paces.items() if pace.coded]

    def receive(self, message: dict[str, Any]) -> bool:
        """Take a message of the page; False where it is none that a page sends."""
        match message:
            case {"ack": [int(index), int(number)]}:
                if watched := self._watched.get(index):
                    watched.pace.acknowledged(number, time.monotonic())
            case {"watch": dict(wanted)}:
                if not self._watch(wanted):
                    return False
            case {"h264": bool(can)}:
                self._set_h264(can)
            case {"latency": bool(wanted)}:
                self._set_filmed(wanted)
            case {"ping": int() | float() as sent}:
                self._answers.append({"type": "pong", "ping": sent, "now": round(1000 * time.monotonic(), 2)})
            case _:
                return False
        if self._event:
            self._event.set()
        return True

    async def feed(self) -> None:
        """Send until the connection ends."""
        self._hub.viewers.add(self)
        try:
            with self._hub.news() as self._event:
                while True:
                    await self._send_texts()
                    if not await self._show():
                        await self._rest(self._event)
        finally:
            self._set_filmed(False)
            self._hub.viewers.discard(self)
            self._hub.close_unused_videos()

    def _set_h264(self, can: bool) -> None:
        """Whether its browser decodes H.264; or does no more, after an error."""
        self._h264 = can
        for watched in self._watched.values():
            watched.pace.h264, watched.pace.coded = can, watched.pace.coded and can

    def _set_filmed(self, wanted: bool) -> None:
        """Look for the code of the latency page in every camera's frames, or stop it."""
        for task in self._filmed:
            task.cancel()
        self._filmed = []
        if wanted:
            self._filmed = [asyncio.ensure_future(self._film(index)) for index in range(len(self._hub.feeds))]

    async def _film(self, index: int) -> None:
        async for shot in self._hub.shots(self._hub.feeds[index]):
            frame = shot.observation.frame
            found = await self._hub.delay(frame)
            if found is not None:
                message = {"type": "latency", "camera": index, "number": shot.number, "camera_ms": round(found, 1),
                           "processing_ms": round(1e3 * (shot.at - frame.arrival), 1)}  # fmt: skip
                self._answers.append(message)
                if self._event:
                    self._event.set()

    def _watch(self, wanted: dict[Any, Any]) -> bool:
        now, chosen = time.monotonic(), dict[int, _Watched]()
        for key, width in wanted.items():
            number = whole_in(key) if isinstance(key, str) else None
            if number is None or number >= len(self._hub.feeds):
                return False
            if not isinstance(width, int) or not 0 < width <= MOST_WIDTH:
                return False
            before = self._watched.get(number)
            if before is None:
                before = _Watched(width, now, self._h264)
            before.width = width
            chosen[number] = before
        self._watched = chosen
        return True

    async def _show(self) -> bool:
        """Send the newest frame of each camera that has one and credit; whether there was any."""
        sent = False
        for index, watched in list(self._watched.items()):
            feed, now = self._hub.feeds[index], time.monotonic()
            watched.pace.judge(now)
            shot = feed.newest
            if shot is None or shot.number == watched.last or not watched.pace.credit:
                continue
            if watched.last:
                watched.pace.passed_over(max(0, shot.number - watched.last - 1))
            watched.last, sent = shot.number, True
            message = await (self._coded if watched.pace.coded else self._jpeg)(index, watched, shot)
            if message is not None:
                watched.pace.sent(shot.number, time.monotonic())
                await self._send_bytes(message)
        return sent

    async def _jpeg(self, index: int, watched: _Watched, shot: Shot) -> bytes:
        frame = shot.observation.frame
        variant = watched.pace.variant(frame.width, frame.height, watched.width)
        return shot.message(index, variant, await self._hub.picture(shot, variant))

    async def _coded(self, index: int, watched: _Watched, shot: Shot) -> bytes | None:
        """The message with H.264; None where the viewer lacks what it builds on, and a key frame is on its way."""
        video = self._hub.video(self._hub.feeds[index])
        coded = await video.encoded(shot)
        if coded.after and coded.after != watched.coded:
            video.want_key()
            watched.pace.passed_over(int(watched.coded > 0))  # one who has just come is not too slow
            return None
        watched.coded = shot.number
        return shot.coded_message(index, coded)

    async def _send_texts(self) -> None:
        """Send what there is to say in words."""
        while self._answers:
            await self._say(self._answers.pop(0))
        for index, feed in enumerate(self._hub.feeds):
            if self._described.get(index) != feed.revision:
                self._described[index] = feed.revision
                await self._say({"type": "camera", "index": index, **feed.description()})
            events, sent = feed.events, self._sent_events.get(index, 0)
            if events and events[-1].number > sent:
                for event in [event for event in tuple(events) if event.number > sent]:
                    self._sent_events[index] = event.number
                    await self._say({"type": "event", "camera": index, **event._asdict()})
        if time.monotonic() >= self._status_due:
            self._status_due = time.monotonic() + _STATUS_SECONDS
            self._hub.close_unused_videos()
            await self._say({"type": "status", "cameras": self._statuses(), "viewers": len(self._hub.viewers)})

    def _statuses(self) -> list[dict[str, Any]]:
        statuses = [feed.status() for feed in self._hub.feeds]
        for index, watched in self._watched.items():
            pace = watched.pace
            statuses[index] |= {
                "shown_fps": round(pace.rate, 1),
                "delay_ms": round(1e3 * pace.delay),
                "level": pace.level,
                "h264": pace.coded,
            }
        return statuses

    async def _say(self, message: dict[str, Any]) -> None:
        await self._send_text(orjson.dumps(message).decode())

    async def _rest(self, event: asyncio.Event) -> None:
        """Wait for news, or until the status is due."""
        # Not `asyncio.wait_for`: until Python 3.12 it may lose a cancellation that comes together with news.
        due = asyncio.get_running_loop().call_later(max(0.0, self._status_due - time.monotonic()), event.set)
        try:
            await event.wait()
        finally:
            due.cancel()
        event.clear()
