"""What only an NVIDIA GPU can show. `pytest -m gpu` on a machine that has one; elsewhere it is skipped."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from media_worlds import write_clip  # noqa: E402 # torch first, or there is nothing to test
from poseline.capture import VideoFile  # noqa: E402
from poseline.errors import DeviceError  # noqa: E402
from poseline.frame import Frame, Pixels, plane_pixels  # noqa: E402
from poseline.inference import Letterbox, ModelSpec, PoseEstimator, infer, weights  # noqa: E402
from poseline.inference.colours import colour_matrix  # noqa: E402
from poseline.inference.runtimes.cuda import CudaRuntime, Program  # noqa: E402
from poseline.inference.runtimes.pytorch import TorchRuntime  # noqa: E402
from poseline.inference.runtimes.torch_input import Packing, Staging, scale_into  # noqa: E402
from poseline.inference.scaler import PAD, Scaler  # noqa: E402
from poseline.pose import Observation  # noqa: E402
from poseline.settings import CaptureSettings, InferenceSettings  # noqa: E402
from poseline.skeleton import COCO17, oks  # noqa: E402
from test_capture_orientation import with_matrix  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]
DEVICE = "cuda:0"
SIGMAS = np.array(COCO17.sigmas, np.float32)


@pytest.fixture(scope="module")
def spec(shared: Path) -> ModelSpec:
    return weights.read_spec(shared / "models" / "yolo11n-pose.pt", convert=False)


@pytest.fixture(scope="module")
def clip(shared: Path) -> Path:
    """A street: 205 frames of 1280x720."""
    return shared / "clips" / "openpose_video.avi"


def estimator(spec: ModelSpec, batch: int) -> PoseEstimator:
    return PoseEstimator(spec, CudaRuntime(spec.path, DEVICE, precision="auto", batch=batch), InferenceSettings())


def opened(clip: Path, decoder: str) -> VideoFile:
    settings = CaptureSettings(decoder=decoder)  # type: ignore[arg-type] # one of its words
    return VideoFile(clip, settings, consumer=DEVICE)


def on_gpu(clip: Path) -> VideoFile:
    source = opened(clip, "cuda")
    if source.notes:
        pytest.skip(source.notes[0])
    return source


def areas(seen: Observation) -> np.ndarray:
    boxes = seen.poses.boxes
    result: np.ndarray = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return result


def agreement(ours: list[Observation], theirs: list[Observation], least: float = 0.4) -> float:
    """Mean OKS of each of their people of some score with the most alike of ours."""
    found: list[float] = []
    for one, other in zip(ours, theirs, strict=True):
        sure = other.poses[other.poses.scores > least]
        if len(sure):
            alike = oks(
                sure.keypoints,
                one.poses.keypoints,
                areas(replace(other, poses=sure)),
                np.array(COCO17.sigmas, np.float32),
                0.5,
            )
            found += alike.max(axis=1, initial=0).tolist()
    assert found
    return float(np.mean(found))


@pytest.mark.parametrize("name", ["openpose_video.avi", "sports2d_demo.mp4", "p2s_multi_cam04.mp4"])
def test_half_precision_agrees_with_the_cpus_full(spec: ModelSpec, shared: Path, name: str) -> None:
    frames = list(itertools.islice(opened(shared / "clips" / name, "cpu").frames(), 0, 100, 12))
    reference = PoseEstimator(spec, TorchRuntime(spec.path, "cpu", precision="fp32"), InferenceSettings())
    alike = agreement(list(infer(iter(frames), estimator(spec, 4))), list(infer(iter(frames), reference)))
    print(f"{name}: mean OKS {alike:.5f}")  # noqa: T201 # a measurement, shown with -s
    assert alike >= 0.99


@pytest.mark.parametrize("decoder", ["cpu", "cuda"])
def test_colours_and_sampling_are_swscales(clip: Path, decoder: str) -> None:
    source = on_gpu(clip) if decoder == "cuda" else opened(clip, "cpu")
    frame, upright = next(source.frames()), next(opened(clip, "cpu").frames())
    letterbox = Letterbox.fit(frame.width, frame.height, 640, 32)
    expected = np.full((3, *letterbox.size[::-1]), PAD, np.uint8)
    Scaler().fill(upright, letterbox, expected)
    packing, stream = Packing.of(frame), torch.cuda.Stream(DEVICE)
    staging = Staging(packing, 1, torch.device(DEVICE), stream)
    staging.fill(0, frame.picture)
    staging.upload()
    stream.synchronize()
    image = torch.full((1, 3, *letterbox.size[::-1]), PAD / 255, dtype=torch.float16, device=DEVICE)
    (left, top), (width, height) = letterbox.offset, letterbox.scaled
    colours = colour_matrix(frame.picture.colorspace, frame.picture.color_range)  # type: ignore[union-attr] # a video's
    matrix = torch.from_numpy(colours / 255).half().to(DEVICE)
    scale_into(image[:, :, top : top + height, left : left + width], packing, staging.packed, matrix)
    apart = np.abs(255 * image[0].float().cpu().numpy() - expected)
    print(f"{decoder}: at most {apart.max():.2f} levels, {apart.mean():.3f} on average")  # noqa: T201 # a measurement
    assert apart.max() <= 2


def planes(frame: Frame) -> list[Pixels]:
    picture = frame.picture.reformat(format="yuv420p")  # type: ignore[union-attr] # a video's
    return [plane_pixels(plane) for plane in picture.planes]


def test_the_cards_decoder_gives_the_same_pictures(clip: Path) -> None:
    for ours, theirs in zip(on_gpu(clip).frames(), opened(clip, "cpu").frames(), strict=True):
        assert (ours.pts, ours.index, ours.width, ours.height) == (
            theirs.pts,
            theirs.index,
            theirs.width,
            theirs.height,
        )
        if ours.index % 40 == 0:  # in planes: conversions to BGR differ by where they take chroma to lie
            one, other = (frame.picture.reformat(format="yuv420p").to_ndarray() for frame in (ours, theirs))  # type: ignore[union-attr] # decoded
            assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("numbers", "upright"),
    [((1, 0, 0, 1), True), ((1, 0, 0, -1), False), ((-1, 0, 0, 1), False), ((0, 1, 1, 0), False)],
)
def test_what_is_to_be_turned_or_mirrored_is_decoded_by_the_cpu(
    numbers: tuple[int, int, int, int], upright: bool, tmp_path: Path
) -> None:
    path = with_matrix(write_clip(tmp_path / "clip.mp4", range(5), size=(256, 192)), *numbers)
    source = opened(path, "cuda")
    if upright and source.notes:
        pytest.skip(source.notes[0])
    assert source.info.on_device == upright
    assert source.notes == ([] if upright else ["decoded by the CPU: it is to be turned upright"])
    assert sum(1 for _ in source.frames()) == 5


def test_pictures_from_the_cards_decoder_are_seen_as_those_of_the_cpus(spec: ModelSpec, clip: Path) -> None:
    ours = estimator(spec, 16)
    one = list(infer(on_gpu(clip).frames(), ours))
    other = list(infer(opened(clip, "cpu").frames(), ours))
    assert [seen.frame.pts for seen in one] == [seen.frame.pts for seen in other]
    assert agreement(one, other) > 0.999


def test_a_recorded_graph_computes_what_its_steps_do(
    spec: ModelSpec, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = list(itertools.islice(opened(clip, "cpu").frames(), 64))
    ours = estimator(spec, 8)
    recorded = list(infer(iter(frames), ours))
    assert all(program._graph is not None for program in ours.runtime._programs.values())  # type: ignore[attr-defined] # of a CudaRuntime
    monkeypatch.setattr(Program, "_record", lambda _: None)
    eager = list(infer(iter(frames), estimator(spec, 8)))
    assert agreement(recorded, eager) > 0.999


def test_sizes_share_the_card_and_none_reads_anothers_anchors(spec: ModelSpec, shared: Path) -> None:
    """Graphs of three sizes, replayed in turn."""
    names = ("openpose_video.avi", "sports2d_demo.mp4", "p2s_multi_cam04.mp4")
    clips = [list(itertools.islice(opened(shared / "clips" / name, "cpu").frames(), 6)) for name in names]
    ours = estimator(spec, 1)
    apart = [list(infer(iter(frames), estimator(spec, 1))) for frames in clips]
    in_turn = [list(infer(iter(frames), ours)) for frames in clips * 3][-3:]
    for one, other in zip(in_turn, apart, strict=True):
        assert agreement(one, other) > 0.999


def endless(clip: Path, count: int) -> Iterator[Frame]:
    """`count` frames from the card's decoder, the clip again and again."""
    sources = (on_gpu(clip).frames() for _ in itertools.count())
    return itertools.islice(itertools.chain.from_iterable(sources), count)


def test_memory_stays_flat(spec: ModelSpec, clip: Path) -> None:
    ours, used = estimator(spec, 16), []
    began = time.monotonic()
    for number, _ in enumerate(infer(endless(clip, 20_000), ours)):
        if number % 2000 == 1999:
            free, total = torch.cuda.mem_get_info()
            used.append((total - free) >> 20)
    print(f"MiB in use every 2,000 frames: {used}; {20_000 / (time.monotonic() - began):.0f} fps")  # noqa: T201
    assert max(used[-3:]) - max(used[:3]) <= 64, "it breathes as decoders come and go, but does not grow"


def test_a_full_card_says_so(spec: ModelSpec, clip: Path) -> None:
    frames = list(itertools.islice(opened(clip, "cpu").frames(), 4))
    ours = estimator(spec, 64)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.002)
    try:
        with pytest.raises(DeviceError, match="out of GPU memory") as caught:
            list(infer(iter(frames), ours))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert caught.value.exit_code == 5


def test_a_single_picture_does_not_run_a_whole_batch(spec: ModelSpec, clip: Path) -> None:
    ours = estimator(spec, 32)
    frame = next(opened(clip, "cpu").frames())

    def median(count: int) -> tuple[float, list[Observation]]:
        times: list[float] = []
        for _ in range(12):
            began = time.perf_counter()
            seen = ours.estimate_all([frame] * count)
            times.append(time.perf_counter() - began)
        return float(np.median(times[4:])), seen  # the first ones find kernels, and are recorded

    (alone, one), (together, many) = median(1), median(32)
    print(f"one picture {1e3 * alone:.1f} ms, 32 pictures {1e3 * together:.1f} ms")  # noqa: T201 # a measurement
    assert alone < together / 3
    assert agreement(one, many[:1]) > 0.99
