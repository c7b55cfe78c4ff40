"""Fetch: a picture from an http address, such as a web page's or an IP camera's snapshot."""

from __future__ import annotations

import socket
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse
from io import BytesIO
from typing import IO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from poseline import __version__
from poseline.amounts import whole_in
from poseline.capture.http_address import NotAnImage, not_one_picture, path_of
from poseline.capture.recognise import HEAD, Kind, Recognised, recognise_file
from poseline.errors import SourceError

_MOST_BYTES = 64 << 20
"""Of a picture; a larger one is refused."""
_PIECE = 1 << 16
_WHOLE = 6
"""So many times its time-out may a picture take to arrive."""
_CODES = {
    401: "the server wants a user name and password, or refuses the ones given (401)",
    403: "the server forbids it (403)",
    404: "the server does not know this address (404)",
    429: "the server was asked too often (429); wait, and try again",
}


def fetch_image(url: str, timeout: float, wanted: Recognised | None = None) -> bytes:
    """The content of the picture at an http address. A user name and password before its @ are sent when asked for.

    Proxies are used as the environment says. At most 64 MB are read, for at most six times `timeout`.

    Args:
        url: http or https.
        timeout: seconds to wait for the connection and for each piece.
        wanted: a kind that counts as a picture too, such as an animated one.

    Raises:
        NotAnImage: what is sent is not one picture.
        SourceError: no answer, a refusal, or too large; no text holds the password.
    """
    request, opener = _request(url)
    deadline = time.monotonic() + _WHOLE * timeout
    try:
        with opener.open(request, timeout=timeout) as response:
            return _content(response, url, deadline, wanted)
    except urllib.error.HTTPError as error:
        error.close()
        reason = _CODES.get(error.code, f"the server failed ({error.code})" if error.code >= 500 else "")
        raise SourceError(f"{url}: {reason or f'the server refuses it ({error.code})'}") from None
    except (urllib.error.URLError, OSError, HTTPException, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{url}: {_cause(getattr(error, 'reason', error), timeout)}") from None


def _content(response: HTTPResponse, url: str, deadline: float, wanted: Recognised | None) -> bytes:
    kind = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
    if kind.startswith("multipart/"):
        raise NotAnImage(f"{url}: the server sends {kind}, not a picture")
    content, checked = bytearray(), False
    while piece := response.read1(_PIECE):
        content += piece
        if len(content) > _MOST_BYTES:
            raise SourceError(f"{url}: is larger than the {_MOST_BYTES >> 20} MB that a picture may have")
        if time.monotonic() > deadline:
            raise SourceError(f"{url}: arrives too slowly; --timeout gives it longer")
        if not checked and len(content) >= HEAD:
            _check(bytes(content), kind, url, wanted)
            checked = True
    expected = whole_in(response.headers.get("Content-Length", ""))
    if expected is not None and len(content) < expected:
        raise SourceError(f"{url}: the connection broke off after {len(content)} of {expected} bytes")
    if not content:
        raise SourceError(f"{url}: the server sent nothing")
    _check(bytes(content), kind, url, wanted)
    return bytes(content)


def _check(content: bytes, kind: str, url: str, wanted: Recognised | None) -> None:
    """Raise NotAnImage where the content, or its beginning, says so; where it says nothing, as the server says."""
    found = recognise_file(BytesIO(content), path_of(url).suffix.lower())
    if found is None:
        if not kind.startswith("image/"):
            raise NotAnImage(f"{url}: the server sends {kind or 'something'}, not a picture")
    elif found.kind is Kind.OTHER:
        raise NotAnImage(f"{url}: the server sends {found.name}", found)
    elif found.kind is Kind.VIDEO and found is not wanted:
        raise NotAnImage(not_one_picture(url, found), found)


def _request(url: str) -> tuple[urllib.request.Request, urllib.request.OpenerDirector]:
    """The request without the address's password, and who answers when the server asks for it."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:  # UnicodeError is one
        raise SourceError(f"{url}: its host or port cannot be understood") from None
    if not host:
        raise SourceError(f"{url}: names no host")
    place = f"[{host}]" if ":" in host else host
    place = place if port is None else f"{place}:{port}"
    path, query = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~"), quote(parts.query, safe="/%:@!$&'()*+,;=~?[]")
    bare = urlunsplit((parts.scheme, place, path, query, ""))
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if parts.username is not None:
        known.add_password(None, bare, unquote(parts.username), unquote(parts.password or ""))
    opener = urllib.request.build_opener(
        _SafeRedirects(),
        _Refused(),
        urllib.request.HTTPBasicAuthHandler(known),
        urllib.request.HTTPDigestAuthHandler(known),
    )
    headers = {"User-Agent": f"poseline/{__version__}", "Accept": "image/*, */*;q=0.5"}
    return urllib.request.Request(bare, headers=headers), opener  # noqa: S310 # only http and https come here


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https alone, and from https to no less."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme.lower()
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            fp.close()
            raise SourceError(f"{req.full_url}: the server sends us on to {scheme}://, where we do not go")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Refused(urllib.request.BaseHandler):
    """Closes a refusal before the request is made again with a password: urllib forgets to."""

    handler_order = 0

    def http_error_401(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> None:
        del req, code, msg, headers
        fp.close()


def _cause(error: object, timeout: float) -> str:
    """What went wrong, in words."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s; is it running and reachable? (--timeout gives it longer)"
    if isinstance(error, socket.gaierror):
        return "there is no host of this name, or no network to ask for it"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused; is the server running?"
    if isinstance(error, ConnectionError | HTTPException):
        return "the server broke the connection off"
    return "cannot be fetched; are the address and the network in order?"
