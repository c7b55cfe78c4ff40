"""The CUDA runtime on the CPU, step by step: what it computes, but not how fast. On a card: see test_gpu.py."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from poseline.errors import DeviceError, ModelError  # noqa: E402 # torch first, or there is nothing to test
from poseline.frame import Frame, plane_pixels, reformatted, turned  # noqa: E402
from poseline.inference import Letterbox, ModelSpec, PoseEstimator, infer, suppress, ultralytics_adapter, weights  # noqa: E402
from poseline.inference.colours import colour_matrix  # noqa: E402
from poseline.inference.runtimes import cuda, torch_head, torch_input, torch_suppress  # noqa: E402
from poseline.inference.runtimes.cuda import CudaRuntime  # noqa: E402
from poseline.inference.runtimes.pytorch import TorchRuntime  # noqa: E402
from poseline.inference.scaler import PAD, Scaler  # noqa: E402
from poseline.orientation import UPRIGHT, Orientation  # noqa: E402
from poseline.overlay.writable import writable_yuv  # noqa: E402
from poseline.pose import Floats, Observation  # noqa: E402
from poseline.settings import InferenceSettings  # noqa: E402
from poseline.skeleton import oks  # noqa: E402

torch.set_num_threads(1)  # several would wait for each other on a machine that has other work
SMALL = InferenceSettings(imgsz=256, conf=0.08)


def frame_of(picture: av.VideoFrame, index: int = 0) -> Frame:
    return Frame(picture, index, index, Fraction(1, 30), index / 30, time.monotonic())


def noise(width: int, height: int, colorspace: int, color_range: int, seed: int = 0) -> av.VideoFrame:
    """A yuv420p picture of random colours in patches of some pixels: sharp edges, and none that no screen can show."""
    random = np.random.default_rng(seed)
    patches = random.integers(0, 256, (-(-height // 6), -(-width // 6), 3), np.uint8)
    pixels = np.ascontiguousarray(np.kron(patches, np.ones((6, 6, 1), np.uint8))[:height, :width])
    picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=5 if colorspace == 10 else colorspace, dst_color_range=color_range
    )
    picture.colorspace, picture.color_range = colorspace, color_range
    return picture


COLOURS = [(1, 1), (1, 2), (5, 1), (6, 2), (2, 0), (9, 1), (7, 1), (4, 2), (10, 1)]
"""Colour space and range as FFmpeg numbers them: BT.709, 601 (twice), none, BT.2020, SMPTE 240M, FCC; one refused."""


@pytest.mark.parametrize("size", [(640, 360), (1088, 1920), (1280, 720), (101, 75), (64, 64)])
@pytest.mark.parametrize(("colorspace", "color_range"), COLOURS)
def test_colours_and_sampling_are_the_scalers(size: tuple[int, int], colorspace: int, color_range: int) -> None:
    frame = frame_of(noise(*size, colorspace, color_range))
    letterbox = Letterbox.fit(*size, 320, 32)
    width, height = letterbox.size
    expected = np.full((3, height, width), PAD, np.uint8)
    Scaler().fill(frame, letterbox, expected)
    apart = np.abs(255 * scaled(frame, letterbox) - expected)
    exact = size in [(640, 360), (1088, 1920)]  # their chroma has the size of the input already
    # The Scaler rounds its planes before it converts them, which a matrix of up to 2.1 makes more of.
    assert apart.max() <= (1 if exact else 3)
    assert apart.mean() < 0.6


def test_bgr_is_sampled_as_by_the_scaler() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (240, 321, 3), np.uint8)
    frame = Frame(pixels, 0, 0, Fraction(1), 0.0, 0.0)
    letterbox = Letterbox.fit(321, 240, 160, 32)
    expected = np.full((3, letterbox.size[1], letterbox.size[0]), PAD, np.uint8)
    Scaler().fill(frame, letterbox, expected)
    assert np.abs(255 * scaled(frame, letterbox) - expected).max() <= 1


def scaled(frame: Frame, letterbox: Letterbox) -> Floats:
    """(3, H, W) float32 in 0..1: the network's input as it is made of packed planes."""
    packing = torch_input.Packing.of(frame)
    staging = torch_input.Staging(packing, 2, torch.device("cpu"), None)
    for place in range(2):
        staging.fill(place, frame.picture)
    image = torch.full((2, 3, *letterbox.size[::-1]), PAD / 255)
    (left, top), (width, height) = letterbox.offset, letterbox.scaled
    inner = image[:, :, top : top + height, left : left + width]
    colours = cuda._colours(frame)
    torch_input.scale_into(inner, packing, staging.packed, torch.from_numpy(colour_matrix(*colours) / 255))
    result: Floats = image[1].numpy()
    return result


@pytest.fixture
def as_if_on_device(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Floats]:
    """Packs pictures of a format that a card's decoder gives, here in the CPU's memory."""
    device = torch.device("cpu")

    def mapped(plane: Any, sample: int, _: object) -> Any:
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        return torch.from_numpy(rows[:, : plane.width * sample].copy())

    def packed(pictures: list[av.VideoFrame], orientation: Orientation = UPRIGHT) -> Floats:
        width, height = pictures[0].width, pictures[0].height
        if orientation.transposed:
            width, height = height, width
        staging = torch_input.Staging(torch_input.Packing("yuv", width, height), len(pictures), device, None)
        monkeypatch.setattr(torch.cuda, "default_stream", lambda _: None)
        monkeypatch.setattr(staging, "_stream", SimpleNamespace(wait_stream=lambda _: None))
        monkeypatch.setattr(torch_input, "ON_DEVICE", pictures[0].format.name)
        monkeypatch.setattr(torch_input, "_mapped", mapped)
        monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
        for place, picture in enumerate(pictures):
            staging.fill(place, picture, orientation)
        staging.upload()
        result: Floats = staging.packed.numpy().astype(np.float32)
        return result

    return packed


def by_cpu(pictures: list[av.VideoFrame]) -> Floats:
    """The same pictures packed in the CPU's way: made yuv420p by swscale first."""
    planes = [[plane_pixels(plane).ravel() for plane in reformatted(each, "yuv420p").planes] for each in pictures]
    return np.stack([np.concatenate(each) for each in planes]).astype(np.float32)


def test_nv12_is_packed_to_the_bit(as_if_on_device: Callable[..., Floats]) -> None:
    pictures = [noise(64, 48, 1, 1, seed) for seed in (1, 2)]
    packed = as_if_on_device([picture.reformat(format="nv12") for picture in pictures])
    assert np.array_equal(packed, by_cpu(pictures))
    assert packed[1].any()


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("name", ["p010le", "p016le", "yuv444p", "yuv444p16le"])
@pytest.mark.parametrize("size", [(64, 48), (130, 34)])
def test_other_formats_are_packed_as_swscale_makes_them_8_bits(
    as_if_on_device: Callable[..., Floats], name: str, bits: int, size: tuple[int, int]
) -> None:
    pictures = [random_samples(*size, name, bits, seed) for seed in (1, 2, 3)]
    apart = np.abs(as_if_on_device(pictures) - by_cpu(pictures))
    assert apart.max() <= 2
    assert apart.mean() < 0.5


def random_samples(width: int, height: int, name: str, bits: int, seed: int) -> av.VideoFrame:
    """A picture of random samples in each of its planes; those of two bytes have so many bits at the upper end."""
    random, picture = np.random.default_rng(seed), av.VideoFrame(width, height, name)
    for plane in picture.planes:
        memory: Any = plane
        if name in ("nv12", "yuv444p"):
            target: Any = np.frombuffer(memory, np.uint8)
            target[:] = random.integers(0, 256, len(target))
        else:
            target = np.frombuffer(memory, np.uint16)
            target[:] = random.integers(0, 1 << bits, len(target)) << (16 - bits)
    return picture


@pytest.mark.parametrize("name", ["nv12", "p010le", "yuv444p"])
@pytest.mark.parametrize("flags", list(itertools.product([False, True], repeat=3)))
def test_pictures_are_turned_upright_on_the_device(
    as_if_on_device: Callable[..., Floats], name: str, flags: tuple[bool, bool, bool]
) -> None:
    picture, orientation = random_samples(66, 34, name, 10, 7), Orientation(*flags)
    expected = by_cpu([turned(reformatted(picture, "yuv420p"), orientation)])
    assert np.abs(as_if_on_device([picture], orientation) - expected).max() <= 2


def test_a_turned_frame_has_the_size_and_the_pixels_of_the_upright_one() -> None:
    lying, orientation = noise(66, 34, 1, 1), Orientation(transposed=True, mirrored=True)
    frame = replace(frame_of(lying), orientation=orientation)
    upright = frame_of(turned(lying, orientation))
    assert (frame.width, frame.height) == (upright.width, upright.height) == (34, 66)
    assert np.abs(frame.bgr.astype(int) - upright.bgr).mean() < 8  # chroma lies half a pixel to the side
    assert frame.layout != frame_of(lying).layout
    assert frame.without_pixels().bgr.shape == (66, 34, 3)
    ours, theirs = writable_yuv(frame), writable_yuv(upright)
    for one, other in zip(ours.planes, theirs.planes, strict=True):
        assert np.array_equal(plane_pixels(one), plane_pixels(other))


@pytest.mark.parametrize(("colorspace", "color_range", "transfer"), [(1, 1, 1), (9, 1, 16), (9, 1, 18), (9, 2, 14)])
def test_ten_bits_reach_the_network_as_on_the_cpu(
    as_if_on_device: Callable[..., Floats], colorspace: int, color_range: int, transfer: int
) -> None:
    """BT.709 and BT.2020, limited and full range, PQ and HLG: read as they stand, without tone mapping."""
    picture = random_samples(96, 64, "p010le", 10, 5)
    smooth = noise(96, 64, 1, 1).reformat(format="yuv420p10le").reformat(format="p010le")
    for source, target in zip(smooth.planes, picture.planes, strict=True):
        target.update(bytes(source))
    picture.colorspace, picture.color_range, picture.color_trc = colorspace, color_range, transfer
    letterbox = Letterbox.fit(96, 64, 64, 32)
    frame = frame_of(reformatted(picture, "yuv420p"))
    expected = np.full((3, letterbox.size[1], letterbox.size[0]), PAD, np.uint8)
    Scaler().fill(frame, letterbox, expected)
    packing = torch_input.Packing.of(frame)
    packed = torch.from_numpy(as_if_on_device([picture]).astype(np.uint8))
    image = torch.full((1, 3, *letterbox.size[::-1]), PAD / 255)
    (left, top), (width, height) = letterbox.offset, letterbox.scaled
    matrix = torch.from_numpy(colour_matrix(*cuda._colours(frame_of(picture))) / 255)
    torch_input.scale_into(image[:, :, top : top + height, left : left + width], packing, packed, matrix)
    assert np.abs(255 * image[0].numpy() - expected).max() <= 3


def test_the_best_anchors_are_decoded_as_the_head_decodes_all(spec: ModelSpec) -> None:
    network, _ = ultralytics_adapter.load_network(spec.path)
    head = network.float().model[-1]
    assert torch_head.is_plain(head)
    picture = torch.from_numpy(np.random.default_rng(3).random((2, 3, 192, 256), np.float32))
    with torch.inference_mode():
        dense = network(picture)[0]
        head._inference = lambda raw: torch_head.decode_best(head, (8.0, 16.0, 32.0), raw, 100)
        best = network(picture)[0]
    order = dense[:, 4].topk(100, dim=1).indices
    expected = dense.gather(2, order[:, None].expand(-1, dense.shape[1], -1))
    assert dense.shape[2] == 1008
    torch.testing.assert_close(best, expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("iou", [0.2, 0.45, 0.7, 0.9])
def test_suppression_in_passes_is_greedy_suppression(spread: float, iou: float) -> None:
    random = np.random.default_rng(int(100 * spread + 10 * iou))
    centres = random.random((3, 400, 2)) * 640 * spread
    sides = 20 + 60 * random.random((3, 400, 2))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=2).astype(np.float32)
    kept = torch_suppress.keep(torch.from_numpy(boxes), torch.tensor(iou)).numpy()
    for some, chosen in zip(boxes, kept, strict=True):
        assert np.flatnonzero(chosen).tolist() == suppress(some, iou, 400).tolist()


def test_boxes_without_area_and_boxes_all_alike() -> None:
    alike = torch.tensor([[[10.0, 10, 50, 90]] * 300])
    assert torch_suppress.keep(alike, torch.tensor(0.7)).sum() == 1
    assert torch_suppress.keep(torch.zeros(1, 5, 4), torch.tensor(0.7)).sum() == 5


def test_a_longer_chain_than_any_crowd_has() -> None:
    """Each box covers the next one alone: every other one stays."""
    boxes = np.array([[12.0 * index, 0, 12 * index + 60, 100] for index in range(24)], np.float32)
    kept = torch_suppress.keep(torch.from_numpy(boxes[None]), torch.tensor(0.6)).numpy()[0]
    assert np.flatnonzero(kept).tolist() == suppress(boxes, 0.6, 40).tolist() == list(range(0, 24, 2))


@pytest.fixture(scope="module")
def spec(builtin: Path) -> ModelSpec:
    return weights.read_spec(builtin, convert=False)


def frames_of(clip: Path, every: int, most: int) -> list[Frame]:
    with av.open(str(clip)) as container:
        pictures = list(container.decode(video=0))[::every][:most]
    return [frame_of(picture, index) for index, picture in enumerate(pictures)]


def agreement(ours: Observation, theirs: Observation) -> list[float]:
    """For each of their people, the OKS of ours that is most alike."""
    if not len(theirs.poses):
        return []
    boxes = theirs.poses.boxes
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    sigmas = np.full(17, 0.05, np.float32)
    alike: Floats = oks(theirs.poses.keypoints, ours.poses.keypoints, areas, sigmas, 0.5)
    return [float(best) for best in alike.max(axis=1, initial=0)]


@pytest.fixture(scope="module")
def reference(spec: ModelSpec) -> PoseEstimator:
    """Eager torch, whose output `decode` suppresses."""
    return PoseEstimator(spec, TorchRuntime(spec.path, "cpu", precision="fp32"), SMALL)


@pytest.fixture(scope="module")
def ours(spec: ModelSpec) -> PoseEstimator:
    return PoseEstimator(spec, CudaRuntime(spec.path, "cpu", precision="auto", batch=3), SMALL)


def test_it_sees_what_the_reference_sees(reference: PoseEstimator, ours: PoseEstimator, clip: Path) -> None:
    frames = frames_of(clip, 25, 8)  # the last batch is not full
    pairs = list(zip(infer(iter(frames), ours), infer(iter(frames), reference), strict=True))
    assert [sure(one) for one, _ in pairs] == [sure(other) for _, other in pairs]
    found = [value for one, other in pairs for value in agreement(one, other)]
    assert len(found) > 10
    assert np.mean(found) > 0.99


def sure(seen: Observation) -> int:
    """How many people are no matter of a hundredth more or less."""
    return int((seen.poses.scores > 0.3).sum())


@pytest.mark.parametrize("options", [{"iou": 0.95}, {"conf": 0.8}, {"classes": (3,)}])
def test_thresholds_are_those_of_the_call(
    reference: PoseEstimator, ours: PoseEstimator, clip: Path, options: dict[str, Any]
) -> None:
    frame = frames_of(clip, 75, 2)[1]
    usual = len(ours.estimate(frame).poses)
    ours.settings = reference.settings = InferenceSettings(**{**SMALL.model_dump(), **options})
    found, expected = len(ours.estimate(frame).poses), len(reference.estimate(frame).poses)
    ours.settings = reference.settings = SMALL
    assert found == expected
    assert found != usual


def test_sizes_may_change_and_come_back(reference: PoseEstimator, ours: PoseEstimator, clip: Path) -> None:
    video = frames_of(clip, 50, 2)
    still = [Frame(frame.bgr[:, : 300 + 100 * n].copy(), n, n, Fraction(1), 0.0, 0.0) for n, frame in enumerate(video)]
    frames = [video[0], still[0], *video, still[1], *video]
    for one, other in zip(infer(iter(frames), ours), infer(iter(frames), reference), strict=True):
        assert one.frame is other.frame
        assert sure(one) == sure(other)


def test_few_programs_are_kept(spec: ModelSpec) -> None:
    runtime = CudaRuntime(spec.path, "cpu", precision="auto", batch=1)
    ours = PoseEstimator(spec, runtime, InferenceSettings(imgsz=64))
    for width in range(40, 60, 2):
        ours.estimate(frame_of(noise(width, 48, 1, 1)))
    assert len(runtime._programs) == cuda._MOST_PROGRAMS


def test_no_such_card(spec: ModelSpec) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(DeviceError, match="PyTorch sees no such GPU"):
        CudaRuntime(spec.path, "cuda", precision="auto", batch=1)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), DeviceError, "out of GPU memory; try"),
        (RuntimeError("CUDA error: unspecified launch failure\nmore"), ModelError, "CUDA error: unspecified launch"),
    ],
)
def test_a_card_that_fails_says_so(
    spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, fault: Exception, kind: type[Exception], words: str
) -> None:
    def fail(*_: object) -> None:
        raise fault

    runtime = CudaRuntime(spec.path, "cpu", precision="auto", batch=2)
    ours = PoseEstimator(spec, runtime, InferenceSettings(imgsz=64))
    frames = [frame_of(noise(64, 48, 1, 1), index) for index in range(6)]
    came = infer(iter(frames), ours)
    assert [next(came).frame.index for _ in range(2)] == [0, 1]
    monkeypatch.setattr(runtime, "compute", fail)
    with pytest.raises(kind, match=words) as caught:
        list(came)
    assert caught.value.exit_code == 5  # type: ignore[attr-defined] # ours
