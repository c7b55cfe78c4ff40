"""Server: the live page, its pictures and its API."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import WSMsgType, hdrs, web

from poseline.serve import metrics
from poseline.serve.address import Address
from poseline.serve.feed import Feed
from poseline.serve.hub import MOST_WIDTH, Hub, Viewer
from poseline.serve.page_server import PageServer, add_files, cancel, static_file

PAGE = Path(__file__).parent / "page"
MOST_VIEWERS = 16
"""Pages open at once; and as many MJPEG streams."""
_MOST_MESSAGE = 1024
"""Bytes of a message from a page, or of a POST."""
_MOST_MESSAGES, _MESSAGES_SECONDS = 2000, 5.0
"""Messages that a page may send in so many seconds: an ack for each picture of each camera, and a few more."""
_HEARTBEAT = 15.0
_UNSENT = 16 << 10
"""Bytes that a socket of pictures takes beyond what is on its way: more would only grow old there."""
_BOUNDARY = "poseline-picture"


class Server(PageServer):
    """The live page's server: from `start` to `stop`, both called by the run's thread.

    Raises:
        OutputError: nothing can listen at the address.
    """

    def __init__(self, address: Address, token: str | None = None) -> None:
        super().__init__(address, token, _MOST_MESSAGE)
        self.hub = Hub(self._loop)
        self._streams = 0

    def close(self) -> None:
        """Encode no more."""
        self.hub.close()

    def keypoints_url(self, name: str) -> str:
        """Where other programs get the keypoints of the camera of this name, by WebSocket."""
        page, _, query = self.urls()[0].partition("?")
        return f"ws{page.removeprefix('http')}api/{quote(name)}/keypoints{query and '?'}{query}"

    def add_routes(self, app: web.Application) -> None:
        """Its pages, its pictures and its API."""
        add_files(app, PAGE)
        app.router.add_get("/latency", static_file(PAGE / "latency.html"))
        app.router.add_get("/api/code.json", self._code)
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/qr.svg", self._qr)
        app.router.add_get("/api/cameras", self._cameras)
        for prefix in ("/api", "/api/{camera}"):
            app.router.add_get(f"{prefix}/latest.jpg", self._latest_jpg)
            app.router.add_get(f"{prefix}/latest.json", self._latest_json)
            app.router.add_get(f"{prefix}/stream.mjpg", self._mjpeg)
            app.router.add_get(f"{prefix}/snapshot", self._snapshot)
            app.router.add_get(f"{prefix}/keypoints", self._keypoints)
            app.router.add_post(f"{prefix}/record", self._record)
            app.router.add_get(f"{prefix}/recordings", self._recordings)
            app.router.add_get(f"{prefix}/recordings/{{file}}", self._recording)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        if len(self.hub.viewers) >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_VIEWERS} pages are open already.\n")
        # Compressing JPEG again saves nothing, and costs 40 % of a busy pipeline's speed.
        connection = web.WebSocketResponse(
            compress=False, max_msg_size=_MOST_MESSAGE, heartbeat=_HEARTBEAT, timeout=1.0, writer_limit=_UNSENT
        )
        await connection.prepare(request)
        _keep_fresh(request)
        viewer = Viewer(self.hub, connection.send_bytes, connection.send_str)
        feeding = asyncio.ensure_future(viewer.feed())
        ending = asyncio.ensure_future(self._ending.wait())
        receiving = asyncio.ensure_future(self._receive(connection, viewer))
        try:
            await asyncio.wait((feeding, ending, receiving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(feeding, ending, receiving)
            await connection.close(code=1001 if self._ending.is_set() else 1008)
        return connection

    async def _receive(self, connection: web.WebSocketResponse, viewer: Viewer) -> None:
        """Take what the page says, until it leaves or says what no page of ours does."""
        count, since = 0, self._loop.time()
        async for message in connection:
            now = self._loop.time()
            if now - since > _MESSAGES_SECONDS:
                count, since = 0, now
            count += 1
            if (
                count > _MOST_MESSAGES
                or message.type is not WSMsgType.TEXT
                or not viewer.receive(_parsed(message.data))
            ):
                return

    async def _health(self, request: web.Request) -> web.Response:
        del request
        names = [feed.state.name for feed in self.hub.feeds]
        healthy = "live" in names or "starting" in names
        body = {
            "status": "ok" if healthy else "no camera is live",
            "cameras": {name: names.count(name) for name in names},
        }
        return web.Response(body=orjson.dumps(body), content_type="application/json", status=200 if healthy else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=metrics.text(self.hub).encode(), headers={hdrs.CONTENT_TYPE: metrics.CONTENT_TYPE})

    async def _qr(self, request: web.Request) -> web.Response:
        """The address as a QR code, for a phone; on this computer's own address there is none."""
        del request
        if self.address.on_loopback:
            raise web.HTTPNotFound(text="Only this computer can open the page; start with --serve 0.0.0.0:PORT.\n")
        import segno

        code = io.BytesIO()
        segno.make(self.urls()[0], micro=False).save(code, kind="svg", border=4, light="#fff", omitsize=True)
        return web.Response(body=code.getvalue(), content_type="image/svg+xml")

    async def _cameras(self, request: web.Request) -> web.Response:
        del request
        cameras = [{**feed.description(), **feed.status()} for feed in self.hub.feeds]
        return web.Response(body=orjson.dumps(cameras), content_type="application/json")

    async def _code(self, request: web.Request) -> web.Response:
        """What the latency page shows."""
        del request
        from poseline.serve import latency

        code = {"step": latency.STEP, "check": latency.CHECK, "cells": latency.CELLS, "markers": latency.markers()}
        return web.Response(body=orjson.dumps(code), content_type="application/json")

    async def _latest_jpg(self, request: web.Request) -> web.Response:
        found = await self.hub.newest(self._feed(request), _width(request))
        if found is None:
            raise _no_picture()
        return web.Response(body=found[1], content_type="image/jpeg")

    async def _latest_json(self, request: web.Request) -> web.Response:
        feed = self._feed(request)
        if feed.newest is None:
            raise _no_picture()
        return web.Response(body=feed.record(feed.newest, shown=True), content_type="application/json")

    async def _snapshot(self, request: web.Request) -> web.Response:
        """One frame's record and its JPEG in full size: the length of the record in 4 bytes, the record, the JPEG."""
        feed = self._feed(request)
        found = await self.hub.newest(feed, quality=95)
        if found is None:
            raise _no_picture()
        record = feed.record(found[0], shown=True)
        return web.Response(body=b"".join((len(record).to_bytes(4, "little"), record, found[1])))

    async def _record(self, request: web.Request) -> web.Response:
        """Begin or end a recording."""
        recorder, wish = self._feed(request).recorder, request.query.get("on")
        if wish not in ("0", "1"):
            raise web.HTTPBadRequest(text="on: 1 to record, 0 to end.\n")
        if recorder is None or not recorder.is_alive():
            raise web.HTTPConflict(text="There is nothing to record now.\n")
        recorder.want(wish == "1")
        return web.Response(body=orjson.dumps({"recording": recorder.recording}), content_type="application/json")

    async def _recordings(self, request: web.Request) -> web.Response:
        recorder = self._feed(request).recorder
        found = [
            {"video": each.video.name, "keypoints": each.keypoints.name, "frames": each.frames, "seconds": each.seconds}
            for each in (tuple(recorder.finished) if recorder else ())
        ]
        return web.Response(body=orjson.dumps(found), content_type="application/json")

    async def _recording(self, request: web.Request) -> web.StreamResponse:
        """A file of a finished recording; a name that is not one of these is none, whatever lies in the folder."""
        recorder, name = self._feed(request).recorder, request.match_info["file"]
        for each in tuple(recorder.finished) if recorder else ():
            for path in (each.video, each.keypoints):
                if path.name == name:
                    return web.FileResponse(path, headers={hdrs.CONTENT_DISPOSITION: "attachment"})
        raise web.HTTPNotFound(text="There is no such recording.\n")

    async def _keypoints(self, request: web.Request) -> web.WebSocketResponse:
        """The keypoint log's records as they come, for other programs: the run's first, then the newest frame's."""
        feed = self._feed(request)
        connection = web.WebSocketResponse(
            compress=False, max_msg_size=_MOST_MESSAGE, heartbeat=_HEARTBEAT, timeout=1.0, writer_limit=1
        )
        with self._stream_place():
            await connection.prepare(request)
            _keep_fresh(request)
            sending = asyncio.ensure_future(self._send_records(connection, feed))
            ending = asyncio.ensure_future(self._ending.wait())
            receiving = asyncio.ensure_future(connection.receive())
            try:
                await asyncio.wait((sending, ending, receiving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancel(sending, ending, receiving)
                await connection.close()
        return connection

    async def _send_records(self, connection: web.WebSocketResponse, feed: Feed) -> None:
        with self.hub.news() as event:
            while feed.header is None:
                await event.wait()
                event.clear()
        await connection.send_str(orjson.dumps(feed.run_record(shown=True)).decode())
        async for shot in self.hub.shots(feed):
            await connection.send_str(feed.line(shot))

    async def _mjpeg(self, request: web.Request) -> web.StreamResponse:
        """JPEG pictures one after another, for programs that know no better.

        A browser shows a picture when the headers of the next one come: they are sent with it.
        """
        feed, width = self._feed(request), _width(request)
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: f"multipart/x-mixed-replace; boundary={_BOUNDARY}"})
        head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
        with self._stream_place():
            writer = await response.prepare(request)
            assert writer is not None
            _keep_fresh(request)
            with contextlib.suppress(ConnectionError):
                await response.write(head)
                async for _ in self.hub.shots(feed):
                    found = await self.hub.newest(feed, width, 80)
                    assert found is not None
                    await response.write(b"".join((found[1], b"\r\n", head)))
                    await writer.drain()
                    if self._ending.is_set():
                        break
        return response

    @contextlib.contextmanager
    def _stream_place(self) -> Iterator[None]:
        """Room for one more stream while it goes on.

        Raises:
            web.HTTPServiceUnavailable: there is none.
        """
        if self._streams >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_VIEWERS} streams are open already.\n")
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def _feed(self, request: web.Request) -> Feed:
        """The camera that a path names; the first one where it names none."""
        name = request.match_info.get("camera")
        for feed in self.hub.feeds:
            if name in (None, feed.name):
                return feed
        raise web.HTTPNotFound(text="There is no such camera; /api/cameras lists them.\n")


def _keep_fresh(request: web.Request) -> None:
    """Have the connection hold as little as it can: what waits in it grows old."""
    transport = request.transport
    if transport is None:
        return
    assert isinstance(transport, asyncio.WriteTransport)
    transport.set_write_buffer_limits(high=0)
    option, connection = getattr(socket, "TCP_NOTSENT_LOWAT", None), transport.get_extra_info("socket")
    if option is not None and connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, _UNSENT)


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}


def _width(request: web.Request) -> int | None:
    text = request.query.get("width")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and 16 <= int(text[:6]) <= MOST_WIDTH):
        raise web.HTTPBadRequest(text=f"width: a number of pixels from 16 to {MOST_WIDTH}.\n")
    return int(text[:6])


def _no_picture() -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(text="There is no picture yet.\n", headers={hdrs.RETRY_AFTER: "1"})
