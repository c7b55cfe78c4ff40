"""OSC: one bundle a frame over UDP, encoded here (https://opensoundcontrol.stanford.edu/spec-1_0.html).

`/poseline/CAM/frame` n time width height persons; `/poseline/CAM/slots` id ...; `/poseline/CAM/enter` and `leave` with
id and slot; `/poseline/CAM/person/ID` x y c ... for the keypoints in the skeleton's order.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence

import numpy as np

from poseline.capture import SourceInfo
from poseline.frame import Frame
from poseline.log import RunHeader
from poseline.pose import Floats, Observation
from poseline.send.datagram import SAFE, Datagrams
from poseline.send.destination import Destination
from poseline.send.sender import Sender, name_in_address
from poseline.send.slots import Slots

_IMMEDIATELY = struct.pack(">Q", 1)
_NTP = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970."""
_HEADER_SECONDS = 2.0
"""How often the keypoints' names are sent, for receivers that come later."""


def check(destination: Destination) -> None:
    """Nothing is needed but what Python has."""
    del destination


def make(destination: Destination, camera: str) -> OscSender:
    """A sender to `destination`."""
    return OscSender(destination, camera)


class OscSender(Sender):
    """Sends OSC bundles. Coordinates are shares of the picture, 0 to 1 from its upper left, or pixels with `?pixels`.

    Options: `keypoints` adds an address for each keypoint; `slots` puts slots, which are used again, into addresses
    in place of ids; `timetag` stamps bundles with the time at which the frame came, instead of "immediately".
    """

    def connect(self, header: RunHeader, info: SourceInfo) -> None:
        """Open the socket."""
        del info
        options = self.destination.options
        self._pixels, self._each, self._by_slot = "pixels" in options, "keypoints" in options, "slots" in options
        self._timetag = "timetag" in options
        self._root = f"/poseline/{self.camera}"
        names = header.skeleton.names
        self._points = [name_in_address(name) for name in names]
        self._names = message(f"{self._root}/names", *names)
        self._names_due = 0.0
        self._slots = Slots()
        self._socket = Datagrams(self.destination)

    def send(self, observation: Observation) -> bool:
        """Send one frame."""
        tag = _time_tag(observation.frame) if self._timetag else _IMMEDIATELY
        bundles = packed(self._units(observation), tag)
        sent = [self._socket.send(bundle) for bundle in bundles]  # each, whatever became of the others
        return all(sent)

    def disconnect(self) -> list[str]:
        """Send that everybody has left."""
        changes = self._slots.update([], float("inf"))
        left = [message(f"{self._root}/leave", *one) for one in changes.left]
        for bundle in packed([left], _IMMEDIATELY) if left else []:
            self._socket.send(bundle)
        return self._socket.close()

    def _units(self, observation: Observation) -> Iterator[list[bytes]]:
        """The frame's messages; those of a unit stay together."""
        frame, poses, root = observation.frame, observation.shown, self._root
        ids = poses.ids.tolist()
        changes = self._slots.update(ids, frame.time, frame.source)
        now = time.monotonic()
        if now >= self._names_due:
            self._names_due = now + _HEADER_SECONDS
            yield [self._names]
        yield [
            message(f"{root}/frame", frame.index, frame.time, frame.width, frame.height, len(poses)),
            message(f"{root}/slots", *self._slots.listed()),
            *(message(f"{root}/leave", *one) for one in changes.left),
            *(message(f"{root}/enter", *one) for one in changes.entered),
        ]
        kind, numbers = ("slot", self._slots.of(ids)) if self._by_slot else ("person", ids)
        scale = (1.0, 1.0, 1.0) if self._pixels else (1 / frame.width, 1 / frame.height, 1.0)
        keypoints = np.nan_to_num(poses.keypoints * np.array(scale, np.float32), posinf=0.0, neginf=0.0)
        for number, person in zip(numbers, keypoints, strict=True):
            yield [floats_message(f"{root}/{kind}/{number}", person)]
            if self._each:
                points = zip(self._points, person, strict=True)
                yield [floats_message(f"{root}/{kind}/{number}/{name}", point) for name, point in points]


def packed(units: Iterator[list[bytes]] | Sequence[list[bytes]], tag: bytes, most: int = SAFE) -> list[bytes]:
    """The units' messages in as few bundles of `most` bytes as hold them in order; a larger message stands alone."""
    start = b"#bundle\0" + tag
    bundles = [start]
    for unit in units:
        elements = [struct.pack(">i", len(one)) + one for one in unit]
        pieces = [b"".join(elements)] if sum(map(len, elements)) <= most - len(start) else elements
        for piece in pieces:
            if len(bundles[-1]) + len(piece) > most and bundles[-1] != start:
                bundles.append(start)
            bundles[-1] += piece
    return bundles


def message(address: str, *values: float | str) -> bytes:
    """An OSC message of int32, float32 and string arguments."""
    tags, data = ",", b""
    for value in values:
        if isinstance(value, str):
            tags, data = tags + "s", data + _string(value)
        elif isinstance(value, int):
            tags, data = tags + "i", data + struct.pack(">i", value)
        else:
            tags, data = tags + "f", data + struct.pack(">f", value)
    return _string(address) + _string(tags) + data


def floats_message(address: str, values: Floats) -> bytes:
    """An OSC message of an array's numbers, row by row, as float32."""
    return _string(address) + _string("," + "f" * values.size) + values.astype(">f4").tobytes()


def _string(text: str) -> bytes:
    """Padded with one to four zeros to a multiple of four."""
    data = text.encode("ascii", "replace")
    return data + b"\0" * (4 - len(data) % 4)


def _time_tag(frame: Frame) -> bytes:
    """When the frame came, by this machine's clock, as NTP has it."""
    seconds = time.time() - (time.monotonic() - frame.arrival) + _NTP
    return struct.pack(">II", int(seconds) & 0xFFFFFFFF, int(seconds % 1 * 2**32))
