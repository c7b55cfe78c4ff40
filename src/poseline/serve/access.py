"""Access: who may see the page. What is not allowed is refused before any handler runs."""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from poseline.serve.address import Address, is_ip

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' blob:; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every response."""
_OPEN = "/healthz"
"""What needs no token: it says nothing but that the program works."""
_PAGES = ("/", "/latency")
_FOR_PROGRAMS = "/keypoints"
"""How the path ends of the WebSocket for other programs, which have no page that they come from."""
_SAFE = ("GET", "HEAD")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Access:
    """The rules for one address.

    - The `Host` header must name this computer, or a web site whose name is made to lead here (DNS rebinding) could
      read the page.
    - A WebSocket or a POST must come from our own page: browsers let any page send these.
    - A token is asked for wherever others than this computer can connect.
    """

    def __init__(self, address: Address, token: str | None = None) -> None:
        self._address = address
        self.token = token or ("" if address.on_loopback else secrets.token_urlsafe(24))
        """What a visitor must know; empty where none is needed."""
        self._cookie = f"poseline_{address.port}"
        self._names = {address.host.lower(), *_LOOPBACK_NAMES}
        if not address.on_loopback:
            name = socket.gethostname().lower()
            self._names |= {name, f"{name}.local"}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the request through to its handler, or refuse it."""
        self._check_host(request)
        self._check_origin(request)
        if self.token and request.path != _OPEN:
            given = request.query.get("token")
            if given is not None and request.path in _PAGES and self._is_token(given):
                return self._welcome(request)
            if not any(map(self._is_token, self._given(request))):
                raise web.HTTPUnauthorized(
                    text="This page needs its token: open the address that Poseline printed when it started.\n"
                )
        return await handler(request)

    def _check_host(self, request: web.Request) -> None:
        try:
            name = urlsplit(f"//{request.headers[hdrs.HOST]}").hostname or ""
        except (KeyError, ValueError):
            name = ""
        if name not in self._names and not (not self._address.on_loopback and is_ip(name)):
            raise web.HTTPForbidden(text="This server does not go by that name.\n")

    def _check_origin(self, request: web.Request) -> None:
        """Refuse what other sites' pages send; a browser tells that they do, and other programs may leave it out."""
        upgrade = hdrs.UPGRADE in request.headers
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None:
            # A browser always tells where a WebSocket comes from; what tells nothing is a program.
            foreign = (upgrade and not request.path.endswith(_FOR_PROGRAMS)) or request.method not in _SAFE
        else:
            own = request.headers[hdrs.HOST].lower()
            foreign = origin.lower() not in (f"http://{own}", f"https://{own}")
        site = request.headers.get("Sec-Fetch-Site", "none")
        opened = request.headers.get("Sec-Fetch-Mode") == "navigate" and request.path in _PAGES and not upgrade
        if foreign or (site not in ("none", "same-origin") and not opened):
            raise web.HTTPForbidden(text="Only this server's own page may do that.\n")

    def _given(self, request: web.Request) -> list[str]:
        """Every token that came with the request; programs without cookies put it into the address or a header."""
        scheme, _, bearer = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        plain = request.path.endswith(_FOR_PROGRAMS) or hdrs.UPGRADE not in request.headers
        query = request.query.get("token", "") if plain and request.method in _SAFE else ""
        return [request.cookies.get(self._cookie, ""), query, bearer if scheme.lower() == "bearer" else ""]

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode())

    def _welcome(self, request: web.Request) -> web.Response:
        """Move the token from the address to a cookie that no script can read and no other site can send.

        The browser is sent on by our own page, not by a redirect: after a redirect that began at another site, such as
        a link in a chat, it would not send the cookie.
        """
        page = f'<!doctype html><meta http-equiv="refresh" content="0;url={request.path}"><title>Poseline</title>'
        response = web.Response(text=page, content_type="text/html")
        response.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict", path="/", secure=request.secure)
        return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on a response, refusals among them."""
    del request
    response.headers.update(HEADERS)
    response.headers.popall(hdrs.SERVER, None)
