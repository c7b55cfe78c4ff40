"""Exportable: the poses in one picture as plain data, tables and text files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poseline.errors import OutputError
from poseline.frame import Pixels
from poseline.results.boxes import Boxes
from poseline.results.keypoints import Keypoints
from poseline.results.pictured import Pictured
from poseline.words import cell

if TYPE_CHECKING:
    from polars import DataFrame

_CROP_GAIN, _CROP_MARGIN = 1.02, 10
"""By how much a crop is larger than its box: a factor, and pixels in all."""


class Exportable(Pictured):
    """What can be written of the poses in one picture."""

    names: dict[int, str]
    boxes: Boxes
    keypoints: Keypoints

    def summary(self, normalize: bool = False, decimals: int = 5) -> list[dict[str, Any]]:
        """The persons as plain data.

        Args:
            normalize: positions in parts of the picture's width and height, 0..1, instead of pixels.
            decimals: to which numbers are rounded.

        Returns:
            For each person `name` and `class`, `confidence`, `box` with `x1 y1 x2 y2`, with tracking `track_id`, and
            `keypoints` with K numbers each in `x`, `y` and `visible`, which is the confidence.
        """
        height, width = self.boxes.orig_shape if normalize else (1, 1)
        boxes = _rounded(self.boxes.xyxy / [width, height, width, height], decimals)
        points = _rounded(self.keypoints.data / np.array([width, height, 1], np.float32), decimals)
        scores = _rounded(self.boxes.conf, decimals)
        classes = self.boxes.cls.astype(int).tolist()
        ids = None if self.boxes.id is None else self.boxes.id.astype(int).tolist()
        return [
            {
                "name": self.names[classes[row]],
                "class": classes[row],
                "confidence": scores[row],
                "box": dict(zip(("x1", "y1", "x2", "y2"), boxes[row], strict=True)),
                **({} if ids is None else {"track_id": ids[row]}),
                "keypoints": dict(zip(("x", "y", "visible"), map(list, zip(*points[row], strict=True)), strict=True)),
            }
            for row in range(len(boxes))
        ]

    def to_df(self, normalize: bool = False, decimals: int = 5) -> DataFrame:
        """`summary` as a polars table: a row for each person, `box` and `keypoints` as structs."""
        import polars

        return polars.DataFrame(self.summary(normalize, decimals))

    def to_csv(self, normalize: bool = False, decimals: int = 5) -> str:
        """`summary` as CSV text: a line for each person, `box` and `keypoints` as Python writes them."""
        import polars

        rows = self.summary(normalize, decimals)
        flat = [
            {key: cell(str(value)) if isinstance(value, dict | str) else value for key, value in row.items()}
            for row in rows
        ]
        return polars.DataFrame(flat).write_csv()

    def to_json(self, normalize: bool = False, decimals: int = 5) -> str:
        """`summary` as JSON text."""
        import orjson

        return orjson.dumps(self.summary(normalize, decimals)).decode()

    def save_txt(self, txt_file: str | Path, save_conf: bool = False) -> str:
        """Append a line for each person to a text file: class, box and keypoints as YOLO labels have them.

        A line is `class x y width height`, the box's centre and size in parts of the picture; `x y confidence` of each
        keypoint; with `save_conf` the person's confidence; with tracking the id. No file is made for nobody.
        Lines with a confidence or an id are not for training: ultralytics' loader refuses what has more columns.

        Returns:
            The name of the file.

        Raises:
            OutputError: it cannot be written.
        """
        path = Path(txt_file)
        if lines := self._label_lines(save_conf):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8") as file:
                    file.writelines(f"{line}\n" for line in lines)
            except OSError as error:
                raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        return str(txt_file)

    def save_crop(self, save_dir: str | Path, file_name: str | Path = "im.jpg") -> None:
        """Write what is in each person's box, and a little around it, as a picture of its own.

        Args:
            save_dir: the folder; files go into a folder in it for each class.
            file_name: of the JPEG files: im.jpg, im-2.jpg, im-3.jpg ...; files that exist are kept.

        Raises:
            OutputError: one cannot be written.
        """
        from poseline.output import free_file, save_image

        for box, kind in zip(self.boxes.xyxy.tolist(), self.boxes.cls.astype(int).tolist(), strict=True):
            file = (Path(save_dir) / self.names[kind] / file_name).with_suffix(".jpg")
            save_image(_cropped(self._pixels, box), free_file(file))

    def _label_lines(self, save_conf: bool) -> list[str]:
        boxes, keypoints = self.boxes, self.keypoints
        persons, number, values = keypoints.shape
        points = np.concatenate([keypoints.xyn, keypoints.conf[:, :, None]], axis=2).reshape(persons, number * values)
        columns = [boxes.cls[:, None], boxes.xywhn, points]
        columns += [boxes.conf[:, None]] if save_conf else []
        columns += [] if boxes.id is None else [boxes.id[:, None]]
        return [" ".join(f"{value:g}" for value in row) for row in np.concatenate(columns, axis=1).tolist()]


def _rounded(values: NDArray[Any], decimals: int) -> list[Any]:
    rounded: list[Any] = np.asarray(values, np.float64).round(decimals).tolist()  # float32 would add digits
    return rounded


def _cropped(picture: Pixels, box: list[float]) -> Pixels:
    """What of `picture` is in `box`, left, top, right, bottom, and a little around it."""
    left, right = _widened(box[0], box[2], picture.shape[1])
    top, bottom = _widened(box[1], box[3], picture.shape[0])
    return picture[top:bottom, left:right]


def _widened(first: float, last: float, limit: int) -> tuple[int, int]:
    """A stretch from `first` to `last`, made longer for a crop, within 0..`limit`."""
    middle, half = (first + last) / 2, ((last - first) * _CROP_GAIN + _CROP_MARGIN) / 2
    return max(0, int(middle - half)), min(limit, int(middle + half))
