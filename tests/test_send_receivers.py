"""MQTT and LSL, received by what others have made: a mosquitto broker with paho's client, and pylsl."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import WAIT, ScriptedSource, free_port, until
from output_worlds import header
from poseline.errors import OutputError, SettingsError
from poseline.pipeline import Stage
from poseline.pose import Observation
from poseline.send import senders
from poseline.send.mqtt import MqttSender
from send_worlds import sent


@contextmanager
def mosquitto(folder: Path, port: int, password: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A broker on loopback; with a password, for the user `me` alone."""
    lines = [f"listener {port} 127.0.0.1", f"allow_anonymous {'false' if password else 'true'}"]
    folder.mkdir(exist_ok=True)
    if password:
        users = folder / "users"
        users.touch(mode=0o600)
        subprocess.run(["mosquitto_passwd", "-b", str(users), "me", password], check=True, capture_output=True)
        users.chmod(0o644)
        folder.chmod(0o755)
        lines.append(f"password_file {users}")
    (folder / "mosquitto.conf").write_text("\n".join([*lines, "user root", ""]))
    command = ["mosquitto", "-c", str(folder / "mosquitto.conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as broker:
        assert until(lambda: _answers(port))
        try:
            yield broker
        finally:
            broker.kill()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def subscriber(port: int, password: str = "") -> Iterator[list[Any]]:
    """All messages that a broker gives, as they come; each has topic, payload and retain."""
    import paho.mqtt.client as mqtt

    got: list[Any] = []
    ready = threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    if password:
        client.username_pw_set("me", password)
    client.on_connect = lambda client, *_: client.subscribe("#")
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda *given: got.append(given[2])
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert ready.wait(WAIT)
    yield got
    client.disconnect()
    client.loop_stop()


def note_arrival(arrivals: dict[int, float], observations: Iterator[Observation]) -> Generator[Observation, None, None]:
    """A stage that notes when each frame arrived."""
    for seen in observations:
        arrivals[seen.frame.index] = seen.frame.arrival
        yield seen


def of(got: list[Any], kind: str) -> list[bytes]:
    return [message.payload for message in got if message.topic == f"poseline/cam/{kind}"]


@pytest.mark.system("mosquitto", "paho")
def test_a_broker_gets_every_frame_with_the_logs_numbers(tmp_path: Path) -> None:
    port = free_port()
    with mosquitto(tmp_path / "broker", port), subscriber(port) as got:
        ran = sent(tmp_path / "out", f"mqtt://127.0.0.1:{port}?rate=0", rate=100)
        assert until(lambda: of(got, "state")[-1:] == [b"offline"])
        assert [json.loads(payload) for payload in of(got, "persons")] == ran.frames
        assert [json.loads(payload) for payload in of(got, "run")] == ran.records[:1]
        assert of(got, "state") == [b"online", b"offline"]
        with subscriber(port) as later:
            assert until(lambda: len(of(later, "state")) > 0 and len(of(later, "run")) > 0)
            assert {message.topic.rpartition("/")[2] for message in later} == {"state", "run"}, "what is kept"


@pytest.mark.system("paho")
def test_a_broker_that_comes_late_forgets_the_size_of_an_earlier_run() -> None:
    class Broker:
        def __init__(self) -> None:
            self.published: list[tuple[str, bytes, bool]] = []

        def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
            self.published.append((topic, payload, retain))

    class Reason:
        is_failure = False

    (sender,) = senders([f"mqtt://127.0.0.1:{free_port()}"], "cam")
    assert isinstance(sender, MqttSender)
    sender.connect(header(), ScriptedSource(1).info)
    try:
        assert sender._trouble, "nobody is there yet"
        for first in (True, False):
            broker = Broker()
            sender._on_connect(broker, None, None, Reason(), None)
            assert (("poseline/cam/size", b"", True) in broker.published) == first
    finally:
        sender.disconnect()


@pytest.mark.system("mosquitto", "paho")
def test_a_broker_gets_a_few_frames_a_second(tmp_path: Path) -> None:
    """Each that is due by the frames' arrivals, and no other."""
    port, arrivals = free_port(), dict[int, float]()
    with mosquitto(tmp_path / "broker", port), subscriber(port) as got:
        stages = [Stage("arrivals", partial(note_arrival, arrivals))]
        ran = sent(tmp_path / "out", f"mqtt://127.0.0.1:{port}/gym", frames=60, rate=50, live=True, stages=stages)
        assert until(lambda: any(message.payload == b"offline" for message in got))
    persons = [json.loads(message.payload)["frame"] for message in got if message.topic == "gym/cam/persons"]
    due, late = -math.inf, 0
    for frame, arrival in arrivals.items():
        if frame in persons:
            assert arrival >= due, "five a second"
            due = max(due, arrival - 0.2) + 0.2  # one more where frames come unevenly
        else:
            late += arrival >= due
    assert late <= ran.report.meters[-1].dropped
    assert len(persons) >= 3
    assert "dropped" not in str(ran.report.notes)


@pytest.mark.system("mosquitto", "paho")
def test_a_password_opens_a_broker_and_is_told_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    port, word = free_port(), "open/sesame"
    with mosquitto(tmp_path / "broker", port, word), subscriber(port, word) as got:
        address = f"mqtt://me:open%2Fsesame@127.0.0.1:{port}"
        good = sent(tmp_path / "good", address, frames=5, rate=50)
        bad = sent(tmp_path / "bad", address.replace("open", "shut"), frames=5, rate=50)
        assert until(lambda: len(of(got, "persons")) > 0)
    assert good.report.error is bad.report.error is None
    assert any("not connected at the end: the broker refuses: Not authorized" in note for note in bad.report.notes)
    files = b"".join(path.read_bytes() for path in (tmp_path / "good").iterdir() if path.is_file())
    told = caplog.text + str(capfd.readouterr()) + str(good.report) + str(bad.report) + files.decode()
    assert "***@127.0.0.1" in told
    for secret in ("sesame", "shut"):
        assert secret not in told


@pytest.mark.system("mosquitto", "paho")
def test_a_broker_that_goes_away_slows_nothing_and_is_found_again(tmp_path: Path) -> None:
    port = free_port()
    with mosquitto(tmp_path / "broker", port) as broker:
        again: list[Any] = []

        def who(number: int) -> list[int]:
            if number == 20:
                broker.kill()
            if number == 40:
                context = mosquitto(tmp_path / "second", port)
                again.extend((context, context.__enter__()))
            if number == 199:
                with subscriber(port) as later:
                    assert until(lambda: len(of(later, "run")) > 0), "the broker that came later knows of the run"
            return [1]

        ran = sent(tmp_path / "out", f"mqtt://127.0.0.1:{port}?rate=0", frames=200, rate=80, who=who)
        again[0].__exit__(None, None, None)
    assert ran.report.error is None
    assert ran.report.counts.processed == 200
    assert 0 < ran.report.meters[-1].dropped < 200


@pytest.mark.system("paho")
def test_without_a_broker_the_run_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ran = sent(tmp_path, f"mqtt://127.0.0.1:{free_port()}", frames=5)
    assert ran.report.error is None
    assert "the broker cannot be reached; the run goes on, and it is tried again" in caplog.text
    assert any("not connected at the end" in note for note in ran.report.notes)


@pytest.mark.system("paho")
@pytest.mark.parametrize(
    ("topic", "words"), [("+/left", "no topic has a"), ("gym%23", "no topic has a"), ("x" * 70_000, "10000")]
)
def test_a_topic_that_cannot_be_is_told_at_once(topic: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        senders([f"mqtt://127.0.0.1/{topic}"], "cam")


@pytest.mark.system("paho")
def test_a_host_that_can_have_no_address_ends_the_run_and_not_only_the_clients_thread() -> None:
    (sender,) = senders([f"mqtt://{'a' * 64}"], "cam")
    with pytest.raises(OutputError, match="--send mqtt://a+:1883: .*label"):
        sender.open(header(), ScriptedSource(1).info)


@pytest.mark.system("pylsl")
def test_lsl_gets_frames_with_the_logs_numbers_and_their_times(tmp_path: Path) -> None:
    import pylsl

    name = f"test {time.monotonic_ns()}"
    samples: list[list[float]] = []
    stamps: list[float] = []
    labels: list[str] = []
    listening, over = threading.Event(), threading.Event()

    def receive() -> None:
        found = pylsl.resolve_byprop("name", name, timeout=WAIT)
        inlet = pylsl.StreamInlet(found[0], recover=False)
        info = inlet.info(5)
        channel = info.desc().child("channels").child("channel")
        while not channel.empty():
            labels.append(channel.child_value("label"))
            channel = channel.next_sibling()
        inlet.open_stream(WAIT)
        listening.set()
        try:
            while not over.is_set():
                sample, stamp = inlet.pull_sample(0.2)
                if stamp is not None:
                    samples.append(sample)
                    stamps.append(stamp)
        except pylsl.util.LostError:
            pass

    thread = threading.Thread(target=receive)
    thread.start()
    began = pylsl.local_clock()
    address = f"lsl:{name.replace(' ', '%20')}?persons=2"
    arrivals: dict[int, float] = {}

    def who(number: int) -> list[int]:
        if number == 0:
            assert listening.wait(WAIT)
        if number == 119:
            assert until(lambda: len(samples) > 75), "and the stream ends with the run"
        return [7, 9] if number % 3 else [9]

    ran = sent(
        tmp_path, address, frames=120, rate=50, who=who, stages=[Stage("arrivals", partial(note_arrival, arrivals))]
    )
    over.set()
    thread.join(WAIT)
    assert ran.report.error is None
    assert labels[:3] == ["person0_nose_x", "person0_nose_y", "person0_nose_c"]
    assert len(labels) == len(samples[0]) == 2 * 51
    for sample in samples:
        places = np.array(sample).reshape(2, 17, 3)
        taken = places[~np.isnan(places).all(axis=(1, 2))]
        assert any(_same(taken, record["persons"]) for record in ran.frames)
    steps = np.diff(stamps)
    assert (steps > 0).all()
    assert began < stamps[0] < stamps[-1] < pylsl.local_clock()
    ahead = np.array(stamps) - list(arrivals.values())[: len(stamps)]
    assert np.ptp(ahead) < 0.001, "each is the frame's arrival, in another clock"


def _same(places: NDArray[np.float64], persons: list[Any]) -> bool:
    """Whether they are the persons of a frame, in any order."""
    if len(places) != len(persons):
        return False
    logged = np.array([person["keypoints"] for person in persons]).reshape(-1, 17, 3)
    return any(np.allclose(places, turned, atol=0.006) for turned in (logged, logged[::-1]))
