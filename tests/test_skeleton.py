"""Skeleton: what COCO's keypoints are, how others are read, and OKS against figures worked out by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from poseline.errors import SettingsError
from poseline.inference import ModelSpec
from poseline.pose import Floats
from poseline.skeleton import COCO17, Skeleton, oks


def written(folder: Path, text: str) -> Path:
    path = folder / "skeleton.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def pose(*points: tuple[float, float, float]) -> Floats:
    return np.array([points], np.float32)


def test_coco_has_a_left_for_every_right() -> None:
    assert len(COCO17) == len(COCO17.sigmas) == 17
    assert len(COCO17.pairs) == 8
    for left, right in COCO17.pairs:
        assert COCO17.side(left) == "left"
        assert COCO17.side(right) == "right"
        assert COCO17.names[left].removeprefix("left") == COCO17.names[right].removeprefix("right")
        assert COCO17.sigmas[left] == COCO17.sigmas[right]
    assert COCO17.side(0) == "middle"
    assert COCO17.mirrored == (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)


def test_cocos_limbs_join_neighbours_and_mirror_each_other() -> None:
    joined = {frozenset(COCO17.names[end] for end in edge) for edge in COCO17.edges}
    assert len(joined) == 19
    assert {"left_knee", "left_ankle"} in joined
    assert {"right_elbow", "right_wrist"} in joined
    assert {"left_hip", "right_hip"} in joined
    swap = {index: index for index in range(17)}
    swap |= dict(COCO17.pairs) | {right: left for left, right in COCO17.pairs}
    edges = {frozenset(edge) for edge in COCO17.edges}
    assert {frozenset(swap[end] for end in edge) for edge in edges} == edges


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("left_knee", "left"), ("Right-Knee", "right"), ("knee_left", "left"), ("l_knee", "left"), ("r_knee", "right"),
        ("nose", "middle"), ("bright_spot", "middle"), ("cleft", "middle"), ("upper_l_lip", "middle"),
    ],
)  # fmt: skip
def test_the_side_is_read_off_the_name(name: str, side: str) -> None:
    assert Skeleton((name,)).side(0) == side


def test_a_count_of_keypoints_has_a_skeleton() -> None:
    assert Skeleton.for_count(17) is COCO17
    other = Skeleton.for_count(3)
    assert other.names == ("keypoint_0", "keypoint_1", "keypoint_2")
    assert other.edges == other.pairs == ()
    assert len(other.sigmas) == 3


def test_a_file_may_name_its_ends_or_number_them(tmp_path: Path) -> None:
    path = written(tmp_path, "names: [left_tip, base, right_tip]\nedges: [[left_tip, base], [1, 2]]\nsigmas: [1, 2, 3]")
    skeleton = Skeleton.load(path)
    assert skeleton == Skeleton(("left_tip", "base", "right_tip"), ((0, 1), (1, 2)), (1.0, 2.0, 3.0))
    assert skeleton.pairs == ((0, 2),)
    assert skeleton.mirrored == (2, 1, 0)
    assert Skeleton.load(written(tmp_path, "names: [a, b]")) == Skeleton(("a", "b"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[a, b]", "names"),
        ("names: nose", "names"),
        ("names: [a\nb", "cannot be read"),
        ("names: [a, b]\nlimbs: []", "limbs"),
        ("names: [a, b]\nedges: [[a, c]]", "c"),
        ("names: [a, b]\nedges: [[0, 2]]", "0 to 1"),
        ("names: [a, b]\nedges: [[0, -1]]", "0 to 1"),
        ("names: [a, b]\nedges: [[a, b, a]]", "pairs"),
        ("names: [a, b]\nedges: 3", "pairs"),
        ("names: [a, b]\nsigmas: [0.1]", "2 names but 1 sigmas"),
        ("names: [a, b]\nsigmas: [x, y]", "numbers"),
        ("names: [b, a, a, c, b]", r"skeleton\.yaml: .*'a', 'b' is the name of more than one keypoint"),
        ("names: [a, ' a ']", "'a' is the name of more than one"),
        ("names: [a, 1, '1']", "'1' is the name of more than one"),
        ("names: [a, '']", "name 1 is empty"),
        ("names: ['  ', a]", "name 0 is empty"),
        ("names: [a, ~]", "name 1 is None"),
        ("names: [yes, no]", "name 0 is True, not text; put it in quotes"),
        ("names: [a, [b, c]]", "name 1 is .*, not text"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        Skeleton.load(written(tmp_path, text))


def test_a_missing_or_binary_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        Skeleton.load(tmp_path / "nowhere.yaml")
    binary = tmp_path / "skeleton.yaml"
    binary.write_bytes(b"\x00\xff\xfe")
    with pytest.raises(SettingsError, match=r"skeleton\.yaml"):
        Skeleton.load(binary)


def test_oks_of_a_pose_with_itself_is_one() -> None:
    truth = pose((10, 20, 0.9), (50, 60, 0.8))
    assert oks(truth, truth, np.array([100], np.float32), np.array([0.05, 0.1], np.float32)) == pytest.approx(1.0)


def test_oks_is_cocos_formula() -> None:
    """One point off by 4 px: exp(-16 / (2 * 400 * 0.2 ** 2)) = exp(-0.5); the other is right: the mean of both."""
    truth, guess = pose((10, 20, 1), (50, 60, 1)), pose((14, 20, 1), (50, 60, 1))
    similar = oks(truth, guess, np.array([400], np.float32), np.array([0.1, 0.1], np.float32))
    assert similar == pytest.approx((np.exp(-0.5) + 1) / 2, abs=1e-6)


def test_oks_counts_only_what_the_truth_sees() -> None:
    truth, guess = pose((10, 20, 1), (50, 60, 0.3)), pose((10, 20, 0.1), (500, 600, 1))
    areas, sigmas = np.array([400], np.float32), np.array([0.1, 0.1], np.float32)
    assert oks(truth, guess, areas, sigmas) == pytest.approx(1.0)
    assert oks(truth, guess, areas, sigmas, seen=0.2) == pytest.approx(0.5)
    assert oks(truth, guess, areas, sigmas, seen=1.0) == pytest.approx(0.0)


def test_oks_compares_every_pair() -> None:
    truth = np.concatenate((pose((0, 0, 1)), pose((10, 0, 1))))
    guess = np.concatenate((pose((10, 0, 1)), pose((0, 0, 1)), pose((1000, 0, 1))))
    similar = oks(truth, guess, np.array([100, 400], np.float32), np.array([0.25], np.float32))
    assert similar.shape == (2, 3)
    assert similar.dtype == np.float32
    expected = [[np.exp(-100 / 50), 1, 0], [1, np.exp(-100 / 200), 0]]
    assert np.allclose(similar, expected, atol=1e-6)
    assert oks(truth[:0], guess, np.zeros(0, np.float32), np.array([0.25], np.float32)).shape == (0, 3)


def test_the_torso_is_found_by_name_or_not_at_all() -> None:
    assert COCO17.torso == (5, 6, 11, 12)
    assert Skeleton(("right_hip", "left_hip", "left_shoulder", "right_shoulder")).torso == (2, 3, 1, 0)
    assert Skeleton(COCO17.names[:12]).torso is None


def test_no_two_keypoints_have_one_name() -> None:
    with pytest.raises(SettingsError, match="'knee' is the name of more than one keypoint"):
        Skeleton(("knee", "foot", "knee"))
    assert Skeleton(("Knee", "knee", "knee_x")).names == ("Knee", "knee", "knee_x")  # these, tables can tell apart


@pytest.mark.parametrize(
    ("own", "called"),
    [
        (["a", "b", "c"], ("a", "b", "c")),
        (["a", "a", "a"], ("a", "a_2", "a_3")),
        (["a", "a_2", "a"], ("a", "a_2", "a_3")),
        (["a", "a", "a_2"], ("a", "a_3", "a_2")),
        ([" a", "a ", None], ("a", "a_2", "keypoint_2")),
        (["", "keypoint_0", ""], ("keypoint_0_2", "keypoint_0", "keypoint_2")),
    ],
)
def test_a_models_own_names_are_made_different_and_that_is_said(
    own: list[str | None], called: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    metadata = {"task": "pose", "kpt_shape": [3, 3], "names": {0: "thing"}, "kpt_names": {0: own}}
    read = ModelSpec.from_metadata(metadata, Path("m.pt"), "pt", "m.pt", "0" * 64)
    assert read.skeleton.names == called
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (called != tuple(own))
    assert all(f"they are called {', '.join(called)}; --skeleton gives others" in text for text in said)


def test_equal_names_are_found_before_the_run(tmp_path: Path) -> None:
    path = written(tmp_path, "names: [a, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]")
    clip = Path(__file__).parents[1] / "samples" / "squat.mp4"
    words = ["run", str(clip), "-m", "builtin", "--skeleton", str(path), "-o", str(tmp_path / "out"), "--log", "csv"]
    done = subprocess.run([sys.executable, "-m", "poseline", *words], capture_output=True, text=True, timeout=280)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path}: skeleton: 'a' is the name of more than one keypoint")
    assert not (tmp_path / "out").exists()
