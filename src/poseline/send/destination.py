"""Destination: what an address of `--send` says."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from poseline.errors import OutputError, SettingsError, redact

STDOUT = "-"
WEBSOCKET = "ws"
_FLAGS = ("pixels", "keypoints", "slots", "timetag")
"""Options without a value."""
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "osc": _FLAGS,
    "udp": (),
    "tcp": (),
    "mqtt": ("rate",),
    "mqtts": ("rate",),
    "lsl": ("persons",),
    STDOUT: (),
    WEBSOCKET: (),
}
"""What may stand behind the question mark, for each protocol."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
_EXAMPLES = "osc://127.0.0.1:9000, udp://HOST:PORT, tcp://HOST:PORT, mqtt://HOST, lsl:, ws or - (standard output)"


@dataclass(frozen=True)
class Destination:
    """Where keypoints go. Neither its text nor its `repr` holds a password."""

    protocol: str
    """A key of `PROTOCOLS`."""
    host: str = ""
    port: int = 0
    path: str = ""
    """Behind the port, without slashes at its ends; of `lsl:NAME` the name."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What stands behind the question mark."""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        if self.protocol == STDOUT:
            return "standard output"
        if self.protocol == WEBSOCKET:
            return WEBSOCKET
        if self.protocol == "lsl":
            return f"lsl:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}://{host}:{self.port}"

    def resolved(self, kind: socket.SocketKind) -> list[Any]:
        """What the host's name stands for, as `socket.getaddrinfo` gives it for sockets of this kind.

        Raises:
            OutputError: the host cannot be found.
        """
        try:
            return socket.getaddrinfo(self.host, self.port, type=kind)
        except (OSError, UnicodeError) as error:
            raise OutputError(f"--send {self}: the host cannot be found: {error}") from error

    def number(self, option: str, default: float, least: float, most: float) -> float:
        """The value of an option that is a number.

        Raises:
            SettingsError: it is none, or out of range.
        """
        text = self.options.get(option)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise SettingsError(f"--send {self}: {option}={text} is not a number from {least:g} to {most:g}")
        return value


def parse(address: str) -> Destination:
    """What `address` says.

    Raises:
        SettingsError: it is no address of a protocol that is known here.
    """
    if address in (STDOUT, WEBSOCKET):
        return Destination(address)
    protocol, colon, _ = address.partition(":")
    protocol = protocol.strip().lower()
    shown = redact(_BLANK.sub(lambda sign: quote(sign[0]), address))  # a password that is one word is hidden whole
    if protocol in ("ws", "wss"):
        raise SettingsError(f"--send {shown}: a WebSocket is a part of the page's server; give --send ws and --serve")
    if not colon or protocol not in _OPTIONS:
        raise SettingsError(f"--send {shown}: expected one of {_EXAMPLES}")
    malformed = f"--send {shown}: not an address; a port is a number from 1 to 65535"
    _require_printable(shown, address)  # urlsplit leaves some control characters out without a word
    try:
        parts = urlsplit(address)
    except ValueError:
        raise SettingsError(malformed) from None
    if "@" in parts.path + parts.query + parts.fragment:
        if protocol == "lsl":
            raise SettingsError(f"--send {shown}: an @ in the name; write it as %40")
        raise SettingsError(
            f"--send {shown}: an @ behind the host; write it as %40, and in a user name or password / as %2F, # as %23"
        )
    try:
        port = parts.port or _DEFAULT_PORTS.get(protocol, 0)
    except ValueError:
        raise SettingsError(malformed) from None
    if parts.fragment:
        raise SettingsError(f"--send {shown}: what stands behind a # would be lost; write it as %23")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for option, value in options.items():
        if option not in _OPTIONS[protocol]:
            known = ", ".join(_OPTIONS[protocol]) or "none"
            raise SettingsError(f"--send {shown}: unknown option {option!r}; options of {protocol}: {known}")
        if option in _FLAGS and value not in ("", "1", "true"):
            raise SettingsError(f"--send {shown}: {option} takes no value")
    path = unquote(parts.path).strip("/")
    if protocol == "lsl":
        name = path or unquote(parts.netloc)
        _require_printable(shown, name)
        return Destination(protocol, path=name, options=options)
    _require_printable(shown, path)
    if not parts.hostname or not port:
        raise SettingsError(f"--send {shown}: expected a host and a port, such as {protocol}://127.0.0.1:9000")
    if path and not protocol.startswith("mqtt"):
        raise SettingsError(f"--send {shown}: nothing may stand behind the port but options, such as ?pixels")
    if parts.password is not None and not protocol.startswith("mqtt"):
        raise SettingsError(f"--send {shown}: {protocol} knows no user and password")
    return Destination(
        protocol, parts.hostname, port, path, options,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )  # fmt: skip


def _require_printable(shown: str, text: str) -> None:
    if sign := _CONTROL.search(text):
        raise SettingsError(f"--send {shown}: {sign[0]!r} is a control character; leave it out")
