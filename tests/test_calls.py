"""How a model is called: sources, arguments, what is printed, shown and saved, and ids from call to call."""

from __future__ import annotations

import ast
import inspect
import re
import threading
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import GeneratorType
from typing import Any

import av
import cv2
import numpy as np
import pytest
import yaml

import poseline.output
from media_worlds import joined
from output_worlds import SAMPLES, decoded, seconds, stamps, tone
from poseline import YOLO, OutputError, PoselineError, PoseModel, SettingsError, SourceError
from poseline.calls import NOT_OFFERED, Call, LoadOptions, PredictOptions
from poseline.calls.arguments import _ELSEWHERE
from poseline.frame import Pixels
from poseline.inference import PoseEstimator
from poseline.settings import CaptureSettings, InferenceSettings

CROSSING = SAMPLES / "crossing.mp4"


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return YOLO("builtin", imgsz=320)


@pytest.fixture(scope="module")
def tracking() -> PoseModel:
    """In a size in which it is sure of the persons of the first frames."""
    return YOLO("builtin")


@pytest.fixture(scope="module")
def frames() -> list[Pixels]:
    """Eight frames in which two persons walk."""
    with av.open(str(CROSSING)) as container:
        decoded = (frame.to_ndarray(format="bgr24") for frame in container.decode(video=0))
        return [np.asarray(next(decoded), np.uint8) for _ in range(8)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return joined(tmp_path_factory.mktemp("clip") / "clip.mp4", CROSSING, packets=5)


def test_both_names_are_one_class() -> None:
    assert YOLO is PoseModel


def test_one_picture_is_a_list_of_one_too(model: PoseModel, frames: list[Pixels]) -> None:
    results = model(frames[0], verbose=False)
    assert isinstance(results, list)
    assert len(results) == 1
    assert [len(each) for each in model.predict(frames[0], verbose=False)] == [len(results[0])]


def test_a_generator_takes_what_it_needs(model: PoseModel, frames: list[Pixels]) -> None:
    taken = []

    def camera() -> Iterator[Pixels]:
        for index, frame in enumerate(frames):
            taken.append(index)
            yield frame

    results = model(camera(), stream=True, verbose=False)
    assert isinstance(results, GeneratorType)
    assert taken == []
    next(results)
    assert taken == [0]
    assert len(list(results)) == len(frames) - 1


def test_what_is_wrong_is_said_by_the_call_and_not_by_the_first_result(model: PoseModel) -> None:
    with pytest.raises(SettingsError, match="conf"):
        model("nowhere.mp4", stream=True, conf=2)
    with pytest.raises(SourceError, match="no such file"):
        model("nowhere.mp4", stream=True)


def test_a_video_that_is_left_is_closed(model: PoseModel, clip: Path) -> None:
    before = threading.active_count()
    results = model(clip, stream=True, verbose=False)
    next(results)
    results.close()
    assert threading.active_count() <= before + 1  # OpenVINO may keep one of its own


def test_frames_are_those_of_vid_stride(model: PoseModel, clip: Path) -> None:
    with av.open(str(clip)) as container:
        pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    taken = model(clip, vid_stride=2, verbose=False)
    assert len(taken) == 3
    for result, picture in zip(taken, pictures[::2], strict=True):
        assert np.abs(result.orig_img.astype(int) - picture).max() <= 2


def test_vid_stride_is_for_videos(model: PoseModel, frames: list[Pixels], tmp_path: Path) -> None:
    for name in "abc":
        cv2.imwrite(str(tmp_path / f"{name}.png"), frames[0])
    assert len(model(tmp_path / "*.png", vid_stride=2, verbose=False)) == 3


def test_a_list_of_sources_is_read(model: PoseModel, frames: list[Pixels], clip: Path, here: Path) -> None:
    cv2.imwrite(str(here / "a.png"), frames[0])
    (here / "list.txt").write_text(f"a.png\n\n{clip}\n")
    assert [Path(result.path).name for result in model("list.txt", verbose=False)] == ["a.png", *["clip.mp4"] * 5]
    (here / "empty.txt").write_text("\n")
    with pytest.raises(SourceError, match="list of sources is empty"):
        model("empty.txt")


def test_a_list_that_is_no_text_is_an_error_in_words(model: PoseModel, here: Path) -> None:
    (here / "list.txt").write_bytes(b"caf\xe9.jpg\n")
    with pytest.raises(SourceError, match=r"list\.txt: the list of sources cannot be read as UTF-8"):
        model("list.txt")


def test_sound_that_does_not_fit_is_warned_of(model: PoseModel, clip: Path, here: Path) -> None:
    tone(here / "tone.wav", "pcm_s16le", "wav")
    joined(here / "loud.mkv", clip, here / "tone.wav")
    with pytest.warns(UserWarning, match=r"the sound \(pcm_s16le\) does not fit into an MP4"):
        model("loud.mkv", save=True, verbose=False)


def test_a_picture_that_cannot_be_read_is_warned_of(model: PoseModel, frames: list[Pixels], here: Path) -> None:
    cv2.imwrite(str(here / "a.png"), frames[0])
    cv2.imwrite(str(here / "c.png"), frames[1])
    (here / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.warns(UserWarning, match=r"b\.png"):
        results = model(here, verbose=False)
    assert [Path(result.path).name for result in results] == ["a.png", "c.png"]


def test_live_sources_are_taken_one_by_one(model: PoseModel, here: Path) -> None:
    (here / "list.txt").write_text("rtsp://127.0.0.1/a\nrtsp://127.0.0.1/b\n")
    with pytest.raises(SourceError, match="holds several sources, of which live ones may have no end"):
        model("list.txt")
    with pytest.raises(SourceError, match="is a page, not a video; fetch the video first: yt-dlp"):
        model("https://youtu.be/LNwODJXcvt4")


def test_many_results_in_memory_are_warned_of(
    model: PoseModel, frames: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poseline.calls.running._MANY", 3)
    with pytest.warns(UserWarning, match="3 results are in memory; with stream=True they come one by one"):
        model(frames[:4], verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(model(frames[:4], stream=True, verbose=False))) == 4


def test_a_line_for_each_picture(
    model: PoseModel, frames: list[Pixels], clip: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(here / "a.png"), frames[0])
    model("a.png")
    model(frames[:2])
    model(clip)
    model(frames[0], verbose=False)
    cost = r"192x320 \d+ persons?, [\d.]+ms"
    speed = (
        r"Speed: [\d.]+ms preprocess, [\d.]+ms inference, [\d.]+ms postprocess per image at shape \(1, 3, 192, 320\)"
    )
    expected = [f"image 1/1 a.png: {cost}", speed, f"0: {cost}", f"1: {cost}", speed]
    expected += [f"video 1/1 \\(frame {n}/5\\) {re.escape(str(clip))}: {cost}" for n in range(1, 6)] + [speed]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line


def test_pictures_and_videos_are_saved(model: PoseModel, frames: list[Pixels], clip: Path, here: Path) -> None:
    for name in ("one", "two"):
        (here / name).mkdir()
        cv2.imwrite(str(here / name / "a.png"), frames[0])
    (here / "two" / "clip.mp4").write_bytes(clip.read_bytes())
    [first] = model("one", save=True, verbose=False)
    assert first.save_dir == str(here / "runs" / "pose" / "predict")
    drawn = cv2.imread(str(here / "runs" / "pose" / "predict" / "a.jpg"))
    assert 0.001 < (np.abs(np.asarray(drawn, int) - frames[0]) > 60).any(axis=2).mean() < 0.5
    (here / "list.txt").write_text("one\ntwo\n")
    results = model("list.txt", save=True, save_frames=True, verbose=False, line_width=1)
    folder = here / "runs" / "pose" / "predict"
    assert {result.save_dir for result in results} == {str(folder)}, "calls of a model share a folder"
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    assert files == ["a-2.jpg", "a-3.jpg", "a.jpg", "clip.mp4", *(f"clip_frames/clip_{n}.jpg" for n in range(1, 6))]
    assert decoded(folder / "clip.mp4") == 5
    assert seconds(folder / "clip.mp4") == seconds(clip)
    assert model.track(clip, save=True, verbose=False)[0].save_dir == str(here / "runs" / "pose" / "track")
    assert model(frames[0], verbose=False)[0].save_dir is None
    for number in (2, 3):
        folder = here / "runs" / "pose" / f"predict-{number}"
        assert YOLO("builtin", imgsz=160)(frames[0], save=True, verbose=False)[0].save_dir == str(folder)


def test_a_saved_video_keeps_its_sound(model: PoseModel, clip: Path, here: Path) -> None:
    tone(here / "tone.m4a", "aac", "mp4")
    with (
        av.open(str(clip)) as pictures,
        av.open(str(here / "tone.m4a")) as sound,
        av.open(str(here / "loud.mp4"), "w") as loud,
    ):
        sources = [pictures.streams.video[0], sound.streams.audio[0]]
        targets = [loud.add_stream_from_template(each) for each in sources]
        for source, target in zip(sources, targets, strict=True):
            for packet in source.container.demux(source):  # type: ignore[attr-defined] # an input's
                if packet.dts is not None:
                    packet.stream = target
                    loud.mux(packet)
    model("loud.mp4", save=True, project="out", name="x", verbose=False)
    assert stamps(here / "out" / "x" / "loud.mp4", "a")


def test_the_source_itself_is_never_replaced(model: PoseModel, frames: list[Pixels], clip: Path, here: Path) -> None:
    (here / "x").mkdir()
    cv2.imwrite("x/a.jpg", frames[0])
    (here / "x" / "clip.mp4").write_bytes(clip.read_bytes())
    for name in ("a.jpg", "clip.mp4"):
        before = (here / "x" / name).read_bytes()
        with pytest.raises(OutputError, match=f"{name}: is the source itself"):
            model(here / "x" / name, save=True, project=here, name="x", exist_ok=True, verbose=False)
        assert (here / "x" / name).read_bytes() == before


def test_labels_are_replaced_and_not_added_to(model: PoseModel, frames: list[Pixels], here: Path) -> None:
    for _ in range(2):
        [result] = model(frames[0], save_txt=True, save_conf=True, exist_ok=True, name="same", verbose=False)
    lines = (here / "runs" / "pose" / "same" / "labels" / "image0.txt").read_text().splitlines()
    assert len(lines) == len(result)
    assert {len(line.split()) for line in lines} == {1 + 4 + 17 * 3 + 1}


class Screen:
    """A window that the user closes at the third picture."""

    shown = waited = 0

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        Screen.shown += 100

    def show(self, picture: Pixels) -> bool:
        assert picture.ndim == 3
        Screen.shown += 1
        return Screen.shown < 3

    def wait(self) -> bool:
        Screen.waited += 1
        return Screen.waited < 2


def test_the_window_ends_a_call(model: PoseModel, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poseline.output, "Window", Screen)
    Screen.shown = 0
    assert len(model(clip, show=True, verbose=False)) == 3
    assert Screen.shown == 103, "three pictures, and the window is closed"


def test_the_window_waits_for_a_key_at_a_picture(
    model: PoseModel, frames: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poseline.output, "Window", Screen)
    Screen.shown, Screen.waited = 0, 0
    assert len(model(frames, show=True, verbose=False)) == 2, "q is the second key"
    assert Screen.waited == 2
    Screen.shown = 0
    model.track(frames[0], show=True, verbose=False)
    assert Screen.waited == 2, "frames that come one by one are not waited for"


def ids_of(model: PoseModel, frames: list[Pixels], **options: Any) -> list[list[int]]:
    results = [model.track(frame, verbose=False, **options)[0] for frame in frames]
    return [[] if result.boxes.id is None else sorted(map(int, result.boxes.id.tolist())) for result in results]


def test_ids_go_on_from_call_to_call(tracking: PoseModel, frames: list[Pixels]) -> None:
    tracking.track(frames[0], verbose=False)
    first = ids_of(tracking, frames, persist=True)
    assert first == [[1, 2]] * len(frames)
    assert ids_of(tracking, frames[:3], persist=True) == [[1, 2]] * 3, "they go on"
    assert ids_of(tracking, frames[:3]) == [[1, 2]] * 3, "and begin anew"
    assert ids_of(tracking, frames[:2], persist=True) == [[1, 2]] * 2
    small = [cv2.resize(frames[0], None, fx=0.5, fy=0.5)]
    assert ids_of(tracking, [np.asarray(each, np.uint8) for each in small], persist=True) == [[3, 4]], "another place"


def test_persons_swap_no_ids_while_they_walk(tracking: PoseModel, frames: list[Pixels]) -> None:
    tracking.track(frames[0], verbose=False)
    places = []
    for frame in frames:
        [result] = tracking.track(frame, persist=True, verbose=False)
        assert result.boxes.id is not None
        places.append(dict(zip(result.boxes.id.tolist(), result.boxes.xywh[:, 0].tolist(), strict=True)))
    for before, after in pairwise(places):
        assert all(abs(after[number] - before[number]) < 40 for number in before)


def test_a_list_of_frames_is_followed_where_that_is_asked_for(tracking: PoseModel, frames: list[Pixels]) -> None:
    tracking.track(frames[0], verbose=False)
    together = tracking.track(frames, persist=True, verbose=False)
    assert [sorted(result.boxes.id.tolist()) for result in together if result.boxes.id is not None] == [[1, 2]] * len(
        frames
    )


def test_a_video_is_followed_from_1_on(tracking: PoseModel, clip: Path) -> None:
    for _ in range(2):
        results = tracking.track(clip, verbose=False)
        assert [result.boxes.is_track for result in results] == [True] * 5
        assert all(set(map(int, result.boxes.data[:, 4].tolist())) == {1, 2} for result in results)
    kept = [tracking.track(clip, persist=True, verbose=False)[0].boxes.id for _ in range(2)]
    assert [sorted(map(int, each.tolist())) for each in kept if each is not None] == [[1, 2], [3, 4]]


def test_predicting_gives_no_ids(model: PoseModel, frames: list[Pixels], clip: Path) -> None:
    assert [result.boxes.id for result in [*model(frames[0], verbose=False), *model(clip, verbose=False)]] == [None] * 6


REFUSED = {
    "augment": (True, "not real time"),
    "visualize": (True, "ultralytics does"),
    "embed": ([1], "features"),
    "retina_masks": (True, "masks"),
    "agnostic_nms": (True, "persons"),
    "tracker": ("botsort.yaml", "leave it out"),
    "boxes": (False, "is called show_boxes now"),
    "hide_labels": (True, "is called show_labels now"),
    "cnf": (0.5, "did you mean conf"),
    "img_size": (320, "did you mean imgsz"),
    "linewidth": (2, "did you mean line_width"),
    "sav": (True, "did you mean save"),
    "zzz": (1, "zzz: there is no such argument$"),
    "runtime": ("onnx", "decided when the model is loaded"),
    "quantize": (8, "precision='int8'"),
    "device": ([0, 1], "names 2 devices"),
    "imgsz": ((1, 2, 3), "one number of pixels"),
    "save": ("perhaps", "save: .*boolean"),
    "classes": (7, "has no class 7"),
    "task": ("detect", "task='pose'"),
    "rect": (False, "leave it out"),
    "nms": (False, "in the model itself"),
    "vid_stride": (0, "vid_stride"),
    "line_width": (-1, "line_width"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_argument_that_cannot_be_honoured_is_an_error_in_words(
    name: str, model: PoseModel, frames: list[Pixels]
) -> None:
    value, words = REFUSED[name]
    options: Any = {name: value}
    for call in (model, model.predict, model.track):
        with pytest.raises(SettingsError, match=words):
            call(frames[0], **options)


def test_an_argument_that_asks_for_nothing_is_taken(model: PoseModel, frames: list[Pixels]) -> None:
    options: Any = {"augment": False, "embed": None, "tracker": None, "task": "pose", "rect": True, "nms": None}
    assert len(model(frames[0], verbose=False, **options)) == 1


def theirs_file(name: str) -> str:
    """A file of ultralytics', which is not imported for that: it would import torch."""
    package = find_spec("ultralytics")
    assert package is not None
    assert package.origin is not None
    return (Path(package.origin).parent / name).read_text(encoding="utf-8")


def test_every_attribute_of_a_yolo_object_is_known() -> None:
    body = next(node for node in ast.parse(theirs_file("engine/model.py")).body if isinstance(node, ast.ClassDef)).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    stored = {
        node.attr
        for node in ast.walk(functions["__init__"])
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    theirs = {name for name in stored | set(functions) if not name.startswith("_")}
    assert len(theirs) > 30
    assert {name for name in theirs if not hasattr(PoseModel, name)} <= set(NOT_OFFERED)


def test_every_argument_of_ultralytics_is_known() -> None:
    """Those of its sections for prediction, and what it says of tracking."""
    text = theirs_file("cfg/default.yaml")
    sections = re.split(r"^# (.+?) -{5,}$", text, flags=re.M)
    held = {title: yaml.safe_load(body) or {} for title, body in zip(sections[1::2], sections[2::2], strict=True)}
    theirs = {*held["Predict settings"], *held["Visualize settings"], *held["Tracker settings"]} - {"source"}
    theirs |= {"conf", "iou", "max_det", "imgsz", "device", "verbose", "save", "project", "name", "exist_ok", "half"}
    assert len(theirs) > 25
    assert theirs - set(PredictOptions.__annotations__) <= set(_ELSEWHERE)


@pytest.mark.parametrize(
    ("method", "options"),
    [("predict", PredictOptions), ("__call__", PredictOptions), ("track", PredictOptions), ("__init__", LoadOptions)],
)
def test_help_and_completion_show_each_argument(method: str, options: type) -> None:
    shown = inspect.signature(getattr(PoseModel, method)).parameters
    assert set(options.__annotations__) <= set(shown)
    assert "options" not in shown
    assert "int | Sequence[int]" in str(shown["imgsz"])


def test_the_page_has_every_argument() -> None:
    page = (SAMPLES.parent / "docs" / "from-ultralytics.md").read_text(encoding="utf-8")
    table = page.partition("## Calls")[2].partition("## What differs")[0]
    assert set(PredictOptions.__annotations__) | {"stream", "persist"} <= set(re.findall(r"`(\w+)`", table))


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_what_a_yolo_object_has_is_answered_in_words(name: str, model: PoseModel) -> None:
    with pytest.raises(PoselineError, match=f"^{name}: ..."):
        getattr(model, name)
    assert not hasattr(model, name)


def test_what_nobody_has_is_an_attribute_error(model: PoseModel) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        model.nonsense  # type: ignore[attr-defined] # noqa: B018 # that is the test


def test_a_model_says_what_it_is(model: PoseModel, capsys: pytest.CaptureFixture[str]) -> None:
    assert (model.task, model.names, str(model.device)) == ("pose", {0: "person"}, "cpu")
    assert (model.device.type, model.device.index) == ("cpu", None)
    assert "17 keypoints, person" in model.info()
    assert model.info(verbose=False) == capsys.readouterr().out.strip()
    assert repr(model).startswith("PoseModel(poseline-builtin.pt, 17 keypoints, on OpenVINO")
    assert model.fuse() is model.eval() is model.to("cpu") is model.cpu() is model
    for task in ("detect", "segment"):
        with pytest.raises(SettingsError, match="task='pose'"):
            PoseModel("builtin", task)


def test_another_device_or_precision_is_loaded_once(frames: list[Pixels], monkeypatch: pytest.MonkeyPatch) -> None:
    model = YOLO("builtin", imgsz=160, half=False)
    loaded: list[InferenceSettings] = []
    load = model._load

    def counted(settings: InferenceSettings) -> PoseEstimator:
        loaded.append(settings)
        return load(settings)

    monkeypatch.setattr(model, "_load", counted)
    options: Any = {"device": "cpu", "half": False, "verbose": False}
    model(frames[0], **options)
    model(frames[0], quantize=32, verbose=False)
    assert loaded == [], "it is on the CPU and in full precision already"
    for _ in range(2):
        with pytest.raises(PoselineError, match="cuda"):
            model(frames[0], device=0)
    assert [settings.device for settings in loaded] == ["cuda:0", "cuda:0"]
    assert model(frames[0], verbose=False), "the model itself goes on"


@pytest.mark.parametrize("size", [(160, 320), [160, 320], np.array([160, 320])])
def test_a_rectangle_is_what_a_picture_is_fitted_into(size: Any, model: PoseModel, frames: list[Pixels]) -> None:
    assert model(frames[0], imgsz=size, verbose=False)[0].input_shape == (160, 288)  # 540x960 by 160/540


def test_options_of_a_stream_are_those_of_its_source() -> None:
    call = Call.of(InferenceSettings(), {"stream_buffer": True, "vid_stride": 3}, PredictOptions)
    assert call.capture == CaptureSettings(every_frame=True, vid_stride=3)
