"""How a run ended, as its log, its summary, its tables and its exit code say, after real signals and real failures."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from media_worlds import WAIT, ScriptedSource, settings, until, write_clip
from poseline import OutputError, SourceError, read_log
from poseline.formats import FORMATS, Format, from_journal
from poseline.interruption import Interruption
from test_run import recorded

CLIP = Path(__file__).parents[1] / "samples" / "squat.mp4"
POSELINE = (sys.executable, "-m", "poseline", "run")
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def started(source: object, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A run of the built-in model with a small input, in a process of its own."""
    command = [*POSELINE, str(source), "-m", "builtin", "--imgsz", "224", "-o", str(folder), "--log", "csv,parquet"]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def checked(folder: Path, ended: str, interrupted: bool) -> None:
    """Log, summary and tables of a run say the same."""
    log, summary = read_log(folder / "keypoints.jsonl"), json.loads((folder / "summary.json").read_text())
    assert log.end is not None
    assert log.ended == log.end["ended"] == summary["ended"] == ended
    assert log.interrupted == summary["interrupted"] == interrupted
    assert log.end["counts"] == summary["counts"]
    assert log.end["counts"]["processed"] == len(log.frames)
    assert (log.end["error"] is None) == (summary["error"] is None) == (ended != "failed")
    persons = sum(len(frame.poses) for frame in log.frames)
    assert len(pl.read_csv(folder / "keypoints.csv")) == len(pl.read_parquet(folder / "keypoints.parquet")) == persons


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_from_outside(number: signal.Signals, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with started(CLIP, folder, "--live") as process:
        journal = folder / "keypoints.jsonl"
        came = until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 6)
        process.send_signal(number)
        said, _ = process.communicate(timeout=WAIT)
    assert came
    if number == signal.SIGKILL:
        log = read_log(journal)
        assert (log.ended, log.interrupted, log.end) == ("killed", True, None)
        assert not (folder / "summary.json").exists()
        recovered = subprocess.run([*POSELINE[:3], "recover", str(folder)], capture_output=True, text=True, timeout=280)
        first, lost, ended, *rest = recovered.stdout.splitlines()
        assert re.fullmatch(rf"{re.escape(str(folder))}/annotated\.mp4: playable, \d+ pictures?, \d+\.\d\d s", first)
        assert re.search(r"lost at its end", lost)
        assert ended == "how the run ended, as its log says: killed"
        assert all("keypoints-recovered.jsonl: the keypoint log without its last line" in line for line in rest)
    else:
        assert process.returncode == 130
        assert "fps (interrupted)" in said
        checked(folder, "interrupted", True)


def test_a_run_that_comes_to_its_end(tmp_path: Path) -> None:
    with started(CLIP, tmp_path / "out", "--vid-stride", "20") as process:
        said, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 0
    assert "fps\n" in said
    checked(tmp_path / "out", "complete", False)
    assert len(pl.read_csv(tmp_path / "out" / "keypoints.csv")) > 8, "or the tables show nothing"


@contextmanager
def cut_short(content: bytes, given: int) -> Iterator[str]:
    """The address of a server that promises the whole content and closes the connection after so many bytes of it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    head = f"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {len(content)}\r\n\r\n"
                    connection.sendall(head.encode() + content[:given])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/clip.mp4"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(WAIT)


def test_a_source_that_fails_in_the_middle(tmp_path: Path) -> None:
    clip = write_clip(
        tmp_path / "clip.mp4", range(120), size=(320, 240), container={"movflags": "+faststart"},
        options={"bf": "0", "qp": "1"},
    )  # fmt: skip
    content = clip.read_bytes()
    with (
        cut_short(content, len(content) // 2) as address,
        started(address, tmp_path / "out", "--timeout", "60") as process,
    ):
        said, errors = process.communicate(timeout=WAIT)
    assert process.returncode == 3
    assert "fps (failed)" in said
    assert "the connection broke off after" in errors
    checked(tmp_path / "out", "failed", False)
    assert len(read_log(tmp_path / "out" / "keypoints.jsonl").frames) > 20


def test_a_table_that_cannot_be_made_is_told_by_the_log_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end record is the last thing that is written, when it is known how all the rest came out."""

    def torn(*_: object) -> None:
        raise OutputError("the table: no space left")

    monkeypatch.setitem(FORMATS, "csv", Format("csv", from_journal(torn), print))
    report = recorded(ScriptedSource(5), tmp_path / "out", chosen=settings(output={"log": ("csv",)}))
    assert report.ended == "failed"
    log = read_log(tmp_path / "out" / "keypoints.jsonl")
    assert log.end is not None
    assert (log.ended, log.end["error"]) == ("failed", "the table: no space left")


def test_an_error_counts_for_more_than_the_wish_to_end(tmp_path: Path) -> None:
    interruption = Interruption()

    def step(number: int) -> None:
        if number == 12:
            interruption()
            raise SourceError("the cable")

    report = recorded(ScriptedSource(None, step=step), tmp_path / "out", interruption=interruption)
    assert (report.ended, report.failure) == ("failed", "the cable")
