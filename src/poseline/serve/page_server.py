"""PageServer: serves pages and what they ask for, on a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from poseline.errors import OutputError
from poseline.serve.access import Access, add_headers
from poseline.serve.address import HOST, Address

log = logging.getLogger("poseline")

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_MOST_CONNECTIONS = 128
_TAKING_IN = 3
"""Turns of the event loop that a new connection takes: its transport is made, its protocol told, its task ends."""
_GREETING_SECONDS = 10.0
"""Time for a connection to send its first request."""


class PageServer:
    """Serves from `start` to `stop`, both called by another thread than its own.

    Args:
        address: where it listens.
        token: what a visitor must know; None: one is made up where others than this computer can connect.
        most_body: bytes of a POST.

    Raises:
        OutputError: nothing can listen at the address.
    """

    def __init__(self, address: Address, token: str | None = None, most_body: int = 1024) -> None:
        self._sockets = _listening(address)
        self.address = replace(address, port=self._sockets[0].getsockname()[1])
        self.access = Access(self.address, token)
        self._most_body = most_body
        self._loop = asyncio.new_event_loop()
        self._silent: set[asyncio.BaseProtocol] = set()
        """New connections that have not sent a request."""
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

    def add_routes(self, app: web.Application) -> None:
        """Say what is answered; all of it is behind the doors of `Access`."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what the answers needed; called on the server's thread as it ends."""

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except Exception:
            log.exception("the page's server ended")
        finally:
            self._ready.set()
            self.close()
            left = asyncio.all_tasks(self._loop)  # of connections that came while it ended
            self._loop.run_until_complete(cancel(*left))
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
        await self._take_no_more()
        for server in servers:
            server.close()
        await runner.cleanup()

    async def _take_no_more(self) -> None:
        """Leave new connections to the system, and wait until those taken in are aiohttp's, which closes them.

        One that asyncio is taking in while its server is closed stays open, and nobody answers (CPython 3.11).
        """
        with contextlib.suppress(NotImplementedError):  # the event loop of Windows
            for listener in self._sockets:
                self._loop.remove_reader(listener)
        for _ in range(_TAKING_IN):
            await asyncio.sleep(0)

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
        app = web.Application(middlewares=[self._greet, self.access.middleware], client_max_size=self._most_body)
        app.on_response_prepare.append(add_headers)
        self.add_routes(app)
        return app


class _Refusal(asyncio.Protocol):
    """What one connection too many gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def static_file(path: Path) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    """A handler that gives this file, read now."""
    content = path.read_bytes()

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=content, content_type=_TYPES[path.suffix], charset="utf-8")

    return answer


def add_files(app: web.Application, folder: Path) -> None:
    """Serve the pages, styles and scripts in `folder` under their names, and `index.html` as the root."""
    for path in sorted(folder.iterdir()):
        if path.suffix in _TYPES:
            app.router.add_get("/" if path.name == "index.html" else f"/{path.name}", static_file(path))


def _requests_log() -> logging.Logger:
    """Where aiohttp says what went wrong with a request, without those that are no HTTP: anybody may send such.

    It would log each with its traceback.
    """
    requests = logging.getLogger("poseline.serve.requests")
    if not requests.filters:
        requests.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
    return requests


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
        advice = f"try another port, such as {replace(address, port=address.port + 1).typed()}"
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            here, everywhere = replace(address, host=HOST), replace(address, host="0.0.0.0")  # noqa: S104 # a hint
            advice = f"try {here.typed()}, or {everywhere.typed()}"
        raise OutputError(f"{address.typed()}: {error.strerror or error}; {advice}") from error
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


async def cancel(*tasks: asyncio.Future[Any]) -> None:
    """End these tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
