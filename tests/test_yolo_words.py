"""What is typed as for ultralytics' command: the words name the command to type instead, and that command is one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from media_worlds import write_clip
from poseline.cli import program
from poseline.commands.yolo_words import translated
from test_cli import refused

COMMANDS = {"run", "bench", "doctor"}
SAID = {
    "predict source=clip.mp4 model=yolo11n-pose.pt": "poseline run clip.mp4 -m yolo11n-pose.pt",
    "pose predict source=clip.mp4 conf=0.5 iou=0.6": "poseline run clip.mp4 --conf 0.5 --iou 0.6",
    "pose track source=rtsp://127.0.0.1/x show=True": "poseline run rtsp://127.0.0.1/x --show",
    "track clip.mp4": "poseline run clip.mp4",
    "run source=clip.mp4": "poseline run clip.mp4",
    "run clip.mp4 imgsz=320 device=cpu": "poseline run clip.mp4 --imgsz 320 --device cpu",
    "source=0 mode=predict task=pose": "poseline run 0",
    "predict source=a.mp4 imgsz=[384,640] 'classes=[0, 2]'": "poseline run a.mp4 --imgsz 640 --classes 0,2",
    "predict source=a.mp4 save=False show_labels=False show_boxes=False max_det=3": (
        "poseline run a.mp4 --no-video --no-labels --no-boxes --max-det 3"
    ),
    "predict source='my clip.mp4' project=out name=a exist_ok=True": "poseline run 'my clip.mp4' -o out/a --overwrite",
    "predict source=a.mp4 save=True show=False half=True vid_stride=2 line_width=3": (
        "poseline run a.mp4 --half --vid-stride 2 --line-width 3"
    ),
    "predict": "poseline run SOURCE",
}
WITHOUT = {
    "pose track source=a.mp4 tracker=botsort.yaml augment=True": "without tracker, augment, which poseline does not"
}
ELSEWHERE = {
    "train data=coco8-pose.yaml model=yolo11n-pose.pt epochs=3": "poseline has no train: .* yolo pose train",
    "pose val": "poseline evaluate",
    "mode=export format=onnx": "yolo export",
    "benchmark": "poseline bench CLIP",
    "detect predict source=a.jpg": "it finds poses alone",
}
OURS = [
    "run clip.mp4 --conf 0.5",
    "run http://127.0.0.1/a?source=1",
    "rnu clip.mp4",
    "bench a.mp4",
    "",
    "--help",
    "run a=b.mp4",
]


@pytest.mark.parametrize("typed", SAID)
def test_the_command_to_type_instead_is_said_and_is_one(typed: str) -> None:
    said = translated(shlex.split(typed), COMMANDS)
    assert said is not None
    command = said.partition("type: ")[2]
    assert command == SAID[typed]
    known = typer.main.get_command(program())
    known.commands["run"].make_context("run", shlex.split(command)[2:])  # type: ignore[attr-defined] # raises for an unknown option


@pytest.mark.parametrize("typed", [*WITHOUT, *ELSEWHERE])
def test_what_has_no_counterpart_is_said(typed: str) -> None:
    said = translated(shlex.split(typed), COMMANDS)
    assert said is not None
    assert re.search({**WITHOUT, **ELSEWHERE}[typed], said)


def test_a_command_of_ours_that_they_have_too_is_theirs_by_its_words() -> None:
    ours = {*COMMANDS, "export"}
    assert "yolo export format=onnx" in str(translated(["export", "model=yolo11n-pose.pt", "format=onnx"], ours))
    assert translated(["export", "runs/clip", "--to", "coco"], ours) is None
    assert translated(["bench", "source=clip.mp4"], ours) is None


@pytest.mark.parametrize("typed", OURS)
def test_our_own_words_are_left_alone(typed: str) -> None:
    assert translated(shlex.split(typed), COMMANDS) is None


def test_a_file_of_such_a_name_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "source=clip.mp4").write_bytes(b"x")
    assert translated(["run", "source=clip.mp4"], COMMANDS) is None


def test_it_is_an_error_of_usage(tmp_path: Path) -> None:
    code, text = refused("predict", "source=clip.mp4", "model=yolo11n-pose.pt", cwd=tmp_path)
    assert code == 2
    assert text.endswith("type: poseline run clip.mp4 -m yolo11n-pose.pt\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "clipp.mp4"], "clipp.mp4: no such file; did you mean clip.mp4?"),
        (["run", "clip.mov"], "clip.mov: no such file; did you mean clip.mp4?"),
        (["run", "sub/clip.mp4"], "sub/clip.mp4: no such file: there is no folder sub"),
        (
            ["run", "clip.mp4", "-m", "yolo11n-pos.pt"],
            "yolo11n-pos.pt: no such model file; did you mean yolo11n-pose.pt?",
        ),
        (["run", "clip.mp4", "-m", "mien.pt"], "mien.pt: no such model file; did you mean mine.pt?"),
        (["run", "clip.mp4", "-c", "typo.yaml"], "unknown setting 'inference.konf'; did you mean conf?"),
        (["run", "~nobody-of-this-name/clip.mp4"], "no such file"),
    ],
)
def test_what_is_mistyped_gets_the_nearest_that_there_is(arguments: list[str], words: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", range(2))
    (tmp_path / "mine.pt").write_bytes(b"no weights")
    (tmp_path / "typo.yaml").write_text("inference:\n  konf: 0.5\n")
    _, text = refused(*arguments, cwd=tmp_path)
    assert words in text
