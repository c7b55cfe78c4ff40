"""LSL: keypoints as a stream of the Lab Streaming Layer, by pylsl.

One sample a frame, at an irregular rate: x, y and confidence of each keypoint of a fixed number of persons, in pixels;
NaN where a place is empty. Its time stamp is the moment at which the frame came, in LSL's clock.
"""

from __future__ import annotations

import socket
import time
from importlib.util import find_spec

import numpy as np

from poseline.capture import SourceInfo
from poseline.errors import SettingsError
from poseline.log import RunHeader
from poseline.pose import Observation
from poseline.send.destination import Destination
from poseline.send.sender import Sender
from poseline.send.slots import Slots

_SECONDS_KEPT = 10
"""Seconds that LSL keeps for a slow receiver."""


def check(destination: Destination) -> None:
    """Raise a SettingsError where pylsl is not installed, or so many persons cannot be."""
    destination.number("persons", 1, 1, 50)
    if find_spec("pylsl") is None:
        raise SettingsError(f"--send {destination}: needs pylsl: pip install 'poseline[lsl]'")


def make(destination: Destination, camera: str) -> LslSender:
    """A sender to `destination`."""
    return LslSender(destination, camera)


class LslSender(Sender):
    """Offers one stream; `?persons=2` has places for two, the person of slot 0 in the first."""

    def connect(self, header: RunHeader, info: SourceInfo) -> None:
        """Offer the stream."""
        try:
            import pylsl
        except (ImportError, OSError, RuntimeError) as error:  # it finds its native library when it is imported
            raise SettingsError(f"--send {self.destination}: pylsl cannot be loaded: {error}") from error

        self._count = int(self.destination.number("persons", 1, 1, 50))
        self._slots = Slots()
        names = header.skeleton.names
        name = self.destination.path or f"poseline {self.camera}"
        source = f"poseline-{socket.gethostname()}-{name}"
        channels = 3 * len(names) * self._count
        stream = pylsl.StreamInfo(name, "Pose", channels, pylsl.IRREGULAR_RATE, pylsl.cf_float32, source)
        described = stream.desc()
        described.append_child_value("source", header.as_record()["source"])
        for key, value in (("width", info.width), ("height", info.height)):
            described.append_child_value(key, str(value))
        listed = described.append_child("channels")
        for person in range(self._count):
            for keypoint in names:
                for part, unit in (("x", "pixels"), ("y", "pixels"), ("c", "confidence")):
                    channel = listed.append_child("channel")
                    channel.append_child_value("label", f"person{person}_{keypoint}_{part}")
                    channel.append_child_value("unit", unit)
                    channel.append_child_value("type", "Pose")
        self._outlet = pylsl.StreamOutlet(stream, max_buffered=_SECONDS_KEPT)
        self._ahead = pylsl.local_clock() - time.monotonic()

    def send(self, observation: Observation) -> bool:
        """Push one sample; LSL's own threads send it."""
        frame, poses = observation.frame, observation.shown
        ids = poses.ids.tolist()
        self._slots.update(ids, frame.time, frame.source)
        sample = np.full((self._count, *poses.keypoints.shape[1:]), np.nan, np.float32)
        for person, slot in enumerate(self._slots.of(ids)):
            if slot < self._count:
                sample[slot] = poses.keypoints[person]
        self._outlet.push_sample(sample.ravel().tolist(), frame.arrival + self._ahead)
        return True

    def disconnect(self) -> list[str]:
        """Take the stream down."""
        del self._outlet
        return []
