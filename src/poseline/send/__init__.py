"""Send: keypoints to other programs while a run goes on. One file a protocol; a new one is a line in `PROTOCOLS`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from poseline.send.destination import Destination, parse

if TYPE_CHECKING:
    from poseline.send.sender import Sender

PROTOCOLS = {
    "osc": "poseline.send.osc",
    "udp": "poseline.send.udp",
    "tcp": "poseline.send.tcp",
    "mqtt": "poseline.send.mqtt",
    "mqtts": "poseline.send.mqtt",
    "lsl": "poseline.send.lsl",
    "-": "poseline.send.stdout",
}
"""The module of each protocol, imported where it is asked for; its `make` builds the sender."""


def check(addresses: Sequence[str]) -> list[Destination]:
    """The destinations that `--send` names, before anything is opened.

    Raises:
        SettingsError: one of them cannot be understood, or needs a package that is not installed.
    """
    destinations = [parse(address) for address in addresses]
    for destination in destinations:
        import_module(PROTOCOLS[destination.protocol]).check(destination)
    return destinations


def senders(addresses: Sequence[str], camera: str) -> list[Sender]:
    """A sink for each address.

    Args:
        addresses: as `--send` takes them.
        camera: the source's short name, which stands in OSC addresses and topics.

    Raises:
        SettingsError: as `check`.
    """
    made: list[Sender] = [
        import_module(PROTOCOLS[destination.protocol]).make(destination, camera) for destination in check(addresses)
    ]
    return made


__all__ = ["PROTOCOLS", "Destination", "check", "parse", "senders"]
