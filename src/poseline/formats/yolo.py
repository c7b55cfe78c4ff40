"""YOLO pose labels: a folder to train on with ultralytics, a text file a picture and the dataset's YAML.

`data.yaml`, `labels/train` and `labels/val` with a file for every frame, also of those in which nobody is, and
`images/train` and `images/val` for the pictures. The last fifth of the frames is for validation: neighbours are too
much alike to be drawn by chance. A line is a person: class 0, the box's centre and size, and x, y and v of each
keypoint, as shares of the picture's width and height. ultralytics leaves out a whole picture for one number outside of
it, so points outside are written as missing and boxes are cut.

It reads also what ultralytics' `save_txt` writes, a folder of text files without a YAML: those hold confidences, after
them the person's and its id where these were asked for, and are numbered from 1.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseline.errors import OutputError, SourceError
from poseline.formats.coco import OF_HIDDEN, OF_SEEN, labelled
from poseline.formats.files import replacing_folder
from poseline.formats.gather import gathered
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.pictures import numbered, picture_names, picture_sizes, write_pictures
from poseline.formats.registry import Read
from poseline.formats.yolo_dataset import SPLITS, Label, YoloDataset, labels_in, labels_of, picture_size
from poseline.log import Tracks
from poseline.skeleton import Skeleton
from poseline.words import counted

YAML = "data.yaml"
_VALIDATION = 5
"""One of so many frames is for validation."""


def write(tracks: Tracks, target: Path, options: ExportOptions) -> Sequence[str]:
    """Write the labels of every frame, and their pictures where a clip is given."""
    names = [PurePath(name) for name in picture_names(tracks)]
    if len({name.stem for name in names}) < len(names):
        raise OutputError(f"{target}: two pictures have one name, and YOLO's labels are found by it")
    first_val = len(names) - max(len(names) // _VALIDATION, int(len(names) > 1))  # training needs one at least
    splits = ["val" if place >= first_val else "train" for place in range(len(names))]
    texts, outside = _texts(tracks)
    notes = ["no times, no ids and no scores; points are seen (2), hidden (1) or missing"]
    if outside:
        notes.append(f"{counted(outside, 'point')} outside of the picture left out")
    with replacing_folder(target) as folder:
        for kind in ("images", "labels"):
            for split in SPLITS[:2]:
                (folder / kind / split).mkdir(parents=True)
        for name, split, text in zip(names, splits, texts, strict=True):  # of thousands of files, so without a `Path`
            with open(f"{folder}/labels/{split}/{name.stem}.txt", "wb", buffering=0) as file:
                file.write(text.encode("ascii"))
        if options.pictures_of is not None:
            places = [folder / "images" / split / name.name for name, split in zip(names, splits, strict=True)]
            notes += write_pictures(tracks, options.pictures_of, places.__getitem__)
        else:
            notes.append("without pictures: training needs them in images/ (--pictures)")
        (folder / YAML).write_text(_yaml(tracks.skeleton), encoding="utf-8")
    return notes


def validate(target: Path) -> None:
    """Raise an OutputError unless the folder is a dataset of poses, all of whose lines are whole."""
    try:
        dataset = YoloDataset.load(target / YAML)
        for label in _labels(dataset):
            label.table(dataset.length)
    except SourceError as error:
        raise OutputError(f"{target}: is no dataset of YOLO poses: {error}") from None


def read(path: Path, options: ImportOptions) -> Read:
    """Read a dataset (its folder or YAML), or a folder of labels that ultralytics wrote."""
    yaml = _yaml_of(path)
    if yaml is None:
        return _read_results(path, options)
    dataset = YoloDataset.load(yaml)
    skeleton = options.skeleton or dataset.skeleton()
    if len(skeleton) != dataset.keypoints:
        raise SourceError(f"{yaml}: has {dataset.keypoints} keypoints, and --skeleton names {len(skeleton)}")
    labels = _labels(dataset)
    table = _table(labels, dataset.length)
    points = dataset.points(table)
    seen = points[:, :, 2]
    keypoints = np.dstack([points[:, :, :2], np.where(seen >= 2, OF_SEEN, OF_HIDDEN)])
    keypoints[seen <= 0] = np.nan
    notes = [
        "no times, no ids and no scores: each person has 1",
        f"no confidences: a point that is seen has {OF_SEEN:g}, one that is hidden {OF_HIDDEN:g}",
    ]
    return Read(_tracks(yaml.parent, labels, table, keypoints, skeleton, options, first=0), notes)


def _texts(tracks: Tracks) -> tuple[list[str], int]:
    """The content of each frame's file, and how many points are outside of their picture."""
    rows = tracks.rows
    sizes = picture_sizes(tracks)[rows.frame]
    if len(sizes) and not (sizes > 0).all():
        raise OutputError("the log does not say how large its pictures are, and YOLO's labels are shares of that")
    points = labelled(rows.keypoints)[0].reshape(len(rows), -1, 3)
    shares = points[:, :, :2] / sizes[:, None, :]
    out = (points[:, :, 2] > 0) & ((shares < 0) | (shares > 1)).any(axis=2)
    points[:, :, :2] = shares
    points[out] = 0
    low, high = (np.clip(rows.box[:, part].astype(float) / sizes, 0, 1) for part in (slice(0, 2), slice(2, 4)))
    boxes = np.nan_to_num(np.hstack([(low + high) / 2, high - low]))
    line = "0 " + " ".join(["%.7f"] * 4 + ["%.7f %.7f %d"] * points.shape[1]) + "\n"
    texts = [""] * len(tracks)
    numbers = np.hstack([boxes, points.reshape(len(rows), -1)])
    for frame, values in zip(rows.frame.tolist(), numbers, strict=True):
        texts[frame] += line % tuple(values.tolist())
    return texts, int(out.sum())


def _yaml(skeleton: Skeleton) -> str:
    import yaml  # ultralytics needs it anyway

    data = {
        "train": "images/train",
        "val": "images/val",
        "kpt_shape": [len(skeleton), 3],
        "flip_idx": list(skeleton.mirrored),
        "names": {0: "person"},
        "kpt_names": {0: list(skeleton.names)},
    }
    text: str = yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=100)
    return text


def _yaml_of(path: Path) -> Path | None:
    if path.is_file():
        return path
    found = sorted(each for each in path.iterdir() if each.suffix in (".yaml", ".yml"))
    if len(found) > 1:
        raise SourceError(f"{path}: holds {len(found)} YAML files; give the one of the dataset")
    return found[0] if found else None


def _labels(dataset: YoloDataset) -> list[Label]:
    """Of all parts that are there (few datasets come with all that their YAML names), also labels without a picture."""
    found: list[Label] = []
    for split in SPLITS:
        places = dataset.places(split)
        if any(os.path.exists(place) or os.path.isdir(labels_of(place)) for place in places):
            pictures = list(dataset.labels(split))
            known = {label.file for label in pictures}
            others = [label for place in places for label in labels_in(labels_of(place), known)]
            found += sorted([*pictures, *others], key=lambda label: label.file)
    return found


def _table(labels: Sequence[Label], length: int) -> NDArray[np.float64]:
    """All lines as numbers."""
    return np.vstack([np.zeros((0, length)), *(label.table(length) for label in labels)])


def _tracks(
    root: Path,
    labels: Sequence[Label],
    table: NDArray[np.float64],
    keypoints: NDArray[np.float64],
    skeleton: Skeleton,
    options: ImportOptions,
    first: int,
    **found: Any,
) -> Tracks:
    """The lines, in pixels; `first` is the number of the first frame."""
    names = [label.picture.name for label in labels]
    frames = [number - first for number in numbered(names) or range(first, first + len(names))]
    order = np.argsort(frames, kind="stable")
    sizes = np.array([_size(root, label.picture, options) for label in labels], np.float64).reshape(-1, 2)
    of_row = np.repeat(np.arange(len(labels)), [len(label.lines) for label in labels])
    scale = sizes[of_row]
    keypoints[:, :, :2] *= scale[:, None, :]
    centre, half = table[:, 1:3] * scale, table[:, 3:5] * scale / 2
    one_size = len(np.unique(sizes, axis=0)) == 1
    return gathered(
        np.array(frames)[of_row],
        keypoints,
        skeleton,
        boxes=np.hstack([centre - half, centre + half]),
        all_frames=np.array(frames)[order],
        size=(int(sizes[0][0]), int(sizes[0][1])) if one_size else (0, 0),
        sizes=sizes[order],
        sources=[names[place] for place in order],
        **{"scores": np.ones(len(table)), **found},
    )


def _size(root: Path, picture: Path, options: ImportOptions) -> tuple[int, int]:
    """(width, height) of a picture; as it was given where there is no file."""
    size = picture_size(picture) or options.size
    if size is None:
        raise SourceError(
            f"{root}: has no picture {picture.name}, and labels are shares of its size: give --video, or --size WxH"
        )
    return size


def _read_results(path: Path, options: ImportOptions) -> Read:
    """Labels that ultralytics' `save_txt` wrote: confidences, the person's and its id where they were asked for."""
    labels = labels_in(path)
    length = max((len(words) for label in labels for words in label.lines.values()), default=0)
    if length < 8:
        raise SourceError(f"{path}: holds no YAML of a dataset, and no text files of poses as ultralytics saves them")
    count, rest = divmod(length - 5, 3)
    skeleton = options.skeleton or Skeleton.for_count(count)
    if len(skeleton) != count:
        raise SourceError(f"{path}: has {count} keypoints, and --skeleton names {len(skeleton)}")
    tracked = rest == 2 or (rest == 1 and _ends_in_ids(labels, length))
    table = _table([_with_ids(label, length) for label in labels] if tracked else labels, length)
    keypoints = table[:, 5 : 5 + 3 * count].reshape(len(table), count, 3)
    keypoints[(keypoints[:, :, :2] == 0).all(axis=2)] = np.nan
    scored = rest == 2 or (rest == 1 and not tracked)
    found: dict[str, Any] = {"scores": table[:, 5 + 3 * count] if scored else np.full(len(table), np.nan)}
    if tracked:
        found["ids"] = table[:, -1].astype(np.int64)
    numbers = numbered([label.picture.name for label in labels])
    first = 1 if numbers and min(numbers) >= 1 else 0
    notes = ["no times; frames in which nobody is are not in it"]
    if first:
        notes.append("file n is taken for frame n - 1, as ultralytics numbers them")
    return Read(_tracks(path, labels, table, keypoints, skeleton, options, first, **found), notes, sparse=True)


def _ends_in_ids(labels: Sequence[Label], length: int) -> bool:
    """Whether the one number behind the keypoints is an id, which not everybody has, and no confidence."""
    lines = [words for label in labels for words in label.lines.values()]
    return any(len(words) < length for words in lines) or all(words[-1].isdecimal() for words in lines)


def _with_ids(label: Label, length: int) -> Label:
    """The same with -1 at the end of lines without an id: of persons whom the tracker does not follow yet."""
    lines = {
        number: [*words, "-1"] if len(words) == length - 1 else words for number, words in label.lines.items()
    }  # fmt: skip
    return label._replace(lines=lines)
