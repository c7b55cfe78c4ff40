"""TRC and C3D read, as Poseline, Sports2D, OpenSim and Pose2Sim write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_worlds import NAMES, motion, truth
from format_worlds import read_by
from log_worlds import log_of
from poseline import analyze
from poseline.analysis.files import write
from poseline.analysis.files.markers import metric_markers, pixel_markers
from poseline.errors import SettingsError, SourceError
from poseline.formats.importing import import_log
from poseline.formats.markers import keypoint_names

SIZE = (540, 960)
NO_CONFIDENCE = "confidence is not in the file, and taken for 1"
IN_SPACE = "points in space are seen along z, and a pixel is a millimetre: analyze with --scale 1000"


def gappy(seed: int = 0) -> Any:
    """Somebody at uneven times, of whom points are missing."""
    exact = truth("squat")
    points, rng = exact.points.copy(), np.random.default_rng(seed)
    times = exact.times + rng.uniform(-0.003, 0.003, len(exact.times))
    points[60:80, NAMES.index("right_ankle")] = np.nan
    return motion(times - times[0], points, SIZE)


def angle(points: Any) -> Any:
    """(T,) degrees of the left knee in (T, K, 2) pixels."""
    hip, knee, ankle = (points[:, NAMES.index(f"left_{part}")] for part in ("hip", "knee", "ankle"))
    (a, b), (c, d) = (hip - knee).T, (ankle - knee).T
    return np.degrees(np.arctan2(a * d - b * c, a * c + b * d))


def test_names_of_markers_are_those_of_keypoints() -> None:
    assert keypoint_names(["LKnee", "RBigToe", "Nose", "Neck", "Hip", "CHip", "left_ear", "LASI", "C7", "LKnee"]) == (
        "left_knee", "right_big_toe", "nose", "neck", "mid_hip", "mid_hip_6", "left_ear", "LASI", "C7", "left_knee_10",
    )  # fmt: skip


def test_pixels_and_metres_of_an_analysis_come_back(tmp_path: Path) -> None:
    analysis = analyze(log_of(tmp_path / "keypoints.jsonl", gappy()), height=1.8)
    write(analysis, tmp_path / "out", ("trc",))
    person = analysis.main
    read = import_log(tmp_path / "out" / "person1_px.trc", "trc", tmp_path / "px", size=SIZE)
    assert read.notes == [NO_CONFIDENCE]
    assert read.tracks.skeleton.names == NAMES
    np.testing.assert_allclose(read.tracks.times, person.times, atol=1e-6)
    np.testing.assert_allclose(read.tracks.keypoints[:, 0, :, :2], pixel_markers(person)[..., :2], atol=1e-3)
    missing = np.isnan(pixel_markers(person)[..., 0])
    assert missing.any()
    np.testing.assert_array_equal(np.isnan(read.tracks.keypoints[:, 0, :, 0]), missing)
    metres = import_log(tmp_path / "out" / "person1_m.trc", "trc", tmp_path / "m")
    assert metres.notes == [IN_SPACE, NO_CONFIDENCE]
    found, expected = metres.tracks.keypoints[:, 0], metric_markers(person)
    assert np.nanmin(found[..., :2]) == pytest.approx(100)
    width, height = metres.tracks.size
    assert np.nanmax(found[..., 0]) == pytest.approx(width - 100, abs=1)
    assert np.nanmax(found[..., 1]) == pytest.approx(height - 100, abs=1)
    along, up = np.diff(found[:, NAMES.index("nose"), :2], axis=0).T
    wanted = np.diff(expected[:, NAMES.index("nose")], axis=0) * 1000
    np.testing.assert_allclose(along, wanted[:, 0], atol=2e-3)
    np.testing.assert_allclose(-up, wanted[:, 1], atol=2e-3)
    np.testing.assert_allclose(angle(found[..., :2]), angle(np.asarray(read.tracks.keypoints[:, 0, :, :2])), atol=0.1)
    again = analyze(tmp_path / "m" / "keypoints.jsonl", scale=1000)
    squats = [event.time for event in again.main.events]
    assert squats == pytest.approx([event.time for event in person.events], abs=0.02)
    assert len(squats) == 3


def sports2d(path: Path, points: Any, start: int = 0, empty: float | None = None) -> Path:
    """A file as Sports2D 0.8.34 writes it: metres in the header, whatever it holds; frames from 0, no empty line."""
    count = points.shape[1]
    markers = ("Nose", "LHip", "RHip")[:count]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        "\t".join(map(str, [30.0, 30.0, len(points), count, "m", 30.0, 0, len(points)])),
        "Frame#\tTime\t" + "\t\t\t".join(markers) + "\t\t\t",
        "\t\t" + "\t".join(f"X{n}\tY{n}\tZ{n}" for n in range(1, count + 1)),
    ]
    for row, own in enumerate(points):
        numbers = [
            ("" if empty is None else str(empty)) if np.isnan(value) else repr(float(value)) for value in own.ravel()
        ]
        lines.append("\t".join([str(row), repr((start + row) / 30), *numbers]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("empty", [None, 0.0], ids=["empty", "zeros"])
def test_sports2d_says_metres_and_means_pixels(empty: float | None, tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(10, 500, (5, 3, 3))
    points[..., 2] = 0
    points[2, 1] = np.nan
    path = sports2d(tmp_path / "clip_Sports2D_px_person00.trc", points, empty=empty)
    read = import_log(path, "trc", size=SIZE)
    assert read.notes == [NO_CONFIDENCE]
    assert read.tracks.skeleton.names == ("nose", "left_hip", "right_hip")
    np.testing.assert_allclose(read.tracks.keypoints[:, 0, :, :2], points[..., :2], rtol=1e-6)
    assert read.tracks.times == pytest.approx(np.arange(5) / 30)
    with pytest.raises(SettingsError, match="does not hold the size of the picture"):
        import_log(path, "trc")


def test_a_folder_is_several_persons_put_together_by_time(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(10, 500, (5, 3, 3))
    sports2d(tmp_path / "clip_px_person00.trc", points)
    sports2d(tmp_path / "clip_px_person01.trc", points + 100, start=3)
    sports2d(tmp_path / "clip_m_person01.trc", points)
    read = import_log(tmp_path, "trc", size=SIZE).tracks
    assert read.ids.tolist() == [1, 2]
    assert read.times == pytest.approx(np.arange(8) / 30)
    assert [row.tolist() for row in np.isfinite(read.keypoints[:, :, 0, 0])] == [
        *[[True, False]] * 3, *[[True, True]] * 2, *[[False, True]] * 3,
    ]  # fmt: skip
    np.testing.assert_allclose(read.keypoints[3:, 1, :, :2], points[..., :2] + 100, rtol=1e-6)
    sports2d(tmp_path / "clip_px_person02.trc", points[:, :2])
    with pytest.raises(SourceError, match="clip_px_person02.trc: its markers or its unit are not those of"):
        import_log(tmp_path, "trc", size=SIZE)


def test_what_is_no_trc_is_refused(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(10, 500, (5, 3, 3))
    whole = sports2d(tmp_path / "x_px.trc", points).read_text().splitlines()
    for lines, said in (
        (["a"], "is not a TRC file"),
        (whole[:5], "holds no frames"),
        ([*whole, whole[-1]], "its times do not rise"),
    ):
        (tmp_path / "x_px.trc").write_text("\n".join(lines))
        with pytest.raises(SourceError, match=said):
            import_log(tmp_path / "x_px.trc", "trc", size=SIZE)
    inches = [line.replace("\tm\t", "\tinch\t") for line in whole]
    (tmp_path / "x.trc").write_text("\n".join(inches))
    with pytest.raises(SourceError, match="its unit is 'inch'; known are px, m, cm and mm"):
        import_log(tmp_path / "x.trc", "trc")
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match=r"no \.trc file is in it"):
        import_log(tmp_path / "none", "trc", size=SIZE)


OPENSIM = """
import sys
import opensim
table = opensim.TimeSeriesTableVec3()
table.setColumnLabels(["LKnee", "LAnkle"])
for row in range(4):
    values = opensim.RowVectorVec3(2)
    values[0] = opensim.Vec3(0.1 * row, 1, 0)
    values[1] = opensim.Vec3(0.2 * row, 0.25, 0) if row != 2 else opensim.Vec3(float("nan"))
    table.appendRow(row / 50, values)
table.addTableMetaDataString("DataRate", "50")
table.addTableMetaDataString("Units", "m")
opensim.TRCFileAdapter().write(table, sys.argv[1])
"""


@pytest.mark.readers("opensim")
def test_a_file_of_opensim(tmp_path: Path, readers: str) -> None:
    read_by(readers, OPENSIM, tmp_path / "made.trc")
    read = import_log(tmp_path / "made.trc", "trc").tracks
    assert read.skeleton.names == ("left_knee", "left_ankle")
    assert read.times == pytest.approx([0, 0.02, 0.04, 0.06])
    assert read.keypoints[:, 0, 0, :2].tolist() == [[100, 100], [200, 100], [300, 100], [400, 100]]
    assert read.keypoints[3, 0, 1, :2].tolist() == [700, 850]
    assert np.isnan(read.keypoints[2, 0, 1, 0])


@pytest.mark.system("ezc3d")
def test_c3d_of_an_analysis_comes_back(tmp_path: Path) -> None:
    exact = truth("squat")
    exact.points[100:140, -1] = np.nan
    analysis = analyze(log_of(tmp_path / "keypoints.jsonl", exact), height=1.8)
    write(analysis, tmp_path, ("c3d",))
    read = import_log(tmp_path / "person1.c3d", "c3d")
    assert read.notes == [IN_SPACE, NO_CONFIDENCE]
    assert read.tracks.skeleton.names == NAMES
    np.testing.assert_allclose(read.tracks.times, analysis.main.times, atol=1e-4)
    assert read.tracks.header["video"]["fps"] == pytest.approx(25)
    expected = metric_markers(analysis.main) * 1000
    found = read.tracks.keypoints[:, 0]
    np.testing.assert_array_equal(np.isnan(found[..., 0]), np.isnan(expected[..., 0]))
    np.testing.assert_allclose(np.diff(found[..., 0], axis=0), np.diff(expected[..., 0], axis=0), atol=1e-2)
    np.testing.assert_allclose(np.diff(found[..., 1], axis=0), -np.diff(expected[..., 1], axis=0), atol=1e-2)


def c3d_of(path: Path, labels: list[str], points: Any, unit: str = "mm", **parameters: list[str]) -> Path:
    """A file of (T, M, 3) points at 50 frames a second."""
    import ezc3d

    file = ezc3d.c3d()
    point = file["parameters"]["POINT"]
    point["LABELS"]["value"], point["UNITS"]["value"], point["RATE"]["value"] = labels, [unit], [50.0]
    values = np.ones((4, len(labels), len(points)))
    values[:3] = np.transpose(points, (2, 1, 0))
    file["data"]["points"] = values
    for name, value in parameters.items():
        file.add_parameter("POINT", name, value)
    file.write(str(path))
    return path


@pytest.mark.system("ezc3d")
def test_c3d_of_several_people_with_z_up(tmp_path: Path) -> None:
    points = np.zeros((3, 4, 3))
    points[:, 2:, 0] = 500  # the second person stands half a metre to the right
    points[:, [1, 3], 2] = 1000  # heads are a metre up
    points[:, 2, 1] = 77  # and a depth that is not seen
    points[1, 3] = np.nan
    labels = ["Anna:RAnkle", "Anna:Head", "Bo:RAnkle", "Bo:Head"]
    path = c3d_of(tmp_path / "x.c3d", labels, points, X_SCREEN=["+X"], Y_SCREEN=["+Z"])
    read = import_log(path, "c3d").tracks
    assert read.skeleton.names == ("right_ankle", "head")
    assert read.size == (700, 1200)
    assert read.keypoints[0, :, :, :2].tolist() == [[[100, 1100], [100, 100]], [[600, 1100], [600, 100]]]
    assert np.isnan(read.keypoints[1, 1, 1, 0])
    assert read.times.tolist() == [0, 0.02, 0.04]
    pixels = c3d_of(tmp_path / "px.c3d", ["Nose", "Nose"], points[:, :2] + 5, "px")
    found = import_log(pixels, "c3d", size=SIZE).tracks
    assert found.skeleton.names == ("Nose 1", "Nose 2")
    assert found.keypoints[0, 0, :, :2].tolist() == [[5, 5], [5, 5]]
    (tmp_path / "no.c3d").write_text("no")
    with pytest.raises(SourceError, match="is not a C3D file"):
        import_log(tmp_path / "no.c3d", "c3d")


POSE2SIM = """
import sys
import numpy as np
from Pose2Sim.common import create_c3d_file
times = np.arange(6) / 60
walk = np.stack([times, *(np.full(6, value) for value in (0.1, 1.5, 0.2)), times * 0 + 0.3, times, times + 1], axis=1)
create_c3d_file(sys.argv[1], ["Nose", "LAnkle"], walk)
"""


@pytest.mark.formats("Pose2Sim", "anytree", "rtoml", "c3d")
@pytest.mark.system("ezc3d")
def test_a_file_of_pose2sim_is_seen_from_where_it_says(tmp_path: Path, format_readers: str) -> None:
    read_by(format_readers, POSE2SIM, tmp_path / "made.c3d")
    read = import_log(tmp_path / "made.c3d", "c3d").tracks
    assert read.skeleton.names == ("nose", "left_ankle")
    assert read.times == pytest.approx(np.arange(6) / 60)
    found = read.keypoints[:, 0, :, :2]  # z to the right, y up
    np.testing.assert_allclose(found[:, 0], [[100, 100]] * 6, atol=0.01)
    np.testing.assert_allclose(found[:, 1, 0], 100 + 800 + 1000 * np.arange(6) / 60, atol=1)  # whole millimetres
    np.testing.assert_allclose(found[:, 1, 1], 100 + 1500 - 1000 * np.arange(6) / 60, atol=1)
