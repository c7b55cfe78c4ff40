"""A run whose clip shows the number of each frame, with persons whose points are known; and a server of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
from numpy.typing import NDArray

from log_worlds import COMPLETE, frame, header, person, write_log
from media_worlds import write_clip
from poseline.inspection.inspected import InspectedRun
from poseline.inspection.server import InspectAddress, InspectServer
from poseline.skeleton import COCO17
from serve_worlds import Answer, request

SIZE = (320, 240)
FRAMES = 120
RATE, TICK = 30, Fraction(1, 90000)
NAMES = COCO17.names
ANKLE = NAMES.index("left_ankle")


def ticks(index: int) -> int:
    """A frame's time stamp."""
    return index * 3000


def points_of(number: int, index: int) -> NDArray[np.float64]:
    """(17, 2) somebody's keypoints in pixels; all stand apart, and move by half a pixel a frame."""
    x = 60 + 90 * number + 0.5 * index
    return np.array([[x + 14 * (keypoint % 3), 50 + 9 * keypoint] for keypoint in range(17)])


def make_run(folder: Path, frames: int = FRAMES, persons: int = 2, *, clip: bool = True, end: bool = True) -> Path:
    """A run's folder, with the clip beside the log; key frames come seldom, so that most pictures need a seek."""
    folder.mkdir(parents=True, exist_ok=True)
    if clip:
        options = {"bf": "2", "g": "50", "qp": "10"}
        write_clip(folder / "clip.mp4", [ticks(index) for index in range(frames)], TICK, size=SIZE, options=options)
    records = [run_record(), *(frame_record(index, persons) for index in range(frames)), *([COMPLETE] if end else [])]
    write_log(folder / "keypoints.jsonl", records)
    return folder


def run_record() -> dict[str, Any]:
    record = header(width=SIZE[0], height=SIZE[1])
    record["skeleton"]["edges"] = [list(edge) for edge in COCO17.edges]
    return record


def frame_record(index: int, persons: int = 2) -> dict[str, Any]:
    seen = [person(number + 1, points_of(number, index)) for number in range(persons)]
    return {**frame(index, index / RATE, seen), "pts": ticks(index)}


@contextmanager
def inspecting(folder: Path, source: Path | None = None, host: str = "127.0.0.1") -> Iterator[InspectServer]:
    """A server of a run, made by somebody called `tester`."""
    server = InspectServer(InspectAddress(host, 0), InspectedRun(folder, "tester"), source)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def get(server: InspectServer, path: str) -> Answer:
    return request(server.address.port, path)


def get_json(server: InspectServer, path: str) -> Any:
    answer = get(server, path)
    assert answer.status == 200, answer
    return orjson.loads(answer.body)


def post(port: int, path: str, record: Any, **headers: str | None) -> Answer:
    """As the page posts."""
    chosen: dict[str, str | None] = {"Origin": f"http://127.0.0.1:{port}", "Content_Type": "application/json"}
    return request(port, path, "POST", orjson.dumps(record), **{**chosen, **headers})


def act(server: InspectServer, record: dict[str, Any]) -> Any:
    answer = post(server.address.port, "/api/act", record)
    assert answer.status == 200, answer
    return orjson.loads(answer.body)


def poses(server: InspectServer, first: int, last: int) -> list[tuple[int, int, NDArray[np.float32], list[int]]]:
    """(place, id, keypoints (17, 3), states) of each person, as the page decodes them."""
    body = get(server, f"/api/poses?from={first}&to={last}").body
    _, count, keypoints, _ = np.frombuffer(body, "<u4", 4)
    at, columns = 16, []
    for kind, length in (
        ("<f8", 1), ("<i4", 1), ("<f4", 1), ("<f4", 4), ("<f4", 3 * keypoints), ("u1", keypoints),
    ):  # fmt: skip
        column = np.frombuffer(body, kind, count * length, at)
        at += column.nbytes
        columns.append(column.reshape(count, -1))
    assert at == len(body)
    ids, places, _, _, points, states = columns
    return [
        (int(places[row, 0]), int(ids[row, 0]), points[row].reshape(-1, 3), states[row].tolist())
        for row in range(count)
    ]


def decoded(answer: Answer) -> NDArray[np.uint8]:
    assert answer.status == 200, answer
    found = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return np.asarray(found, np.uint8)
