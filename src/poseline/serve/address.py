"""Address: where the page is served, as the user types it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from poseline.errors import SettingsError

OPTION = "--serve"
HOST, PORT = "127.0.0.1", 8100
_TYPED = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[\w.-]*):(?P<port>\d{1,5})")
_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*")


@dataclass(frozen=True)
class Address:
    """A host and a port to listen on; port 0 is any that is free."""

    host: str = HOST
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `HOST:PORT`, `:PORT` or `HOST`; an IPv6 address has brackets where a port follows.

        Raises:
            SettingsError: it is none of them.
        """
        found = _TYPED.fullmatch(text)
        host, port = (found["host"], int(found["port"])) if found else (text, PORT)
        host = host.strip("[]") or HOST
        if port > 65535 or not is_host(host):
            raise SettingsError(
                f"{OPTION} {text}: not an address to listen on; try HOST:PORT, such as {HOST}:{PORT} for this computer "
                f"alone, or 0.0.0.0:{PORT} for the whole network"
            )
        return cls(host, port)

    def typed(self) -> str:
        """The option that asks for it, as it is typed."""
        return f"{OPTION} {self.host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """Whether only this computer can reach it."""
        return self.host == "localhost" or (is_ip(self.host) and ip_address(self.host).is_loopback)

    @property
    def everywhere(self) -> bool:
        """Whether it listens on all of the computer's networks."""
        return is_ip(self.host) and ip_address(self.host).is_unspecified

    def url(self, host: str = "") -> str:
        """What a browser opens, by this `host` name or by its own."""
        host = host or self.host
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"


def with_value(arguments: list[str]) -> list[str]:
    """Command line arguments, with the usual address behind an option `--serve` that has none.

    What follows is an address only if it looks like `HOST:PORT`: `--serve 0` is camera 0.
    """
    completed = []
    for index, argument in enumerate(arguments):
        completed.append(argument)
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if argument == OPTION and not _TYPED.fullmatch(following):
            completed.append(f"{HOST}:{PORT}")
    return completed


def is_host(host: str) -> bool:
    """Whether `host` is an IP address, or can be a computer's name."""
    return is_ip(host) or _NAME.fullmatch(host) is not None


def is_ip(host: str) -> bool:
    """Whether `host` is an IP address, and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
