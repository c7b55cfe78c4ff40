"""YOLO pose labels, by our reader and by ultralytics' own dataset class, with pictures of the clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from format_worlds import FPS, SIZE, assert_same, people, seen_or_hidden, write_log, write_pictures_log
from media_worlds import number_in, write_clip
from poseline.errors import OutputError, SettingsError, SourceError
from poseline.formats import FORMATS
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import read_tracks


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log, and the clip that it is of."""
    write_clip(tmp_path / "clip.mp4", list(range(12)), size=SIZE)
    return write_log(tmp_path / "keypoints.jsonl", source=str(tmp_path / "clip.mp4"))


def test_labels_come_back(log: Path) -> None:
    truth = read_tracks(log)
    folder = export_log(log, "yolo").paths[0]
    read = import_log(folder, "yolo", fps=FPS, size=SIZE)
    assert_same(read.tracks, truth, times=False, ids=False, confidences=False, scores=False)
    np.testing.assert_array_equal(read.tracks.rows.keypoints[:, :, 2], seen_or_hidden(truth))
    np.testing.assert_allclose(read.tracks.times, truth.frames / FPS)
    with pytest.raises(SourceError, match=r"has no picture clip_000000.jpg.*give --video, or --size"):
        import_log(folder, "yolo", fps=FPS)


def test_with_the_clip_every_frame_has_its_picture_and_its_time(log: Path, tmp_path: Path) -> None:
    truth = read_tracks(log)
    exported = export_log(log, "yolo", tmp_path / "set", pictures=True)
    assert exported.notes == ["yolo: no times, no ids and no scores; points are seen (2), hidden (1) or missing"]
    import cv2

    pictures = sorted((tmp_path / "set" / "images").rglob("*.jpg"))
    assert [path.name for path in pictures] == [f"clip_{number:06d}.jpg" for number in truth.frames]
    assert [path.parent.name for path in pictures] == ["train"] * 9 + ["val"] * 2
    assert [number_in(np.asarray(cv2.imread(str(path)), np.uint8)) for path in pictures] == truth.frames.tolist()
    read = import_log(tmp_path / "set" / "data.yaml", "yolo", tmp_path / "again", video=tmp_path / "clip.mp4")
    assert read.tracks.frames.tolist() == truth.frames.tolist()
    np.testing.assert_allclose(read.tracks.times, truth.frames / FPS, atol=1e-6)


def test_each_third_frame(log: Path, tmp_path: Path) -> None:
    folder = export_log(log, "yolo", tmp_path / "set", every=3).paths[0]
    names = sorted(path.name for path in folder.rglob("*.txt"))
    assert names == ["clip_000000.txt", "clip_000003.txt", "clip_000007.txt", "clip_000010.txt"]
    read = import_log(folder, "yolo", fps=FPS, size=SIZE)
    assert read.tracks.frames.tolist() == [0, 3, 7, 10], "those between were not looked at"
    with pytest.raises(SettingsError, match="--every: csv is of all frames"):
        export_log(log, ["yolo", "csv"], tmp_path / "x", every=3)


def test_ultralytics_dataset_reads_every_picture(log: Path, tmp_path: Path) -> None:
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    truth = read_tracks(log)
    export_log(log, "yolo", tmp_path / "set", pictures=True)
    data = check_det_dataset(tmp_path / "set" / "data.yaml", autodownload=False)
    assert data["kpt_names"][0] == list(truth.skeleton.names)
    labels = [
        label
        for split in ("train", "val")
        for label in YOLODataset(img_path=data[split], data=data, task="pose", imgsz=64, augment=False).labels
    ]
    assert [Path(label["im_file"]).stem for label in labels] == [f"clip_{number:06d}" for number in truth.frames]
    for place, label in enumerate(labels):
        assert label["shape"] == (SIZE[1], SIZE[0])
        rows = truth.rows[truth.rows.frame == place]
        assert len(label["cls"]) == len(rows)
        points = label["keypoints"][np.argsort(label["bboxes"][:, 0])]
        expected = rows.keypoints[np.argsort(rows.box[:, 0])]
        there = np.isfinite(expected[:, :, 0])
        np.testing.assert_allclose(points[there][:, :2] * SIZE, expected[there][:, :2], atol=0.01)
        np.testing.assert_array_equal(points[:, :, 2] > 0, there)
        assert not points[~there].any()
    mirrored = np.array(truth.skeleton.names)[data["flip_idx"]].tolist()
    assert mirrored == [_other_side(name) for name in truth.skeleton.names]


def _other_side(name: str) -> str:
    if "left" in name:
        return name.replace("left", "right")
    return name.replace("right", "left")


def test_points_outside_the_picture_do_not_cost_the_whole_picture(tmp_path: Path) -> None:
    log = tmp_path / "keypoints.jsonl"
    text = write_log(log, 3, hard=False).read_text().replace('"frame":1,', '"frame":1 ,')
    lines = text.splitlines()
    import json

    record = json.loads(lines[2])
    record["persons"][0]["keypoints"][9] = [-3.0, 100.0, 0.9]
    record["persons"][0]["box"][0] = -5.0
    lines[2] = json.dumps(record)
    log.write_text("\n".join(lines) + "\n")
    exported = export_log(log, "yolo", tmp_path / "set")
    assert "yolo: 1 point outside of the picture left out" in exported.notes
    numbers = np.loadtxt(tmp_path / "set" / "labels" / "train" / "clip_000001.txt")
    assert numbers.min() >= 0
    assert numbers[:, :5].max() <= 1
    assert not numbers[0, 5 + 27 : 5 + 30].any()


@pytest.mark.parametrize(("conf", "track"), [(True, True), (True, False), (False, True), (False, False)])
def test_what_ultralytics_saved_is_read(conf: bool, track: bool, tmp_path: Path) -> None:
    """`save_txt` of a clip: files from 1, x y confidence, the person's confidence and, once followed, its id."""
    labels = tmp_path / "labels"
    labels.mkdir()
    for number in (1, 2, 4):
        poses = people(2, number)
        lines = []
        for place in range(2):
            box, points = poses.boxes[place] / (*SIZE, *SIZE), poses.keypoints[place] / (*SIZE, 1)
            xywh = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]]
            numbers = [*xywh, *points.ravel(), *([poses.scores[place]] if conf else [])]
            words = " ".join(f"{value:.6g}" for value in numbers)
            lines.append(f"0 {words}" + (f" {place + 5}" if track and number > 1 else ""))
        (labels / f"my_clip_{number}.txt").write_text("\n".join(lines) + "\n")
    read = import_log(labels, "yolo", fps=FPS, size=SIZE).tracks
    assert read.frames.tolist() == [0, 1, 2, 3]
    assert read.rows.frame.tolist() == [0, 0, 1, 1, 3, 3]
    left_first = np.lexsort((read.rows.keypoints[:, 0, 0], read.rows.frame))
    rows = read.rows[left_first]
    assert rows.id.tolist() == ([-1, -1, 5, 6, 5, 6] if track else [-1] * 6)
    expected = people(2, 2)
    np.testing.assert_allclose(rows.keypoints[2:4], expected.keypoints, atol=0.01)
    means = expected.keypoints[:, :, 2].mean(axis=1)
    np.testing.assert_allclose(rows.score[2:4], expected.scores if conf else means, atol=1e-4)


def test_a_dataset_of_pictures_of_other_sizes_and_names(tmp_path: Path) -> None:
    """As others lay it out: kpt_shape of two numbers, a picture without labels, a turned one."""
    for kind in ("images", "labels"):
        (tmp_path / kind / "val").mkdir(parents=True)
    for name, size in (("one.png", (100, 50)), ("two.jpg", (60, 80)), ("empty.jpg", (10, 10))):
        picture = Image.new("RGB", size)
        exif = picture.getexif()
        if name == "two.jpg":
            exif[0x0112] = 6
        picture.save(tmp_path / "images" / "val" / name, exif=exif)
    (tmp_path / "labels" / "val" / "one.txt").write_text("0 0.5 0.5 1 1 0.1 0.2 -1 -1\n")
    (tmp_path / "labels" / "val" / "two.txt").write_text("0 0.5 0.5 1 1 0.1 0.2 0.5 0.5\n")
    data = {"path": "nowhere/else", "train": "images/train", "val": "images/val", "kpt_shape": [2, 2], "names": ["a"]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(data))
    read = import_log(tmp_path, "yolo", tmp_path / "log")
    again = read_tracks(tmp_path / "log" / "keypoints.jsonl")
    assert again.sources == ["empty.jpg", "one.png", "two.jpg"]
    assert read.tracks.skeleton.names == ("keypoint_0", "keypoint_1")
    assert again.shapes is not None
    assert again.shapes[:, :2].tolist() == [[10, 10], [100, 50], [80, 60]]
    points = np.array([[[10, 10, 1], [np.nan] * 3], [[8, 12, 1], [40, 30, 1]]], np.float32)
    np.testing.assert_allclose(read.tracks.rows.keypoints, points, atol=1e-4)


def test_a_list_of_pictures_and_pictures_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        for kind in ("images", "labels"):
            (tmp_path / kind / folder).mkdir(parents=True)
        Image.new("RGB", (100, 50)).save(tmp_path / "images" / folder / "one.png")
        (tmp_path / "labels" / folder / "one.txt").write_text(f"0 0.5 0.5 1 1 0.1 0.{folder == 'a':d} 2\n")
    (tmp_path / "list.txt").write_text("images/a/one.png\n\nimages/b/one.png\n")
    for part in ("list.txt", "images"):
        (tmp_path / "own.yaml").write_text(yaml.safe_dump({"train": part, "test": "nowhere", "kpt_shape": [1, 3]}))
        tracks = import_log(tmp_path, "yolo").tracks
        assert tracks.rows.keypoints[:, 0, :2].tolist() == [[10, 5], [10, 0]]


def test_separate_pictures_are_copied(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.png"):
        Image.new("RGB", (640, 480)).save(tmp_path / "in" / name)
    log = write_pictures_log(
        tmp_path / "keypoints.jsonl", [str(tmp_path / "in" / name) for name in ("a.jpg", "b.png")], [SIZE, SIZE]
    )
    folder = export_log(log, "yolo", tmp_path / "set", pictures=True).paths[0]
    copied = sorted(path for path in (folder / "images").rglob("*.*"))
    assert [path.name for path in copied] == ["a.jpg", "b.png"]
    assert copied[1].read_bytes() == (tmp_path / "in" / "b.png").read_bytes()
    assert_same(
        import_log(folder, "yolo").tracks, read_tracks(log), times=False, ids=False, confidences=False, scores=False
    )


@pytest.mark.parametrize(
    ("yaml_text", "label", "said"),
    [
        ("train: images/train\nkpt_shape: [17, 3]\n", "0 0.5 0.5 1 1 2\n", r"a.txt, line 1: has 6 numbers, not 56"),
        ("train: images/train\n", "0 0.5 0.5 1 1\n", "no kpt_shape"),
        ("train: [\n", "", "is not YAML"),
        ("- 1\n", "", "is not the YAML of a dataset"),
        ("train: images/train\nkpt_shape: [1, 3]\n", "0 0.5 0.5 1 1 x 0 0\n", "no number"),
    ],
)
def test_what_is_no_dataset_of_poses_is_refused(yaml_text: str, label: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text(yaml_text)
    (tmp_path / "labels" / "train" / "a.txt").write_text(label)
    with pytest.raises(SourceError, match=said):
        import_log(tmp_path, "yolo", fps=30, size=SIZE)
    with pytest.raises(OutputError):
        FORMATS["yolo"].validate(tmp_path)


def test_a_folder_of_something_else_is_not_replaced(log: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds something else than yolo, and is not replaced"):
        export_log(log, "yolo", tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(SourceError, match="no text files of poses"):
        import_log(tmp_path / "mine", "yolo", fps=30, size=SIZE)
    export_log(log, "yolo", tmp_path / "set")
    export_log(log, "yolo", tmp_path / "set", overwrite=True)
    assert not list(tmp_path.glob(".*"))
