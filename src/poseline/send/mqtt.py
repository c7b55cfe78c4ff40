"""MQTT: the log's records as JSON at a broker, by paho-mqtt.

`poseline/CAM/state` is `online` or, also where the run dies, `offline` (retained); `poseline/CAM/run` is the `run`
record (retained); `poseline/CAM/persons` has frame records, not retained, a few a second.
"""

from __future__ import annotations

import logging
import time
from importlib.util import find_spec
from threading import Event
from typing import Any

from poseline.capture import SourceInfo
from poseline.errors import OutputError, SettingsError
from poseline.log import Records, RunHeader
from poseline.pose import Observation
from poseline.send.destination import Destination
from poseline.send.sender import Sender

log = logging.getLogger("poseline")

_RATE = 5.0
"""Frames a second, unless `?rate=` says otherwise; 0: each frame."""
_IN_FLIGHT = 2
"""Messages that may wait for a slow broker."""
_ROOT = "poseline"
_LONGEST_TOPIC = 10_000
"""Letters; MQTT allows 65,535 bytes, of which the camera's name needs some."""
_OPENING = 2.0
"""Seconds for which the run's first frame waits for the broker."""
_PATIENCE, _POLL = 0.25, 0.002
"""Seconds for which a slow broker is waited for, and between two looks at it."""
_FINISHING = 2.0
"""Seconds for the last message at the end of a run."""


def check(destination: Destination) -> None:
    """Raise a SettingsError where paho-mqtt is not installed, or the rate or the topic cannot be."""
    destination.number("rate", _RATE, 0, 1000)
    if "+" in destination.path or "#" in destination.path:
        raise SettingsError(f"--send {destination}: {destination.path}: no topic has a + or a #")
    if len(destination.path) > _LONGEST_TOPIC:
        raise SettingsError(f"--send {destination}: a topic of more than {_LONGEST_TOPIC} letters")
    if find_spec("paho") is None:
        raise SettingsError(f"--send {destination}: needs paho-mqtt: pip install 'poseline[mqtt]'")


def make(destination: Destination, camera: str) -> MqttSender:
    """A sender to `destination`."""
    return MqttSender(destination, camera)


class MqttSender(Sender):
    """Publishes frames; paho's own thread connects, and connects again."""

    def connect(self, header: RunHeader, info: SourceInfo) -> None:
        """Begin to connect; a broker that is not there is waited for, while the run goes on."""
        import paho.mqtt.client as mqtt

        del info
        rate = self.destination.number("rate", _RATE, 0, 1000)
        self._every = 1 / rate if rate else 0.0
        self._due = float("-inf")
        self._topic = f"{self.destination.path or _ROOT}/{self.camera}"
        self._records = Records(header, shown=True)
        self._in_flight: list[Any] = []
        self._trouble = ""
        self._answered = Event()  # by the broker, or by what is amiss with it
        self._connected_before = False
        self._stalled = False
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        if self.destination.username is not None:
            client.username_pw_set(self.destination.username, self.destination.password)
        if self.destination.protocol == "mqtts":
            client.tls_set()
        client.will_set(f"{self._topic}/state", "offline", retain=True)
        client.reconnect_delay_set(1, 10)
        client.connect_timeout = _OPENING
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: self._warn_once("the broker cannot be reached")
        client.on_disconnect = self._on_disconnect
        self._client = client
        try:
            self.destination.host.encode("idna")  # what paho's own thread would end with
            client.connect_async(self.destination.host, self.destination.port)
        except ValueError as error:
            raise OutputError(f"--send {self.destination}: {error}") from error
        client.loop_start()
        self._answered.wait(_OPENING)

    def send(self, observation: Observation) -> bool:
        """Publish one frame, where it is time for the next."""
        frame = observation.frame
        if frame.arrival < self._due:
            return True  # left out by choice
        if not self._client.is_connected() or not self._room():
            return False
        self._due = max(self._due, frame.arrival - self._every) + self._every  # frames do not come evenly
        if frame.gap is not None:
            self._client.publish(f"{self._topic}/gap", self._records.gap(frame.gap))
        *sizes, line = self._records.frame(observation).splitlines()
        for size in sizes:
            self._client.publish(f"{self._topic}/size", size, retain=True)
        self._in_flight.append(self._client.publish(f"{self._topic}/persons", line))
        return True

    def disconnect(self) -> list[str]:
        """Say that it is over, and leave."""
        connected = self._client.is_connected()
        if connected:
            last = self._client.publish(f"{self._topic}/state", "offline", qos=1, retain=True)
            try:
                last.wait_for_publish(_FINISHING)
            except (RuntimeError, ValueError):  # the connection has just gone
                connected = False
        self._client.disconnect()
        self._client.loop_stop()
        return [] if connected else [f"{self.name}: not connected at the end: {self._trouble or 'no answer'}"]

    def _room(self) -> bool:
        """Whether the broker takes one more; a slow one is waited for once, until it takes some again."""
        deadline = time.monotonic() + (0.0 if self._stalled else _PATIENCE)
        while True:
            self._in_flight = [one for one in self._in_flight if not _done(one)]
            self._stalled = len(self._in_flight) >= _IN_FLIGHT
            if not self._stalled or time.monotonic() >= deadline:
                return not self._stalled
            time.sleep(_POLL)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        """On paho's thread, at each connection."""
        del userdata, flags, properties
        if reason.is_failure:
            self._warn_once(f"the broker refuses: {reason}")
            return
        if not self._connected_before:
            client.publish(f"{self._topic}/size", b"", retain=True)  # else that of an earlier run would stay
        self._connected_before = True
        self._trouble = ""
        client.publish(f"{self._topic}/run", self._records.run, retain=True)
        client.publish(f"{self._topic}/state", "online", retain=True)
        self._answered.set()

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        del client, userdata, flags, properties
        if reason.is_failure and not self._trouble:  # else it never was there
            self._warn_once(f"the connection is lost: {reason}")

    def _warn_once(self, what: str) -> None:
        """Say it once until there is a connection."""
        if what != self._trouble:
            self._trouble = what
            self._answered.set()
            log.warning("%s: %s; the run goes on, and it is tried again", self.name, what)


def _done(message: Any) -> bool:
    """Whether a message is on its way, or lost with its connection."""
    try:
        return bool(message.is_published())
    except (RuntimeError, ValueError):
        return True
