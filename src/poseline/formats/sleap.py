"""SLEAP's `.slp`: frames, instances and points as SLEAP's predictions are, in format 1.4, by h5py alone.

Everybody is a predicted instance, on a track where they have an id. Frames in which nobody is are there too; those that
were dropped are not: an entry has the number of the clip's frame.
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
from poseline.formats.arrays import check, cleaned, ids_of, person_name, skeleton_for, sure
from poseline.formats.gather import gathered
from poseline.formats.hdf5 import created, opened, texts
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.registry import Read
from poseline.log import Tracks
from poseline.log.tracks import Doubles, Rows
from poseline.pose import UNTRACKED
from poseline.skeleton import Skeleton
from poseline.words import counted

_FORMAT = 1.4
_USER, _PREDICTED = 0, 1
_FRAME = [("frame_id", "u8"), ("video", "u4"), ("frame_idx", "u8"), ("instance_id_start", "u8"),
          ("instance_id_end", "u8")]  # fmt: skip
_INSTANCE = [
    ("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8"), ("skeleton", "u4"), ("track", "i4"),
    ("from_predicted", "i8"), ("score", "f4"), ("point_id_start", "u8"), ("point_id_end", "u8"),
    ("tracking_score", "f4"),
]  # fmt: skip
_POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
_PREDICTED_POINT = [*_POINT, ("score", "f8")]
_EDGE, _SYMMETRY = 1, 2


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write the file."""
    import h5py

    rows = tracks.rows
    numbers = np.arange(len(tracks)) if tracks.sources is not None else tracks.frames
    bounds = np.searchsorted(rows.frame, np.arange(len(tracks) + 1))
    frames = np.zeros(len(tracks), _FRAME)
    frames["frame_id"], frames["frame_idx"] = np.arange(len(tracks)), numbers
    frames["instance_id_start"], frames["instance_id_end"] = bounds[:-1], bounds[1:]
    lists = {
        "tracks_json": [orjson.dumps([0, person_name(tracks, number)]).decode() for number in tracks.ids.tolist()],
        "videos_json": [orjson.dumps(_video(tracks)).decode()],
        "suggestions_json": [],
        "sessions_json": [],
    }
    with created(target) as file:
        metadata = file.create_group("metadata")
        metadata.attrs["format_id"] = _FORMAT
        metadata.attrs["json"] = np.bytes_(orjson.dumps(_metadata(tracks.skeleton)))
        for name, words in lists.items():
            file.create_dataset(name, data=words, dtype=h5py.string_dtype(), maxshape=(None,))
        arrays = {
            "frames": frames, "instances": _instances(rows, tracks), "points": np.zeros(0, _POINT),
            "pred_points": _points(rows),
        }  # fmt: skip
        for name, values in arrays.items():
            file.create_dataset(name, data=values, maxshape=(None,), chunks=True)
    return []


def validate(target: Path) -> None:
    """Raise an OutputError unless the file has frames, instances and points, and they fit together."""
    check(read, target)


def read(path: Path, options: ImportOptions) -> Read:
    """Read the instances of a file's video; what a user corrected stands in place of what it was predicted from.

    Raises:
        SourceError: it is not SLEAP's, or is of several videos or skeletons.
    """
    with opened(path, "SLEAP's file") as file:
        frames, instances = file["frames"][:], file["instances"][:]
        points, predicted = file["points"][:], file["pred_points"][:]
        metadata = orjson.loads(bytes(file["metadata"].attrs["json"]))
        version = float(file["metadata"].attrs.get("format_id", _FORMAT))
        tracks = [orjson.loads(text)[1] for text in texts(file["tracks_json"])]
        videos = [orjson.loads(text) for text in texts(file["videos_json"])]
        if len(np.unique(frames["video"])) > 1:
            raise SourceError(f"{path}: holds {len(videos)} videos; keep one of them")
        instances = instances[~np.isin(instances["instance_id"], instances["from_predicted"])]
        names, edges = _skeleton(path, metadata, instances)
        skeleton = skeleton_for(path, options, names, edges)
        values = np.full((len(instances), len(names), 3), np.nan)
        for kind, held in ((_USER, points), (_PREDICTED, predicted)):
            own = instances["instance_type"] == kind
            place = instances["point_id_start"][own].astype(np.int64)[:, None] + np.arange(len(names))
            values[own] = _values(held)[place]
        order = np.argsort(frames["frame_idx"], kind="stable")
        numbers = frames["frame_idx"].astype(np.int64)
        frame = dict(zip(frames["frame_id"].tolist(), numbers.tolist(), strict=True))
        held_by = [frame[number] for number in instances["frame_id"].tolist()]
    ids = ids_of(tracks)
    track = instances["track"]
    own_ids = np.where(track >= 0, ids[np.maximum(track, 0)], UNTRACKED) if len(ids) else np.full(len(track), UNTRACKED)
    values[..., :2] += -0.5 if version < 1.1 else 0  # as SLEAP does with its first files
    there = np.isfinite(values[..., 0]).any(axis=1)
    scores = np.where(instances["instance_type"] == _PREDICTED, instances["score"], np.nan)
    found = gathered(
        np.array(held_by, np.int64)[there],
        sure(values[there]),
        skeleton,
        ids=own_ids[there],
        scores=scores[there],
        all_frames=numbers[order],
        size=_size(videos),
        header={"source": str(videos[0].get("filename", "")) if videos else ""},
    )
    lost = int((found.rows.id == UNTRACKED).sum())
    notes = [f"on no track: {counted(lost, 'instance')}"] if lost else []
    return Read(found, notes, sparse=len(np.unique(found.rows.frame)) == len(found))


def _instances(rows: Rows, tracks: Tracks) -> NDArray[Any]:
    count, nodes = len(rows), len(tracks.skeleton)
    instances = np.zeros(count, _INSTANCE)
    instances["instance_id"], instances["instance_type"] = np.arange(count), _PREDICTED
    instances["frame_id"], instances["from_predicted"] = rows.frame, -1
    instances["track"] = np.where(rows.id == UNTRACKED, -1, np.searchsorted(tracks.ids, rows.id))
    instances["score"] = rows.score
    instances["point_id_start"] = np.arange(count) * nodes
    instances["point_id_end"] = instances["point_id_start"] + nodes
    return instances


def _points(rows: Rows) -> NDArray[Any]:
    """The points of all instances, one after another."""
    values = cleaned(rows.keypoints).reshape(-1, 3).astype(np.float64).round(4)
    points = np.zeros(len(values), _PREDICTED_POINT)
    points["x"], points["y"], points["visible"] = values[:, 0], values[:, 1], np.isfinite(values[:, 0])
    points["score"] = np.nan_to_num(values[:, 2])
    return points


def _values(points: NDArray[Any]) -> Doubles:
    """(N, 3) x, y and confidence of a dataset's points; NaN where one is not visible, or its score not known."""
    score = points["score"] if "score" in (points.dtype.names or ()) else np.full(len(points), np.nan)
    values: Doubles = np.stack([points["x"], points["y"], score], axis=1)
    values[~points["visible"].astype(bool)] = np.nan
    return values


def _video(tracks: Tracks) -> dict[str, Any]:
    name = str(tracks.header.get("source", ""))
    frames = int(tracks.frames[-1]) + 1 if len(tracks) else 0
    return {
        "filename": name,
        "backend": {
            "type": "MediaVideo", "filename": name, "shape": [frames, tracks.size[1], tracks.size[0], 3],
            "grayscale": False, "bgr": True, "dataset": "", "input_format": "channels_last",
        },
    }  # fmt: skip


def _size(videos: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """(width, height) of the first video; (0, 0) where it is not known."""
    shape = (videos[0].get("backend") or {}).get("shape") if videos else None
    return (int(shape[2]), int(shape[1])) if shape and len(shape) == 4 else (0, 0)


def _metadata(skeleton: Skeleton) -> dict[str, Any]:
    """The skeleton, as SLEAP has written it since it kept skeletons as graphs."""
    kinds = [(pair, _EDGE) for pair in skeleton.edges] + [(pair, _SYMMETRY) for pair in skeleton.pairs]
    links, seen = [], list[int]()
    for index, ((first, second), kind) in enumerate(kinds):
        told: dict[str, Any] = {"py/id": seen.index(kind) + 1} if kind in seen else {
            "py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [kind]}]
        }  # fmt: skip
        seen += [kind] if kind not in seen else []
        links.append({"edge_insert_idx": index, "key": 0, "source": first, "target": second, "type": told})
    graph = {"name": "person", "num_edges_inserted": len(skeleton.edges)}
    nodes = [{"id": index} for index in range(len(skeleton))]
    return {
        "version": "2.0.0",
        "skeletons": [{"directed": True, "graph": graph, "links": links, "multigraph": True, "nodes": nodes}],
        "nodes": [{"name": name, "weight": 1.0} for name in skeleton.names],
        "videos": [], "tracks": [], "suggestions": [], "negative_anchors": {},
        "provenance": {"made by": f"Poseline {__version__}"},
    }  # fmt: skip


def _skeleton(
    path: Path, metadata: dict[str, Any], instances: NDArray[Any]
) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    """Names and edges of the skeleton that the instances have."""
    used = np.unique(instances["skeleton"]).tolist() or [0]
    if len(used) > 1:
        raise SourceError(f"{path}: holds instances of {len(used)} skeletons; keep one of them")
    graph = metadata["skeletons"][used[0]]
    graph = graph.get("nx_graph", graph)
    order = [node["id"] for node in graph["nodes"]]
    kinds, edges = list[int](), list[tuple[int, int]]()
    for link in graph["links"]:
        told = link["type"]
        if "py/reduce" in told:
            kinds.append(told["py/reduce"][1]["py/tuple"][0])
        place = told.get("py/id", len(kinds))
        if (kinds[place - 1] if place <= len(kinds) else place) == _EDGE:
            edges.append((order.index(link["source"]), order.index(link["target"])))
    return tuple(metadata["nodes"][node]["name"] for node in order), edges
