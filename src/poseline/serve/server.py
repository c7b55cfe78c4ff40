"""Server: the page, its pictures and its API, on a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import WSMsgType, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from poseline.errors import OutputError
from poseline.serve import metrics
from poseline.serve.access import Access, add_headers
from poseline.serve.address import OPTION, Address
from poseline.serve.feed import Feed
from poseline.serve.hub import MOST_WIDTH, Hub, Viewer

log = logging.getLogger("poseline")

PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MOST_VIEWERS = 16
"""Pages open at once; and as many MJPEG streams."""
_MOST_CONNECTIONS = 128
_MOST_MESSAGE = 1024
"""Bytes of a message from a page, or of a POST."""
_MOST_MESSAGES, _MESSAGES_SECONDS = 2000, 5.0
"""Messages that a page may send in so many seconds: an ack for each picture of each camera, and a few more."""
_GREETING_SECONDS = 10.0
"""Time for a connection to send its first request."""
_HEARTBEAT = 15.0
_UNSENT = 16 << 10
"""Bytes that a socket of pictures takes beyond what is on its way: more would only grow old there."""
_BOUNDARY = "poseline-picture"


class Server:
    """Serves from `start` to `stop`, both called by the run's thread.

    Raises:
        OutputError: nothing can listen at the address.
    """

    def __init__(self, address: Address, token: str | None = None) -> None:
        self._sockets = _listening(address)
        self.address = Address(address.host, self._sockets[0].getsockname()[1])
        self.access = Access(self.address, token)
        self._loop = asyncio.new_event_loop()
        self.hub = Hub(self._loop)
        self._silent: set[asyncio.BaseProtocol] = set()
        """New connections that have not sent a request."""
        self._streams = 0
        self._ending: asyncio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="serve", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Close every connection and end the thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(5.0)

    def urls(self) -> list[str]:
        """Addresses to open in a browser, with the token where one is needed; the best one first."""
        query = f"?token={self.access.token}" if self.access.token else ""
        hosts = _network_hosts(":" in self.address.host) if self.address.everywhere else [self.address.host]
        return [self.address.url(host) + query for host in hosts]

    def keypoints_url(self, name: str) -> str:
        """Where other programs get the keypoints of the camera of this name, by WebSocket."""
        page, _, query = self.urls()[0].partition("?")
        return f"ws{page.removeprefix('http')}api/{quote(name)}/keypoints{query and '?'}{query}"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except Exception:
            log.exception("the page's server ended")
        finally:
            self._ready.set()
            self.hub.close()
            left = asyncio.all_tasks(self._loop)  # of connections that came while it ended
            self._loop.run_until_complete(_cancel(*left))
            self._loop.close()

    async def _main(self) -> None:
        self._ending = asyncio.Event()
        runner = web.AppRunner(
            self._application(), access_log=None, handle_signals=False, keepalive_timeout=30, shutdown_timeout=0.5,
            handler_cancellation=True, logger=_requests_log(),
        )  # fmt: skip
        await runner.setup()

        def connection() -> asyncio.Protocol:
            assert runner.server is not None
            if len(runner.server.connections) >= _MOST_CONNECTIONS:
                return _Refusal()
            handler = runner.server()
            self._silent.add(handler)
            self._loop.call_later(_GREETING_SECONDS, self._expect_greeting, handler)
            return handler

        servers = [await self._loop.create_server(connection, sock=each) for each in self._sockets]
        self._ready.set()
        await self._ending.wait()
        for server in servers:
            server.close()
        await runner.cleanup()

    def _expect_greeting(self, handler: Any) -> None:
        """Close a connection that has not sent one request: somebody may open many to keep others out."""
        if handler in self._silent:
            self._silent.discard(handler)
            if handler.transport is not None:
                handler.transport.abort()

    @web.middleware
    async def _greet(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        response: web.StreamResponse = await handler(request)
        return response

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._greet, self.access.middleware], client_max_size=_MOST_MESSAGE)
        app.on_response_prepare.append(add_headers)
        for path in PAGE.iterdir():
            if path.suffix in _TYPES:
                app.router.add_get("/" if path.name == "index.html" else f"/{path.name}", _file(path))
        app.router.add_get("/latency", _file(PAGE / "latency.html"))
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
        return app

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
            await _cancel(feeding, ending, receiving)
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
                await _cancel(sending, ending, receiving)
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


class _Refusal(asyncio.Protocol):
    """What one connection too many gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _file(path: Path) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    content = path.read_bytes()

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=content, content_type=_TYPES[path.suffix], charset="utf-8")

    return answer


def _listening(address: Address) -> list[socket.socket]:
    """Sockets at all addresses that the host has, on one port."""
    sockets: list[socket.socket] = []
    port = address.port
    try:
        found = socket.getaddrinfo(address.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, place in found:
            listener = socket.socket(family, kind, protocol)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((place[0], port, *place[2:]))
            listener.listen(64)
            listener.setblocking(False)
            port = listener.getsockname()[1]
    except OSError as error:
        for listener in sockets:
            listener.close()
        advice = f"try another port, such as {OPTION} {address.host}:{address.port + 1}"
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            advice = f"try {OPTION} alone, or {OPTION} 0.0.0.0:{address.port}"
        raise OutputError(f"{OPTION} {address.host}:{address.port}: {error.strerror or error}; {advice}") from error
    return sockets


def _network_hosts(six: bool) -> list[str]:
    """The computer's own addresses that others can reach, of IPv4 or of IPv6."""
    import psutil

    family = socket.AF_INET6 if six else socket.AF_INET
    found = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == family and "%" not in entry.address and not ip_address(entry.address).is_loopback
    ]
    return found or ["::1" if six else "127.0.0.1"]


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


def _requests_log() -> logging.Logger:
    """Where aiohttp says what went wrong with a request, without those that are no HTTP: anybody may send such.

    It would log each with its traceback.
    """
    requests = logging.getLogger("poseline.serve.requests")
    if not requests.filters:
        requests.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
    return requests


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


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
