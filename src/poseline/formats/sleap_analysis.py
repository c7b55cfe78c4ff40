"""SLEAP's analysis HDF5: arrays over frames, tracks and nodes, as SLEAP exports them for analysis.

It has an entry for every frame of the clip. Arrays are in SLEAP's own order, which MATLAB's users see the other way
round; it is the only one that every reader takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from poseline import __version__
from poseline.errors import SourceError
from poseline.formats.arrays import check, from_arrays, ids_of, left_out, skeleton_for, spread
from poseline.formats.hdf5 import created, opened, texts
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks

_DIMS = {
    "tracks": ("track", "xy", "node", "frame"),
    "point_scores": ("track", "node", "frame"),
    "instance_scores": ("track", "frame"),
    "tracking_scores": ("track", "frame"),
    "track_occupancy": ("frame", "track"),
}
"""The axes of each array."""
_OURS = {
    "tracks": ("frame", "track", "node", "xy"),
    "point_scores": ("frame", "track", "node"),
    "instance_scores": ("frame", "track"),
}
"""The axes of those that are read, as `from_arrays` has them."""


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write the file."""
    persons, skeleton = spread(tracks, every_frame=True), tracks.skeleton
    names = [name.encode() for name in skeleton.names]
    edges = np.array(skeleton.edges, np.int64).reshape(-1, 2)
    arrays = {
        "tracks": persons.points[..., :2].astype(np.float64).transpose(1, 3, 2, 0),
        "point_scores": persons.points[..., 2].astype(np.float64).transpose(1, 2, 0),
        "instance_scores": persons.scores.T,
        "tracking_scores": np.where(persons.there, 0, np.nan).T,
        "track_occupancy": persons.there.astype(np.uint8),
    }
    texts = {
        "track_names": [name.encode() for name in persons.names],
        "node_names": names,
        "edge_names": [[names[a], names[b]] for a, b in edges.tolist()],
    }
    with created(target) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip", compression_opts=1)
            file[name].attrs["dims"] = orjson.dumps(_DIMS[name]).decode()
        for name, words in texts.items():
            file.create_dataset(name, data=np.array(words, "S"))
        file.create_dataset("edge_inds", data=edges)
        file.create_dataset("video_path", data=str(tracks.header.get("source", "")))
        file.create_dataset("labels_path", data="")
        file.create_dataset("video_ind", data=0)
        file.create_dataset("provenance", data=orjson.dumps({"made by": f"poseline {__version__}"}).decode())
        file.attrs["format"], file.attrs["preset"] = "analysis", "matlab"
    return left_out(tracks)


def validate(target: Path) -> None:
    """Raise an OutputError unless the file has the arrays, and their sizes fit."""
    check(read, target)


def read(path: Path, options: ImportOptions) -> Read:
    """Read a file of SLEAP, or of sleap-io in either order of its axes."""
    with opened(path, "SLEAP's analysis file") as file:
        places = _ordered(file, "tracks")
        sureness, scores = (
            _ordered(file, name) if name in file else np.full(places.shape[:axes], np.nan)
            for name, axes in (("point_scores", 3), ("instance_scores", 2))
        )
        points = np.concatenate([places, sureness[..., None]], axis=-1)
        tracks, nodes = texts(file["track_names"]), texts(file["node_names"])
        lines = file["edge_names"][:].tolist() if "edge_names" in file else []
        edges = [(nodes.index(first.decode()), nodes.index(second.decode())) for first, second in lines]
        video = file["video_path"][()] if "video_path" in file else b""
    if points.shape[2] != len(nodes) or (tracks and points.shape[1] != len(tracks)):
        raise SourceError(f"{path}: its arrays do not fit its {len(tracks)} tracks and {len(nodes)} nodes")
    ids = ids_of(tracks or [str(number) for number in range(1, points.shape[1] + 1)])
    skeleton = skeleton_for(path, options, nodes, edges)
    return Read(from_arrays(points, ids, skeleton, scores=scores, header={"source": bytes(video).decode()}))


def _ordered(file: Any, name: str) -> NDArray[np.float64]:
    """An array with its axes as `_OURS` has them."""
    data = file[name]
    axes = orjson.loads(data.attrs["dims"]) if "dims" in data.attrs else list(_DIMS[name])
    values: NDArray[np.float64] = data[:].astype(np.float64).transpose([axes.index(axis) for axis in _OURS[name]])
    return values
