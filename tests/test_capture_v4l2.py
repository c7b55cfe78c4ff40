"""A camera of Linux through FFmpeg's real V4L2 code; the kernel's answers come from `fake_v4l2.c`, as a camera's would.

Each camera lives in a process of its own, since it is preloaded. No test here has seen a real camera.
"""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from media_worlds import WAIT, picture
from poseline.capture import v4l2
from poseline.capture.camera import Plug
from poseline.capture.v4l2 import V4l2Device, explained, stable_path
from poseline.capture.watchdog import ChangeWatch, RateWatch
from poseline.capture.watched import Silent, Watched
from poseline.errors import SourceError
from poseline.frame import Frame

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="V4L2 is Linux's")

SIZE = (640, 480)
PICTURES = 30
PROGRAM = """
import json, logging, os, sys
from pathlib import Path
from poseline.capture import Camera, v4l2
from poseline.settings import CaptureSettings
from media_worlds import number_in

folder, wanted, count = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
v4l2.DEVICES = folder
told = {"frames": [], "error": None, "notes": []}
try:
    camera = Camera(0, CaptureSettings(**wanted))
    camera.keeps_jpegs = True
    told["info"] = [camera.info.width, camera.info.height, float(camera.info.frame_rate or 0)]
    for frame in camera.frames():
        gap = frame.gap and [frame.gap.start, frame.gap.end]
        number = number_in(frame.bgr)
        taken = Path(os.environ["FAKE_PICTURES"], f"{number}.jpg").read_bytes()
        same = None if frame.jpeg is None else frame.jpeg == taken
        told["frames"].append([number, frame.time, frame.arrival, gap, frame.picture.format.name, same])
        if len(told["frames"]) == count:
            camera.stop()
    told["notes"], told["bad"] = camera.notes, camera.bad
except Exception as error:
    told["error"] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
sys.stdout.flush()
os._exit(0)  # a thread may be in a driver that never answers
"""


DOCTOR = """
import sys
from pathlib import Path
from poseline.__main__ import main
from poseline.capture import v4l2
v4l2.DEVICES = Path(sys.argv.pop(1))
main()
"""


@dataclass
class Given:
    """What a camera gave."""

    numbers: list[int]
    times: list[float]
    gaps: list[Any]
    kinds: set[str]
    info: list[float]
    notes: list[str]
    bad: int
    error: str | None
    untouched: set[bool | None]
    """Whether the frames' JPEGs are those that the camera gave; None where there is none."""


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has a camera in the folder FAKE_FOLDER."""
    folder = tmp_path_factory.mktemp("camera")
    source = Path(__file__).with_name("fake_v4l2.c")
    library = folder / "fake.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    (folder / "pictures").mkdir()
    for number in range(PICTURES):
        cv2.imwrite(str(folder / "pictures" / f"{number}.jpg"), picture(number, SIZE))
    return {
        **os.environ, "LD_PRELOAD": str(library), "FAKE_PICTURES": str(folder / "pictures"),
        "FAKE_COUNT": str(PICTURES), "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }  # fmt: skip


def given(fake: dict[str, str], folder: Path, mode: str = "", count: int = 6, after: int = -1, **wanted: Any) -> Given:
    """What a camera of some `mode` gives, when it is asked for what is `wanted`."""
    node = folder / "video0"
    node.touch()
    environment = {**fake, "FAKE_NODE": str(node), "FAKE_MODE": mode, "FAKE_AFTER": str(after)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), json.dumps(wanted), str(count)], env=environment,
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.stdout, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    frames = told["frames"]
    numbers, times, _, gaps, kinds, same = ([row[column] for row in frames] for column in range(6))
    bad, notes = told.get("bad", 0), told["notes"]
    return Given(numbers, times, gaps, set(kinds), told.get("info", []), notes, bad, told["error"], set(same))


@pytest.mark.system("gcc")
def test_mjpg_is_asked_first_and_frames_have_the_drivers_times(fake: dict[str, str], tmp_path: Path) -> None:
    got = given(fake, tmp_path, count=12)
    assert got.error is None
    assert got.numbers == list(range(12))
    assert got.notes == ["camera 0 gives 640x480, 30 frames/s, MJPG"]
    assert got.kinds <= {"yuv420p", "yuvj420p"}
    assert got.untouched == {True}, "the camera's own JPEG is there for the page"
    steps = np.diff(got.times)
    assert abs(np.median(steps) - 1 / 30) < 0.003, "however late they are read"


@pytest.mark.system("gcc")
def test_a_camera_without_mjpg_gives_what_it_has(fake: dict[str, str], tmp_path: Path) -> None:
    got = given(fake, tmp_path, "raw")
    assert got.error is None
    assert got.notes == ["camera 0 gives 640x480, 30 frames/s, YUYV"]
    assert (got.kinds, got.untouched) == ({"yuv420p"}, {None})
    refused = given(fake, tmp_path, "raw", fourcc="MJPG").error
    assert refused is not None
    assert "it does not have the pixel format, size or rate that it was asked for" in refused
    assert "--fourcc XVID is not among MJPG" in str(given(fake, tmp_path, fourcc="XVID").error)


@pytest.mark.system("gcc")
def test_what_was_asked_and_what_is_given_are_told(fake: dict[str, str], tmp_path: Path) -> None:
    """Also whole pictures: FFmpeg joins two that are smaller than what was asked for."""
    got = given(fake, tmp_path, cam_size=(1280, 720), cam_fps=60)
    assert got.notes == ["camera 0 gives 640x480, 30 frames/s, MJPG (asked for 1280x720 and 60 frames/s)"]
    assert (got.info, got.numbers) == ([640, 480, 30.0], list(range(6)))
    granted = given(fake, tmp_path, "raw", cam_size=(320, 240), cam_fps=15)
    assert granted.notes == ["camera 0 gives 320x240, 15 frames/s, YUYV"]


@pytest.mark.system("gcc")
def test_not_yet_is_no_error_and_a_torn_picture_none_either(fake: dict[str, str], tmp_path: Path) -> None:
    assert given(fake, tmp_path, "again").numbers == list(range(6))
    torn = given(fake, tmp_path, "broken")
    assert torn.numbers == [0, 1, 2, 4, 5, 6]
    assert torn.bad in (1, 2), "the eighth may have been read"


@pytest.mark.system("gcc")
@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("nospace", 'the USB bus has no bandwidth left for it ("No space left on device"); try --fourcc MJPG'),
        ("busy", "another program uses it"),
    ],
)
def test_a_drivers_refusal_is_told_in_words(mode: str, words: str, fake: dict[str, str], tmp_path: Path) -> None:
    error = given(fake, tmp_path, mode).error
    assert error is not None
    assert error.startswith("SourceError: camera 0: ")
    assert words in error


@pytest.mark.system("gcc")
def test_a_camera_that_falls_silent_is_opened_again(fake: dict[str, str], tmp_path: Path) -> None:
    got = given(fake, tmp_path, "silent", after=8, count=12, max_outage=60)
    assert got.error is None
    (gap,) = [gap for gap in got.gaps if gap]
    assert gap[1] - gap[0] >= 1, "a second of silence, and the way back"
    assert [note for note in got.notes if re.match(r"outage at \d\.\d s", note)]
    assert got.times == sorted(got.times)


@pytest.mark.system("gcc")
def test_a_camera_that_never_answers_is_told(fake: dict[str, str], tmp_path: Path) -> None:
    error = given(fake, tmp_path, "silent", after=0, open_timeout=1).error
    assert error is not None
    assert "it gives no picture within 1 s" in error


@pytest.mark.system("gcc")
def test_a_camera_that_is_unplugged_is_waited_for(fake: dict[str, str], tmp_path: Path) -> None:
    """It comes back, or it does not."""
    error = given(fake, tmp_path, "gone", after=8, count=12, max_outage=1).error
    assert error is not None
    assert "camera 0: gone for 1 s; the last attempt: camera 0: video0 is not plugged in" in error
    node = tmp_path / "video0"
    stopped = threading.Event()

    def plug() -> None:
        seen = False
        while not stopped.wait(0.01):
            seen = seen or node.exists()
            if seen and not node.exists():
                time.sleep(0.3)
                node.touch()
                return

    threading.Thread(target=plug, daemon=True).start()
    got = given(fake, tmp_path, "gone", after=8, count=12, max_outage=60)
    stopped.set()
    assert got.error is None
    assert len([gap for gap in got.gaps if gap]) == 1


@pytest.mark.system("gcc")
def test_a_camera_that_is_slower_than_it_says_is_told(fake: dict[str, str], tmp_path: Path) -> None:
    got = given(fake, tmp_path, "slow", count=70)
    assert "camera 0 gives 16 frames/s, not 30: too dark?" in got.notes[-1]


@pytest.mark.system("gcc")
def test_stamps_of_another_clock_are_brought_into_ours(fake: dict[str, str], tmp_path: Path) -> None:
    got = given(fake, tmp_path, "realtime", count=12)
    assert got.error is None
    assert abs(np.median(np.diff(got.times)) - 1 / 30) < 0.003
    assert got.times[-1] < 2


@pytest.mark.system("gcc")
def test_doctor_lists_formats_and_measures(fake: dict[str, str], tmp_path: Path) -> None:
    node = tmp_path / "video0"
    node.touch()
    (tmp_path / "video1").touch()  # a node that is no camera
    environment = {**fake, "FAKE_NODE": str(node), "FAKE_MODE": "slow", "COLUMNS": "300"}
    done = subprocess.run(
        [sys.executable, "-c", DOCTOR, str(tmp_path), "doctor", "cameras"], env=environment, capture_output=True,
        text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f"camera 0 {node}" in said
    assert "camera 0 Compressed: mjpeg : Motion-JPEG : 640x480 320x240" in said
    assert "camera 0 Raw : yuyv422 : YUYV 4:2:2 : 640x480 320x240" in said
    assert "camera 0 camera 0 gives 640x480, 30 frames/s, MJPG" in said
    (measured,) = [line for line in said if "measured" in line]
    assert re.match(r"camera 0 measured: 1[0-6]\.\d frames/s over [2-9]\.", measured), measured  # 16, and fewer if busy
    assert measured.endswith("not 30: too dark for its exposure, or USB is too slow")
    assert [line for line in said if line.startswith("camera 1 camera 1: ")]


def test_doctor_without_a_camera(tmp_path: Path) -> None:
    for topic, status, words in (("cameras", 0, "none"), ("webcams", 2, "doctor webcams: the one topic")):
        done = subprocess.run(
            [sys.executable, "-c", DOCTOR, str(tmp_path), "doctor", topic], capture_output=True, text=True, timeout=280
        )
        assert done.returncode == status
        assert words in done.stdout + done.stderr


# At the seam


def test_a_camera_is_found_again_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v4l2, "DEVICES", tmp_path)
    by_id = tmp_path / "v4l" / "by-id"
    by_id.mkdir(parents=True)
    link = by_id / "usb-Maker_Camera_1234-video-index0"
    (tmp_path / "video0").touch()
    (tmp_path / "video2").touch()
    link.symlink_to("../../video2")
    assert stable_path(2) == link
    assert stable_path(0) == tmp_path / "video0"
    plug = Plug()
    device = plug(2)
    assert isinstance(device, V4l2Device)
    (tmp_path / "video2").unlink()
    with pytest.raises(SourceError, match="camera 2: usb-Maker_Camera_1234-video-index0 is not plugged in"):
        plug(2)
    (tmp_path / "video3").touch()  # it has another number now, and somebody else has its old one
    (tmp_path / "video2").touch()
    link.unlink()
    link.symlink_to("../../video3")
    opened: list[Path] = []

    def opener(path: Path, options: Any) -> Any:
        del options
        opened.append(path)
        raise OSError(errno.EBUSY, "busy")

    again = plug(2)
    assert isinstance(again, V4l2Device)
    again._opener = opener
    with pytest.raises(SourceError, match="another program uses it"):
        again.start(None, None, None, 5)
    assert opened == [(tmp_path / "video3").resolve()]


def test_a_camera_that_opens_when_nobody_waits_any_more_is_closed() -> None:
    answers, closed = threading.Event(), threading.Event()

    def opener(*_: object) -> Any:
        answers.wait(WAIT)
        return SimpleNamespace(close=closed.set)

    with pytest.raises(SourceError, match=r"gives no picture within 0\.1 s"):
        V4l2Device(Path("video0"), opener).start(None, None, None, 0.1)
    assert not closed.is_set()
    answers.set()
    assert closed.wait(WAIT)


def test_a_time_out_of_the_driver_is_the_drivers() -> None:
    def opener(*_: object) -> Any:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    with pytest.raises(SourceError, match="Connection timed out"):
        V4l2Device(Path("video0"), opener).start(None, None, None, 5)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EBUSY, errno.EACCES, errno.ENODEV, errno.EIO, errno.EPROTO])
def test_errors_are_told_in_words(number: int) -> None:
    assert explained(OSError(number, os.strerror(number))) != os.strerror(number)


def test_an_unknown_error_keeps_its_own_words() -> None:
    assert explained(OSError(errno.EXDEV, "Cross-device link")) == "Cross-device link"


def test_a_stamp_in_another_clock_is_shifted_by_its_least_delay() -> None:
    device = V4l2Device(Path("video0"))
    packet = SimpleNamespace(pts=None, time_base=Fraction(1, 1000))
    assert abs(device._taken(packet) - time.monotonic()) < 5
    ours = time.monotonic()
    packet.pts = round((ours - 0.05) * 1000)
    assert abs(device._taken(packet) - (ours - 0.05)) < 0.01, "the system's monotonic clock"
    packet.pts = 1_900_000_000_000  # a time of day
    assert abs(device._taken(packet) - time.monotonic()) < 5
    time.sleep(0.05)
    packet.pts += 20  # 20 ms later by its stamp, 50 by its arrival: it was held up
    assert device._taken(packet) < time.monotonic() - 0.02


def watch(frames: list[tuple[float, int]]) -> list[str]:
    """What is told of frames at some times that show some numbers."""
    watched, told = ChangeWatch(), []
    for index, (at, number) in enumerate(frames):
        frame = Frame(picture(number), index, 0, Fraction(1, 90_000), at, at)
        told += [word] if (word := watched.word(frame)) else []
    return told


def test_a_picture_that_never_changes_is_told_once() -> None:
    assert watch([(number / 10, number % 2) for number in range(100)]) == []
    assert len(watch([(number / 10, 0) for number in range(200)])) == 1
    assert watch([(number / 10, number // 40) for number in range(200)]) == [], "it changes every four seconds"
    spells = [(number / 10, number // 100) for number in range(200)]
    assert len(watch(spells)) == 2, "once for each spell"


@pytest.mark.parametrize(("rate", "told"), [(30.0, False), (25.0, False), (16.0, True), (5.0, True)])
def test_a_rate_that_is_not_kept_is_told_once(rate: float, told: bool) -> None:
    watched = RateWatch(30.0)
    words = [word for number in range(round(10 * rate)) if not watched.done and (word := watched.word(number / rate))]
    assert len(words) == told
    if told:
        assert f"gives {rate:.0f} frames/s, not 30: too dark?" in words[0]


def test_a_driver_that_promises_nothing_is_not_measured() -> None:
    assert RateWatch(0.0).done


def test_whoever_reads_a_camera_gives_it_back_once() -> None:
    released: list[str] = []
    answer = threading.Event()
    watched: Watched[int] = Watched(
        lambda: answer.wait(WAIT) or None, lambda: released.append(threading.current_thread().name)
    )
    with pytest.raises(Silent):
        watched.next(0.05)
    threading.Timer(0.1, answer.set).start()
    watched.close()
    assert released == ["camera"], "by the thread that was in the driver"


def test_the_cameras_end_and_its_errors_reach_the_reader() -> None:
    items = iter([1, 2, None])
    watched: Watched[int] = Watched(lambda: next(items), list)
    assert [watched.next(WAIT), watched.next(WAIT), watched.next(WAIT)] == [1, 2, None]

    def fail() -> int:
        raise SourceError("it has gone")

    failing: Watched[int] = Watched(fail, list)
    with pytest.raises(SourceError, match="it has gone"):
        failing.next(WAIT)
