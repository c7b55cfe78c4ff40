"""OpenPose's folder of JSON files: by our reader, and by Pose2Sim's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from format_worlds import FPS, SIZE, assert_same, read_by, write_log
from poseline.errors import OutputError, SourceError
from poseline.formats import FORMATS
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.formats.openpose import BODY_25
from poseline.log import Tracks, read_tracks
from poseline.skeleton import COCO17, Skeleton


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "keypoints.jsonl")


def people(folder: Path, number: int) -> list[dict[str, list[float]]]:
    content = json.loads((folder / f"keypoints_{number:012d}_keypoints.json").read_text())
    assert content["version"] == 1.3
    found: list[dict[str, list[float]]] = content["people"]
    return found


def points_by_name(tracks: Tracks, names: tuple[str, ...]) -> Tracks:
    """The same tracks with these keypoints alone, in this order."""
    order = [tracks.skeleton.names.index(name) for name in names]
    rows = replace(tracks.rows, keypoints=tracks.rows.keypoints[:, order], state=tracks.rows.state[:, order])
    return replace(tracks, rows=rows, skeleton=Skeleton(names))


def test_every_frame_of_the_clip_has_a_file_numbered_from_0(log: Path) -> None:
    folder = export_log(log, "openpose").paths[0]
    assert folder.name == "keypoints_openpose_json"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"keypoints_{number:012d}_keypoints.json" for number in range(12)
    ]
    assert people(folder, 3) == people(folder, 5) == [], "nobody was seen in 3, and 5 was dropped"
    assert [person["person_id"] for person in people(folder, 2)] == [[-1], [1], [3]]
    assert set(people(folder, 0)[0]) >= {"pose_keypoints_2d", "face_keypoints_2d", "hand_left_keypoints_2d"}


def test_points_are_in_the_order_of_body_25(log: Path) -> None:
    folder, truth = export_log(log, "openpose").paths[0], read_tracks(log)
    row = np.flatnonzero((truth.rows.frame == 2) & (truth.rows.id == 1))[0]
    found = np.array(people(folder, 2)[1]["pose_keypoints_2d"]).reshape(25, 3)
    own = dict(zip(COCO17.names, truth.rows.keypoints[row], strict=True))
    for index, name in enumerate(BODY_25):
        if name == "left_wrist" or "toe" in name or "heel" in name:
            assert found[index].tolist() == [0, 0, 0], name
        elif name in ("neck", "mid_hip"):
            sides = [own[f"{side}_{'shoulder' if name == 'neck' else 'hip'}"] for side in ("left", "right")]
            assert found[index, :2] == pytest.approx(np.mean(sides, axis=0)[:2], abs=0.006)
            assert found[index, 2] == pytest.approx(min(side[2] for side in sides), abs=1e-4)
        else:
            assert found[index] == pytest.approx(own[name], abs=1e-4), name


def test_it_comes_back_by_name_with_ids_and_confidences(log: Path, tmp_path: Path) -> None:
    folder = export_log(log, "openpose").paths[0]
    read = import_log(folder, "openpose", tmp_path / "again", fps=FPS, size=SIZE)
    assert read.notes == ["without an id, and in nobody's track: 1 pose"]
    again = read_tracks(tmp_path / "again" / "keypoints.jsonl")
    assert again.skeleton.names == BODY_25
    assert again.times == pytest.approx(np.arange(12) / FPS, abs=1e-6)
    truth, own = read_tracks(log), points_by_name(again, COCO17.names)
    order = np.lexsort((own.rows.id, own.rows.frame))
    expected = np.lexsort((truth.rows.id, truth.rows.frame))
    whose = own.frames[own.rows.frame[order]], truth.frames[truth.rows.frame[expected]]
    np.testing.assert_array_equal(*whose)
    assert_same(
        replace(own, rows=own.rows[order]), replace(truth, rows=truth.rows[expected]),
        times=False, frames=False, scores=False, boxes=False,
    )  # fmt: skip


def test_a_skeleton_of_other_points_keeps_those_that_body_25_knows(log: Path, tmp_path: Path) -> None:
    lines = log.read_text().splitlines()
    run = json.loads(lines[0])
    run["skeleton"]["names"][0] = "beak"
    (tmp_path / "beak.jsonl").write_text("\n".join([json.dumps(run), *lines[1:], ""]))
    exported = export_log(tmp_path / "beak.jsonl", "openpose")
    assert exported.notes == ["openpose: not part of BODY_25, and left out: beak"]
    assert people(exported.paths[0], 0)[0]["pose_keypoints_2d"][:3] == [0, 0, 0]
    run["skeleton"]["names"] = [f"point_{number}" for number in range(17)]
    (tmp_path / "strange.jsonl").write_text("\n".join([json.dumps(run), *lines[1:], ""]))
    with pytest.raises(OutputError, match="BODY_25 has none of the keypoints point_0, point_1"):
        export_log(tmp_path / "strange.jsonl", "openpose")


def folder_of(path: Path, *frames: list[list[float]], name: str = "clip_{:06d}.json", **more: object) -> Path:
    """What another program wrote."""
    path.mkdir()
    for number, persons in enumerate(frames):
        content = [{"pose_keypoints_2d": points, **more} for points in persons]
        (path / name.format(number)).write_text(json.dumps({"version": 1.3, "people": content}))
    return path


def test_files_of_others_have_the_names_of_their_layout(tmp_path: Path) -> None:
    for count, third in ((25, "right_shoulder"), (18, "right_shoulder"), (17, "right_eye"), (26, "right_eye")):
        points = [float(value) for value in range(1, 3 * count + 1)]
        folder = folder_of(tmp_path / str(count), [points], [], [points, []], person_id=[-1])
        read = import_log(folder, "openpose", fps=10, size=SIZE).tracks
        assert read.skeleton.names[2] == third
        assert len(set(read.skeleton.names)) == count
        assert read.rows.frame.tolist() == [0, 2]
        assert read.rows.id.tolist() == [1, 1], "nobody is beside anybody else"
        assert read.keypoints[0, 0, 2].tolist() == [7, 8, 9]


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    good = [float(value) for value in range(1, 76)]
    for name, folder, said in (
        ("shares", folder_of(tmp_path / "a", [[value / 100 for value in good]]), "--keypoint_scale 0"),
        ("two layouts", folder_of(tmp_path / "b", [good], [good[:54]]), "clip_000001.json: a person has 18 points"),
        ("no number", folder_of(tmp_path / "c", [good], name="clip.json"), "its name has no number"),
        ("empty", folder_of(tmp_path / "d"), "no JSON file is in it"),
    ):
        with pytest.raises(SourceError, match=said):
            import_log(folder, "openpose", fps=10, size=SIZE)
        assert name
    twice = folder_of(tmp_path / "e", [good])
    (twice / "other_000000.json").write_text('{"people": []}')
    with pytest.raises(SourceError, match="is frame 0, as clip_000000.json is"):
        import_log(twice, "openpose", fps=10, size=SIZE)
    (twice / "other_000000.json").write_text('{"persons": []}')
    (twice / "other_000000.json").rename(twice / "other_000001.json")
    with pytest.raises(SourceError, match="other_000001.json: is not a file of OpenPose"):
        import_log(twice, "openpose", fps=10, size=SIZE)
    with pytest.raises(SourceError, match="is a folder of JSON files"):
        import_log(twice / "clip_000000.json", "openpose", fps=10, size=SIZE)


def test_a_folder_with_a_hole_or_a_torn_file_is_not_valid(log: Path) -> None:
    folder = export_log(log, "openpose").paths[0]
    FORMATS["openpose"].validate(folder)
    last = folder / "keypoints_000000000011_keypoints.json"
    last.write_bytes(last.read_bytes()[:-4])
    with pytest.raises(OutputError, match="000011_keypoints.json: is not JSON"):
        FORMATS["openpose"].validate(folder)
    (folder / "keypoints_000000000004_keypoints.json").unlink()
    with pytest.raises(OutputError, match="not numbered from 0 without a hole"):
        FORMATS["openpose"].validate(folder)


POSE2SIM = """
import fnmatch, json, os, re, sys
import numpy as np
from anytree import RenderTree
from Pose2Sim.skeletons import BODY_25
from Pose2Sim.triangulation import extract_files_frame_f
folder = sys.argv[1]
nodes = [node for _, _, node in RenderTree(BODY_25)]
files = fnmatch.filter(os.listdir(folder), "*.json")
frames = []
for number in range(0, len(files)):
    own = [name for name in files if int(re.split(r"(\\d+)", name)[-2]) == number] or ["none"]
    x, y, likelihood = extract_files_frame_f([os.path.join(folder, own[0])], [node.id for node in nodes])
    frames.append(np.stack([x[:, 0], y[:, 0], likelihood[:, 0]], axis=-1).tolist() if len(x) else [])
print(json.dumps({"names": [node.name for node in nodes], "frames": frames}))
"""
"""The frames as Pose2Sim 0.10.49 goes through them, by its own reader."""
OF_POSE2SIM = {"CHip": "mid_hip", "Neck": "neck", "Nose": "nose"}


@pytest.mark.formats("Pose2Sim", "anytree", "rtoml", "c3d")
def test_pose2sim_reads_every_frame_and_every_number(log: Path, format_readers: str) -> None:
    folder, truth = export_log(log, "openpose").paths[0], read_tracks(log)
    found = json.loads(read_by(format_readers, POSE2SIM, folder))
    assert len(found["frames"]) == 12
    place = {name: index for index, name in enumerate(COCO17.names)}
    compared = 0
    for number, persons in enumerate(found["frames"]):
        rows = truth.rows[truth.frames[truth.rows.frame] == number]
        assert len(persons) == len(rows), number
        for person, row in zip(persons, np.argsort(rows.id, kind="stable"), strict=True):
            for name, point in zip(found["names"], person, strict=True):
                side = {"L": "left_", "R": "right_"}.get(name[0], "")
                ours = OF_POSE2SIM.get(name) or side + name[1:].lower()
                if ours in place:
                    expected = np.nan_to_num(rows.keypoints[row, place[ours]])
                    assert point == pytest.approx(expected, abs=0.006), (number, name)
                    compared += 1
                elif ours not in ("neck", "mid_hip"):
                    assert point == [0, 0, 0], name
    assert compared == 13 * len(truth.rows)
