"""Runs of scripted people that are sent to other programs, and receivers for them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media_worlds import ScriptedSource, estimator, settings, until
from output_worlds import lines
from poseline.frame import Pixels
from poseline.inference import PoseEstimator
from poseline.output import prepare
from poseline.pipeline import RunReport, Stage, run
from poseline.pose import Observation, Poses
from poseline.send import senders
from poseline.skeleton import COCO17

Who = Callable[[int], Sequence[int]]
"""The ids of those who are in a frame, by its number."""
SIZE = (640, 480)


def come_and_go(number: int) -> Sequence[int]:
    """Nobody, then one, then two, then the second alone, and a third who comes later."""
    return [*([7] if 3 <= number < 12 else []), *([8] if 6 <= number < 30 else []), *([9] if number >= 33 else [])]


def poses_of(number: int, ids: Sequence[int]) -> Poses:
    """Everybody's poses in a frame: numbers that no two frames, persons or keypoints share."""
    random = np.random.default_rng([number, len(ids)])
    keypoints = random.uniform(0, 1, (len(ids), 17, 3)).astype(np.float32) * np.array((*SIZE, 1), np.float32)
    boxes = np.concatenate((keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)), axis=1)
    found = Poses.of(boxes.reshape(-1, 4), np.full(len(ids), 0.9, np.float32), keypoints)
    return found.with_ids(np.array(ids, np.int64).reshape(-1))


def scripted(who: Who) -> Stage:
    """A stage that finds them, whatever the network says."""

    def play(observations: Iterator[Observation]) -> Generator[Observation, None, None]:
        for observation in observations:
            number = observation.frame.index
            yield replace(observation, poses=poses_of(number, who(number)))

    return Stage("script", play)


def nobody(pixels: Pixels) -> NDArray[np.float32]:
    """A network's answer: nothing, of 17 keypoints."""
    del pixels
    return np.zeros((4 + 1 + 51, 2), np.float32)


def seventeen() -> PoseEstimator:
    """A model with COCO's keypoints that finds nobody."""
    model = estimator(nobody)
    return PoseEstimator(replace(model.spec, keypoint_shape=(17, 3), skeleton=COCO17), model.runtime, model.settings)


@dataclass
class Sent:
    """A run that has ended."""

    report: RunReport
    records: list[Any]
    """Of its log."""

    @property
    def frames(self) -> list[Any]:
        """The log's frames."""
        return [record for record in self.records if record["type"] == "frame"]


def sent(
    folder: Path, *addresses: str, frames: int = 40, who: Who = come_and_go, live: bool = False,
    rate: float | None = None, stages: Sequence[Stage] = (), **sections: dict[str, Any],
) -> Sent:  # fmt: skip
    """Run scripted people and send them to `addresses`, as the camera `cam`."""
    source = ScriptedSource(frames, live=live, rate=rate, size=SIZE)
    chosen = settings(output={"video": False, "send": addresses}, **sections)
    with prepare(folder, "scripted", True, []) as out:
        sinks = senders(addresses, "cam")
        report = run(source, seventeen(), chosen, out, sinks=sinks, stages=[scripted(who), *stages])
    return Sent(report, lines(folder / "keypoints.jsonl"))


class UdpReceiver:
    """Collects datagrams."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.5)
        self.port = int(self._socket.getsockname()[1])

    def received(self) -> list[bytes]:
        """All that have come, until none comes for a while."""
        found = []
        try:
            while True:
                found.append(self._socket.recv(65536))
        except TimeoutError:
            return found

    def __enter__(self) -> UdpReceiver:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()


class TcpReceiver:
    """Accepts connections, and reads what comes unless it is told not to."""

    def __init__(self, port: int = 0, *, reads: bool = True) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        if not reads:
            self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.port = int(self._server.getsockname()[1])
        self.received: list[bytes] = []
        """What each connection brought."""
        self.connections: list[socket.socket] = []
        self.ended = 0
        self._reads = reads
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self, connections: int = 1) -> None:
        """Until so many connections have ended."""
        assert until(lambda: self.ended >= connections)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections.append(connection)
            self.received.append(b"")
            if self._reads:
                threading.Thread(target=self._read, args=(connection, len(self.received) - 1), daemon=True).start()

    def _read(self, connection: socket.socket, index: int) -> None:
        try:
            while data := connection.recv(65536):
                self.received[index] += data
        except OSError:
            pass
        finally:
            self.ended += 1

    def __enter__(self) -> TcpReceiver:
        return self

    def __exit__(self, *error: object) -> None:
        for connection in self.connections:
            connection.close()
        self._server.close()
