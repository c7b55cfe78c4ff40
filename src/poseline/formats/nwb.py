"""NWB with ndx-pose: a folder with a file for each person, since a file of NWB is about one subject.

Each holds one `PoseEstimation` in the module `behavior`, with a series for each keypoint over the true times of all
frames of the log. Readers sort the series by name; the order of the keypoints is that of the skeleton's nodes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poseline import __version__
from poseline.errors import OutputError, SourceError
from poseline.formats.arrays import PERSON, from_arrays, ids_of, left_out, one_clock, skeleton_for, spread, tracked
from poseline.formats.files import replacing_folder
from poseline.formats.hdf5 import attribute, opened
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks
from poseline.log.tracks import Doubles

_MODULE, _POSE = "behavior", "PoseEstimation"
"""Where movement looks for poses."""


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write the folder; `person_7.nwb` is the person with the id 7.

    Raises:
        OutputError: nobody is in the log, nobody has an id, or a keypoint has a name that NWB cannot hold.
    """
    from pynwb import NWBHDF5IO

    own = tracked(tracks)
    if not len(own.ids):
        raise OutputError(f"{target}: nobody is in this log, and a file of NWB is somebody's")
    with replacing_folder(target) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # HDMF's, of what is new in its next version
        try:
            for number in own.ids.tolist():
                content = _file(own.select([number]), f"{PERSON}{number}")
                with NWBHDF5IO(str(folder / f"{PERSON}{number}.nwb"), "w") as file:
                    file.write(content)
        except ValueError as error:  # HDMF's, of a keypoint's name
            raise OutputError(f"{target}: NWB cannot hold this log: {error}") from None
    return left_out(tracks)


def validate(target: Path) -> None:
    """Raise an OutputError unless each file of the folder holds a whole series of poses."""
    try:
        for path in _paths(target):
            with opened(path, "NWB's file of poses") as file:
                held = file[f"processing/{_MODULE}/{_POSE}"].values()
                series = [each for each in held if attribute(each, "neurodata_type", "") == "PoseEstimationSeries"]
                if not series or len({len(each["data"]) for each in series}) > 1:
                    raise SourceError(f"{path}: its series of poses are not whole")
    except SourceError as error:
        raise OutputError(str(error)) from None


def read(path: Path, options: ImportOptions) -> Read:
    """Read all poses of a file, or of the files of a folder; each `PoseEstimation` is a person."""
    found = [person for file in _paths(path) for person in _persons(file)]
    if not found:
        raise SourceError(f"{path}: holds no PoseEstimation of ndx-pose")
    names, edges = found[0].names, found[0].edges
    if any(set(person.names) != set(names) for person in found):
        raise SourceError(f"{path}: its persons have different keypoints")
    times, places = one_clock([person.times for person in found])
    points = np.full((len(times), len(found), len(names), 3), np.nan, np.float32)
    for column, (place, person) in enumerate(zip(places, found, strict=True)):
        points[place, column] = person.points[:, [person.names.index(name) for name in names]]
    tracks = from_arrays(
        points,
        ids_of([person.name for person in found]),
        skeleton_for(path, options, names, edges),
        times=times,
        size=found[0].size,
        header={"source": found[0].source},
    )
    return Read(tracks)


class _Person(NamedTuple):
    """A person's poses in a file."""

    name: str
    names: tuple[str, ...]
    edges: list[tuple[int, int]]
    times: Doubles
    """(T,) seconds."""
    points: Doubles
    """(T, K, 3) x, y, confidence."""
    size: tuple[int, int]
    source: str


def _file(tracks: Tracks, name: str) -> Any:
    """The content of one person's file."""
    from ndx_pose import PoseEstimation, PoseEstimationSeries, Skeleton, Skeletons
    from pynwb import NWBFile
    from pynwb.file import Subject

    points = spread(tracks, every_frame=False).points[:, 0]
    source = str(tracks.header.get("source", ""))
    file = NWBFile(f"Keypoints of {source}", name, _started(tracks), subject=Subject(subject_id=name))
    skeleton = Skeleton(
        name="person", nodes=list(tracks.skeleton.names), edges=np.array(tracks.skeleton.edges, "u1").reshape(-1, 2),
        subject=file.subject,
    )  # fmt: skip
    series: list[Any] = []
    for index, keypoint in enumerate(tracks.skeleton.names):
        series.append(
            PoseEstimationSeries(
                name=keypoint,
                data=points[:, index, :2],
                confidence=points[:, index, 2],
                timestamps=series[0] if series else tracks.times,
                reference_frame="the upper left corner of the picture; x to the right, y down",
                confidence_definition="of the network, 0 to 1; NaN where the keypoint is missing",
                unit="pixels",
            )
        )
    pose = PoseEstimation(
        name=_POSE, pose_estimation_series=series, skeleton=skeleton, description=f"Keypoints of {name} in {source}",
        original_videos=[source], dimensions=np.array([tracks.size], "u2"), source_software="Poseline",
        source_software_version=__version__,
    )  # fmt: skip
    module = file.create_processing_module(_MODULE, "poses")
    module.add(Skeletons(skeletons=[skeleton]))
    module.add(pose)
    return file


def _started(tracks: Tracks) -> datetime:
    """When the run began, which stands for the recording's start; long ago where the log does not say."""
    with suppress(TypeError, ValueError):
        started = datetime.fromisoformat(tracks.header["started"])
        return started if started.tzinfo else started.astimezone()
    return datetime(1970, 1, 1, tzinfo=timezone.utc)


def _paths(path: Path) -> list[Path]:
    paths = sorted(path.glob("*.nwb")) if path.is_dir() else [path]
    if not paths:
        raise SourceError(f"{path}: no .nwb file is in it")
    return paths


def _persons(path: Path) -> list[_Person]:
    from ndx_pose import PoseEstimation
    from pynwb import NWBHDF5IO

    with opened(path, "NWB's file of poses", "processing"):
        pass
    try:
        with warnings.catch_warnings(), NWBHDF5IO(str(path), "r", load_namespaces=True) as file:
            warnings.simplefilter("ignore")  # of namespaces that are cached in the file, and here too
            content = file.read()
            held = [each for module in content.processing.values() for each in module.data_interfaces.values()]
            poses = [each for each in held if isinstance(each, PoseEstimation)]
            only = content.identifier if len(poses) == 1 else None
            return [_person(path, pose, only or pose.name) for pose in poses]
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001 # HDMF raises errors of many kinds for a file that is not its own
        raise SourceError(f"{path}: is not NWB's file of poses: {error}") from None


def _person(path: Path, pose: Any, name: str) -> _Person:
    series = pose.pose_estimation_series
    skeleton = pose.skeleton
    nodes = [str(node) for node in skeleton.nodes[:]] if skeleton is not None else []
    known = sorted(series) if set(nodes) != set(series) else nodes
    edges = [] if skeleton is None or skeleton.edges is None or known != nodes else skeleton.edges[:].tolist()
    first = _times(series[known[0]])
    points = np.full((len(first), len(known), 3), np.nan)
    for index, keypoint in enumerate(known):
        own = series[keypoint]
        data = np.asarray(own.data[:], float)
        if data.ndim != 2 or data.shape[1] != 2:
            raise SourceError(f"{path}: holds points in space, and a log holds points in the picture")
        if len(data) != len(first) or not np.array_equal(_times(own), first):
            raise SourceError(f"{path}: its keypoints have different times")
        points[:, index, :2] = data
        if own.confidence is not None:
            points[:, index, 2] = own.confidence[:]
    size = np.zeros((1, 2)) if pose.dimensions is None else np.asarray(pose.dimensions[:])
    source = str(pose.original_videos[0]) if pose.original_videos is not None and len(pose.original_videos) else ""
    return _Person(
        name, tuple(known), [(int(a), int(b)) for a, b in edges], first, points, (int(size[0, 0]), int(size[0, 1])),
        source,
    )  # fmt: skip


def _times(series: Any) -> Doubles:
    """(T,) seconds."""
    if series.timestamps is not None:
        return np.asarray(series.timestamps[:], np.float64)
    return float(series.starting_time or 0) + np.arange(len(series.data)) / float(series.rate)
