"""How many pictures a network is given at once: one where one is asked for, a batch of them where there are more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poseline import PoseModel, stream
from poseline.capture import VideoFile
from poseline.frame import Pixels
from poseline.inference import PoseEstimator, weights
from poseline.settings import CaptureSettings, InferenceSettings

torch = pytest.importorskip("torch")

from poseline.inference.runtimes.cuda import CudaRuntime  # noqa: E402 # torch first, or there is nothing to test

CROSSING = Path(__file__).parents[1] / "samples" / "crossing.mp4"
BATCH = 4


class Cuda:
    """A model on the CUDA runtime, step by step on the CPU, and the sizes of the batches that it was given."""

    def __init__(self) -> None:
        spec = weights.read_spec(weights.find("builtin"), convert=False)
        runtime = CudaRuntime(spec.path, "cpu", precision="auto", batch=BATCH)
        self.model = PoseModel("builtin")
        self.model.estimator = PoseEstimator(spec, runtime, InferenceSettings(model="builtin", imgsz=320, conf=0.25))
        self.batches: list[int] = []
        compute = runtime.compute

        def counted(image: Any, iou: Any) -> Any:
            self.batches.append(image.shape[0])
            return compute(image, iou)

        runtime.compute = counted  # type: ignore[method-assign] # counted


@pytest.fixture(scope="module")
def loaded() -> Cuda:
    torch.set_num_threads(1)  # several would wait for each other on a machine that has other work
    return Cuda()


@pytest.fixture
def cuda(loaded: Cuda) -> Cuda:
    loaded.batches.clear()
    return loaded


@pytest.fixture(scope="module")
def pictures() -> list[Pixels]:
    frames = VideoFile(CROSSING, CaptureSettings()).frames()
    taken = [next(frames).bgr.copy() for _ in range(9)]
    frames.close()
    return taken


def test_a_single_picture_is_a_batch_of_one(cuda: Cuda, pictures: list[Pixels]) -> None:
    found = [len(cuda.model(picture)[0]) for picture in pictures[:3]]
    assert cuda.batches == [1, 1, 1]
    assert min(found) >= 1
    assert [len(one) for one in cuda.model(pictures[:1])] == found[:1]
    assert cuda.batches == [1, 1, 1, 1]


@pytest.mark.parametrize(("count", "batches"), [(2, [2]), (3, [4]), (4, [4]), (9, [4, 4, 1])])
def test_a_list_is_run_in_batches_of_its_own_length(
    cuda: Cuda, pictures: list[Pixels], count: int, batches: list[int]
) -> None:
    together = cuda.model(pictures[:count])
    assert cuda.batches == batches
    for result, picture in zip(together, pictures, strict=False):
        alone = cuda.model(picture)[0]
        assert result.orig_img is not None
        np.testing.assert_array_equal(result.orig_img, picture)
        np.testing.assert_allclose(result.keypoints.data, alone.keypoints.data, atol=0.1)


def test_pictures_of_several_sizes_are_told_apart_and_keep_their_order(cuda: Cuda, pictures: list[Pixels]) -> None:
    mixed = [picture if index % 2 else picture[:, :400] for index, picture in enumerate(pictures[:5])]
    found = cuda.model(mixed)
    assert sorted(cuda.batches) == [2, 4]
    assert [result.orig_shape for result in found] == [picture.shape[:2] for picture in mixed]
    for result, picture in zip(found, mixed, strict=True):
        np.testing.assert_allclose(result.boxes.xyxy, cuda.model(picture)[0].boxes.xyxy, atol=0.1)


def test_a_file_fills_batches_and_a_camera_none(cuda: Cuda) -> None:
    count = sum(1 for _ in stream(CROSSING, cuda.model, vid_stride=12))
    assert cuda.batches == [BATCH] * -(-count // BATCH)
    cuda.batches.clear()
    for _, _ in zip(range(3), stream(CROSSING, cuda.model, live=True, imgsz=64), strict=False):
        pass
    assert set(cuda.batches) == {1}


def test_a_picture_has_the_network_of_least_delay_and_a_file_the_one_of_most_frames(pictures: list[Pixels]) -> None:
    def networks(model: PoseModel) -> tuple[int, int]:
        compiled = model.estimator.runtime._compiled  # type: ignore[attr-defined] # OpenVINO's
        return len(compiled[True]), len(compiled[False])

    model = PoseModel("builtin", imgsz=160)
    model(pictures[0])
    model(pictures[:3])
    assert networks(model) == (1, 0)
    for _, _ in zip(range(2), stream(CROSSING, model, live=True), strict=False):
        pass
    assert networks(model) == (1, 0)
    for _, _ in zip(range(2), stream(CROSSING, model), strict=False):
        pass
    assert networks(model) == (1, 1)
    live = PoseModel("builtin", imgsz=160, live=True)
    assert live.estimator.runtime.in_flight == 1
    for _, _ in zip(range(2), stream(CROSSING, live), strict=False):
        pass
    assert networks(live) == (1, 0)
