"""What only an NVIDIA GPU can show. `pytest -m gpu` on a machine that has one; elsewhere it is skipped."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import scheduling  # noqa: E402 # torch first, or there is nothing to test
from media_worlds import write_clip  # noqa: E402
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
from test_capture_damage import clip_of, damaged  # noqa: E402
from test_capture_orientation import with_matrix  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]
DEVICE = "cuda:0"
DATA = Path(__file__).parent / "data"
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


def packed(frame: Frame) -> np.ndarray:
    """The upright 8-bit planes of a frame as they go to the network, one behind the other."""
    packing, stream = Packing.of(frame), torch.cuda.Stream(DEVICE)
    staging = Staging(packing, 1, torch.device(DEVICE), stream)
    staging.fill(0, frame.picture, frame.orientation)
    staging.upload()
    stream.synchronize()
    result: np.ndarray = staging.packed[0].cpu().numpy().astype(np.int16)
    return result


def moving(path: Path, codec: str, pixel_format: str, options: dict[str, str], count: int = 30) -> Path:
    """A clip of 640x360 pixels in which a smooth pattern moves."""
    down, across = np.mgrid[:360, :640]
    with scheduling.kept(), av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.options = 640, 360, pixel_format, {**options}
        for index in range(count):
            waves = [128 + 100 * np.sin((across * k + down * (3 - k)) / 40 + index / 5) for k in range(3)]
            pixels = np.stack(waves, axis=2).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


X265 = {"x265-params": "log-level=none:keyint=15"}
VP8 = {"cpu-used": "8", "deadline": "realtime"}


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "options"),
    [
        ("hevc8.mp4", "libx265", "yuv420p", X265),
        ("hevc10.mp4", "libx265", "yuv420p10le", X265),
        ("hevc12.mp4", "libx265", "yuv420p12le", X265),
        ("hevc444.mp4", "libx265", "yuv444p", X265),
        ("hevc444_10.mp4", "libx265", "yuv444p10le", X265),
        ("vp9-10-bit.webm", "", "", {}),
        ("vp9.webm", "libvpx-vp9", "yuv420p", VP8),
        ("vp8.webm", "libvpx", "yuv420p", VP8),
        ("mpeg2.ts", "mpeg2video", "yuv420p", {"bf": "2"}),
        ("mpeg4.mp4", "mpeg4", "yuv420p", {}),
    ],
)
def test_formats_stay_on_the_card_and_are_the_cpus_pictures(
    name: str, codec: str, pixel_format: str, options: dict[str, str], tmp_path: Path
) -> None:
    path = moving(tmp_path / name, codec, pixel_format, options) if codec else DATA / name
    source = opened(path, "cuda")
    assert source.notes == []
    assert source.info.on_device
    greatest = 0
    for ours, theirs in zip(source.frames(), opened(path, "cpu").frames(), strict=True):
        assert ours.pts == theirs.pts
        greatest = max(greatest, int(np.abs(packed(ours) - packed(theirs)).max()))
    inner = ours.picture.sw_format.name  # type: ignore[union-attr] # decoded
    print(f"{name}: {inner}, at most {greatest} levels from the CPU's")  # noqa: T201 # a measurement
    assert greatest <= (10 if codec.startswith("mpeg") else 2)  # MPEG-2 and MPEG-4 leave some rounding to the decoder


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "options"),
    [
        ("h264_10.mp4", "libx264", "yuv420p10le", {}),
        ("h264_422.mp4", "libx264", "yuv422p", {}),
        ("h264_444.mp4", "libx264", "yuv444p", {}),
        ("hevc_422.mp4", "libx265", "yuv422p", X265),
        ("av1.mp4", "libsvtav1", "yuv420p", {"preset": "12"}),
    ],
)
def test_what_the_card_does_not_decode_goes_to_the_cpu_with_a_note(
    name: str, codec: str, pixel_format: str, options: dict[str, str], tmp_path: Path
) -> None:
    source = opened(moving(tmp_path / name, codec, pixel_format, options, 10), "cuda")
    assert source.notes == ["decoded by the CPU: the card's decoder does not take this codec or profile"]
    assert sum(1 for _ in source.frames()) == 10


@pytest.mark.parametrize("numbers", [(1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, 1), (0, 1, 1, 0), (0, 1, -1, 0)])
def test_turned_and_mirrored_clips_stay_on_the_card(numbers: tuple[int, int, int, int], tmp_path: Path) -> None:
    path = with_matrix(write_clip(tmp_path / "clip.mp4", range(5), size=(256, 192)), *numbers)
    source, theirs = opened(path, "cuda"), opened(path, "cpu")
    assert source.notes == []
    assert source.info == replace(theirs.info, on_device=True)
    for one, other in zip(source.frames(), theirs.frames(), strict=True):
        assert (one.width, one.height) == (other.width, other.height)
        assert np.array_equal(packed(one), packed(other))
        assert np.abs(one.bgr.astype(int) - other.bgr).mean() < 2  # chroma is sampled a little to the side


@pytest.mark.parametrize("numbers", [(10,), (600,), (300, 610)])
def test_the_cpu_takes_over_where_a_file_is_damaged(numbers: tuple[int, ...], tmp_path: Path) -> None:
    path = damaged(clip_of(tmp_path / "sound.mp4", count=700), tmp_path / "damaged.mp4", numbers)

    def marks(decoder: str) -> tuple[list[int], int, VideoFile]:
        source = opened(path, decoder)
        frames = [(frame.pts, frame.corrupt) for frame in source.frames()]
        return [pts for pts, _ in frames], sum(corrupt for _, corrupt in frames), source

    (ours, marked, source), (theirs, expected, _) = marks("cuda"), marks("cpu")
    print(f"{marked} of the CPU's {expected} pictures marked; {source.notes}")  # noqa: T201 # a measurement
    assert ours == theirs
    assert bool(marked) == bool(expected)
    assert sum("damaged at about" in note for note in source.notes) == 1


def test_damage_that_the_cpu_does_not_notice(tmp_path: Path) -> None:
    """Flipped bits in HEVC: most still make a valid stream. How far the card's pictures are the CPU's is measured."""
    sound, alike, noticed, numbers = clip_of(tmp_path / "sound.mp4", "libx265", X265, count=60), 0, 0, range(2, 50, 4)
    for number in numbers:
        path = damaged(sound, tmp_path / f"{number}.mp4", (number,))
        source = opened(path, "cuda")
        pairs = list(zip(source.frames(), opened(path, "cpu").frames(), strict=True))
        assert [one.pts for one, _ in pairs] == [other.pts for _, other in pairs]
        if source.notes:
            noticed += 1
        else:
            alike += all(np.array_equal(packed(one), packed(other)) for one, other in pairs)
    print(f"of {len(numbers)}, {noticed} noticed; of the others {alike} give the CPU's pictures")  # noqa: T201 # measured


def test_what_the_check_for_damage_costs() -> None:
    clip = Path(__file__).parents[1] / "samples" / "crowd.mp4"

    def pace(check: str) -> tuple[float, float]:
        count, began, used = 0, time.perf_counter(), time.process_time()
        for _ in range(10):
            settings = CaptureSettings(decoder="cuda", damage_check=check)  # type: ignore[arg-type] # one of its words
            count += sum(1 for _ in VideoFile(clip, settings, consumer=DEVICE).frames())
        return count / (time.perf_counter() - began), 1e3 * (time.process_time() - used) / count

    pace("no")
    for check in ("no", "auto", "no", "auto"):
        frames, cpu = pace(check)
        print(f"check {check}: {frames:.0f} frames/s, {cpu:.2f} ms of CPU a frame")  # noqa: T201 # a measurement


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
