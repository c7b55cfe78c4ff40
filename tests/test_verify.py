"""`poseline verify`: two sides whose difference is known, and real runtimes of the built-in model."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from media_worlds import joined
from output_worlds import SAMPLES
from poseline.cli import command
from poseline.errors import OutputError, SettingsError, SourceError
from poseline.frame import Frame, Pixels
from poseline.inference import ModelSpec, PoseEstimator, ScriptedRuntime
from poseline.interruption import Interruption
from poseline.pose import Floats
from poseline.settings import CaptureSettings, InferenceSettings
from poseline.skeleton import COCO17
from poseline.verification import CLOSE, Side, Verification, as_json, load_sides, verdict_of, verify
from poseline.verification.clip import Clip
from poseline.verification.files import Files
from worlds import Person

SPEC = ModelSpec("scripted.pt", Path("scripted.pt"), "pt", "0" * 64, {0: "person"}, (17, 3), 32, False, COCO17)
SETTINGS = InferenceSettings(imgsz=320)
SIZE = (320, 192)
"""(width, height) of the pictures, which are the network's input as they are."""


def rows(*persons: tuple[float, float], score: float = 0.9, move: float = 0.0, bend: float = 0.0) -> Floats:
    """A network's output, (56, 64): people with their centres at `persons`, keypoints moved to the right by `move`
    pixels, left ankles by `bend` more."""
    output = np.zeros((56, 64), np.float32)
    for column, at in enumerate(persons):
        body = Person(lambda _, at=at: at, height=120)  # type: ignore[misc] # a default cannot be typed
        x1, y1, x2, y2 = body.box(0)
        points = np.column_stack((body.keypoints(0), np.full(17, 0.9)))
        points[:, 0] += move
        points[15, 0] += bend
        output[:4, column] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
        output[4, column] = score
        output[5:, column] = points.ravel()
    return output


def side(
    answer: Floats | Callable[[Pixels], Floats], spec: ModelSpec = SPEC, *,
    fixed_size: tuple[int, int] | None = None, settings: InferenceSettings = SETTINGS, name: str = "side",
) -> Side:  # fmt: skip
    script = answer if callable(answer) else lambda _: answer
    return Side(name, PoseEstimator(spec, ScriptedRuntime(script, fixed_size=fixed_size), settings))


def frames(count: int = 3, size: tuple[int, int] = SIZE) -> list[Frame]:
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    return [Frame(picture, index, index, Fraction(1, 25), index / 25, 0.0, "clip") for index in range(count)]


def compared(model: Floats, reference: Floats, count: int = 3) -> Verification:
    return verify("clip", frames(count), side(model), [side(reference)])


# What is measured


def test_the_same_is_the_same() -> None:
    found = compared(rows((100, 96), (220, 96)), rows((100, 96), (220, 96))).against[0]
    assert (found.verdict, found.found.pairs, found.found.oks, found.causes) == ("same", 6, 1.0, ())
    assert found.found.points is not None
    assert found.found.points.worst == 0
    assert not found.worst


def test_pixels_are_measured_by_keypoint_and_the_worst_has_its_frame() -> None:
    answers = iter([rows((100, 96)), rows((100, 96), move=2.0), rows((100, 96), bend=10.0)])
    found = verify("clip", frames(3), side(lambda _: next(answers)), [side(rows((100, 96)))]).against[0]
    nose, ankle = found.found.keypoints["nose"], found.found.keypoints["left_ankle"]
    assert (nose.count, nose.frame) == (3, 1)
    assert nose.worst == pytest.approx(2, abs=1e-3)
    assert nose.mean == pytest.approx(2 / 3, abs=1e-3)
    assert nose.median == pytest.approx(0, abs=1e-3)
    assert ankle.frame == 2
    assert ankle.worst == pytest.approx(10, abs=1e-3)
    assert {frame.index for frame in found.worst} == {1, 2}


def test_angles_are_measured_in_degrees() -> None:
    body = Person(lambda _: (100.0, 96.0), height=120)
    hip, knee, ankle = body.keypoints(0)[[11, 13, 15]]

    def bent(ankle: Floats) -> float:
        first, second = hip - knee, ankle - knee
        cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    wanted = abs(bent(ankle) - bent(ankle + np.array([10, 0])))
    found = compared(rows((100, 96), bend=10.0), rows((100, 96))).against[0].found
    assert found.angles["knee"].worst == pytest.approx(wanted, abs=0.05)
    assert found.angles["knee"].count == 6  # both sides of three frames
    assert found.angles["elbow"].worst == pytest.approx(0, abs=1e-3)


def test_whom_only_one_finds_is_counted_and_counts_as_nothing() -> None:
    found = compared(rows((100, 96)), rows((100, 96), (220, 96))).against[0]
    assert (found.found.pairs, found.found.only_reference, found.found.only_model) == (3, 3, 0)
    assert found.found.oks == pytest.approx(0.5)
    assert found.verdict == "different"
    assert "3 found by the reference only" in found.words
    other = compared(rows((100, 96), (220, 96)), rows((100, 96))).against[0].found
    assert (other.only_reference, other.only_model) == (0, 3)


def test_a_score_just_below_the_threshold_is_no_missing_person() -> None:
    found = compared(rows((100, 96), score=0.24), rows((100, 96), score=0.26)).against[0].found
    assert (found.pairs, found.near, found.only_reference, found.only_model) == (0, 3, 0, 0)
    far = compared(rows((100, 96), score=0.1), rows((100, 96), score=0.9)).against[0].found
    assert (far.near, far.only_reference) == (0, 3)


def test_verdicts_keep_to_their_bounds() -> None:
    moved = {step: compared(rows((100, 96), move=step), rows((100, 96))).against[0] for step in (0.0, 1.0, 4.0, 12.0)}
    assert [each.verdict for each in moved.values()] == ["same", "close", "different", "different"]
    assert verdict_of(moved[1.0].found) == "close"
    assert moved[1.0].found.oks >= CLOSE.oks > moved[4.0].found.oks


def test_a_clip_without_anybody_is_no_agreement() -> None:
    with pytest.raises(SourceError, match="nobody is found in 3 frames"):
        compared(rows(), rows())


# Causes


def letterboxed(pixels: Pixels) -> Floats:
    """Somebody whom a network finds well only where its input is not padded."""
    return rows((100, 96)) if pixels.shape[2] == 192 else rows((100, 96 + 64), move=6.0)


def test_a_fixed_input_is_found_to_be_the_cause_by_trying_it() -> None:
    fixed = side(letterboxed, fixed_size=(320, 320), name="export")
    found = verify("clip", frames(), fixed, [side(letterboxed)])
    against = found.against[0]
    assert (found.inputs, against.inputs) == (((320, 320),), ((320, 192),))
    assert against.verdict == "different"
    assert against.at_same_size is not None
    assert verdict_of(against.at_same_size) == "same"
    assert "the input's size explains it: scripted.pt takes 320x320 alone" in against.causes[0]
    assert "dynamic=True" in against.causes[0]


def test_a_fixed_input_that_is_not_the_cause_is_not_blamed() -> None:
    fixed = side(lambda _: rows((100, 160), move=12.0), fixed_size=(320, 320))
    against = verify("clip", frames(), fixed, [side(lambda pixels: letterboxed(pixels))]).against[0]
    assert "the input's size is not the cause" in against.causes[0]


def test_what_the_models_say_of_themselves_is_named() -> None:
    other = replace(SPEC, sha256="1" * 64, names={0: "player"}, end2end=False)
    found = verify("clip", frames(), side(rows((100, 96), move=4.0), other), [side(rows((100, 96)))])
    causes = " ".join(found.against[0].causes)
    assert "the two files differ" in causes
    assert "player against person" in causes
    assert "int8" not in causes


def test_a_size_that_the_model_was_not_made_for_is_noted() -> None:
    large = replace(SPEC, made_for=(1280, 1280))
    found = verify("clip", frames(), side(rows((100, 96)), large), [side(rows((100, 96)), large)])
    assert found.notes == (
        "scripted.pt was trained or exported for an input of 1280x1280, and 320 runs here: --imgsz 1280 may find more",
    )


# Sides


@pytest.mark.parametrize("against", [["fp32"], ["openvino"], ["openvino:fp32"]])
def test_a_model_against_itself_is_refused(against: list[str]) -> None:
    with pytest.raises(SettingsError, match="is the model itself"):
        load_sides(InferenceSettings(model="builtin", precision="fp32"), against)


def test_other_keypoints_are_refused(int8: Path, tmp_path: Path) -> None:
    five = tmp_path / "five"
    shutil.copytree(int8, five)
    stated = (five / "metadata.yaml").read_text(encoding="utf-8")
    metadata = {**yaml.safe_load(stated), "kpt_shape": [5, 3], "kpt_names": None}
    (five / "metadata.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")
    with pytest.raises(SettingsError, match="five has 5 keypoints and poseline-builtin.pt has 17"):
        load_sides(InferenceSettings(model=str(five)), ["builtin"])


def test_an_export_without_its_weights_asks_for_them(int8: Path) -> None:
    with pytest.raises(SettingsError, match=r"--against MODEL\.pt"):
        load_sides(InferenceSettings(model=str(int8)), ())


# The command


def run(*arguments: str | Path) -> int:
    sys.argv[1:] = ["verify", *map(str, arguments)]
    return command(Interruption())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return joined(tmp_path_factory.mktemp("clip") / "squat.mp4", SAMPLES / "squat.mp4", packets=12)


def test_the_command_writes_and_says_what_it_found(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("builtin", clip, "--precision", "fp32", "--imgsz", "160", "--frames", "3")
    assert run(*options, "--against", "torch", "--worst", "2") == 0
    said = capsys.readouterr().out
    assert "against: poseline-builtin.pt on PyTorch" in said
    assert "same (mean OKS at least 0.999" in said
    folder = tmp_path / "runs" / "verify-squat"
    found = json.loads((folder / "verify.json").read_text())
    assert found["against"][0]["verdict"] == "same"
    assert found["against"][0]["differences"]["frames"] == 3
    assert set(found["against"][0]["differences"]["angles"]) == {"knee", "hip", "shoulder", "elbow"}
    pictures = sorted(folder.glob("*.jpg"))
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        assert picture.size == (2 * 540 + 8, 960)
    assert run(*options, "--against", "torch", "-o", folder) == 4
    assert run(*options, "--against", "torch", "-o", folder, "--overwrite", "--worst", "1") == 0
    assert len(list(folder.glob("*.jpg"))) == 1


def test_a_bound_is_kept_or_the_exit_code_says_so(clip: Path, int8: Path, tmp_path: Path) -> None:
    options = (int8, clip, "--against", "builtin", "--imgsz", "160", "--frames", "2")
    assert run(*options, "-o", tmp_path / "a", "--fail-below", "0.3") == 0
    assert run(*options, "-o", tmp_path / "b", "--fail-below", "1") == 6
    found = json.loads((tmp_path / "b" / "verify.json").read_text())
    assert found["model"]["precision"] == "int8"
    assert found["against"][0]["reference"]["precision"] == "fp32"


@pytest.mark.parametrize(("arguments", "code"), [
    (("builtin", "nobody.mp4"), 3), (("nothing.pt", SAMPLES / "squat.mp4"), 5), (("builtin", "0"), 3),
    (("builtin", SAMPLES / "squat.mp4", "--against", "nothing.pt"), 5),
    (("builtin", SAMPLES / "squat.mp4", "-o", "-"), 2),
])  # fmt: skip
def test_what_cannot_be_is_said(
    arguments: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == code
    assert not list(tmp_path.glob("runs/*"))  # no empty folder is left


def test_pictures_are_frames_too(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (64, 48)).save(tmp_path / f"{number}.png")
    opened = Clip.open(str(tmp_path), CaptureSettings())
    assert len(list(opened.frames(2))) == 2
    assert opened.sample is None


def test_a_folder_is_numbered_and_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Files.prepare(None, "clip", False).folder == Path("runs/verify-clip")
    assert Files.prepare(None, "clip", False).folder == Path("runs/verify-clip-2")
    (tmp_path / "runs/verify-clip/verify.json").write_text("{}")
    with pytest.raises(OutputError, match="--overwrite"):
        Files.prepare(Path("runs/verify-clip"), "clip", False)


def test_the_json_has_every_side() -> None:
    found = verify("clip", frames(), side(rows((100, 96))), [side(rows((100, 96))), side(rows((100, 96), move=1.0))])
    content = json.loads(json.dumps(as_json(found)))
    assert [each["verdict"] for each in content["against"]] == ["same", "close"]
    assert found.oks == min(each.found.oks for each in found.against)
