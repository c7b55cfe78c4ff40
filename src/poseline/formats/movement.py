"""movement's own file: an xarray dataset as netCDF, with the true time of every frame.

The dimensions have the names of movement 0.17: time, space, keypoint, individual. A netCDF file is HDF5 whose datasets
share dimensions, so h5py writes and reads it, without xarray.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseline import __version__
from poseline.errors import SourceError
from poseline.formats.arrays import check, from_arrays, ids_of, left_out, skeleton_for, spread
from poseline.formats.hdf5 import attribute, created, opened, texts
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks

_ORDER = ("time", "individual", "keypoint", "space")
"""Dimensions as `from_arrays` has them."""
_OLD = {"keypoints": "keypoint", "individuals": "individual"}
"""Dimensions as they were called until movement 0.15."""


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write the dataset."""
    import h5py

    persons = spread(tracks, every_frame=False)
    coordinates: dict[str, Any] = {
        "time": tracks.times, "space": ["x", "y"], "keypoint": list(tracks.skeleton.names), "individual": persons.names,
    }  # fmt: skip
    points = persons.points.transpose(0, 3, 2, 1)
    variables: dict[str, tuple[Any, tuple[str, ...]]] = {
        "position": (points[:, :2], ("time", "space", "keypoint", "individual")),
        "confidence": (points[:, 2], ("time", "keypoint", "individual")),
        "frame": (tracks.frames, ("time",)),
    }
    with created(target) as file:
        for name, values in coordinates.items():
            file.create_dataset(name, data=values, dtype=None if name == "time" else h5py.string_dtype())
            file[name].make_scale(name)
        for name, (values, dimensions) in variables.items():
            file.create_dataset(name, data=values, compression="gzip", compression_opts=1, shuffle=True)
            for axis, dimension in enumerate(dimensions):
                file[name].dims[axis].attach_scale(file[dimension])
        file.attrs.update(_attributes(tracks))
    return left_out(tracks)


def validate(target: Path) -> None:
    """Raise an OutputError unless the file is such a dataset."""
    check(read, target)


def read(path: Path, options: ImportOptions) -> Read:
    """Read a dataset of poses in the picture, of movement 0.15 or 0.17."""
    with opened(path, "movement's netCDF file of poses") as file:
        return _read(file, path, options)


def _read(file: Any, path: Path, options: ImportOptions) -> Read:
    axes = _axes(file["position"])
    if attribute(file, "ds_type", "poses") != "poses" or set(axes) != set(_ORDER):
        raise SourceError(f"{path}: holds no poses of movement: position has the axes {', '.join(axes)}")
    words = {name: _words(file, name) for name in _ORDER[1:]}
    if words["space"][:3] != ["x", "y"]:
        raise SourceError(f"{path}: holds points in space, and a log holds points in the picture")
    points = np.ones((*(file["position"].shape[axes.index(name)] for name in _ORDER[:3]), 3), np.float32)
    points[..., :2] = _ordered(file["position"], _ORDER)
    if "confidence" in file:
        points[..., 2] = _ordered(file["confidence"], _ORDER[:3])
    times = file["time"][:].astype(np.float64)
    seconds = attribute(file, "time_unit", "seconds") == "seconds"
    frames = file["frame"][:].astype(np.int64) if "frame" in file else None
    size = tuple(int(attribute(file, name, "0")) for name in ("width", "height"))
    tracks = from_arrays(
        points,
        ids_of(words["individual"]),
        skeleton_for(path, options, words["keypoint"]),
        times=times if seconds else None,
        frames=frames if seconds or frames is not None else times.astype(np.int64),
        size=(size[0], size[1]),
        header={"source": attribute(file, "source_file", "")},
    )
    return Read(tracks)


def _attributes(tracks: Tracks) -> dict[str, str | float]:
    """What movement keeps of a file, and what else the clip's is."""
    video = tracks.header.get("video") or {}
    known = {"fps": video.get("fps"), "width": tracks.size[0] or None, "height": tracks.size[1] or None}
    return {
        "source_software": f"Poseline {__version__}",
        "source_file": str(tracks.header.get("source", "")),
        "ds_type": "poses",
        "time_unit": "seconds",
        "pixel_aspect": tracks.pixel_aspect,
        **{name: value for name, value in known.items() if value is not None},
    }


def _axes(data: Any) -> tuple[str, ...]:
    """The names of an array's dimensions, as movement 0.17 has them."""
    # The attribute itself: h5py's `dims` walks structures of the file, and a damaged one ended the process there.
    names = [Path(data.file[axis[0]].name).name for axis in data.attrs["DIMENSION_LIST"]]
    return tuple(_OLD.get(name, name) for name in names)


def _ordered(data: Any, order: tuple[str, ...]) -> NDArray[np.floating[Any]]:
    axes = _axes(data)
    values: NDArray[np.floating[Any]] = data[:].transpose([axes.index(name) for name in order])
    return values


def _words(file: Any, name: str) -> list[str]:
    old = {new: before for before, new in _OLD.items()}.get(name, name)
    return texts(file[name if name in file else old])
