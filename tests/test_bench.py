"""The command in a process of its own, as a user starts it: real runs, its files, its errors and its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bench_worlds import benchmark, case, run
from media_worlds import WAIT, ScriptedSource, estimator, over, until, write_clip
from poseline import bench
from poseline.bench import Files
from poseline.bench.measure import Bench
from poseline.bench.network import measure
from poseline.bench.peer import PEERS, Rival, ScriptedPeer
from poseline.bench.plan import Case, Options, cases
from poseline.bench.schema import Run, read
from poseline.bench.submission import read_all
from poseline.errors import ModelError, OutputError, PoselineError, SettingsError, SourceError
from test_cli import ENVIRONMENT, POSELINE, poseline, refused

HEADER: dict[str, Any] = {
    "model": {"sha256": "0" * 64, "precision": "bf16"}, "runtime": "OpenVINO 1", "device": "a processor",
}  # fmt: skip
"""Of a run's log."""


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of 320x240."""
    return write_clip(tmp_path_factory.mktemp("short") / "short.mp4", range(12), size=(320, 240))


def test_a_whole_benchmark(short: Path, int8: Path, tmp_path: Path) -> None:
    done = poseline(
        "bench", short, "-m", int8, "--imgsz", 320, "--video", "--repeat", 1, "--json", "a.json", "--plot", "a.png",
        "--markdown", "a.md", cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    told = read(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["schema"] == 1
    assert (told.clip.name, told.clip.frames, told.clip.width, told.clip.bytes) == (
        "short.mp4", 12, 320, short.stat().st_size,
    )  # fmt: skip
    (measured,) = told.cases
    (run,) = measured.runs
    assert (run.processed, run.dropped, run.bad) == (12, 0, 0)
    assert (measured.precision, measured.accuracy) == ("int8", None), "the weights themselves are of int8"
    assert run.first_frame is not None
    assert 0 < run.first_frame < run.wall
    assert 0 < run.elapsed < run.wall
    assert 0 < run.cpu <= run.elapsed * told.machine.cores * 1.1
    assert 50e6 < run.memory_bytes < 3e9
    assert run.output_bytes
    assert [stage.name for stage in run.stages] == ["capture", "inference", "tracking", "overlay", "output"]
    assert set(run.queues) == {"inference", "tracking", "overlay"}
    assert all(0 <= fill <= 1 for fill in run.queues.values())
    assert measured.fps.median == pytest.approx(12 / run.elapsed)
    assert measured.process_fps.median == pytest.approx(12 / run.wall)
    assert measured.cpu_ms.median == pytest.approx(1000 * run.cpu / 12)
    assert measured.efficiency.median == pytest.approx(run.cpu / (run.elapsed * told.machine.cores))
    assert (measured.network.width, measured.network.height) == (320, 256), "320x240 in steps of 32"
    assert measured.network.fps > 0
    assert measured.bottleneck in done.stdout
    assert f"{measured.fps.median:.1f}" in done.stdout
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert "| video | fps |" in (tmp_path / "a.md").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.md", "a.png"], "nothing else is left"


def test_a_quick_benchmark_and_its_line(builtin: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "long.mp4", range(300), size=(320, 240), options={"preset": "ultrafast"})
    done = poseline(
        "bench", clip, "-m", builtin, "--imgsz", 160, "--quick", "--submit", "a.jsonl", "--json", "a.json",
        cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    told = read(tmp_path / "a.json")
    assert told.quick is not None
    assert (told.repeat, len(told.cases), told.cases[0].asked.video) == (1, 1, True)
    (run,) = told.cases[0].runs
    whole = told.clip.frames / told.clip.fps if told.clip.frames and told.clip.fps else 0.0
    assert run.processed == pytest.approx(min(told.quick, whole) * 30, abs=2), "as much of it as was promised"
    assert f"first {told.quick:g} s of the clip" in done.stdout
    assert [each.quick for each in read_all(tmp_path / "a.jsonl")] == [told.quick]


def test_a_quick_benchmark_takes_as_much_of_the_clip_as_there_is_time_for(
    builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of 50 frames/s that starts in 1 s, of a clip of 25 frames/s; 10 s are left of the time."""
    tried: list[float] = []

    def take(_: Bench, asked: Case) -> Run:
        tried.append(asked.settings.capture.end or 0.0)
        return run(elapsed=2.0, wall=3.0, steady_fps=50.0, processed=100)

    monkeypatch.setattr(Bench, "run", take)
    monkeypatch.setattr(Bench, "_network", lambda *_: case(25.0).network)
    monkeypatch.setattr("poseline.bench.measure.LogReader", lambda _: SimpleNamespace(run=HEADER))
    monkeypatch.setattr("poseline.bench.measure.time", SimpleNamespace(monotonic=lambda: 100.0))
    options = Options([str(builtin)]).quickly()
    (planned,) = cases(options)
    measured, seconds = Bench(tmp_path, tmp_path, options, lambda _: None).measure_quickly(planned, 110.0, 25.0)
    assert tried == [0.5, seconds]
    assert seconds == pytest.approx((10 - 2 * 1.0 - 0.5) * 50 / 25)
    assert (len(measured.runs), measured.accuracy) == (1, None)
    assert Bench(tmp_path, tmp_path, options, lambda _: None).measure_quickly(planned, 90.0, 25.0)[1] == 0.5, (
        "there is none, and something must be measured"
    )


def test_a_quick_benchmark_is_of_one_combination(short: Path, builtin: Path) -> None:
    given: dict[str, Any] = {
        "models": [], "imgsz": "640", "precision": "auto", "runtime": "auto", "device": "auto", "video": None,
        "live": False, "repeat": 5, "timeout": 9.0, "quick": True,
    }  # fmt: skip
    assert Options.parsed(**given).videos == (True,)
    assert Options.parsed(**{**given, "video": False}).videos == (False,)
    with pytest.raises(SettingsError, match="--quick measures one combination: give --imgsz one value"):
        Options.parsed(**{**given, "imgsz": "320,640"})
    with pytest.raises(SettingsError, match="no time for --vs"):
        bench.run([str(short)], Options([str(builtin)]).quickly(), Files(), "ultralytics")


def test_benchmarks_side_by_side(tmp_path: Path) -> None:
    for name, fps in (("slow", 20.0), ("fast", 50.0)):
        (tmp_path / f"{name}.json").write_text(benchmark(case(fps)).model_dump_json(by_alias=True))
    done = poseline(
        "bench", "--compare", "slow.json", "fast.json", "--markdown", "a.md", "--plot", "a.png", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "50.0 (2.50x)" in done.stdout
    assert "| yes | 20.0 | 50.0 (2.50x) |" in (tmp_path / "a.md").read_text()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("kind", "words", "sources", "options", "vs"),
    [
        (SettingsError, "give a clip to run", [], {}, None),
        (SettingsError, "inference.imgsz", ["short.mp4"], {"imgsz": [640, 1]}, None),
        (SettingsError, "--vs: 'nobody' is not known; there is ultralytics", ["short.mp4"], {}, "nobody"),
        (SettingsError, "is no .pt model", ["short.mp4"], {}, "ultralytics"),
        (SourceError, "none.mp4", ["none.mp4"], {}, None),
        (SourceError, "a benchmark runs one video file", ["0"], {}, None),
        (SourceError, "a benchmark runs one video file", ["short.mp4", "1"], {}, None),
        (ModelError, "none.pt", ["short.mp4"], {"models": ["none.pt"]}, None),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_run(
    kind: type[Exception], words: str, sources: list[str], options: dict[str, Any], vs: str | None,
    short: Path, int8: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(short.parent)
    monkeypatch.setattr("poseline.bench.measure.watch", pytest.fail)
    with pytest.raises(kind, match=words):
        bench.run(sources, Options(**{"models": [str(int8)], **options}), Files(tmp_path / "a.json"), vs)
    assert not list(tmp_path.iterdir())


def test_a_peers_failure_takes_nothing_with_it(
    short: Path, builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise PoselineError("no tracker")

    way = Rival("default", True, "peer CLIP", lambda clip, folder: [str(clip), str(folder)])
    monkeypatch.setitem(PEERS, "scripted", ScriptedPeer(way))
    monkeypatch.setattr("poseline.bench.contest._our_turn", fails)
    monkeypatch.setattr("poseline.bench.measure.Bench.measure", lambda *_: case(25.0))
    with pytest.raises(PoselineError, match="no tracker"):
        bench.run([str(short)], Options([str(builtin)], videos=[True]), Files(tmp_path / "a.json"), "scripted")
    told = read(tmp_path / "a.json")
    assert (len(told.cases), told.contests) == (1, [])


def test_places_that_cannot_be_written_are_refused_before_anything_is_run(short: Path, tmp_path: Path) -> None:
    for files, words in (
        (Files(json=tmp_path / "none" / "a.json"), "its folder is not there"),
        (Files(markdown=tmp_path), "is a folder"),
    ):
        with pytest.raises(OutputError, match=words):
            bench.run([str(short)], Options(), files)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"imgsz": "large"}, "--imgsz: 'large' is not a list of numbers"),
        ({"imgsz": ""}, "--imgsz: '' is not a list of numbers"),
        ({"repeat": 0}, "--repeat"),
        ({"timeout": 0.0}, "--timeout"),
    ],
)
def test_options_that_say_nothing_are_refused(changes: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {
        "models": [], "imgsz": "640", "precision": "auto", "runtime": "auto", "device": "auto", "video": None,
        "live": False, "repeat": 1, "timeout": 9.0,
    }  # fmt: skip
    assert Options.parsed(**{**given, "imgsz": "320, 640,320"}).imgsz == [320, 640]
    with pytest.raises(SettingsError, match=words):
        Options.parsed(**{**given, **changes})


def test_an_error_has_its_exit_code(tmp_path: Path) -> None:
    code, text = refused("bench", "none.mp4", cwd=tmp_path)
    assert code == 3
    assert "none.mp4: no such file" in text


@pytest.mark.parametrize(
    ("paths", "files", "words"),
    [
        (["a.json"], Files(), "at least two files"),
        (["a.json", "b.json"], Files(json=Path("c.json")), "writes no --json"),
        (["a.json", "b.json"], Files(), "a.json: cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    paths: list[str], files: Files, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=words):
        bench.compare(paths, files)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process_behind(number: signal.Signals, builtin: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "long.mp4", range(3000), options={"preset": "ultrafast"})
    process = subprocess.Popen(
        [*POSELINE, "bench", str(clip), "-m", str(builtin), "--live"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**ENVIRONMENT, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    try:
        watched = psutil.Process(process.pid)
        assert until(lambda: bool(list(tmp_path.glob("poseline-bench-*/run/keypoints.jsonl"))))
        children = watched.children(recursive=True)
        assert children
        process.send_signal(number)
        _, told = process.communicate(timeout=WAIT)
    finally:
        process.kill()
    assert (process.returncode, told) == (130, "")
    assert until(lambda: all(map(over, children))), "a process is left behind"
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]


def test_every_combination_is_measured_once(builtin: Path) -> None:
    found = cases(Options([str(builtin)], imgsz=[320, 640], precisions=["auto", "fp32"]))
    assert len(found) == len({each.asked for each in found}) == 2 * 2 * 2
    asked = {(each.asked.imgsz, each.asked.precision, each.asked.video) for each in found}
    assert (320, "fp32", False) in asked
    for each in found:
        assert each.settings.inference.imgsz == each.asked.imgsz
        assert each.settings.output.video is each.asked.video
        assert each.settings.inference.model == str(builtin.absolute())


def test_combinations_that_contradict_themselves_are_refused(builtin: Path, int8: Path) -> None:
    with pytest.raises(SettingsError, match="torch runtime cannot run it"):
        cases(Options([str(int8)], runtimes=["openvino", "torch"]))
    with pytest.raises(SettingsError, match="precision"):
        cases(Options([str(builtin)], precisions=["fp8"]))
    with pytest.raises(ModelError, match="none.pt"):
        cases(Options(["none.pt"]))


def test_the_model_alone_keeps_its_requests_in_flight() -> None:
    (frame,) = ScriptedSource(1).frames()
    alone = measure(estimator(seconds=0.2, in_flight=1), frame, 1.0)
    assert 1 < alone.fps <= 5.1, "each takes 0.2 s"
    together = measure(estimator(seconds=0.2, in_flight=3), frame, 1.0)
    assert 1.5 * alone.fps < together.fps <= 16
    assert (alone.width, alone.height) == (64, 64)
    assert alone.cpu_ms < 50
