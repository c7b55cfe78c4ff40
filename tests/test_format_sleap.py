"""SLEAP's `.slp` and analysis files: by our readers, by sleap-io, and by movement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from format_worlds import SIZE, read_by, write_log
from poseline.errors import OutputError, SourceError
from poseline.formats import FORMATS
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import read_tracks
from poseline.skeleton import COCO17
from track_worlds import COUNT, DROPPED, assert_alike, by_frame, of_arrays, write_changing_log

pytestmark = pytest.mark.system("h5py")
BOTH = pytest.mark.parametrize("name", ["sleap", "sleap-analysis"])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_changing_log(tmp_path / "keypoints.jsonl")


@BOTH
def test_it_comes_back_by_frame_track_and_name(name: str, log: Path) -> None:
    path = export_log(log, name).paths[0]
    read = import_log(path, name, fps=25, size=SIZE)
    truth = read_tracks(log)
    assert read.notes == []
    assert read.tracks.skeleton.names == COCO17.names
    assert set(read.tracks.skeleton.edges) == set(COCO17.edges)
    assert read.tracks.header["source"] == "clip.mp4"
    assert_alike(by_frame(read.tracks), by_frame(truth))
    scores = dict(zip(by_frame(truth), truth.rows.score.tolist(), strict=True))
    for place, score in zip(by_frame(read.tracks), read.tracks.rows.score.tolist(), strict=True):
        assert score == pytest.approx(scores[place])


def test_slp_keeps_the_size_who_has_no_id_and_which_frames_there_are(tmp_path: Path) -> None:
    log = write_log(tmp_path / "keypoints.jsonl")
    read = import_log(export_log(log, "sleap").paths[0], "sleap", fps=30)
    assert read.tracks.size == SIZE
    assert read.notes == ["on no track: 1 instance"]
    truth = read_tracks(log)
    order = np.lexsort((truth.rows.id, truth.rows.frame))
    again = np.lexsort((read.tracks.rows.id, read.tracks.rows.frame))
    np.testing.assert_array_equal(read.tracks.rows.id[again], truth.rows.id[order])
    np.testing.assert_allclose(read.tracks.rows.keypoints[again], truth.rows.keypoints[order], atol=1e-4)


@BOTH
def test_a_log_of_nobody_has_its_frames(name: str, tmp_path: Path) -> None:
    path = export_log(write_changing_log(tmp_path / "keypoints.jsonl", ()), name).paths[0]
    read = import_log(path, name, fps=25, size=SIZE).tracks
    frames = [number for number in range(COUNT) if name == "sleap-analysis" or number not in DROPPED]
    assert (read.frames.tolist(), len(read.rows)) == (frames, 0)


def test_a_file_that_leaves_out_frames_without_people_has_them_again(tmp_path: Path) -> None:
    log = write_changing_log(tmp_path / "keypoints.jsonl", (3,))
    kept = [line for line in log.read_text().splitlines(keepends=True) if '"persons":[]' not in line]
    log.write_text("".join(kept))
    read = import_log(export_log(log, "sleap").paths[0], "sleap", fps=25, size=SIZE).tracks
    assert read.frames.tolist() == list(range(10, COUNT)), "the frames that were dropped are among them"
    assert_alike(by_frame(read), by_frame(read_tracks(log)))


@BOTH
def test_other_files_are_refused_and_torn_ones_not_valid(name: str, log: Path, tmp_path: Path) -> None:
    import h5py

    path = export_log(log, name).paths[0]
    whole = path.read_bytes()
    for torn in (whole[: len(whole) // 2], b"", b"{}"):
        path.write_bytes(torn)
        with pytest.raises(OutputError, match=path.name):
            FORMATS[name].validate(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["values"] = np.zeros(3)
    with pytest.raises(SourceError, match="is not SLEAP's"):
        import_log(tmp_path / "other.h5", name, fps=25, size=SIZE)


@pytest.mark.parametrize("made", ["huge", "external", "virtual", "link", "cycle", "soft"])
def test_arrays_that_are_huge_or_in_another_file_are_refused(made: str, log: Path, tmp_path: Path) -> None:
    import h5py

    path = export_log(log, "sleap-analysis").paths[0]
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["tracks"] = np.zeros((1, 2, 17, 5))
    with h5py.File(path, "r+") as file:
        shape = file["tracks"].shape
        if made in ("cycle", "soft"):
            file["self"] = file["/"] if made == "cycle" else h5py.SoftLink("/nowhere")
        else:
            del file["tracks"]
        if made == "huge":
            file.create_dataset("tracks", (*shape[:3], 10**10), "f8", chunks=(1, 1, 1, 1000))
        elif made == "external":
            file.create_dataset("tracks", shape, "f8", external=[(str(secret), 0, 8 * int(np.prod(shape)))])
        elif made == "virtual":
            layout = h5py.VirtualLayout(shape, "f8")
            layout[0, 0, 0, :5] = h5py.VirtualSource(str(secret), "tracks", (1, 2, 17, 5))[0, 0, 0, :]
            file.create_virtual_dataset("tracks", layout)
        elif made == "link":
            file["tracks"] = h5py.ExternalLink(str(secret), "tracks")
    if made in ("cycle", "soft"):
        assert len(import_log(path, "sleap-analysis", fps=25, size=SIZE).tracks) == COUNT
        return
    said = "more than the file can hold" if made == "huge" else "its tracks is in another file, which is not opened"
    with pytest.raises(SourceError, match=said):
        import_log(path, "sleap-analysis", fps=25, size=SIZE)


def test_several_videos_or_skeletons_are_refused(log: Path) -> None:
    import h5py

    path = export_log(log, "sleap").paths[0]
    for data, field, said in (("frames", "video", "holds 1 videos"), ("instances", "skeleton", "of 2 skeletons")):
        with h5py.File(path, "r+") as file:
            values = file[data][:]
            before = values.copy()
            values[field][-1] = 1
            file[data][:] = values
        with pytest.raises(SourceError, match=said):
            import_log(path, "sleap", fps=25, size=SIZE)
        with h5py.File(path, "r+") as file:
            file[data][:] = before


READ = """
import json, sys
import numpy as np
import sleap_io as sio
answers = {}
for path in sys.argv[2:]:
    labels = sio.load_slp(path, open_videos=False) if path.endswith(".slp") else sio.load_analysis_h5(path)
    nodes = labels.skeletons[0].node_names
    found = [[int(frame.frame_idx), instance.track.name if instance.track else None, float(instance.score),
              instance.numpy(scores=True).tolist()] for frame in labels for instance in frame.instances]
    edges = [[nodes[a], nodes[b]] for a, b in labels.skeletons[0].edge_inds]
    answers[path] = {"nodes": nodes, "edges": edges, "found": found, "video": labels.video.filename,
        "frames": [int(frame.frame_idx) for frame in labels]}
    if path.endswith(".slp") and found:
        sio.save_slp(labels, path.replace(".slp", ".again.slp"), verbose=False)
        frame = next(frame for frame in labels if len(frame))
        own = frame.instances[0]
        corrected = sio.Instance.from_numpy(own.numpy() + 5, skeleton=labels.skeletons[0], track=own.track)
        corrected.from_predicted = own
        frame.instances.append(corrected)
        sio.save_slp(labels, path.replace(".slp", ".corrected.slp"), verbose=False)
    elif found:
        sio.save_analysis_h5(labels, path.replace(".h5", ".again.h5"), preset="standard")
json.dump(answers, open(sys.argv[1], "w"))
"""


@pytest.mark.formats("sleap_io")
def test_sleap_io_reads_every_instance_and_writes_what_we_read(tmp_path: Path, format_readers: str) -> None:
    made: dict[str, Path] = {}
    for ids in ((7, 3, 12), (3,), ()):
        log = write_changing_log(tmp_path / f"{len(ids)}.jsonl", ids)
        for path in export_log(log, ["sleap", "sleap-analysis"], tmp_path / str(len(ids))).paths:
            made[str(path)] = log
    read_by(format_readers, READ, tmp_path / "answer.json", *made)
    answers = json.loads((tmp_path / "answer.json").read_text())
    for name, log in made.items():
        answer, truth = answers[name], by_frame(read_tracks(log))
        assert answer["nodes"] == list(COCO17.names)
        assert answer["edges"] == [[COCO17.names[a], COCO17.names[b]] for a, b in COCO17.edges]
        assert answer["video"] == "clip.mp4"
        found = {(frame, int(track.removeprefix("person_"))): points for frame, track, _, points in answer["found"]}
        assert_alike(found, truth, confidences=False)
        for place, points in truth.items():
            there = np.isfinite(points[:, 0])
            np.testing.assert_allclose(np.array(found[place], float)[there, 2], points[there, 2], atol=1.1e-4)
        if name.endswith(".slp"):
            assert answer["frames"] == [number for number in range(COUNT) if number not in DROPPED]
    for again, name in (
        (tmp_path / "3" / "3.again.slp", "sleap"),
        (tmp_path / "3" / "3.analysis.again.h5", "sleap-analysis"),
    ):
        read = import_log(again, name, fps=25, size=SIZE).tracks
        assert_alike(by_frame(read), by_frame(read_tracks(tmp_path / "3.jsonl")))
    truth = by_frame(read_tracks(tmp_path / "3.jsonl"))
    corrected = by_frame(import_log(tmp_path / "3" / "3.corrected.slp", "sleap", fps=25, size=SIZE).tracks)
    first = min(truth)
    truth[first] = np.where(np.isfinite(truth[first]), truth[first] + 5, np.nan)
    truth[first][np.isfinite(truth[first][:, 0]), 2] = 1
    assert_alike(corrected, truth)


MOVEMENT = """
import json, sys
import numpy as np
from movement.io import load_dataset
found = load_dataset(sys.argv[2], source_software="SLEAP", fps=25)
found = found.rename({name: name[:-1] for name in ("keypoints", "individuals") if name in found.sizes})
order = ("time", "individual", "keypoint")
values = np.concatenate([found.position.transpose(*order, "space").values,
    found.confidence.transpose(*order).values[..., None]], axis=-1)
json.dump([list(map(str, found.individual.values)), values.tolist()], open(sys.argv[1], "w"))
"""


@pytest.mark.formats("movement")
def test_movement_reads_the_analysis_file(log: Path, tmp_path: Path, format_readers: str) -> None:
    read_by(format_readers, MOVEMENT, tmp_path / "answer.json", export_log(log, "sleap-analysis").paths[0])
    names, values = json.loads((tmp_path / "answer.json").read_text())
    assert names == ["person_3", "person_7", "person_12"]
    assert len(values) == COUNT
    assert_alike(of_arrays(values, [3, 7, 12]), by_frame(read_tracks(log)))
