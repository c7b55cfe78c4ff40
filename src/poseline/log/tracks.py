"""Tracks: the poses of a whole log as arrays over true time.

A log of hours may hold a thousand ids of which each is seen for a moment, so poses are kept as rows (one person in one
frame); `keypoints`, `boxes`, `scores` and `states` spread them over (frame, person) on first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.errors import PoselineError
from poseline.frame import Gap
from poseline.log.reader import LogReader
from poseline.optional import require
from poseline.pose import UNTRACKED, Floats, Integers, Poses, State, States
from poseline.short_repr import short_repr
from poseline.skeleton import Skeleton
from poseline.words import counted

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import xarray as xr

    from poseline.corrections import Facts

Doubles: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """N poses, one person in one frame each, in the order of the log."""

    frame: NDArray[np.intp]
    """(N,) index into the T frames."""
    id: Integers
    """(N,) int64 track id, `UNTRACKED` (-1) where the tracker gave none."""
    score: Floats
    """(N,) float32 confidence of the person, 0..1."""
    box: Floats
    """(N, 4) float32 x1 y1 x2 y2, pixels of the upright picture."""
    keypoints: Floats
    """(N, K, 3) float32 x, y in pixels of the upright picture, and confidence 0..1; NaN where the log holds null."""
    state: States
    """(N, K) uint8, a `State` for each keypoint."""

    __repr__ = short_repr

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Rows:
        """The rows that `chosen` (a mask or indices) picks."""
        return Rows(
            self.frame[chosen], self.id[chosen], self.score[chosen], self.box[chosen], self.keypoints[chosen],
            self.state[chosen],
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Tracks:
    """Everybody's poses over a clip: T frames, P persons (distinct ids), K keypoints."""

    times: Doubles
    """(T,) float64 presentation time in seconds from the source's first frame, never falling; not resampled."""
    frames: Integers
    """(T,) int64 frame numbers of the source; those that were dropped are missing."""
    rows: Rows
    skeleton: Skeleton
    """Names, edges and sigmas of the K keypoints."""
    size: tuple[int, int] = (0, 0)
    """(width, height) of the upright picture in pixels; (0, 0) where pictures differ in size."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height: multiply x by it before measuring lengths or angles."""
    gaps: Sequence[Gap] = ()
    """Stretches of time for which the source gave nothing."""
    ended: str = "complete"
    """How the run ended: complete, interrupted, failed, or killed."""
    header: dict[str, Any] = field(default_factory=dict)
    """The log's first record: source, model, runtime, settings and so on."""
    shapes: Doubles | None = None
    """(T, 3) width, height and pixel aspect of each frame's picture, NaN where the log does not say."""
    pts: Integers | None = None
    """(T,) presentation time stamps in ticks of the header's `video.time_base`; None where they are not known."""
    sources: Sequence[str] | None = None
    """The T picture files, where pictures are separate; None for a video."""
    corrections: Facts | None = None
    """What was corrected by hand, beside the poses in `rows`; None where nothing was."""

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        seconds = self.times[-1] - self.times[0] if len(self) else 0.0
        persons = counted(len(self.ids), "person")
        return f"Tracks({len(self)} frames, {seconds:.3f} s, {persons}, {len(self.skeleton)} keypoints)"

    @cached_property
    def ids(self) -> Integers:
        """(P,) int64 the distinct track ids, ascending, without `UNTRACKED`."""
        found: Integers = np.unique(self.rows.id[self.rows.id != UNTRACKED])
        return found

    @cached_property
    def keypoints(self) -> Floats:
        """(T, P, K, 3) float32 x, y, confidence; NaN where a person is not in a frame."""
        return self._spread(self.rows.keypoints, np.nan)

    @cached_property
    def boxes(self) -> Floats:
        """(T, P, 4) float32 x1 y1 x2 y2 in pixels; NaN where a person is not in a frame."""
        return self._spread(self.rows.box, np.nan)

    @cached_property
    def scores(self) -> Floats:
        """(T, P) float32 confidence of each person; NaN where a person is not in a frame."""
        return self._spread(self.rows.score, np.nan)

    @cached_property
    def states(self) -> States:
        """(T, P, K) uint8, a `State` for each keypoint; MISSING where a person is not in a frame."""
        return self._spread(self.rows.state, State.MISSING)

    def select(self, ids: Sequence[int]) -> Tracks:
        """The same frames with these persons only.

        Raises:
            PoselineError: an id that the log does not have.
        """
        unknown = sorted(set(ids) - set(self.ids.tolist()))
        if unknown:
            known = ", ".join(map(str, self.ids[:20].tolist())) or "none"
            raise PoselineError(f"no person has the id {unknown[0]}; this log has {known}")
        return replace(self, rows=self.rows[np.isin(self.rows.id, ids)])

    def between(self, start: float, end: float) -> Tracks:
        """The frames whose time is in start..end seconds, both included."""
        return self.kept((self.times >= start) & (self.times <= end))

    def kept(self, frames: NDArray[np.bool_]) -> Tracks:
        """The frames where `frames` (T,) is true."""
        rows, place = self.rows[frames[self.rows.frame]], np.cumsum(frames) - 1
        return replace(
            self, times=self.times[frames], frames=self.frames[frames], rows=replace(rows, frame=place[rows.frame]),
            shapes=None if self.shapes is None else self.shapes[frames],
            pts=None if self.pts is None else self.pts[frames],
            sources=None if self.sources is None else list(compress(self.sources, frames)),
        )  # fmt: skip

    def to_polars(self) -> pl.DataFrame:
        """One row a person and frame: frame, time, id, score, x1..y2, then NAME_x, NAME_y, NAME_c a keypoint.

        Raises:
            SettingsError: polars is not installed.
        """
        require("polars", "to_polars()")
        import polars as pl

        return pl.DataFrame(self._columns())

    def to_pandas(self) -> pd.DataFrame:
        """The table of `to_polars` in pandas, which must be installed.

        Raises:
            PoselineError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise PoselineError("pandas is not installed; pip install pandas, or use to_polars()") from None
        return pd.DataFrame(self._columns())

    def to_xarray(self) -> xr.Dataset:
        """`position` (time, space, keypoint, individual) in pixels and `confidence` (time, keypoint, individual).

        The dimensions are those of movement 0.17; ids are numbers and time is in seconds.

        Raises:
            PoselineError: xarray is not installed.
        """
        try:
            import xarray as xr
        except ImportError:
            raise PoselineError("xarray is not installed; pip install xarray, or use to_polars()") from None
        points = self.keypoints.transpose(0, 3, 2, 1)  # (T, 3, K, P)
        return xr.Dataset(
            {
                "position": (("time", "space", "keypoint", "individual"), points[:, :2]),
                "confidence": (("time", "keypoint", "individual"), points[:, 2]),
                "frame": (("time",), self.frames),
            },
            coords={
                "time": ("time", self.times, {"units": "s"}),
                "space": ["x", "y"],
                "keypoint": list(self.skeleton.names),
                "individual": self.ids,
            },
            attrs={"pixel_aspect": self.pixel_aspect, "source": self.header.get("source", ""), "ended": self.ended},
        )

    def _columns(self) -> dict[str, NDArray[Any]]:
        rows = self.rows
        columns: dict[str, NDArray[Any]] = {
            "frame": self.frames[rows.frame], "time": self.times[rows.frame], "id": rows.id, "score": rows.score,
        }  # fmt: skip
        columns |= {name: rows.box[:, place] for place, name in enumerate(("x1", "y1", "x2", "y2"))}
        for number, name in enumerate(self.skeleton.names):
            columns |= {f"{name}_{part}": rows.keypoints[:, number, place] for place, part in enumerate("xyc")}
        return columns

    def _spread(self, values: NDArray[Any], missing: float) -> NDArray[Any]:
        """Rows' (N, ...) values as (T, P, ...)."""
        spread = np.full((len(self.times), len(self.ids), *values.shape[1:]), missing, values.dtype)
        known = self.rows.id != UNTRACKED
        persons = np.searchsorted(self.ids, self.rows.id[known])
        spread[self.rows.frame[known], persons] = values[known]
        spread.setflags(write=False)
        return spread


def read_tracks(path: str | Path, *, raw: bool = False) -> Tracks:
    """The poses of a keypoint log; damaged lines are skipped, as `read_log` skips them.

    Args:
        path: the log, or the folder of a run.
        raw: as the network measured it, without the corrections that were made by hand.

    Raises:
        SourceError: the file or its corrections cannot be read, or it is not a keypoint log of this schema.
    """
    from poseline.corrections import corrections_of  # as in `LogReader`

    reader = LogReader(path, raw=True)
    corrections = None if raw else corrections_of(reader.path, reader.run)
    tracks = _tracks(reader)
    return tracks if corrections is None else corrections.apply(tracks)


def _tracks(reader: LogReader) -> Tracks:
    frames = list(reader.frames())
    return Tracks(
        np.array([frame.time for frame in frames], np.float64),
        np.array([frame.index for frame in frames], np.int64),
        _rows([frame.poses for frame in frames], len(reader.names)),
        reader.skeleton,
        size=reader.size,
        pixel_aspect=reader.pixel_aspect,
        gaps=tuple(reader.gaps),
        ended=reader.ended,
        header=reader.run,
        shapes=np.array(
            [(frame.width or np.nan, frame.height or np.nan, frame.pixel_aspect) for frame in frames], np.float64
        ).reshape(-1, 3),
        pts=np.array([frame.pts for frame in frames], np.int64),
        sources=None if reader.run.get("video") else [frame.source for frame in frames],
    )


def _rows(seen: Sequence[Poses], keypoints: int) -> Rows:
    """The poses of frames that follow each other, one after another."""
    from poseline.corrections import measured

    seen = seen or [Poses.none(keypoints)]
    points = np.concatenate([poses.keypoints for poses in seen])
    return Rows(
        np.repeat(np.arange(len(seen)), [len(poses) for poses in seen]),
        np.concatenate([poses.ids for poses in seen]),
        np.concatenate([poses.scores for poses in seen]),
        np.concatenate([poses.boxes for poses in seen]),
        points,
        measured(points),
    )
