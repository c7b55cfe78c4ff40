from collections.abc import Callable

import numpy as np
import pytest

from poseline.pose import UNTRACKED, Floats, Poses
from poseline.skeleton import COCO17, oks


def some(count: int = 4, keypoints: int = 17) -> Poses:
    random = np.random.default_rng(0)
    return Poses.of(
        random.random((count, 4), np.float32),
        np.linspace(0.9, 0.5, count, dtype=np.float32),
        random.random((count, keypoints, 3), np.float32),
    )


def test_poses_of_arrays_are_untracked_and_of_class_0() -> None:
    poses = some(3)
    assert len(poses) == 3
    assert poses.ids.tolist() == [UNTRACKED] * 3
    assert poses.classes.tolist() == [0] * 3
    assert poses.ids.dtype == poses.classes.dtype == np.int64


def test_of_makes_float32() -> None:
    poses = Poses.of(np.zeros((2, 4)), np.zeros(2), np.zeros((2, 5, 3)))  # type: ignore[arg-type] # float64 on purpose
    assert poses.boxes.dtype == poses.scores.dtype == poses.keypoints.dtype == np.float32


def test_none_has_no_instance_but_a_skeleton() -> None:
    assert len(Poses.none(5)) == 0
    assert Poses.none(5).keypoints.shape == (0, 5, 3)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("boxes", (4, 5)),
        ("boxes", (4,)),
        ("scores", (3,)),
        ("scores", (4, 1)),
        ("keypoints", (4, 17)),
        ("keypoints", (3, 17, 3)),
        ("keypoints", (4, 17, 2)),
        ("classes", (5,)),
        ("ids", (3,)),
    ],
)
def test_a_wrong_shape_is_an_error_that_names_the_array(name: str, shape: tuple[int, ...]) -> None:
    poses = some()
    arrays = {key: getattr(poses, key) for key in ("boxes", "scores", "keypoints", "classes", "ids")}
    arrays[name] = np.zeros(shape, arrays[name].dtype)
    with pytest.raises(ValueError, match=rf"^{name} must have shape .*got \({shape[0]}"):
        Poses(**arrays)


@pytest.mark.parametrize(
    "chosen",
    [np.array([True, False, True, False]), np.array([2, 0]), slice(1, 3), np.zeros(0, np.intp)],
    ids=["mask", "indices", "slice", "nothing"],
)
def test_choosing_takes_the_same_rows_of_every_array(chosen: slice) -> None:
    poses = some().with_ids(np.array([4, 3, 2, 1]))
    part = poses[chosen]
    for name in ("boxes", "scores", "keypoints", "classes", "ids"):
        np.testing.assert_array_equal(getattr(part, name), getattr(poses, name)[chosen])


@pytest.mark.parametrize("make", [some, lambda: some()[np.array([0, 1])], lambda: some().with_ids(np.arange(4))])
def test_arrays_are_read_only(make: Callable[[], Poses]) -> None:
    for name in ("boxes", "scores", "keypoints", "classes", "ids"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(make(), name)[:] = 0


def test_with_ids_changes_the_ids_alone() -> None:
    poses = some()
    renamed = poses.with_ids(np.array([7, 8, 9, 10]))
    assert renamed.ids.tolist() == [7, 8, 9, 10]
    assert poses.ids.tolist() == [UNTRACKED] * 4
    assert renamed.boxes is poses.boxes
    with pytest.raises(ValueError, match="ids"):
        poses.with_ids(np.array([1]))


def _oks_of_one_pair(truth: Floats, guess: Floats, area: float, seen: float) -> float:
    """COCO's formula written out: mean over labelled keypoints of exp(-d^2 / (2 s^2 k^2)), s^2 = area, k = 2 sigma."""
    total, count = 0.0, 0
    for (x, y, confidence), (u, v, _), sigma in zip(truth.tolist(), guess.tolist(), COCO17.sigmas, strict=True):
        if confidence > seen:
            k = 2 * sigma
            total += float(np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * area * k**2)))
            count += 1
    return total / count if count else 0.0


@pytest.mark.parametrize("seen", [0.0, 0.5])
def test_oks_is_cocos(seen: float) -> None:
    random = np.random.default_rng(1)
    truth = (random.random((5, 17, 3)) * [200, 200, 1]).astype(np.float32)
    nearby = np.concatenate((truth[:3], truth[:1]))
    guess = nearby + random.normal(0, 6, nearby.shape).astype(np.float32) * np.array([1, 1, 0], np.float32)
    truth[4, :, 2] = 0  # nothing of it is seen
    areas = np.array([900, 4000, 10000, 40000, 100], np.float32)
    found = oks(truth, guess, areas, np.array(COCO17.sigmas, np.float32), seen)
    expected = [[_oks_of_one_pair(truth[i], guess[j], float(areas[i]), seen) for j in range(4)] for i in range(5)]
    assert found.shape == (5, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found[1, 1] > 0.3  # near, so that the comparison is not one of zeros
    assert (found[4] == 0).all()


def test_oks_of_a_pose_with_itself_is_one_whatever_the_sigmas() -> None:
    poses = some(2, 5).keypoints.copy()
    poses[:, :, 2] = 1
    same = oks(poses, poses, np.full(2, 1e-9, np.float32), np.full(5, 0.05, np.float32))
    np.testing.assert_allclose(np.diag(same), 1)
