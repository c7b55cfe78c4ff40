"""docs/outputs.md: each of its scripts is run against real output, as far as its program can be had."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media_worlds import free_port, until
from output_worlds import SAMPLES
from send_worlds import SIZE, Sent, poses_of, sent
from test_send_receivers import mosquitto

PAGE = (Path(__file__).parents[1] / "docs" / "outputs.md").read_text(encoding="utf-8")
SCRIPTS = {
    found["name"]: found["text"]
    for found in re.finditer(r"```\w+\n(?P<text>(?:#|//) (?P<name>[\w.]+).*?)```", PAGE, re.DOTALL)
}


@contextmanager
def receiving(folder: Path, name: str, program: str, *arguments: str) -> Iterator[list[str]]:
    """Run a script of the page; yields the lines that it prints."""
    script = folder / name
    script.write_text(SCRIPTS[name], encoding="utf-8")
    printed: list[str] = []
    with subprocess.Popen([program, str(script), *arguments], stdout=subprocess.PIPE, text=True) as process:

        def collect() -> None:
            assert process.stdout is not None
            printed.extend(line.rstrip("\n") for line in process.stdout)  # seen line by line

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        try:
            yield printed
        finally:
            process.kill()
            thread.join(10)


def _bound(port: int) -> bool:
    """Whether somebody has the UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def wrists(ran: Sent) -> list[tuple[int, int, list[float]]]:
    """(frame, id, left wrist) of each person in the log."""
    return [(record["frame"], one["id"], one["keypoints"][9]) for record in ran.frames for one in record["persons"]]


@pytest.mark.system("pythonosc")
def test_the_osc_script_in_python(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with receiving(tmp_path, "osc_receiver.py", sys.executable, str(port)) as printed:
        assert until(lambda: _bound(port))
        ran = sent(tmp_path / "out", f"osc://127.0.0.1:{port}", rate=200)
        assert until(lambda: sum("leave" in line for line in printed) == 3)
    persons = [line for line in printed if "/person/" in line]
    for line, (_, who, (x, y, confidence)) in zip(persons, wrists(ran), strict=True):
        numbers = [float(number) for number in re.findall(r"\d+\.\d+", line)]
        assert line.startswith(f"/poseline/cam/person/{who} ")
        assert np.allclose(numbers, (x / SIZE[0], y / SIZE[1], confidence), atol=0.006)


def test_the_udp_script_in_python(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with receiving(tmp_path, "udp_receiver.py", sys.executable, str(port)) as printed:
        assert until(lambda: _bound(port))
        ran = sent(tmp_path / "out", f"udp://127.0.0.1:{port}", rate=200)
        assert until(lambda: len(printed) >= len(wrists(ran)))
    assert printed == [f"{frame} {who} {x} {y} {confidence}" for frame, who, (x, y, confidence) in wrists(ran)]


@pytest.mark.system("node")
def test_the_tcp_script_in_node(tmp_path: Path) -> None:
    port = free_port()
    with receiving(tmp_path, "tcp_receiver.mjs", "node", str(port)) as printed:
        assert until(lambda: _answers(port))
        ran = sent(tmp_path / "out", f"tcp://127.0.0.1:{port}")
        assert until(lambda: len(printed) >= len(wrists(ran)))
    got = [[float(number) for number in line.split()] for line in printed]
    assert got == [[frame, who, *wrist] for frame, who, wrist in wrists(ran)]


@pytest.mark.system("node")
def test_the_udp_script_in_node(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with receiving(tmp_path, "udp_receiver.mjs", "node", str(port)) as printed:
        assert until(lambda: _bound(port))
        ran = sent(tmp_path / "out", f"udp://127.0.0.1:{port}", rate=200)
        assert until(lambda: len(printed) >= 40)
    got = [[float(number) for number in line.split()] for line in printed]
    assert got == [[record["frame"], record["time"], len(record["persons"])] for record in ran.frames]


def _sent_by_websocket(folder: Path, script: str, program: str) -> tuple[list[str], list[str]]:
    """What a script of the page prints of a served run, and what it should: of nine people in two frames."""
    pytest.importorskip("aiohttp", reason="needs poseline[serve]")
    from poseline.serve.address import Address
    from poseline.serve.server import Server
    from serve_worlds import INFO, header, seen

    server = Server(Address("127.0.0.1", 0))
    feed = server.hub.add("gym 1")
    server.start()
    try:
        with receiving(folder, script, program, server.keypoints_url("gym 1")) as printed:
            assert until(lambda: server._streams == 1)
            feed.begin(header(), INFO)
            expected: list[str] = []
            for number, ids in enumerate([[1, 2, 3, 4], [], [2, 5, 9, 10, 11]]):
                feed.put(seen(number, poses := poses_of(number, ids)))
                wrists = [[round(float(one), places) for one, places in zip(point, (2, 2, 4), strict=True)]
                          for point in poses.keypoints[:, 9]]  # fmt: skip
                expected += [f"{number} {who} {x} {y} {c}" for who, (x, y, c) in zip(ids, wrists, strict=True)]
                assert until(lambda: len(printed) >= len(expected)), printed  # noqa: B023 # asked at once
    finally:
        server.stop()
    return printed, expected


def test_the_websocket_script_in_python(tmp_path: Path) -> None:
    printed, expected = _sent_by_websocket(tmp_path, "ws_receiver.py", sys.executable)
    assert printed == expected


@pytest.mark.system("node")
def test_the_websocket_script_in_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version[1:].split(".")[0]) < 20:
        pytest.skip("needs node: of version 20 or later")
    monkeypatch.setenv("NODE_OPTIONS", "--experimental-websocket")
    printed, expected = _sent_by_websocket(tmp_path, "ws_receiver.mjs", "node")
    assert [[float(number) for number in line.split()] for line in printed] == [
        [float(number) for number in line.split()] for line in expected
    ]


@pytest.mark.system("jq")
def test_the_line_for_the_shell(tmp_path: Path) -> None:
    line = next(text for text in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "jq" in text)
    options = f"-m builtin --imgsz 160 --vid-stride 8 -o {tmp_path / 'out'}"
    line = line.replace("poseline run 0", f"{sys.executable} -m poseline run {SAMPLES / 'squat.mp4'} {options}")
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    records = [json.loads(text) for text in (tmp_path / "out" / "keypoints.jsonl").read_text().splitlines()]
    frames = [record for record in records if record["type"] == "frame"]
    expected = [
        [record["frame"], one["id"], *one["keypoints"][0][:2]] for record in frames for one in record["persons"]
    ]
    assert [[float(part) for part in text.split("\t")] for text in done.stdout.splitlines()] == expected
    assert expected


@pytest.mark.system("mosquitto", "paho")
def test_the_mqtt_script(tmp_path: Path) -> None:
    port = free_port()
    with (
        mosquitto(tmp_path / "broker", port),
        receiving(tmp_path, "mqtt_receiver.py", sys.executable, str(port)) as printed,
    ):
        address = f"mqtt://127.0.0.1:{port}?rate=0"
        # It subscribes when it is ready; frames go on until it prints.
        ran = sent(tmp_path / "out", address, frames=200, rate=50)
        assert until(lambda: bool(printed) and str(ran.frames[-1]["time"]) in printed[-1])
    expected = [f"poseline/cam/persons {one['time']} {[who['id'] for who in one['persons']]}" for one in ran.frames]
    assert printed == expected[-len(printed) :]


@pytest.mark.system("pylsl")
def test_the_lsl_script(tmp_path: Path) -> None:
    name = f"docs-{os.getpid()}"
    with receiving(tmp_path, "lsl_receiver.py", sys.executable, name) as printed:
        ran = sent(tmp_path / "out", f"lsl:{name}", frames=250, rate=50, who=lambda _: [1])
        assert until(lambda: len(printed) > 20)
    logged = np.array([wrist for _, _, wrist in wrists(ran)])
    for line in printed:
        got = np.array(json.loads(line.partition(" ")[2]))
        assert np.any(np.all(np.isclose(logged, got, atol=0.006), axis=1)), line


def test_the_callbacks_for_touchdesigner() -> None:
    """Called as TouchDesigner calls them, with a table of our own."""

    class Table:
        def __init__(self) -> None:
            self.rows: dict[str, list[Any]] = {}

        def row(self, name: str) -> list[Any] | None:
            return self.rows.get(name)

        def appendRow(self, row: list[Any]) -> None:  # noqa: N802 # TouchDesigner's name
            assert row[0] not in self.rows
            self.rows[row[0]] = row

        def replaceRow(self, name: str, row: list[Any]) -> None:  # noqa: N802 # TouchDesigner's name
            assert name in self.rows
            self.rows[name] = row

        def deleteRow(self, name: str) -> None:  # noqa: N802 # TouchDesigner's name
            del self.rows[name]

    table = Table()
    space: dict[str, Any] = {"op": {"people": table}.__getitem__}
    exec(SCRIPTS["touchdesigner.py"], space)  # noqa: S102 # our own page

    def receive(address: str, *values: float) -> None:
        space["onReceiveOSC"](None, 0, "", b"", 0.0, address, list(values), None)

    receive("/poseline/camera-0/frame", 0, 0.0, 640, 480, 1)
    receive("/poseline/camera-0/person/17", 0.1, 0.2, 0.9)
    receive("/poseline/camera-0/person/17", 0.3, 0.4, 0.8)
    receive("/poseline/camera-0/person/18", 0.5, 0.6, 0.7)
    assert table.rows == {"17": ["17", 0.3, 0.4, 0.8], "18": ["18", 0.5, 0.6, 0.7]}
    receive("/poseline/camera-0/leave", 17, 0)
    receive("/poseline/camera-0/leave", 99, 1)
    assert list(table.rows) == ["18"]


def test_the_patch_for_max_is_one() -> None:
    """Its text is what a patcher is made of, and its lines join boxes that are there."""
    text = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0]
    patcher = json.loads(text)["patcher"]
    boxes = {each["box"]["id"]: each["box"] for each in patcher["boxes"]}
    for line in patcher["lines"]:
        (source, outlet), (target, inlet) = line["patchline"]["source"], line["patchline"]["destination"]
        assert outlet < boxes[source]["numoutlets"]
        assert inlet < boxes[target]["numinlets"]
    assert boxes["route"]["numoutlets"] == len(boxes["route"]["text"].split())


UNITY = """
namespace UnityEngine {
    public class MonoBehaviour { }
    public struct Vector3 {
        public float x, y, z;
        public Vector3(float x, float y, float z) { this.x = x; this.y = y; this.z = z; }
    }
}
public static class Play {
    static object Call(object it, string name) {
        return it.GetType().GetMethod(name, (System.Reflection.BindingFlags)(-1)).Invoke(it, null);
    }
    public static void Main(string[] arguments) {
        var receiver = new PoselineReceiver { port = int.Parse(arguments[0]) };
        Call(receiver, "OnEnable");
        int last = -1;
        while (last < 39) {
            Call(receiver, "Update");
            if (receiver.Frame != last) {
                last = receiver.Frame;
                foreach (var person in receiver.People)
                {
                    var wrist = person.Value[9];
                    System.FormattableString line =
                        $"{last} {person.Key} {person.Value.Length} {wrist.x} {1 - wrist.y} {wrist.z}";
                    System.Console.WriteLine(System.FormattableString.Invariant(line));
                }
            }
            System.Threading.Thread.Sleep(1);
        }
    }
}
"""
"""As much of Unity as the script needs, and its game loop."""


@pytest.mark.system("mcs", "mono")
def test_the_script_for_unity(tmp_path: Path) -> None:
    (tmp_path / "PoselineReceiver.cs").write_text(SCRIPTS["PoselineReceiver.cs"])
    (tmp_path / "Unity.cs").write_text(UNITY)
    subprocess.run(["mcs", "-out:play.exe", "PoselineReceiver.cs", "Unity.cs"], cwd=tmp_path, check=True, timeout=280)
    port = free_port(socket.SOCK_DGRAM)
    with subprocess.Popen(["mono", "play.exe", str(port)], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as play:
        assert until(lambda: _bound(port))
        ran = sent(tmp_path / "out", f"osc://127.0.0.1:{port}", rate=30)
        out, _ = play.communicate(timeout=280)
    got = {
        (int(line.split()[0]), int(line.split()[1])): [float(part) for part in line.split()[2:]]
        for line in out.splitlines()
    }
    logged = {(frame, who): wrist for frame, who, wrist in wrists(ran)}
    assert len(set(got) & set(logged)) > 25, "an update may pass over a frame"
    for key in set(got) & set(logged):
        x, y, confidence = logged[key]
        assert np.allclose(got[key], (17, x / SIZE[0], y / SIZE[1], confidence), atol=0.001)
    assert (36, 9) in got or (38, 9) in got
    assert (38, 7) not in got, "they have left"


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_every_script_of_the_page_has_a_test() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert len(SCRIPTS) == 10
    for name in SCRIPTS:
        assert f'"{name}"' in here, name
