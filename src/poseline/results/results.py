"""Results: what a model found in one picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseline.frame import Frame, Pixels
from poseline.pose import UNTRACKED, Observation, Poses, describe
from poseline.results.array import array
from poseline.results.boxes import Boxes
from poseline.results.drawable import Drawable
from poseline.results.exportable import Exportable
from poseline.results.instances import Index
from poseline.results.keypoints import Keypoints
from poseline.skeleton import Skeleton


class Results(Drawable, Exportable):
    """The poses of N persons in one picture, best first, by the names that ultralytics' results have.

    `len(results)` is N, `results[0]` the results of one person, `results[results.boxes.conf > 0.5]` those of some, and
    a loop over it gives the persons one by one. All numbers are numpy arrays; see `Boxes` and `Keypoints`.

    Args:
        orig_img: (H, W, 3) uint8 BGR; or a frame, whose pixels are made when they are first asked for.
        path: of the picture.
        names: class names by number.
        boxes: (N, 6) or (N, 7) as `Boxes` takes them.
        keypoints: (N, K, 3) as `Keypoints` takes them.
        speed: milliseconds for `preprocess`, `inference` and `postprocess`.
        skeleton: of the K keypoints; COCO's for 17, and else without edges, if None.
        input_shape: (height, width) of the network's input in pixels.

    Raises:
        ValueError: boxes and keypoints are of different numbers of persons, or have other shapes.
    """

    path: str
    """File or address that the picture came from, or a name such as image0.jpg for an array."""
    names: dict[int, str]
    """Class names by number."""
    boxes: Boxes
    """Boxes, scores, classes and ids."""
    keypoints: Keypoints
    """Keypoints, in the boxes' order."""
    speed: dict[str, float | None]
    """Milliseconds for `preprocess`, `inference` and `postprocess`; None where they are not known."""
    skeleton: Skeleton
    """Which keypoint is which body part."""
    input_shape: tuple[int, int]
    """(height, width) of the network's input in pixels."""
    save_dir: str | None = None
    """Folder that the call saved to, if it did."""
    masks = probs = obb = semantic_mask = depth = None
    """What models of other tasks give, and pose models do not."""

    def __init__(
        self,
        orig_img: Pixels | Frame,
        path: str,
        names: dict[int, str],
        *,
        boxes: NDArray[Any],
        keypoints: NDArray[Any],
        speed: Mapping[str, float | None] | None = None,
        skeleton: Skeleton | None = None,
        input_shape: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(orig_img)
        self.path, self.names = path, names
        self.boxes = Boxes(array(boxes), self.orig_shape)
        self.keypoints = Keypoints(array(keypoints), self.orig_shape)
        if len(self.boxes) != len(self.keypoints):
            raise ValueError(f"there are {len(self.boxes)} boxes, but keypoints of {len(self.keypoints)} persons")
        self.speed = dict(speed or dict.fromkeys(("preprocess", "inference", "postprocess")))
        self.skeleton = Skeleton.for_count(self.keypoints.shape[1]) if skeleton is None else skeleton
        self.input_shape = input_shape

    @classmethod
    def of(
        cls,
        observation: Observation,
        names: dict[int, str],
        skeleton: Skeleton,
        path: str | None = None,
        speed: Mapping[str, float | None] | None = None,
    ) -> Results:
        """The results in `observation`.

        Where some persons have an id, those who have none yet are left out, as in ultralytics' tracking.

        Args:
            observation: a frame and the poses in it.
            names: class names by number.
            skeleton: of the model.
            path: of the picture; the frame's source if None.
            speed: milliseconds; the observation's if None.
        """
        poses, cost = observation.poses, observation.speed
        tracked = poses.ids != UNTRACKED
        poses = poses if tracked.all() or not tracked.any() else poses[tracked]
        if speed is None:
            speed = {"preprocess": cost.preprocess, "inference": cost.inference, "postprocess": cost.postprocess}
        return cls(
            observation.frame,
            observation.frame.source if path is None else path,
            names,
            boxes=_box_rows(poses, bool(tracked.any())),
            keypoints=poses.keypoints.copy(),
            speed=speed,
            skeleton=skeleton,
            input_shape=observation.input_shape,
        )

    @property
    def poses(self) -> Poses:
        """The same persons as `stream` gives them, a copy."""
        boxes = self.boxes.numpy()
        ids = np.full(len(boxes), UNTRACKED) if boxes.id is None else boxes.id
        return Poses(
            boxes.xyxy.astype(np.float32),
            boxes.conf.astype(np.float32),
            self.keypoints.numpy().data.astype(np.float32),
            boxes.cls.astype(np.int64),
            ids.astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Index) -> Results:
        """The results of the persons that `index` picks; also those of one person are results.

        Raises:
            IndexError: there is no such person.
        """
        return self._with(self.boxes[index], self.keypoints[index])

    def __iter__(self) -> Iterator[Results]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        height, width = self.orig_shape
        return f"Results({describe(self.poses, self.names)}, {width}x{height}, path={self.path!r})"

    def verbose(self) -> str:
        """How many of which class, such as `4 persons, `, with a comma behind it, as ultralytics has it."""
        return f"{describe(self.poses, self.names)}, "

    def update(self, boxes: NDArray[Any] | None = None, keypoints: NDArray[Any] | None = None) -> None:
        """Put others in the place of the boxes or keypoints.

        Args:
            boxes: as `Boxes` takes them; they are cut at the edges of the picture.
            keypoints: as `Keypoints` takes them.
        """
        if boxes is not None:
            self.boxes = Boxes(array(_within(boxes, self.orig_shape)), self.orig_shape)
        if keypoints is not None:
            self.keypoints = Keypoints(array(keypoints), self.orig_shape)

    def new(self) -> Results:
        """Results of the same picture, with nobody in them."""
        return self[:0]

    def cpu(self) -> Results:
        """The same results: they are in the CPU's memory."""
        return self._with(self.boxes.cpu(), self.keypoints.cpu())

    def numpy(self) -> Results:
        """The same results, and all arrays in them plain numpy arrays."""
        return self._with(self.boxes.numpy(), self.keypoints.numpy())

    def cuda(self) -> Results:
        """Not possible.

        Raises:
            DeviceError: always; its text says how to make a tensor on a GPU.
        """
        return self._with(self.boxes.cuda(), self.keypoints.cuda())

    def to(self, *targets: object, device: object = None, dtype: object = None) -> Results:
        """The same results with numbers of another type: see `Array.to`."""
        return self._with(
            self.boxes.to(*targets, device=device, dtype=dtype), self.keypoints.to(*targets, device=device, dtype=dtype)
        )

    def _with(self, boxes: Boxes, keypoints: Keypoints) -> Results:
        made = Results.__new__(Results)
        made.__dict__.update(self.__dict__, boxes=boxes, keypoints=keypoints)
        return made


def _box_rows(poses: Poses, tracked: bool) -> NDArray[Any]:
    """(N, 6) float32 as `Boxes` has them; (N, 7) with ids."""
    ids = [poses.ids[:, None]] if tracked else []
    columns: list[NDArray[Any]] = [poses.boxes, *ids, poses.scores[:, None], poses.classes[:, None]]
    return np.concatenate(columns, axis=1, dtype=np.float32)


def _within(boxes: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """A copy of `boxes`, cut at the edges of a picture of (height, width) `shape`."""
    height, width = shape
    cut = boxes.copy()
    cut[..., :4] = cut[..., :4].clip(0, [width, height, width, height])
    return cut
