"""movement's own netCDF file: by our reader, by xarray with both libraries of netCDF, and by movement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from format_worlds import SIZE, read_by
from poseline.errors import OutputError, SourceError
from poseline.formats import FORMATS
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import read_tracks
from poseline.skeleton import COCO17
from track_worlds import assert_alike, by_frame, of_arrays, write_changing_log

pytestmark = pytest.mark.system("h5py")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_changing_log(tmp_path / "keypoints.jsonl")


def test_it_comes_back_with_its_own_times_frames_and_size(log: Path) -> None:
    path = export_log(log, "movement").paths[0]
    read, truth = import_log(path, "movement"), read_tracks(log)
    assert read.notes == []
    np.testing.assert_array_equal(read.tracks.times, truth.times)
    np.testing.assert_array_equal(read.tracks.frames, truth.frames)
    assert (read.tracks.size, read.tracks.skeleton, read.tracks.header["source"]) == (SIZE, COCO17, "clip.mp4")
    assert_alike(by_frame(read.tracks), by_frame(truth))


def test_a_name_that_hdf5_cannot_hold_is_told(log: Path) -> None:
    log.write_text(log.read_text().replace('"left_knee"', r'"a\u0000"'))
    with pytest.raises(OutputError, match=r"movement\.nc: HDF5 cannot hold this log"):
        export_log(log, "movement")
    assert not log.with_name("keypoints.movement.nc").exists()


def test_a_log_of_nobody_has_its_times(tmp_path: Path) -> None:
    path = export_log(write_changing_log(tmp_path / "keypoints.jsonl", ()), "movement").paths[0]
    read = import_log(path, "movement").tracks
    assert (len(read), len(read.rows)) == (37, 0)


def test_torn_and_other_files(log: Path) -> None:
    import h5py

    path = export_log(log, "movement").paths[0]
    whole = path.read_bytes()
    for torn in (whole[: len(whole) // 2], b"", b"{}"):
        path.write_bytes(torn)
        with pytest.raises(OutputError, match=path.name):
            FORMATS["movement"].validate(path)
    for change, said in ((("ds_type", "bboxes"), "holds no poses of movement"), (None, "points in space")):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            if change:
                file.attrs[change[0]] = change[1]
            else:
                file["space"][1] = "z"
        with pytest.raises(SourceError, match=said):
            import_log(path, "movement", fps=25, size=SIZE)


READ = """
import json, sys, warnings
from importlib.metadata import version
import numpy as np
import xarray as xr
warnings.simplefilter("ignore")
from movement.io import load_poses
from movement.kinematics import compute_velocity
from movement.validators.datasets import ValidPosesInputs
folder = sys.argv[1]
answer = {}
for engine in ("netcdf4", "h5netcdf"):
    found = xr.load_dataset(f"{folder}/keypoints.movement.nc", engine=engine)
    values = np.concatenate([found.position.transpose("time", "individual", "keypoint", "space").values,
        found.confidence.transpose("time", "individual", "keypoint").values[..., None]], axis=-1)
    answer[engine] = {"values": values.tolist(), "times": found.time.values.tolist(),
        "frames": found.frame.values.tolist(),
        "names": list(map(str, found.individual.values)), "parts": list(map(str, found.keypoint.values)),
        "space": list(map(str, found.space.values)), "attributes": {a: str(b) for a, b in found.attrs.items()}}
old = "keypoints" in ValidPosesInputs.DIM_NAMES
own = found.rename(keypoint="keypoints", individual="individuals") if old else found
ValidPosesInputs.validate(own)
answer["velocity"] = compute_velocity(own.position).transpose("time", "space", ...).values.tolist()
own.to_netcdf(f"{folder}/again.nc")
made = load_poses.from_numpy(np.arange(5 * 2 * 3 * 2, dtype=float).reshape(5, 2, 3, 2), keypoint_names=["a", "b", "c"],
    source_software="DeepLabCut")
made.to_netcdf(f"{folder}/frames.nc")
json.dump(answer, open(f"{folder}/answer.json", "w"))
"""


@pytest.mark.formats("movement", "netCDF4", "h5netcdf")
def test_movement_takes_it_and_writes_what_we_read(log: Path, tmp_path: Path, format_readers: str) -> None:
    export_log(log, "movement")
    read_by(format_readers, READ, tmp_path)
    answer, truth = json.loads((tmp_path / "answer.json").read_text()), read_tracks(log)
    for engine in ("netcdf4", "h5netcdf"):
        found = answer[engine]
        assert found["times"] == truth.times.tolist()
        assert found["parts"] == list(COCO17.names)
        assert found["names"] == ["person_3", "person_7", "person_12"]
        assert found["space"] == ["x", "y"]
        assert found["attributes"]["ds_type"] == "poses"
        assert found["attributes"]["time_unit"] == "seconds"
        assert_alike(of_arrays(found["values"], [3, 7, 12], found["frames"]), by_frame(truth))
    points = truth.keypoints[:, 0, 1]  # of person 3, seen from the eleventh frame on: speeds are by the true times
    expected = np.gradient(points[12:22, 0], truth.times[12:22])
    np.testing.assert_allclose(np.array(answer["velocity"], float)[13:21, 0, 1, 0], expected[1:-1], rtol=1e-4)
    again = import_log(tmp_path / "again.nc", "movement").tracks
    np.testing.assert_array_equal(again.times, truth.times)
    assert_alike(by_frame(again), by_frame(truth))
    plain = import_log(tmp_path / "frames.nc", "movement", fps=10, size=SIZE).tracks
    assert plain.times.tolist() == [0, 0.1, 0.2, 0.3, 0.4]
    assert plain.keypoints[1, 1, 2].tolist() == [12 + 5, 12 + 11, 1]
