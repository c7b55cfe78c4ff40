"""A peer that is a small script; the real one's commands are looked at, not run, which takes minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from media_worlds import write_clip
from poseline.bench import peer as peers
from poseline.bench import tables
from poseline.bench.contest import Match, compete, matches, result
from poseline.bench.measure import Bench
from poseline.bench.peer import PEERS, Rival, ScriptedPeer, Ultralytics
from poseline.bench.plan import Options, case, cases
from poseline.bench.process import python
from poseline.bench.schema import Sample
from poseline.errors import PoselineError, SettingsError

SAID = """\
video 1/1 (frame 205/205) clip.avi: 384x640 5 persons, 33.1ms
Speed: 1.5ms preprocess, 17.0ms inference, 1.5ms postprocess per image at shape (1, 3, 384, 640)
Results saved to runs
"""
SCRIPT = """
import sys, pathlib
clip, folder = map(pathlib.Path, sys.argv[1:])
assert clip.exists()
(folder / "x.avi").write_bytes(bytes(777))
print(42)
"""


def scripted(script: str) -> Rival:
    return Rival(
        "scripted", False, "script CLIP", lambda clip, folder: python("-c", script, str(clip), str(folder)),
        lambda said: float(said.split()[-1]),
    )  # fmt: skip


def sample(wall: float, fps: float | None = None) -> Sample:
    return Sample(wall=wall, fps=fps, memory_bytes=1, output_bytes=None)


@pytest.fixture
def bench(builtin: Path, tmp_path: Path) -> Bench:
    """One measured run of a short clip;"""
    clip = write_clip(tmp_path / "clip.mp4", range(12), size=(320, 240))
    options = Options([str(builtin)], [320], videos=[False], repeat=1)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Bench(clip, scratch, options, lambda _: None)


def match(script: str, weights: Path) -> Match:
    return Match("peer 1.0", case(weights, 320, "auto", "auto", "auto", False), scripted(script))


def test_ratios_are_made_pair_by_pair(builtin: Path) -> None:
    pairs = [(sample(2, 60), sample(12, 20)), (sample(4, 30), sample(12, 20)), (sample(2, 60), sample(14, None))]
    told = result(match("", builtin), pairs)
    assert (told.wall_ratio.median, told.wall_ratio.least, told.wall_ratio.most) == (6, 3, 7)
    assert told.fps_ratio is not None
    assert (told.fps_ratio.least, told.fps_ratio.most) == (1.5, 3)
    assert result(match("", builtin), [(sample(1, 60), sample(2))]).fps_ratio is None


def test_ratios_are_of_seconds_a_frame_where_the_peer_processed_fewer(
    bench: Bench, builtin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Sample(wall=2, fps=None, memory_bytes=1, output_bytes=None, frames=350)
    theirs = ours.model_copy(update={"wall": 3, "frames": 101})
    told = result(match("", builtin), [(ours, theirs)])
    assert told.unequal == (350, 101)
    assert told.wall_ratio.median == pytest.approx((3 / 101) / (2 / 350))
    assert result(match("", builtin), [(ours, ours.model_copy(update={"wall": 3}))]).wall_ratio.median == 1.5
    for equal in ((ours, ours), (ours, theirs.model_copy(update={"frames": None})), (sample(1), theirs)):
        assert result(match("", builtin), [equal]).unequal is None
    words = "it processed 101 frames, and Poseline 350: the ratios are of seconds a frame"
    first, second = tables.pairs([told])
    assert first == f"scripted: {words}"
    assert second.endswith("pair by pair 5.20 times faster")
    warned: list[str] = []
    monkeypatch.setattr("poseline.bench.contest._our_turn", lambda *_: ours)
    monkeypatch.setattr("poseline.bench.contest._their_turn", lambda *_: theirs)
    compete(replace(bench, warn=warned.append), match("", builtin))
    assert warned == [f"peer 1.0, scripted: {words}"], "once, before anything is measured"


def test_there_is_a_match_for_each_model_size_and_way(bench: Bench) -> None:
    found = matches(bench, ScriptedPeer(scripted(""), scripted("")), [*cases(bench.options), *cases(bench.options)])
    assert [(each.peer, each.ours.asked.imgsz, each.ours.asked.video) for each in found] == [
        ("scripted 1.0", 320, False)
    ] * 2


def test_a_match_goes_in_turns_and_warms_up_first(bench: Bench, builtin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []

    def turn(name: str) -> Callable[..., Sample]:
        def take(*_: object) -> Sample:
            turns.append(name)
            return sample(1.0)

        return take

    for name in ("our", "their"):
        monkeypatch.setattr(f"poseline.bench.contest._{name}_turn", turn(name))
    told = compete(bench, match("", builtin))
    assert turns == ["our", "their"] * 2
    assert len(told.ours) == len(told.theirs) == 1


def test_a_real_match_with_a_scripted_peer(bench: Bench, builtin: Path) -> None:
    told = compete(bench, match(SCRIPT, builtin))
    assert (told.peer, told.name, told.command) == ("peer 1.0", "scripted", "script CLIP")
    (ours,), (theirs,) = told.ours, told.theirs
    assert (theirs.fps, theirs.output_bytes) == (42, 777)
    assert (ours.output_bytes, told.asked.video) == (None, False)
    assert told.wall_ratio.median == theirs.wall / ours.wall
    assert ours.fps is not None
    assert ours.fps > 12 / ours.wall, "its own rate leaves out its start"


def test_a_peer_that_fails_ends_the_match_with_its_reason(
    bench: Bench, builtin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poseline.bench.contest._our_turn", lambda *_: sample(1.0))
    with pytest.raises(PoselineError, match="failed with exit code 1: ImportError: no tracker"):
        compete(bench, match("raise ImportError('no tracker')", builtin))


def test_the_peer_is_run_as_its_user_would(builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported = tmp_path / "poseline-builtin_openvino_model"
    exported.mkdir()
    monkeypatch.setattr(Ultralytics, "_export", lambda *_: exported)
    monkeypatch.setattr(peers, "find_spec", lambda name: name)
    plain, openvino, quiet = PEERS["ultralytics"].rivals(builtin, 640, "cpu", tmp_path, 60)
    assert plain.command(Path("/clip.avi"), tmp_path)[3:] == [
        "pose", "track", "source=/clip.avi", f"model={builtin}", "imgsz=640", "save=True", "device=cpu",
        f"project={tmp_path}", "name=track", "exist_ok=True",
    ]  # fmt: skip
    assert f"model={exported}" in openvino.command(Path("/clip.avi"), tmp_path)
    assert "save=False" in quiet.command(Path("/clip.avi"), tmp_path)
    assert (plain.video, openvino.video, quiet.video) == (True, True, False)
    assert plain.environment["YOLO_AUTOINSTALL"] == "False"
    assert str(tmp_path) not in openvino.shown
    assert "yolo export format=openvino" in openvino.shown


@pytest.mark.parametrize(("device", "its"), [("cuda", "0"), ("cuda:1", "1"), ("mps", "mps")])
def test_on_a_gpu_it_has_half_precision(
    device: str, its: str, builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: name)
    ways = Ultralytics().rivals(builtin, 640, device, tmp_path, 60)
    assert [("half=True" in way.shown, way.video) for way in ways] == [(False, True), (True, True), (True, False)]
    assert all(f"device={its}" in way.shown.split() for way in ways)


def test_what_the_peer_reports_of_itself() -> None:
    assert peers._reported(SAID) == 50
    assert peers._reported("nothing") is None
    assert peers._counted(SAID) == 1
    assert peers._counted(SAID.replace("video", "\nvideo 1/1 (frame 204/205) clip.avi: 384x640 1 person\nvideo")) == 2
    assert peers._counted("nothing") is None


def test_the_peer_needs_weights_and_its_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"model.onnx is no .pt model"):
        Ultralytics().rivals(tmp_path / "model.onnx", 640, "cpu", tmp_path, 60)
    monkeypatch.setattr(peers, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match="pip install lap"):
        Ultralytics().rivals(tmp_path / "model.pt", 640, "cpu", tmp_path, 60)
