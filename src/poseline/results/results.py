"""Results: the poses in one picture, under the names that ultralytics' results have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from poseline.errors import OutputError
from poseline.frame import Pixels
from poseline.pose import Floats, Observation, Poses
from poseline.settings import OverlaySettings
from poseline.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of N instances."""

    xyxy: Floats
    """(N, 4) float32 left, top, right, bottom in pixels of the picture."""
    conf: Floats
    """(N,) float32 confidence, 0..1."""
    cls: Floats
    """(N,) float32 class numbers, to look up in `Results.names`."""
    orig_shape: tuple[int, int]
    """(height, width) of the picture in pixels."""

    def __len__(self) -> int:
        return len(self.xyxy)

    @property
    def xywh(self) -> Floats:
        """(N, 4) float32 centre x, centre y, width, height in pixels."""
        size = self.xyxy[:, 2:] - self.xyxy[:, :2]
        return np.concatenate([self.xyxy[:, :2] + size / 2, size], axis=1)

    @property
    def xyxyn(self) -> Floats:
        """`xyxy` in parts of the picture's width and height, 0..1."""
        return self.xyxy / _size(self.orig_shape, 2)

    @property
    def xywhn(self) -> Floats:
        """`xywh` in parts of the picture's width and height, 0..1."""
        return self.xywh / _size(self.orig_shape, 2)

    @property
    def data(self) -> Floats:
        """(N, 6) float32 `xyxy`, `conf` and `cls` side by side."""
        return np.concatenate([self.xyxy, self.conf[:, None], self.cls[:, None]], axis=1)


@dataclass(frozen=True, eq=False)
class Keypoints:
    """The keypoints of N instances."""

    data: Floats
    """(N, K, 3) float32 x, y in pixels of the picture, and confidence 0..1."""
    orig_shape: tuple[int, int]
    """(height, width) of the picture in pixels."""

    def __len__(self) -> int:
        return len(self.data)

    @property
    def xy(self) -> Floats:
        """(N, K, 2) float32 x, y in pixels of the picture."""
        return self.data[:, :, :2]

    @property
    def xyn(self) -> Floats:
        """`xy` in parts of the picture's width and height, 0..1."""
        return self.xy / _size(self.orig_shape, 1)

    @property
    def conf(self) -> Floats:
        """(N, K) float32 confidence, 0..1."""
        return self.data[:, :, 2]


@dataclass(frozen=True, eq=False)
class Results:
    """What a model found in one picture."""

    orig_img: Pixels
    """(H, W, 3) uint8 BGR, the picture as it was given; read-only."""
    path: str
    """File that the picture came from, or a name such as image0.jpg for an array."""
    names: dict[int, str]
    """Class names by number."""
    poses: Poses
    skeleton: Skeleton
    speed: dict[str, float]
    """Milliseconds for `preprocess`, `inference` and `postprocess`."""
    input_shape: tuple[int, int]
    """(height, width) of the network's input in pixels."""

    @classmethod
    def of(cls, observation: Observation, names: dict[int, str], skeleton: Skeleton) -> Results:
        """The result in `observation`."""
        speed = observation.speed
        return cls(
            observation.frame.bgr, observation.frame.source, names, observation.poses, skeleton,
            {"preprocess": speed.preprocess, "inference": speed.inference, "postprocess": speed.postprocess},
            observation.input_shape,
        )  # fmt: skip

    @property
    def orig_shape(self) -> tuple[int, int]:
        """(height, width) of the picture in pixels."""
        return self.orig_img.shape[0], self.orig_img.shape[1]

    @property
    def boxes(self) -> Boxes:
        """Boxes, best first."""
        return Boxes(self.poses.boxes, self.poses.scores, self.poses.classes.astype(np.float32), self.orig_shape)

    @property
    def keypoints(self) -> Keypoints:
        """Keypoints, in the boxes' order."""
        return Keypoints(self.poses.keypoints, self.orig_shape)

    def __len__(self) -> int:
        return len(self.poses)

    def __repr__(self) -> str:
        return f"Results({self.verbose()}, {self.orig_shape[1]}x{self.orig_shape[0]}, path={self.path!r})"

    def verbose(self) -> str:
        """How many of which class, such as `4 persons`."""
        return describe(self.poses, self.names)

    def plot(
        self,
        conf: bool = True,
        line_width: float | None = None,
        font_size: float | None = None,
        boxes: bool = True,
        labels: bool = True,
        show: bool = False,
        save: bool = False,
        filename: str | Path | None = None,
        kpt_line: bool = True,
    ) -> Pixels:
        """Draw the poses on a copy of the picture.

        Args:
            conf: write scores beside the labels.
            line_width: pixels; by the picture's size if None.
            font_size: height of text in pixels; by the picture's size if None.
            boxes: draw boxes.
            labels: write labels.
            show: open a window and wait until a key is pressed or the window is closed.
            save: write the picture to `filename`.
            filename: where to; results_NAME of the picture beside you if None.
            kpt_line: join the keypoints.

        Returns:
            (H, W, 3) uint8 BGR.

        Raises:
            OutputError: the picture cannot be written, or no window can be opened to show it.
        """
        from poseline.overlay import render

        settings = OverlaySettings(
            boxes=boxes, labels=labels, conf=conf, font_size=font_size,
            line_width=None if line_width is None else max(1, round(line_width)),
        )  # fmt: skip
        skeleton = self.skeleton if kpt_line else replace(self.skeleton, edges=())
        picture = render(self.orig_img, self.poses, skeleton, self.names, settings)
        if save:
            self._write(picture, filename)
        if show:
            _show(picture, self.path)
        return picture

    def save(self, filename: str | Path | None = None, **plot_options: Any) -> str:
        """Write the drawn picture; returns the name of the file. Options are those of `plot`."""
        return str(self._write(self.plot(**plot_options), filename))

    def _write(self, picture: Pixels, filename: str | Path | None) -> Path:
        from poseline.output import save_image

        target = Path(filename) if filename else Path(f"results_{Path(self.path).name or 'image0.jpg'}")
        if Path(self.path).exists() and target.exists() and target.samefile(self.path):
            raise OutputError(f"{target}: is the picture itself; give another filename")
        return save_image(picture, target)


def describe(poses: Poses, names: dict[int, str]) -> str:
    """How many of which class, such as `4 persons`; `(no detections)` of none."""
    counts = np.bincount(poses.classes, minlength=1) if len(poses) else np.zeros(1, np.int64)
    parts = [
        f"{count} {names.get(number, number)}{'s' * (count > 1)}"
        for number, count in enumerate(counts.tolist())
        if count
    ]
    return ", ".join(parts) or "(no detections)"


def _size(shape: tuple[int, int], repeats: int) -> Floats:
    return np.array([shape[1], shape[0]] * repeats, np.float32)


def _show(picture: Pixels, title: str) -> None:
    from poseline.output import Window

    with Window(title, pausable=False) as window:
        window.show(picture)
        window.wait()
