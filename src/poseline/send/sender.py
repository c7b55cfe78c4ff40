"""Sender: a sink that hands frames to another program, and never keeps the run waiting for it."""

from __future__ import annotations

import re
from abc import abstractmethod

from poseline.capture import SourceInfo
from poseline.frame import Picture
from poseline.log import RunHeader
from poseline.pipeline.channel import Overflow
from poseline.pipeline.sink import Sink
from poseline.pose import Observation
from poseline.send.destination import Destination
from poseline.words import counted

_WAITING = 256
"""Frames of a file that may wait, which come as fast as the machine can; of a live source only the newest counts."""


class Sender(Sink):
    """Sends each frame, the newest first where the other end is slow.

    A subclass has `connect` and `send`, and `disconnect` if there is something to end. All but `connect` run on the
    sink's own thread, `disconnect` once that thread has ended.

    Args:
        destination: where to.
        camera: the source's short name.
    """

    work = "sending"
    overflow = Overflow.DROP_OLDEST

    def __init__(self, destination: Destination, camera: str) -> None:
        self.destination, self.camera = destination, name_in_address(camera)
        self.name = str(destination)
        self.sent = 0
        """Frames handed to the system."""

    def open(self, header: RunHeader, info: SourceInfo) -> None:
        """Get ready."""
        self.depth = 1 if info.live else _WAITING
        self.connect(header, info)

    def write(self, observation: Observation, picture: Picture | None) -> bool | None:
        """Send one frame, or count it as lost."""
        del picture
        if self.send(observation):
            self.sent += 1
        else:
            self.lost += 1
        return None

    def close(self) -> list[str]:
        """End the connection."""
        given_up = f", {self.lost} given up" if self.lost else ""
        return [f"{self.name}: {counted(self.sent, 'frame')} sent{given_up}", *self.disconnect()]

    @abstractmethod
    def connect(self, header: RunHeader, info: SourceInfo) -> None:
        """Get ready; raises an OutputError where that can never succeed, as for a host that does not exist."""

    @abstractmethod
    def send(self, observation: Observation) -> bool:
        """Send `observation.shown` without waiting long; False where it was given up."""

    def disconnect(self) -> list[str]:
        """End the connection; returns what the user should know."""
        return []


def name_in_address(name: str) -> str:
    """`name` with nothing in it that means something in an OSC address or an MQTT topic."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-") or "camera"
