"""What a call returns: under ultralytics' names, the same values, shapes, types and files as theirs."""

from __future__ import annotations

import copy
import math
import os
import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest

import results_worlds as worlds
from output_worlds import SAMPLES
from poseline.errors import DeviceError, OutputError, SettingsError
from poseline.frame import Frame
from poseline.pose import UNTRACKED, Observation, Poses, Speed
from poseline.results import Array, Boxes, Keypoints, Results
from poseline.skeleton import COCO17, Skeleton

MANY = "three persons"


def ours(name: str = MANY) -> Results:
    case = worlds.CASES[name]
    return Results(
        worlds.picture(), case.path, dict(case.names), boxes=case.boxes.copy(), keypoints=case.keypoints.copy(),
        speed=worlds.SPEED,
    )  # fmt: skip


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """What ultralytics' results give, by case and expression; and what ours and theirs do of what needs torch."""
    path = tmp_path_factory.mktemp("theirs") / "theirs.pickle"
    subprocess.run(
        [sys.executable, worlds.__file__, str(path)],
        env=os.environ | {"YOLO_OFFLINE": "True", "YOLO_AUTOINSTALL": "False", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    found: tuple[dict[Any, Any], dict[Any, Any]] = pickle.loads(path.read_bytes())  # noqa: S301 - it has just been made
    return found


def alike(ours: Any, theirs: Any) -> bool:
    """Whether two pieces of plain data are of the same form, and their numbers the same but for rounding."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and list(ours) == list(theirs) and all(alike(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(alike, ours, theirs))
    if isinstance(theirs, float):
        return isinstance(ours, float) and bool(np.isclose(ours, theirs, rtol=2e-6, atol=1e-7, equal_nan=True))
    return type(ours) is type(theirs) and bool(ours == theirs)


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered in divide")
@pytest.mark.parametrize("name", worlds.CASES)
def test_the_same_comes_of_the_same_expressions(child: tuple[dict[Any, Any], dict[Any, Any]], name: str) -> None:
    found = {expression: worlds.evaluated(expression, ours(name), np.float16) for expression in worlds.EXPRESSIONS}
    theirs = {expression: child[0][name, expression] for expression in worlds.EXPRESSIONS}
    assert not {key: (value, theirs[key]) for key, value in found.items() if not alike(value, theirs[key])}


def test_the_same_comes_of_expressions_with_torch(child: tuple[dict[Any, Any], dict[Any, Any]]) -> None:
    assert len(child[1]) == len(worlds.CASES) * len(worlds.WITH_TORCH)
    assert not {key: both for key, both in child[1].items() if not alike(*both)}


def test_each_expression_is_possible_with_theirs(child: tuple[dict[Any, Any], dict[Any, Any]]) -> None:
    theirs = child[0] | {key: both[1] for key, both in child[1].items()}
    for expression in (*worlds.EXPRESSIONS, *worlds.WITH_TORCH):
        assert any(theirs[name, expression] != "raises" for name in worlds.CASES), expression


SUPERVISION = """
import numpy as np, supervision, results_worlds
from poseline.results import Results
for case in results_worlds.CASES.values():
    picture = results_worlds.picture()
    results = Results(picture, case.path, case.names, boxes=case.boxes, keypoints=case.keypoints)
    points = supervision.KeyPoints.from_ultralytics(results)
    found = supervision.Detections.from_ultralytics(results)
    assert np.array_equal(points.xy.ravel(), case.keypoints[..., :2].ravel())  # of nobody it makes another shape
    assert np.array_equal(found.xyxy, case.boxes[:, :4])
    assert (found.tracker_id is None) == (results.boxes.id is None) or not len(results)
    assert supervision.VertexAnnotator().annotate(picture.copy(), points).shape == picture.shape
print("taken")
"""


@pytest.mark.readers("supervision")
def test_supervision_takes_results_as_ultralytics(readers: str) -> None:
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [readers, "-c", SUPERVISION], env=os.environ | path, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.stdout == "taken\n", done.stderr


def test_who_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        ours()[3]
    with pytest.raises(IndexError):
        ours("nobody").boxes[0]


# -- From an observation


def observation(ids: list[int]) -> Observation:
    """One person for each of `ids`, in a read-only picture."""
    count = len(ids)
    boxes = np.array([[10 * n, 20, 10 * n + 50, 120] for n in range(count)], np.float32).reshape(count, 4)
    poses = Poses.of(boxes, np.linspace(0.9, 0.5, count, dtype=np.float32), np.ones((count, 17, 3), np.float32))
    pixels = np.full((200, 300, 3), 30, np.uint8)
    frame = Frame(pixels, 4, 4, Fraction(1, 25), 0.16, 0.0, "clip.mp4")
    return Observation(frame, poses.with_ids(np.array(ids, np.int64)), Speed(1.0, 2.0, 3.0), (384, 640))


def test_of_an_observation() -> None:
    results = Results.of(observation([UNTRACKED] * 2), {0: "person"}, COCO17)
    assert (results.path, results.orig_shape, results.input_shape) == ("clip.mp4", (200, 300), (384, 640))
    assert results.speed == {"preprocess": 1.0, "inference": 2.0, "postprocess": 3.0}
    assert results.boxes.id is None
    assert results.boxes.data.shape == (2, 6)
    assert results.boxes.data.dtype == results.keypoints.data.dtype == np.float32
    renamed = Results.of(observation([]), {0: "person"}, COCO17, path="b.png", speed={"inference": 9.0})
    assert (renamed.path, renamed.speed) == ("b.png", {"inference": 9.0})
    assert (renamed.boxes.data.shape, renamed.keypoints.data.shape) == ((0, 6), (0, 17, 3))


def test_who_has_no_id_yet_is_left_out_where_others_have_one() -> None:
    results = Results.of(observation([7, UNTRACKED, 3]), {0: "person"}, COCO17)
    assert results.boxes.id is not None
    assert results.boxes.id.int().cpu().tolist() == [7, 3]
    assert results.boxes.xyxy[:, 0].tolist() == [0, 20]
    assert len(results.keypoints) == 2
    assert results.poses.ids.tolist() == [7, 3]


def test_a_result_may_be_written_to_and_the_frame_stays_as_it_is() -> None:
    seen = observation([1, 2])
    results = Results.of(seen, {0: "person"}, COCO17)
    cv2.circle(results.orig_img, (100, 100), 20, (0, 0, 255), -1)
    results.boxes.xyxy[0] += 5
    results.keypoints.xy[:] = 50
    assert results.orig_img[100, 100].tolist() == [0, 0, 255]
    assert results.plot(boxes=False)[100, 100].tolist() == [0, 0, 255]
    assert results.boxes.data[0, :4].tolist() == [5, 25, 55, 125]
    assert (results.keypoints.data[:, :, :2] == 50).all()
    assert seen.frame.bgr[100, 100].tolist() == [30, 30, 30]
    assert seen.poses.boxes[0].tolist() == [0, 20, 50, 120]
    assert (seen.poses.keypoints == 1).all()


def unpickled(results: Results) -> Any:
    return pickle.loads(pickle.dumps(results))  # noqa: S301 - it has just been made


def test_pixels_are_made_when_they_are_asked_for() -> None:
    with av.open(str(SAMPLES / "squat.mp4")) as container:
        planes = next(container.decode(video=0))
    poses = observation([1]).poses
    frame = Frame(planes, 0, 0, Fraction(1, 25), 0.0, 0.0, "squat.mp4")
    results = Results.of(Observation(frame, poses), {0: "person"}, COCO17)
    assert (len(results[0]), results.orig_shape) == (1, (planes.height, planes.width))
    assert results.boxes.xyxyn.max() < 1
    assert repr(results) == f"Results(1 person, {planes.width}x{planes.height}, path='squat.mp4')"
    assert "bgr" not in frame.__dict__, "the frame was converted"
    assert np.array_equal(unpickled(results).orig_img, frame.bgr)
    assert np.array_equal(copy.deepcopy(results).plot(), results.plot())
    results.orig_img[:] = 0
    assert frame.bgr.any()


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, unpickled])
def test_copies_and_pickles_are_the_same(again: Any) -> None:
    first = Results.of(observation([1, 2]), {0: "person"}, COCO17)
    second = again(first)
    assert type(second.boxes.xyxy) is type(second.keypoints.data[0, 0, 0]) is Array
    for expression in (*worlds.ATTRIBUTES, "r.summary()", "r.plot()", "r.skeleton.names", "r.input_shape"):
        assert worlds.evaluated(expression, second, None) == worlds.evaluated(expression, first, None), expression
    assert np.array_equal(second.orig_img, first.orig_img)


def test_update_puts_others_in_their_place_within_the_picture() -> None:
    results = ours()
    results.update(boxes=np.array([[-5, 10, 700, 500, 0.5, 0]], np.float32))
    results.update(keypoints=np.zeros((1, 17, 3), np.float32))
    assert results.boxes.xyxy.tolist() == [[0, 10, 640, 480]]
    assert len(results) == len(results.keypoints) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Boxes(np.zeros((2, 5), np.float32), (4, 4)), r"\(N, 6\).*\(2, 5\)"),
        (lambda: Keypoints(np.zeros((2, 17, 4), np.float32), (4, 4)), r"\(N, K, 3\).*\(2, 17, 4\)"),
        (
            lambda: Results(
                worlds.picture(), "", {}, boxes=np.zeros((2, 6), np.float32), keypoints=np.zeros((1, 17, 3), np.float32)
            ),
            "2 boxes, but keypoints of 1 person",
        ),
    ],
)
def test_wrong_shapes_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


# -- Arrays


def test_opencv_takes_what_an_array_gives() -> None:
    picture, results = np.zeros((480, 640, 3), np.uint8), ours()
    x1, y1, x2, y2 = results.boxes.xyxy[0].int()
    cv2.rectangle(picture, (x1, y1), (x2, y2), (255, 0, 0))
    cv2.circle(picture, tuple(results.keypoints.xy[0, 5].astype(int)), 3, (0, 255, 0))
    cv2.polylines(picture, [results.keypoints.xy[0].int()], True, (0, 0, 255))
    assert {tuple(colour) for colour in picture.reshape(-1, 3).tolist()} == {
        (0, 0, 0),
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
    }
    left, top, width, height = cv2.boundingRect(results.keypoints.xy[0].cpu().numpy())
    assert results.keypoints.xy[0][:, 0].min() - 1 <= left
    assert left + width <= math.ceil(results.keypoints.xy[0][:, 0].max()) + 1
    assert (top >= 0, height > 0) == (True, True)


def test_an_element_of_floats_is_a_number_and_has_the_methods_too() -> None:
    score = ours().boxes.conf[0]
    assert score.cpu().numpy().shape == ()
    assert hash(score) == hash(float(score))  # so that it finds its name
    assert (round(score, 1), f"{score:.2f}", int(score), bool(score > 0.5)) == (round(float(score), 1), "0.95", 0, True)
    assert int(ours().boxes.cls[:1]) == 0
    with pytest.raises(TypeError, match="cannot be a key"):
        hash(ours().boxes.conf)


@pytest.mark.parametrize("target", ["cuda", "cuda:1", "mps", 0])
def test_a_gpu_is_an_error_in_words(target: str | int) -> None:
    results = ours()
    for thing in (results, results.boxes, results.keypoints, results.boxes.xyxy):
        with pytest.raises(DeviceError, match=rf"{target}: results are numpy arrays .* torch\.as_tensor"):
            thing.to(target)
        with pytest.raises(DeviceError, match="torch.as_tensor"):
            thing.cuda()


@pytest.mark.parametrize("target", ["bfloat16", "nonsense", "torch.bfloat16"])
def test_a_dtype_that_numpy_does_not_have_is_an_error_in_words(target: str) -> None:
    with pytest.raises(SettingsError, match=target):
        ours().boxes.conf.to(target)


def test_a_tensors_method_that_an_array_does_not_have_is_told_with_what_to_do() -> None:
    with pytest.raises(AttributeError, match=r"no 'unique'.*torch\.as_tensor\(array\)\.unique"):
        _ = ours().boxes.cls.unique  # type: ignore[attr-defined] # what is tested
    assert not hasattr(ours().boxes.cls, "is_cuda")


def test_an_array_is_printed_as_numpy_prints_it() -> None:
    scores = ours().boxes.conf
    plain = scores.numpy()
    assert (str(scores), repr(scores)) == (str(plain), repr(plain).replace("array", "Array"))
    assert (str(scores[0]), f"{scores[0]}") == (str(plain[0]), f"{plain[0]}")


# -- Drawing


def coloured(results: Results, **options: Any) -> set[tuple[int, ...]]:
    """The colours that are drawn on a black picture."""
    drawn = results.plot(img=np.zeros((480, 640, 3), np.uint8), **options)
    return {tuple(colour) for colour in drawn.reshape(-1, 3).tolist()} - {(0, 0, 0)}


def test_colours_are_of_ids_classes_or_persons() -> None:
    only_boxes = {"labels": False, "conf": False, "kpt_line": False}
    persons, tracked, mixed = (ours(name).boxes for name in (MANY, "with ids", "two classes, five keypoints"))
    bare = {name: ours(name) for name in worlds.CASES}
    for results in bare.values():
        results.keypoints.data[:] = 0  # nobody's confidence is enough for a keypoint
    assert len(coloured(bare[MANY], **only_boxes)) == 1
    assert len(coloured(bare[MANY], color_mode="instance", **only_boxes)) == len(persons)
    assert len(coloured(bare["with ids"], **only_boxes)) == len(tracked)
    assert len(coloured(bare["with ids"], color_mode="class", **only_boxes)) == 1
    assert len(coloured(bare["two classes, five keypoints"], color_mode="class", **only_boxes)) == 2
    assert len(mixed) == 4


def test_what_is_left_out_is_not_drawn() -> None:
    results = ours()
    everything = results.plot()
    assert np.array_equal(results.plot(boxes=False), results.plot(boxes=False, labels=False, conf=False))
    scores, nothing = results.plot(labels=False), results.plot(labels=False, conf=False)
    assert len({picture.tobytes() for picture in (everything, scores, nothing, results.plot(conf=False))}) == 4
    assert (results.plot(kpt_line=False) != results.orig_img).sum() < (everything != results.orig_img).sum()
    large, small = (coloured_pixels(results.plot(boxes=False, kpt_line=False, kpt_radius=radius)) for radius in (9, 2))
    assert large > 5 * small


def coloured_pixels(drawn: Any) -> int:
    return int((drawn != worlds.picture()).any(axis=2).sum())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"font": "Comic.ttf"}, "font: 'Comic.ttf'"),
        ({"txt_color": (0, 0, 0)}, "txt_color: is for"),
        ({"color_mode": "rainbow"}, "'rainbow' must be 'class', 'instance' or None"),
        ({"img": np.zeros((5, 5), np.uint8)}, r"img: must be \(H, W, 3\) uint8 BGR, got \(5, 5\)"),
        ({"font_size": -1}, "font_size"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_in_words(options: dict[str, Any], words: str) -> None:
    for draw in (ours().plot, ours().save):
        with pytest.raises(SettingsError, match=words):
            draw(**options)


def test_a_picture_is_saved_beside_you_but_never_over_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    results = ours()
    assert results.save() == "results_street.png"
    assert np.array_equal(np.asarray(cv2.imread("results_street.png")), results.plot())
    source = tmp_path / "source.png"
    cv2.imwrite(str(source), results.orig_img)
    results.path = str(source)
    with pytest.raises(OutputError, match=r"source\.png: is the picture itself"):
        results.save("source.png")


def test_files_that_cannot_be_written_are_errors_in_words(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    for write in (ours().save_txt, ours().save):
        with pytest.raises(OutputError, match="file"):
            write(blocked / "below.txt")
    with pytest.raises(OutputError, match="file"):
        ours().save_crop(blocked)


def test_crops_show_what_is_in_the_boxes(tmp_path: Path) -> None:
    results = ours()
    results.save_crop(tmp_path, "found.jpg")
    left, top, *_ = results.boxes.xywh[0].tolist()
    width, height = (1.02 * results.boxes.xywh[0, 2:] + 10).tolist()
    corner = max(0, int(left - width / 2)), max(0, int(top - height / 2))
    crop = np.asarray(cv2.imread(str(tmp_path / "person" / "found.jpg")), np.int32)
    cut = results.orig_img[corner[1] : corner[1] + crop.shape[0], corner[0] : corner[0] + crop.shape[1]]
    assert np.abs(crop - cut).mean() < 12  # JPEG, of a picture with hard edges


# -- In a notebook


def decoded(png: bytes) -> Any:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))


def test_a_notebook_shows_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = ours()
    shown: list[bytes] = []
    assert np.array_equal(decoded(results._repr_png_()), results.plot())
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    display = SimpleNamespace(Image=lambda data: data, display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell, display=display))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    results.show(boxes=False)
    results.save(tmp_path / "a.png", boxes=False, show=True)
    results.show(boxes=False, save=True, filename=tmp_path / "b.png")
    assert len(shown) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}
    assert np.array_equal(decoded(shown[0]), results.plot(boxes=False))


def test_representations_are_short() -> None:
    results = ours("with ids")
    assert repr(results) == "Results(3 persons, 640x480, path='pictures/street.png')"
    assert repr(results.boxes) == "Boxes(3 persons, is_track=True, orig_shape=(480, 640))"
    assert repr(results.keypoints[0]) == "Keypoints(1 person, 17 keypoints each, orig_shape=(480, 640))"
    assert repr(ours("nobody")) == "Results((no detections), 640x480, path='pictures/street.png')"


def test_a_skeleton_of_ones_own_is_drawn() -> None:
    case = worlds.CASES["two classes, five keypoints"]
    joined = Skeleton(tuple("abcde"), ((0, 1), (1, 2), (2, 3), (3, 4)))
    keypoints = np.ones_like(case.keypoints)
    keypoints[:, :, :2] = case.keypoints[:, :, :2]
    drawn = [
        Results(worlds.picture(), "", {0: "person"}, boxes=case.boxes, keypoints=keypoints, skeleton=skeleton).plot(
            boxes=False
        )
        for skeleton in (joined, None)
    ]
    assert coloured_pixels(drawn[0]) > coloured_pixels(drawn[1])
