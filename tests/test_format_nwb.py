"""NWB with ndx-pose: by our reader, by pynwb, and by movement."""

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

pytestmark = [
    pytest.mark.system("pynwb", "ndx_pose", "h5py"),
    pytest.mark.filterwarnings("default"),  # HDMF's and pynwb's own, while they are imported
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_changing_log(tmp_path / "keypoints.jsonl")


@pytest.mark.parametrize("name", ["left/knee", "left:knee", ".", r"a\u0000"])
def test_a_name_that_nwb_cannot_hold_is_told(name: str, log: Path) -> None:
    log.write_text(log.read_text().replace('"left_knee"', f'"{name}"'))
    with pytest.raises(OutputError, match="NWB cannot hold this log"):
        export_log(log, "nwb")
    assert not log.with_name("keypoints_nwb").exists()


def test_each_person_is_a_file_and_comes_back_with_true_times(log: Path) -> None:
    folder = export_log(log, "nwb").paths[0]
    assert sorted(path.name for path in folder.iterdir()) == ["person_12.nwb", "person_3.nwb", "person_7.nwb"]
    read, truth = import_log(folder, "nwb"), read_tracks(log)
    assert read.notes == []
    np.testing.assert_array_equal(read.tracks.times, truth.times)
    assert (read.tracks.size, read.tracks.header["source"]) == (SIZE, "clip.mp4")
    assert (read.tracks.skeleton.names, read.tracks.skeleton.edges) == (COCO17.names, COCO17.edges)
    expected = {(int(np.searchsorted(truth.frames, frame)), who): own for (frame, who), own in by_frame(truth).items()}
    assert_alike(by_frame(read.tracks), expected)
    one = import_log(folder / "person_7.nwb", "nwb").tracks
    assert one.ids.tolist() == [7]
    assert len(one) == len(truth)


def test_a_log_of_nobody_is_refused(tmp_path: Path) -> None:
    log = write_changing_log(tmp_path / "keypoints.jsonl", ())
    with pytest.raises(OutputError, match="nobody is in this log"):
        export_log(log, "nwb")
    assert [path.name for path in tmp_path.iterdir()] == ["keypoints.jsonl"]


def test_torn_and_other_files(log: Path, tmp_path: Path) -> None:
    folder = export_log(log, "nwb").paths[0]
    path = folder / "person_3.nwb"
    whole = path.read_bytes()
    for torn in (whole[: len(whole) // 2], b"", b"{}"):
        path.write_bytes(torn)
        with pytest.raises(OutputError, match="person_3.nwb"):
            FORMATS["nwb"].validate(folder)
        with pytest.raises(SourceError, match="person_3.nwb: is not NWB's file of poses"):
            import_log(folder, "nwb")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no \.nwb file is in it"):
        import_log(tmp_path / "empty", "nwb")


READ = """
import json, sys, warnings
from datetime import datetime, timezone
warnings.simplefilter("ignore")
import numpy as np
import ndx_pose, pynwb
from movement.io import load_dataset
folder, answer = sys.argv[1], {}
for number in (3, 7, 12):
    path = f"{folder}/person_{number}.nwb"
    with pynwb.NWBHDF5IO(path, "r", load_namespaces=True) as file:
        content = file.read()
        pose = content.processing["behavior"]["PoseEstimation"]
        nodes = list(pose.skeleton.nodes[:])
        points = np.stack([np.concatenate([pose[node].data[:], pose[node].confidence[:][:, None]], axis=1)
            for node in nodes], axis=1)
        own = {"nodes": nodes, "edges": pose.skeleton.edges[:].tolist(), "points": points.tolist(),
            "series": list(pose.pose_estimation_series), "times": pose[nodes[-1]].timestamps[:].tolist(),
            "subject": content.subject.subject_id, "started": content.session_start_time.isoformat()}
    found = load_dataset(path, source_software="NWB")
    found = found.rename({name: name[:-1] for name in ("keypoints", "individuals") if name in found.sizes})
    own["movement"] = found.position.sel(keypoint="left_knee").squeeze().transpose("time", "space").values.tolist()
    own["who"], own["movement times"] = list(map(str, found.individual.values)), found.time.values.tolist()
    answer[number] = own
errors = [str(error) for error in pynwb.validate(path=path)] if "path" in pynwb.validate.__doc__ else []
answer["errors"] = errors
other = pynwb.NWBFile("of others", "mouse", datetime(2026, 1, 1, tzinfo=timezone.utc))
series = [ndx_pose.PoseEstimationSeries(name=name, data=np.arange(8.0).reshape(4, 2) + place, reference_frame="x",
    rate=20.0, starting_time=1.0) for place, name in enumerate(("tail", "nose"))]
skeleton = ndx_pose.Skeleton(name="mouse", nodes=["tail", "nose"], edges=np.array([[0, 1]], "u1"))
module = other.create_processing_module("behavior", "poses")
module.add(ndx_pose.Skeletons(skeletons=[skeleton]))
module.add(ndx_pose.PoseEstimation(name="PoseEstimation", pose_estimation_series=series, skeleton=skeleton,
    description="x", source_software="DeepLabCut"))
with pynwb.NWBHDF5IO(f"{folder}/../other.nwb", "w") as file:
    file.write(other)
json.dump(answer, open(f"{folder}/../answer.json", "w"))
"""


@pytest.mark.formats("movement", "pynwb", "ndx_pose")
def test_pynwb_and_movement_read_it_and_we_read_others(log: Path, tmp_path: Path, format_readers: str) -> None:
    folder, truth = export_log(log, "nwb").paths[0], read_tracks(log)
    read_by(format_readers, READ, folder)
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["errors"] == []
    for place, number in enumerate(truth.ids.tolist()):
        found = answer[str(number)]
        assert found["nodes"] == list(COCO17.names)
        assert found["edges"] == [list(edge) for edge in COCO17.edges]
        assert found["series"] != found["nodes"], "readers sort by name"
        assert found["times"] == truth.times.tolist()
        assert found["subject"] == f"person_{number}"
        own = {whose: points for whose, points in by_frame(truth).items() if whose[1] == number}
        values = np.array(found["points"], float)[:, None]
        assert_alike(of_arrays(values, [number], truth.frames), own)
        knee = truth.keypoints[:, place, COCO17.names.index("left_knee"), :2]
        np.testing.assert_allclose(np.array(found["movement"], float), knee, atol=1e-4)
        assert found["who"] == [f"person_{number}"]
        steps = np.diff(found["movement times"])
        assert steps == pytest.approx(steps[0]), "movement makes even times of ours: docs/formats.md says so"
    other = import_log(tmp_path / "other.nwb", "nwb", size=SIZE).tracks
    assert (other.skeleton.names, other.skeleton.edges) == (("tail", "nose"), ((0, 1),))
    assert other.times.tolist() == [1, 1.05, 1.1, 1.15]
    assert other.keypoints[1, 0].tolist() == [[2, 3, 1], [3, 4, 1]]
