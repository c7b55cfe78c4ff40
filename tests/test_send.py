"""Keypoints sent to other programs: what receivers get is what the log has, and a bad receiver slows nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media_worlds import WAIT, free_port, joined, until
from output_worlds import SAMPLES, lines
from poseline import record as run_recorded
from poseline.errors import OutputError, SettingsError
from poseline.frame import Gap
from poseline.pipeline import Stage
from poseline.send import check, parse, senders, tcp
from poseline.send import lines as lines_to
from poseline.send.slots import Slots
from poseline.terminal import _stages
from send_worlds import SIZE, Sent, TcpReceiver, UdpReceiver, sent


def frames(records: list[Any]) -> list[Any]:
    return [record for record in records if record["type"] == "frame"]


# Addresses


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("osc://127.0.0.1", "expected a host and a port"),
        ("udp://:9000", "expected a host and a port"),
        ("tcp://host:99999", "a port is a number"),
        ("tcp://host:nine", "a port is a number"),
        ("http://host:80", "expected one of osc://"),
        ("localhost:9000", "expected one of osc://"),
        ("", "expected one of osc://"),
        ("ws", "add --serve"),
        ("ws://host:80", "give --send ws and --serve"),
        ("osc://host:9000?pixel", "unknown option 'pixel'; options of osc: pixels, keypoints, slots, timetag"),
        ("udp://host:9000?pixels", "unknown option 'pixels'; options of udp: none"),
        ("osc://host:9000?pixels=2", "pixels takes no value"),
        ("osc://host:9000/path", "nothing may stand behind the port"),
        ("udp://user:word@host:9000", "knows no user"),
        ("mqtt://host?rate=many", "rate=many is not a number from 0 to 1000"),
        ("mqtt://host?rate=nan", "rate=nan is not a number"),
        ("lsl:?persons=0", "persons=0 is not a number from 1 to 50"),
        ("lsl:my@name", "--send lsl:my@name: an @ in the name; write it as %40"),
        ("mqtt://host/my@topic", "write it as %40, and in a user name or password / as %2F, # as %23"),
        ("mqtt://ho\tst", r"--send mqtt://ho%09st: '\t' is a control character; leave it out"),
        ("udp://host\n:9000", r"'\n' is a control character"),
        ("osc://\x00host:9000", r"'\x00' is a control character"),
        ("lsl://gym:x", "not an address"),
        ("lsl:%00", r"'\x00' is a control character"),
        ("lsl://%00", r"'\x00' is a control character"),
        ("mqtt://host/a%0a", r"'\n' is a control character"),
        ("mqtt://me:s/cret@host", "an @ behind the host; write it as %40, and in a user name or password / as %2F"),
        ("mqtt://host/gym#1", "what stands behind a # would be lost; write it as %23"),
        ("mqtt://me:se\tcret@host", "control character"),
        ("mqtt://me:se cret@host?pixels", "unknown option 'pixels'"),
    ],
)
def test_an_address_that_cannot_be_is_told(address: str, words: str) -> None:
    with pytest.raises(SettingsError) as told:
        check([address])
    assert words in str(told.value)
    assert "word@" not in str(told.value)
    assert "me:s" not in str(told.value)


def test_what_an_address_says() -> None:
    ours = parse("mqtt://me:p%40ss@broker/gym/left?rate=10")
    assert (ours.host, ours.port, ours.path, ours.username, ours.password) == ("broker", 1883, "gym/left", "me", "p@ss")
    assert "ss" not in str(ours) + repr(ours)
    assert parse("lsl:gym").path == parse("lsl://gym").path == "gym"
    assert parse("lsl:my%40name").path == parse("lsl://my@name").path == "my@name"
    assert str(parse("udp://[::1]:9000")) == "udp://[::1]:9000"


def test_a_host_that_is_not_there_is_told_before_the_first_frame(tmp_path: Path) -> None:
    for protocol in ("osc", "udp", "tcp"):
        ran = sent(tmp_path / protocol, f"{protocol}://nowhere.invalid:9000", frames=3)
        assert isinstance(ran.report.error, OutputError)
        assert f"--send {protocol}://nowhere.invalid:9000: the host cannot be found" in str(ran.report.error)


# Slots


def test_slots_are_small_and_used_again() -> None:
    slots = Slots()
    assert slots.update([5, 9], 0.0).entered == [(5, 0), (9, 1)]
    assert slots.update([9], 0.4).left == [], "unseen for less than half a second"
    changes = slots.update([9, 12], 0.6)
    assert (changes.left, changes.entered) == ([(5, 0)], [(12, 0)])
    assert slots.listed() == [12, 9]
    assert slots.of([9, -1, 12, -1]) == [1, 2, 0, 3]
    assert [one for one, _ in slots.update([9], 0.7, "another.png").entered] == [9], "nobody is the same elsewhere"


# OSC


@contextmanager
def osc_receiver() -> Iterator[tuple[int, list[tuple[str, list[Any]]]]]:
    """python-osc's own server; yields its port, and the messages in their order."""
    from pythonosc.dispatcher import Dispatcher
    from pythonosc.osc_server import BlockingOSCUDPServer

    got: list[tuple[str, list[Any]]] = []
    dispatcher = Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: got.append((address, list(values))))
    with BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1], got
        server.shutdown()


def by_frame(got: list[tuple[str, list[Any]]]) -> dict[int, dict[str, list[Any]]]:
    """The messages behind each frame message, by address."""
    found: dict[int, dict[str, list[Any]]] = {}
    for address, values in got:
        if address == "/poseline/cam/frame":
            found[values[0]] = {}
        if found:
            found[max(found)][address] = values
    return found


@pytest.mark.system("pythonosc")
@pytest.mark.parametrize("options", ["", "?pixels", "?keypoints&pixels", "?slots&timetag"])
def test_python_osc_gets_every_frame_with_the_logs_numbers(options: str, tmp_path: Path) -> None:
    with osc_receiver() as (port, got):
        ran = sent(tmp_path, f"osc://127.0.0.1:{port}{options}", rate=200)
        assert until(lambda: sum(address.endswith("/leave") for address, _ in got) == 3)
    messages = by_frame(got)
    assert list(messages) == [record["frame"] for record in ran.frames] == list(range(40))
    assert dict(got)["/poseline/cam/names"][:2] == ["nose", "left_eye"]
    scale = np.array((1, 1, 1) if "pixels" in options else (*SIZE, 1))
    for record in ran.frames:
        told = messages[record["frame"]]
        number, seconds, width, height, persons = told["/poseline/cam/frame"]
        assert (number, width, height, persons) == (record["frame"], *SIZE, len(record["persons"]))
        assert abs(seconds - record["time"]) < 1e-5
        slots = told["/poseline/cam/slots"]
        for person in record["persons"]:
            name = f"slot/{slots.index(person['id'])}" if "slots" in options else f"person/{person['id']}"
            values = np.array(told[f"/poseline/cam/{name}"]).reshape(17, 3) * scale
            assert np.allclose(values, person["keypoints"], atol=0.006)
            if "keypoints" in options:
                wrist = np.array(told[f"/poseline/cam/{name}/left_wrist"])
                assert np.allclose(wrist, person["keypoints"][9], atol=0.006)
    events = [(address.split("/")[-1], *values) for address, values in got if address.endswith(("enter", "leave"))]
    assert events[:2] == [("enter", 7, 0), ("enter", 8, 1)]
    assert ("leave", 7, 0) in events
    assert ("enter", 9, 0) in events, "the slot of one who has gone is used again"
    assert events[-1][0] == "leave", "at the end everybody has left"


def test_osc_bundles_are_small(tmp_path: Path) -> None:
    """Each datagram goes through Ethernet in one piece, also with a crowd and an address a keypoint."""
    with UdpReceiver() as receiver:
        ran = sent(
            tmp_path, f"osc://127.0.0.1:{receiver.port}?keypoints", frames=5, who=lambda _: range(1, 41),
        )  # fmt: skip
        datagrams = receiver.received()
    assert ran.report.error is None
    assert max(map(len, datagrams)) <= 1472
    assert all(datagram.startswith(b"#bundle\0" + b"\0" * 7 + b"\1") for datagram in datagrams)
    assert sum(datagram.count(b"/poseline/cam/person/40\0") for datagram in datagrams) == 5
    assert sum(datagram.count(b"/poseline/cam/person/40/left_wrist\0") for datagram in datagrams) == 5


def test_one_bundle_a_frame(tmp_path: Path) -> None:
    with UdpReceiver() as receiver:
        sent(tmp_path, f"osc://127.0.0.1:{receiver.port}", who=lambda number: [1, 2, 3][: number % 4])
        bundles = [one for one in receiver.received() if b"/poseline/cam/frame\0" in one]
        assert len(bundles) == 40
        assert not [one for one in receiver.received() if b"/person/" in one]


# JSON


def test_udp_gets_the_logs_records(tmp_path: Path) -> None:
    with UdpReceiver() as receiver:
        ran = sent(tmp_path, f"udp://127.0.0.1:{receiver.port}")
        got = [json.loads(datagram) for datagram in receiver.received()]
    assert got[0] == ran.records[0], "the `run` record comes first"
    assert frames(got) == ran.frames


def test_a_frame_that_does_not_fit_comes_in_several_datagrams(tmp_path: Path) -> None:
    with UdpReceiver() as receiver:
        ran = sent(tmp_path, f"udp://127.0.0.1:{receiver.port}", frames=3, who=lambda _: range(1, 60))
        datagrams = receiver.received()
    assert max(map(len, datagrams)) <= 8192
    for record in ran.frames:
        parts = [part for part in frames([json.loads(one) for one in datagrams]) if part["frame"] == record["frame"]]
        assert len(parts) > 3
        assert [person for part in parts for person in part["persons"]] == record["persons"]


def test_a_run_record_without_what_does_not_fit_says_what_is_sent(tmp_path: Path) -> None:
    with UdpReceiver() as receiver:
        ran = sent(
            tmp_path, f"udp://127.0.0.1:{receiver.port}", smoothing={"enabled": True}, tracking={"enabled": True},
            inference={"classes": list(range(3000))},
        )  # fmt: skip
        first = json.loads(receiver.received()[0])
    assert len(json.dumps(ran.records[0])) > 8192
    assert (first["type"], first["settings"], first["keypoints"]) == ("run", {}, "smoothed")


def test_python_sends_too(tmp_path: Path) -> None:
    clip = joined(tmp_path / "clip.mp4", SAMPLES / "squat.mp4", packets=8)
    with UdpReceiver() as receiver:
        address = f"udp://127.0.0.1:{receiver.port}"
        output: dict[str, Any] = {"video": False, "send": [address]}
        run_recorded(clip, tmp_path / "out", output=output, inference={"model": "builtin"})
        got = [json.loads(datagram) for datagram in receiver.received()]
    assert frames(got) == frames(lines(tmp_path / "out" / "keypoints.jsonl"))


def test_udp_tells_the_run_again_to_whoever_comes_later(tmp_path: Path) -> None:
    port = free_port()
    late: list[UdpReceiver] = []

    def come(number: int) -> list[int]:
        if number == 20:
            import socket

            receiver = UdpReceiver.__new__(UdpReceiver)
            receiver._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            receiver._socket.bind(("127.0.0.1", port))
            receiver._socket.settimeout(0.5)
            late.append(receiver)
        time.sleep(0.01)  # a frame; 0.2 s after the last one the record is due again
        return [1]

    ran = sent(tmp_path, f"udp://127.0.0.1:{port}", frames=100, who=come)
    got = [json.loads(datagram) for datagram in late[0].received()]
    late[0].__exit__()
    kinds = [record["type"] for record in got]
    assert "run" in kinds[:40], "nobody was there, and now somebody is"
    assert ran.report.counts.processed == 100
    assert any("nobody listened" in note for note in ran.report.notes)


def test_tcp_gets_the_logs_records(tmp_path: Path) -> None:
    with TcpReceiver() as receiver:
        ran = sent(tmp_path, f"tcp://127.0.0.1:{receiver.port}")
        receiver.wait()
    got = [json.loads(line) for line in receiver.received[0].splitlines()]
    assert got == ran.records[:-1], "all but the end, which nobody knows yet"


def test_gaps_and_sizes_are_sent_as_well(tmp_path: Path) -> None:
    def changed(observations: Iterator[Any]) -> Iterator[Any]:
        for seen in observations:
            frame = seen.frame
            if frame.index >= 5:
                frame = replace(frame, picture=np.zeros((240, 320, 3), np.uint8))
            yield replace(seen, frame=replace(frame, gap=Gap(0.1, 0.2, "cable") if frame.index == 3 else None))

    with TcpReceiver() as receiver:
        ran = sent(tmp_path, f"tcp://127.0.0.1:{receiver.port}", frames=8, stages=[Stage("changes", changed)])  # type: ignore[arg-type] # an iterator
        receiver.wait()
    got = [json.loads(line) for line in receiver.received[0].splitlines()]
    assert [record["type"] for record in got] == ["run", *3 * ["frame"], "gap", *2 * ["frame"], "size", *3 * ["frame"]]
    assert got == ran.records[:-1]


def test_tcp_connects_again_while_the_run_goes_on(tmp_path: Path) -> None:
    with TcpReceiver() as receiver:

        def cut(number: int) -> list[int]:
            if number == 30:
                receiver.connections[0].shutdown(2)
                receiver.connections[0].close()
            if number > 30:
                give_time(receiver, 2)
            return [1]

        ran = sent(tmp_path, f"tcp://127.0.0.1:{receiver.port}", frames=150, who=cut)
        receiver.wait(2)
        received = receiver.received
    assert ran.report.error is None
    assert ran.report.counts.processed == 150
    first, second = ([json.loads(line) for line in one.splitlines()] for one in received[:2])
    assert first[0] == second[0] == ran.records[0], "the `run` record comes first, each time"
    assert second[-1]["frame"] == 149
    assert any("connected again 1 time" in note for note in ran.report.notes)


def give_time(receiver: TcpReceiver, connections: int) -> None:
    """Have the frames come slowly until there have been so many: with each, a connection may be tried again."""
    if len(receiver.connections) < connections:
        time.sleep(0.1)


def test_tcp_waits_for_a_receiver_that_comes_later(tmp_path: Path) -> None:
    port = free_port()
    late: list[TcpReceiver] = []

    def who(number: int) -> list[int]:
        if number == 20:
            late.append(TcpReceiver(port))
        if late:
            give_time(late[0], 1)
        return [1]

    ran = sent(tmp_path, f"tcp://127.0.0.1:{port}", frames=150, who=who)
    with late[0] as receiver:
        receiver.wait()
    got = [json.loads(line) for line in receiver.received[0].splitlines()]
    assert (got[0]["type"], got[-1]["frame"]) == ("run", 149)
    assert ran.report.meters[-1].dropped >= 20


# What a bad receiver does to a run


def crowd(number: int) -> range:
    """People enough to fill every buffer in no time."""
    del number
    return range(1, 80)


def elapsed(folder: Path, *addresses: str) -> tuple[float, Sent]:
    began = time.monotonic()
    ran = sent(folder, *addresses, frames=60, who=crowd, live=True, rate=20)
    assert ran.report.counts.processed > 40, "most of the time it does not wait"
    return time.monotonic() - began, ran


def test_a_receiver_that_stops_reading_slows_nothing(tmp_path: Path) -> None:
    sent(tmp_path / "first", frames=3)  # what is imported for a first run costs the others no frames
    alone, _ = elapsed(tmp_path / "alone")
    with TcpReceiver(reads=False) as receiver:
        stalled, ran = elapsed(tmp_path / "stalled", f"tcp://127.0.0.1:{receiver.port}")
        data = b""
        receiver.connections[0].settimeout(WAIT)
        while more := receiver.connections[0].recv(1 << 20):
            data += more
    at_its_end = lines_to._PATIENCE + tcp._FINISHING
    assert stalled < 1.5 * alone + at_its_end + 5, "it waits at the end for a moment"
    recorded = [ran.report.first_recorded, ran.report.last_recorded]
    assert recorded[1] - recorded[0] < 1.5 * alone + 5
    meter = ran.report.meters[-1]
    assert meter.dropped > 10
    table = _stages(ran.report)
    assert table[0][-1] == "dropped"
    assert table[-1][-1] == str(meter.dropped)
    summary = json.loads((tmp_path / "stalled" / "summary.json").read_text())
    assert summary["stages"][-1]["dropped"] == meter.dropped
    *whole, _ = data.split(b"\n")
    kinds = [json.loads(line)["type"] for line in whole]
    assert kinds[0] == "run"
    assert len(kinds) > 1, "what it got are whole lines"


def test_a_table_without_drops_has_no_column_for_them(tmp_path: Path) -> None:
    with UdpReceiver() as receiver:
        ran = sent(tmp_path, f"udp://127.0.0.1:{receiver.port}", frames=5)
    assert "dropped" not in _stages(ran.report)[0]


# Standard output


def poseline(*arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "poseline", "run", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


CLIP = str(SAMPLES / "squat.mp4")
QUICK = ("-m", "builtin", "--imgsz", "160", "--no-video", "--vid-stride", "8")


def test_standard_output_holds_the_log_and_nothing_else(tmp_path: Path) -> None:
    with poseline(CLIP, *QUICK, "-o", str(tmp_path / "out"), "--send", "-") as process:
        out, err = process.communicate(timeout=280)
    assert process.returncode == 0
    log = (tmp_path / "out" / "keypoints.jsonl").read_bytes().splitlines()
    assert out.splitlines() == log[:-1]
    assert b"bottleneck" in err
    assert b"standard output: 27 frames sent" in err


def test_a_pipe_that_nobody_reads_keeps_nobody_waiting(tmp_path: Path) -> None:
    """It holds two pages; the run ends, its log is whole, and what came are whole lines."""
    with poseline(CLIP, *QUICK, "-o", str(tmp_path / "out"), "--send", "-", pipesize=8192) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = process.stderr.read()
        assert process.wait(WAIT) == 0
        out = process.stdout.read()
    log = (tmp_path / "out" / "keypoints.jsonl").read_bytes().splitlines()
    assert len(log) == 29
    assert b"given up" in told
    *whole, _ = out.split(b"\n")
    assert 1 < len(whole) < 26
    assert set(whole) <= set(log)


def test_a_reader_that_goes_away_ends_the_run_in_good_order(tmp_path: Path) -> None:
    arguments = (CLIP, "-m", "builtin", "--imgsz", "160", "--no-video", "--live", "-o", str(tmp_path / "out"))
    with poseline(*arguments, "--send", "-") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["type"] == "run"
        process.stdout.close()
        told = process.stderr.read()
        process.wait(WAIT)
    assert b"what read standard output has gone, and the run ended with it" in told
    assert b"Traceback" not in told
    last = json.loads((tmp_path / "out" / "keypoints.jsonl").read_text().splitlines()[-1])
    assert last["ended"] == "interrupted"


def test_a_run_that_sends_nothing_imports_nothing_of_it(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom poseline.cli import command\nfrom poseline.interruption import Interruption\n"
        "sys.argv[1:] = ['run', *sys.argv[1:]]\ncommand(Interruption())\n"
        "print('LOADED', *sorted(name for name in sys.modules if name.startswith(('poseline.s', 'paho', 'pylsl'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, CLIP, *QUICK, "-o", str(tmp_path / "out")], capture_output=True, text=True,
        timeout=280, check=True,
    )  # fmt: skip
    assert "poseline.session" in done.stdout
    assert "poseline.send" not in done.stdout
    assert "paho" not in done.stdout


def test_two_sources_at_once_cannot_share_standard_output(tmp_path: Path) -> None:
    with poseline(
        CLIP, str(SAMPLES / "sprint.mp4"), "--jobs", "2", *QUICK, "-o", str(tmp_path), "--send", "-"
    ) as process:
        out, err = process.communicate(timeout=280)
    assert (process.returncode, out) == (2, b"")
    assert b"--send - prints one source at a time" in err


def test_a_missing_package_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for protocol in ("mqtt", "lsl"):
        monkeypatch.setattr(f"poseline.send.{protocol}.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"needs paho-mqtt: pip install 'poseline\[mqtt\]'"):
        senders(["mqtt://host"], "cam")
    with pytest.raises(SettingsError, match=r"needs pylsl: pip install 'poseline\[lsl\]'"):
        senders(["lsl:"], "cam")


def test_names_are_safe_in_addresses() -> None:
    (sender,) = senders(["udp://127.0.0.1:9"], "my clip #1/*?")
    assert sender.camera == "my-clip-1"
