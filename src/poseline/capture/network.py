"""What an address says before it is opened: how to reach it, and what is wrong with it."""

from __future__ import annotations

import re

import av.error

from poseline.amounts import port_in
from poseline.errors import SourceError

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "udp", "rtp", "tcp")
_RTSP_PORTS = {"rtsp": 554, "rtsps": 322}
_CLIENTS = frozenset({"rtsp", "rtsps", "http", "https", "rtmp", "rtmps"})
"""Schemes whose address always names a server; the others may name this machine, which then waits for a sender."""

_RECORDED = re.compile(
    r"https?://[^?#]*\.(3gp|avi|gif|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|ogv|webm|wmv)([?#]|$)", re.IGNORECASE
)
"""Addresses of files that nobody sends live."""
_ESCAPES = "write # as %23, @ as %40, / as %2F, ? as %3F"

_PROTOCOLS = "http,https,tcp,tls,udp,rtp,rtsp,rtsps,rtmp,rtmps,srt,crypto"
_RATE_FRAMES = "4"
"""Frames by which FFmpeg guesses the rate. With its usual 20 a stream begins most of a second late."""
_RTMP_PROBE = "1000000"
"""Microseconds for which FFmpeg looks for further tracks of RTMP, which says at once what it has; usually 5 s."""
_NEWEST_SEGMENT = "-1"
"""Where a live stream in segments begins; usually the third from the end, which is as many segments older."""
_SEGMENTS = re.compile(r"^https?://[^?#]*\.m3u8?([?#]|$)", re.IGNORECASE)
"""Addresses of HLS: FFmpeg takes no other for it, unless the server states the type."""
_LONGEST_SEGMENT = 20.0
"""Seconds of a segment, of which nothing comes until it is finished; most have 2 to 10."""
_DATAGRAM_BUFFER = str(4 * 2**20)
"""Bytes that the system keeps of datagrams until they are read, if it lets us."""

_SAME_BY_EVERY_TRANSPORT = (
    av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, av.error.HTTPNotFoundError,
    av.error.ConnectionRefusedError,
)  # fmt: skip
_ANSWER_SECONDS = 2.0


def may_be_live(url: str) -> bool:
    """Whether an address may lead to a stream that never ends, as far as the address shows."""
    return not _RECORDED.match(url)


def transports(url: str, wanted: str) -> tuple[str, ...]:
    """The RTSP transports to try, one after another: `wanted`, or for `auto` all; an empty one for other schemes."""
    if _scheme(url) not in _RTSP_PORTS:
        return ("",)
    return ("tcp", "udp") if wanted == "auto" else (wanted,)


def stream_options(url: str, transport: str) -> dict[str, str]:
    """FFmpeg's options for an address: only network protocols, and what makes a live stream begin soon."""
    options = {"protocol_whitelist": _PROTOCOLS}
    scheme = _scheme(url)
    if scheme in ("http", "https"):  # most are recordings, whose rate is wanted exactly
        return options | {"live_start_index": _NEWEST_SEGMENT}
    options["fpsprobesize"] = _RATE_FRAMES
    if scheme.startswith("rtmp"):
        options["analyzeduration"] = _RTMP_PROBE
    if scheme in ("udp", "rtp") or transport == "udp":
        options["buffer_size"] = _DATAGRAM_BUFFER
    return options | ({"rtsp_transport": transport} if transport else {})


def another_transport_may_help(url: str, error: BaseException) -> bool:
    """Whether an RTSP server that failed like this over one transport may do better over another."""
    return not isinstance(error, _SAME_BY_EVERY_TRANSPORT) and _answers(url)


def read_timeout(url: str, wanted: float) -> float:
    """Seconds to wait for a packet: `wanted`, and in a list of segments also for the next one to be finished."""
    return wanted + (_LONGEST_SEGMENT if _SEGMENTS.search(url) else 0.0)


def check_address(url: str) -> None:
    """Raise a SourceError for an address that can lead nowhere, without the network being used."""
    scheme, _, rest = url.partition("://")
    if sign := _misplaced(rest):
        raise SourceError(
            f"{url}: its user name or password holds a {sign}, at which the address would be cut off; {_ESCAPES}"
        )
    host, port = _host_and_port(url)
    if port and port_in(port) is None:
        raise SourceError(f"{url}: its port is not a number from 1 to 65535")
    if not host and scheme.lower() in _CLIENTS:
        raise SourceError(f"{url}: names no host; an address is such as {scheme}://camera.local/stream")


def check_host(url: str) -> None:
    """Raise a SourceError if nothing is known of the host that an address names."""
    import socket  # here and below only: a run that reads a file does without
    import urllib.request

    host, _ = _host_and_port(url)
    scheme = _scheme(url)
    if scheme not in _CLIENTS or scheme in urllib.request.getproxies():  # a proxy may know more hosts
        return
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        behind = "@" in url[url.index(_authority(url)) + len(_authority(url)) :]
        named, hint = ("", f"; in a user name or password {_ESCAPES}") if behind else (f" {host}", password_hint(url))
        raise SourceError(f"{url}: the host{named} is not known (is its name right?){hint}") from error


def named_host(url: str) -> str:
    """Host and port of an address, for a name: nothing of a password, which may hold / # ? @ and [ as they are."""
    rest = url.partition("://")[2]
    if _misplaced(rest):
        return re.split(r"[/?#&;=]", rest.rpartition("@")[2])[0]
    return _authority(url).rpartition("@")[2]


def password_hint(url: str) -> str:
    """What to try where an address that failed may have an @ in its user name or password; else nothing."""
    return f"; in a user name or password {_ESCAPES}" if url.count("@") > 1 else ""


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _authority(url: str) -> str:
    """User, password, host and port of an address, as FFmpeg finds them."""
    return re.split(r"[/?#]", url.partition("://")[2])[0]


def _host_and_port(url: str) -> tuple[str, str]:
    found = re.fullmatch(r"(\[.*\]|[^:]*):?(.*)", _authority(url).rpartition("@")[2])
    assert found is not None
    return found[1].strip("[]"), found[2]


def _misplaced(rest: str) -> str:
    """The sign that ends the host before the @ behind user name and password; "" where there is none.

    An @ may stand in a path, too: only what could be no port makes a password of the text before it.
    """
    authority = re.split(r"[/?#]", rest)[0]
    sign, behind = rest[len(authority) : len(authority) + 1], rest[len(authority) + 1 :]
    if "@" not in behind:
        return ""
    port = authority.rpartition(":")[2] if ":" in authority and not authority.endswith("]") else "0"
    return sign if sign == "#" or ("@" not in authority and port and not port.isdecimal()) else ""


def _answers(url: str) -> bool:
    """Whether anybody listens at an RTSP address."""
    import socket

    host, port = _host_and_port(url)
    try:
        with socket.create_connection((host, int(port or _RTSP_PORTS[_scheme(url)])), _ANSWER_SECONDS):
            return True
    except OSError:
        return False
