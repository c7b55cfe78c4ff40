"""Our files, read by the programs that they are for: OpenSim, ezc3d, Kinetics Toolkit; and their inverse kinematics."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_worlds import NAMES, PX_PER_M, jumper, motion, truth
from log_worlds import log_of
from poseline import analyze
from poseline.analysis import Motion
from poseline.analysis.files import write
from poseline.analysis.files.c3d import parts, write_c3d
from poseline.analysis.files.markers import marker_names, metric_markers, pixel_markers
from poseline.analysis.files.mot import coordinate, largest_block

SCRIPT = Path(__file__).with_name("opensim_reader.py")


def told(python: str, folder: Path, *arguments: str | Path) -> Any:
    """What the script answers; in a folder of its own, where OpenSim leaves its log."""
    done = subprocess.run(
        [python, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout.rpartition("ANSWER")[2]) if "ANSWER" in done.stdout else None


def gappy() -> Motion:
    """A walk at uneven times that lacks points in its first row, for long its last marker, and an elbow."""
    exact = truth("crossing", 2)
    points, rng = exact.points.copy(), np.random.default_rng(1)
    times = exact.times + rng.uniform(-0.003, 0.003, len(exact.times))
    last, elbow = NAMES.index("right_ankle"), NAMES.index("left_elbow")
    points[0, [0, last]] = np.nan
    points[60:80, last] = np.nan
    points[-1, last] = np.nan
    points[100:120, elbow] = np.nan
    return Motion(times - times[0], points, exact.confidence, exact.names, exact.width, exact.height)


@pytest.mark.readers("opensim")
@pytest.mark.parametrize("made", [gappy, lambda: truth("squat")], ids=["gaps", "whole"])
def test_opensim_reads_every_file_with_equal_numbers(made: Any, tmp_path: Path, readers: str) -> None:
    analysis = analyze(log_of(tmp_path / "keypoints.jsonl", made()), height=1.8)
    files = write(analysis, tmp_path / "out", ("trc", "mot")).files
    person = analysis.main
    answers = told(readers, tmp_path, "read", *(path for path in files if path.suffix != ".json"))
    assert len(answers) == 3
    markers = {"person1_px.trc": pixel_markers(person), "person1_m.trc": metric_markers(person)}
    for path, answer in answers.items():
        assert len(answer) == 2
        for reader, found in answer.items():
            numbers = np.array(found["numbers"], float)
            if path.endswith(".trc"):
                assert found["labels"] == list(marker_names(person.names)), reader
                np.testing.assert_allclose(found["times"], person.times, atol=1e-6)
                np.testing.assert_allclose(numbers, markers[Path(path).name], atol=1e-6)
            else:
                block = largest_block(np.isfinite(person.angles.degrees))
                assert block is not None
                rows = slice(block.start, block.stop)
                names = [coordinate(person.angles.names[column]) for column in block.columns]
                assert found["labels"] == ["time", *names], reader
                assert found["degrees"], reader
                np.testing.assert_allclose(found["times"], person.times[rows], atol=1e-6)
                np.testing.assert_allclose(numbers, person.angles.degrees[rows][:, block.columns], atol=1e-6)
    if made is gappy:
        assert np.isnan(markers["person1_m.trc"][70, -1]).all(), "a gap in the last marker"
        assert np.isnan(markers["person1_m.trc"][0, -1]).all(), "and in the first row"


@pytest.mark.readers("opensim", "Pose2Sim")
def test_inverse_kinematics_finds_the_joint_angles_of_a_known_body(tmp_path: Path, readers: str) -> None:
    told(readers, tmp_path, "markers", tmp_path / "made.json")
    made = json.loads((tmp_path / "made.json").read_text(encoding="utf-8"))
    own, scale = marker_names(NAMES), 200.0
    places = np.array(made["points"])
    points = np.empty((len(places), len(NAMES), 2))
    for column, name in enumerate(own):  # the model has no eyes and ears; they go with its nose
        known = name in made["names"]
        place = places[:, made["names"].index(name if known else "Nose")]
        points[:, column, 0] = 480 + scale * (place[:, 0] - (0 if known else 0.1 if "Ear" in name else 0.02))
        points[:, column, 1] = 500 - scale * place[:, 1]
    log = log_of(tmp_path / "keypoints.jsonl", motion(np.array(made["times"]), points))
    analyze(log, scale=scale).write(tmp_path / "out", ["trc"])
    solved = told(readers, tmp_path, "solve", tmp_path / "out" / "person1_m.trc", tmp_path / "out" / "ik.mot")
    for name in ("knee_angle_r", "knee_angle_l", "hip_flexion_r", "hip_flexion_l"):
        error = np.abs(np.array(solved[name]) - made["angles"][name])
        assert error.max() <= 2, name


@pytest.mark.system("ezc3d")
def test_ezc3d_reads_the_markers_and_the_events(tmp_path: Path) -> None:
    import ezc3d

    exact = jumper(60, 0.4)[0]
    exact.points[100:140, -1] = np.nan
    analysis = analyze(log_of(tmp_path / "keypoints.jsonl", exact), scale=PX_PER_M)
    write(analysis, tmp_path, ("c3d",))
    read = ezc3d.c3d(str(tmp_path / "person1.c3d"))
    person = analysis.main
    assert read["parameters"]["POINT"]["LABELS"]["value"] == list(marker_names(person.names))
    assert read["parameters"]["POINT"]["UNITS"]["value"] == ["mm"]
    assert read["header"]["points"]["frame_rate"] == pytest.approx(60)
    found = read["data"]["points"][:3].transpose(2, 1, 0)
    np.testing.assert_allclose(found, metric_markers(person) * 1000, atol=0.001)
    assert np.isnan(found[120, -1]).all()
    event = read["parameters"]["EVENT"]
    assert event["LABELS"]["value"] == [each.kind for each in person.events] == ["jump", "jump"]
    np.testing.assert_allclose(event["TIMES"]["value"][1], [each.time for each in person.events], atol=1e-4)


@pytest.mark.system("ezc3d", "kineticstoolkit")
@pytest.mark.filterwarnings("ignore:In the specified file")
def test_kinetics_toolkit_reads_metres(tmp_path: Path) -> None:
    import kineticstoolkit

    analysis = analyze(log_of(tmp_path / "keypoints.jsonl", truth("squat")), height=1.8)
    write(analysis, tmp_path, ("c3d",))
    read = kineticstoolkit.read_c3d(str(tmp_path / "person1.c3d"))["Points"]
    metres = metric_markers(analysis.main)
    np.testing.assert_allclose(read.data["LKnee"][:, :3], metres[:, NAMES.index("left_knee")], atol=1e-6)
    np.testing.assert_allclose(read.time, analysis.main.times, atol=1e-6)


@pytest.mark.system("ezc3d")
def test_a_clip_at_uneven_times_is_read_off_at_even_ones(tmp_path: Path) -> None:
    import ezc3d

    rng = np.random.default_rng(2)
    times = np.cumsum(rng.choice([0.02, 0.05], 200))
    figure, nose = truth("squat").points[0], NAMES.index("nose")
    points = np.repeat(figure[None], 200, axis=0)
    points[:, nose, 0] += 100 * np.sin(3 * times)
    analysis = analyze(log_of(tmp_path / "keypoints.jsonl", motion(times, points, (540, 960))), scale=100.0)
    notes = write(analysis, tmp_path, ("c3d",)).notes
    assert "even times" in notes["person1.c3d"]
    found = ezc3d.c3d(str(tmp_path / "person1.c3d"))["data"]["points"][0, nose]
    even = np.linspace(times[0], times[-1], 200)
    expected = (figure[0, 0] - 270 + 100 * np.sin(3 * even)) * 10
    assert np.abs(found - expected).max() < 5, "millimetres, of 2 m"


@pytest.mark.system("ezc3d")
def test_what_ezc3d_would_cut_goes_into_further_files(tmp_path: Path) -> None:
    import ezc3d

    count = 65_540
    person = analyze(log_of(tmp_path / "keypoints.jsonl", truth("squat")), scale=200.0).main
    assert parts(count) == [(0, 65_535), (65_535, count)]
    assert parts(65_535) == [(0, 65_535)]
    for number, rows in enumerate([(0, 100), (100, 210)]):
        write_c3d(tmp_path / f"{number}.c3d", person, person.times, rows)
    second = ezc3d.c3d(str(tmp_path / "1.c3d"))
    np.testing.assert_allclose(second["data"]["points"][0, 0], metric_markers(person)[100:, 0, 0] * 1000, atol=0.001)
    assert second["parameters"]["POSELINE"]["START"]["value"][0] == pytest.approx(person.times[100])
