"""Several cameras behind one page: one network in turns, and each with its own files, ids and troubles."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import orjson
import pytest

pytest.importorskip("aiohttp", reason="needs poseline[serve]")
pytest.importorskip("simplejpeg", reason="needs poseline[serve]")

from media_worlds import WAIT, free_port, until
from output_worlds import SAMPLES
from poseline import read_log
from poseline.batch import run_batch
from poseline.capture import locate
from poseline.inference import Turn, Turns
from poseline.interruption import Interruption
from poseline.pipeline import Channel, Overflow
from poseline.request import RunRequest
from poseline.serve.address import Address
from poseline.serve.cameras import run_served
from poseline.serve.hub import Hub
from poseline.serve.server import Server
from poseline.session import Models
from poseline.settings import Settings, load
from serve_worlds import INFO, Filming, header, request


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two clips of 2.4 s with one person and with several."""
    folder = tmp_path_factory.mktemp("clips")
    return [shortened(SAMPLES / f"{name}.mp4", folder / f"{name}.mp4", 60) for name in ("squat", "crossing")]


def shortened(source: Path, target: Path, frames: int) -> Path:
    """The first frames of a clip, as a clip."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        stream = given.streams.video[0]
        copy = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        copy.width, copy.height, copy.pix_fmt = stream.width, stream.height, "yuv420p"
        for index, frame in enumerate(islice(given.decode(stream), frames)):
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(copy.encode(frame))
        out.mux(copy.encode(None))
    return target


def settings(folder: Path, **capture: Any) -> Settings:
    return load(
        overrides={
            "inference": {"model": "builtin", "imgsz": 320},
            "capture": {"live": True, **capture},
            "output": {"directory": folder, "video": False},
        }
    )


# One network in turns.


def test_turns_are_given_in_order_one_at_a_time() -> None:
    turns, order, inside, most = Turns(), list[int](), list[int](), list[int]()

    def use(number: int) -> None:
        turn = Turn(turns)
        for after in reversed(range(20)):
            turn.begin()
            turn.begin()  # twice is once
            inside.append(number)
            order.append(number)
            most.append(len(inside))
            both_wait = not after or until(lambda: turns._next - turns._now == 3)
            inside.remove(number)
            turn.end()
            turn.end()
            if not both_wait:
                return

    first = Turn(turns)
    first.begin()
    threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    for number, thread in enumerate(threads):
        thread.start()
        assert until(lambda number=number: turns._next == number + 2)  # type: ignore[misc] # it waits for its turn
    first.end()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert order == 20 * [0, 1, 2], "whoever has waited longest"


def test_who_waits_for_its_turn_gets_the_newest_frame_then() -> None:
    turns = Turns()
    other, own = Turn(turns), Turn(turns)
    channel: Channel[int] = Channel("inference", 1, Overflow.DROP_OLDEST, before_taking=own.begin)
    other.begin()
    taken: list[int] = []
    reader = threading.Thread(target=lambda: taken.append(next(iter(channel))))
    reader.start()
    for number in range(5):
        channel.put(number)
        time.sleep(0.02)
    assert not taken
    other.end()
    reader.join(WAIT)
    assert taken == [4]
    assert channel.dropped == 4


def test_one_without_frames_takes_no_turn() -> None:
    turns = Turns()
    channel: Channel[int] = Channel("inference", 1, before_taking=Turn(turns).begin)
    reader = threading.Thread(target=lambda: list(channel), daemon=True)
    reader.start()
    other = Turn(turns)
    began = time.monotonic()
    for _ in range(50):
        other.begin()
        other.end()
    assert time.monotonic() - began < 30
    channel.finish()
    reader.join(WAIT)


# Runs.


def test_two_cameras_and_a_dead_third(clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, codes, told = free_port(), list[int](), dict[str, set[tuple[str, bool]]]()
    wake = Hub.wake

    def note(name: str, state: str, text: str) -> None:
        told.setdefault(name, set()).add((state, "trying again in" in text))

    def note_states(hub: Hub) -> None:
        """Called at every change of a camera; who asks by HTTP may miss a state that ends soon."""
        for feed in tuple(hub.feeds):
            note(feed.name, *feed.state)
        wake(hub)

    monkeypatch.setattr(Hub, "wake", note_states)
    sources = [str(clips[0]), "rtsp://me:secret@127.0.0.1:1/gym", str(clips[1])]
    run = threading.Thread(
        target=lambda: codes.append(
            run_batch(sources, settings(tmp_path / "out", max_outage=3.0), Interruption(), serve=f"127.0.0.1:{port}")
        )
    )
    run.start()
    while run.is_alive():
        with contextlib.suppress(OSError, orjson.JSONDecodeError):  # it is not there yet, or breaks off at its end
            for camera in orjson.loads(request(port, "/api/cameras").body):
                assert "secret" not in str(camera)
                note(camera["name"], camera["state"], camera["text"])
        time.sleep(0.05)
    assert codes == [3], "the dead one's"
    dead = next(name for name in told if name.startswith("rtsp"))
    assert ("lost", True) in told[dead]
    assert ("failed", False) in told[dead]
    for clip in clips:
        assert told[clip.stem] & {("live", False), ("late", False)}, "late, where this computer is"
        log = read_log(tmp_path / "out" / clip.stem / "keypoints.jsonl")
        assert log.end is not None
        assert log.end["ended"] == "complete"
        counts = log.end["counts"]
        assert counts["processed"] + counts["dropped"] == 60
        assert counts["processed"] >= 2
        ids = {number for frame in log.frames for number in frame.poses.ids.tolist() if number > 0}
        assert min(ids) == 1, "each counts its own persons"
        assert (tmp_path / "out" / clip.stem / "summary.json").exists()


def test_a_camera_that_comes_later_is_taken_in(clips: list[Path], tmp_path: Path) -> None:
    port, late, codes = free_port(), free_port(), list[int]()
    asked = Interruption()
    sources = [f"http://127.0.0.1:{late}/api/stream.mjpg", str(clips[0])]
    run = threading.Thread(
        target=lambda: codes.append(
            run_batch(sources, settings(tmp_path / "out", max_outage=WAIT), asked, serve=f"127.0.0.1:{port}")
        )
    )
    run.start()
    until_state(port, "lost")
    camera = Server(Address("127.0.0.1", late))
    camera.hub.add("late").begin(header(), INFO)
    camera.start()
    with Filming(camera.hub.feeds[0]):
        until_state(port, "live")
        asked(signal.SIGINT)
        run.join(WAIT)
    camera.stop()
    assert codes == [130]


def until_state(port: int, wanted: str) -> None:
    """Waits until the first camera of the run on `port` is in this state."""
    states: set[str] = set()
    deadline = time.monotonic() + WAIT
    while wanted not in states:
        assert time.monotonic() < deadline, states
        with contextlib.suppress(OSError, orjson.JSONDecodeError):
            states.add(orjson.loads(request(port, "/api/cameras").body)[0]["state"])
        time.sleep(0.05)


def test_ctrl_c_finishes_all_files(clips: list[Path], tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "poseline", "run", *map(str, clips), "-m", "builtin", "--imgsz", "160", "--live",
               "--source-fps", "2", "--serve", f"127.0.0.1:{port}", "--send", "ws", "--segment", "10m",
               "-o", str(tmp_path / "out")]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            deadline = time.monotonic() + WAIT
            processed: list[int] = []
            while min(processed, default=0) < 2:  # of 60 frames each, two a second
                assert time.monotonic() < deadline
                with contextlib.suppress(OSError, orjson.JSONDecodeError):
                    processed = [camera["processed"] for camera in orjson.loads(request(port, "/api/cameras").body)]
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            printed, _ = process.communicate(timeout=WAIT)
        finally:
            process.kill()
    assert process.returncode == 130, printed
    assert f"page: http://127.0.0.1:{port}/" in printed
    for clip in clips:
        assert (tmp_path / "out" / clip.stem / "annotated.mp4").exists()
        log = read_log(tmp_path / "out" / clip.stem)
        assert log.ended in ("interrupted", "complete")
        assert log.run["segment"] == 1
        assert f"keypoints: ws://127.0.0.1:{port}/api/{clip.stem}/keypoints\n" in printed


# What is refused, and what is missing.


def told(*arguments: str, before: str = "") -> tuple[int, str]:
    code = f"{before}\nimport sys\nsys.argv[0] = 'poseline'\nfrom poseline.__main__ import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code, "run", *arguments], capture_output=True, text=True, timeout=280)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clip.mp4", "--serve=nowhere at all"], "not an address to listen on"),
        (["clip.mp4", "--serve", "--jobs", "2"], "leave --jobs out"),
        (["clip.mp4", "--record"], "--record is about the recordings of the live page; add --serve"),
        (["clip.mp4", "--serve", "--segment", "soon"], "output.segment: 'soon' is not a time"),
        (["clip.mp4", "--keep", "24h"], "add --segment"),
        (["clip.mp4", "--send", "ws"], "the WebSocket is a part of the page's server; add --serve"),
        (["picture.png", "--serve"], "shows cameras and videos, not pictures"),
    ],
)
def test_what_cannot_be_served_is_told_at_once(
    arguments: list[str], words: str, clips: list[Path], tmp_path: Path, picture: Path
) -> None:
    names = {"clip.mp4": clips[0], "picture.png": picture}
    code, text = told(*(str(names.get(each, each)) for each in arguments), "-o", str(tmp_path / "out"))
    assert (code, words in text) == (2, True), text
    assert not (tmp_path / "out").exists()


def test_what_is_served_is_asked_for_its_own_jpegs(clips: list[Path], tmp_path: Path) -> None:
    camera = SimpleNamespace(keeps_jpegs=False)

    def run_one(*_: object, on_open: Callable[[Any, Path], None], **__: object) -> Any:
        on_open(camera, tmp_path)
        return SimpleNamespace(error=None, exit_code=0)

    requests, models = [RunRequest(locate([clips[0]])[0], settings(tmp_path))], Models()
    assert run_served(requests, f"127.0.0.1:{free_port()}", 1, run_one, models, Interruption()) == 0
    assert camera.keeps_jpegs


def test_what_is_not_installed_is_told_with_how_to_get_it(clips: list[Path], tmp_path: Path) -> None:
    for absent in ("aiohttp", "simplejpeg"):
        code, text = told(
            str(clips[0]), "--serve", "-o", str(tmp_path), before=f"import sys; sys.modules['{absent}'] = None"
        )
        assert code == 2
        assert f"needs {absent}; install it with: pip install 'poseline[serve]'" in text


def test_a_port_in_use_ends_the_run_before_it_begins(clips: list[Path], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, text = told(str(clips[0]), "--serve", f"127.0.0.1:{taken.getsockname()[1]}", "-o", str(tmp_path / "out"))
    assert (code, "try another port" in text) == (4, True)
    assert not (tmp_path / "out").exists()


def test_without_the_option_none_of_it_is_loaded(clips: list[Path], tmp_path: Path) -> None:
    heavy = ("aiohttp", "simplejpeg", "segno")
    ours = f"[name for name in sys.modules if name.split('.')[0] in {heavy} or name.startswith('poseline.serve')]"
    loaded = f"import sys; print('LOADED', *{ours})"
    code = f"""
import sys
from poseline.cli import command
from poseline.batch import run_batch
from poseline.interruption import Interruption
assert command(Interruption()) == 0
{loaded}
"""
    arguments = ["run", str(clips[0]), "-m", "builtin", "--imgsz", "160", "--no-video", "-o", str(tmp_path / "out")]
    for text in (code, f"import poseline\n{loaded}"):
        done = subprocess.run([sys.executable, "-c", text, *arguments], capture_output=True, text=True, timeout=280)
        assert done.stdout.splitlines()[-1] == "LOADED", done.stdout + done.stderr
