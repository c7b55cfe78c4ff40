"""Tracks: the poses of a log as arrays, against the log's own numbers and a clip's truth."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import orjson
import pytest

from output_worlds import SAMPLES
from poseline import Tracks, read_log, read_tracks
from poseline.errors import PoselineError, SourceError
from poseline.log import State
from poseline.pose import UNTRACKED
from poseline.skeleton import COCO17

CROWD = SAMPLES / "crowd.truth.jsonl"


@pytest.fixture(scope="module")
def tracks() -> Tracks:
    return read_tracks(CROWD)


def person(number: int, x: float, y: float | None = 2.0) -> dict[str, object]:
    keypoints = [[x, y, 0.9], [x + 1, 3.0, 0.5]]
    return {"id": number, "score": 0.75, "box": [x, 1, x + 2, 4], "keypoints": keypoints}


def log_of(path: Path, *frames: tuple[int, float, list[dict[str, object]]]) -> Path:
    """A log of frames, each with its number, its time and its persons."""
    skeleton = {"names": ["head", "foot"], "edges": [[0, 1]], "sigmas": [0.03, 0.09], "pairs": []}
    video = {"width": 64, "height": 48, "fps": None, "time_base": "1/90000", "pixel_aspect": 1.5}
    records: list[dict[str, object]] = [
        {"type": "run", "schema": 1, "source": "a.mp4", "skeleton": skeleton, "video": video}
    ]
    for index, seconds, persons in frames:
        record = {"type": "frame", "frame": index, "pts": index, "time": seconds, "persons": persons}
        records.append({**record, "dropped_before": 0, "corrupt": False})
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


def test_each_pose_stands_at_its_frame_and_person(tracks: Tracks) -> None:
    log = read_log(CROWD)
    assert tracks.ids.tolist() == list(range(1, 9))
    assert tracks.keypoints.shape == (len(log.frames), 8, 17, 3)
    for row, frame in enumerate(log.frames):
        assert tracks.times[row] == frame.time
        assert tracks.frames[row] == frame.index
        for place, number in enumerate(tracks.ids.tolist()):
            chosen = frame.poses.ids == number
            if chosen.any():
                assert np.array_equal(tracks.keypoints[row, place], frame.poses.keypoints[chosen][0])
                assert np.array_equal(tracks.boxes[row, place], frame.poses.boxes[chosen][0])
                assert tracks.scores[row, place] == frame.poses.scores[chosen][0]
                assert (tracks.states[row, place] == State.MEASURED).all()
            else:
                assert np.isnan(tracks.keypoints[row, place]).all()
                assert np.isnan(tracks.scores[row, place])
                assert (tracks.states[row, place] == State.MISSING).all()


def test_what_the_log_knows_of_its_clip_is_kept(tmp_path: Path) -> None:
    tracks = read_tracks(log_of(tmp_path / "a.jsonl", (0, 0.0, []), (3, 0.35, [person(4, 5.0)])))
    assert (tracks.size, tracks.pixel_aspect, tracks.ended) == ((64, 48), 1.5, "killed")
    assert tracks.skeleton.names == ("head", "foot")
    assert tracks.skeleton.sigmas == (0.03, 0.09)
    assert tracks.times.tolist() == [0.0, 0.35]  # as they are: nothing is resampled
    assert tracks.frames.tolist() == [0, 3]
    assert tracks.header["source"] == "a.mp4"


def test_persons_without_an_id_are_rows_and_no_track(tmp_path: Path) -> None:
    seen = [person(UNTRACKED, 1.0), person(UNTRACKED, 9.0), person(7, 20.0)]
    tracks = read_tracks(log_of(tmp_path / "a.jsonl", (0, 0.0, seen)))
    assert tracks.ids.tolist() == [7]
    assert tracks.rows.id.tolist() == [-1, -1, 7]
    assert tracks.keypoints[0, 0, 0].tolist() == pytest.approx([20.0, 2.0, 0.9])


def test_a_point_that_the_log_does_not_have_is_missing(tmp_path: Path) -> None:
    tracks = read_tracks(log_of(tmp_path / "a.jsonl", (0, 0.0, [person(1, 5.0, None)])))
    assert tracks.states[0, 0].tolist() == [State.MISSING, State.MEASURED]
    assert np.isnan(tracks.keypoints[0, 0, 0, 1])


def test_some_persons_and_a_stretch_of_time(tracks: Tracks) -> None:
    chosen = tracks.select([3, 5]).between(2.0, 4.0)
    kept = (tracks.times >= 2.0) & (tracks.times <= 4.0)
    assert chosen.ids.tolist() == [3, 5]
    assert np.array_equal(chosen.times, tracks.times[kept])
    assert np.array_equal(chosen.keypoints, tracks.keypoints[kept][:, [2, 4]], equal_nan=True)
    assert len(tracks.between(100.0, 200.0)) == 0
    with pytest.raises(PoselineError, match="no person has the id 9; this log has 1, 2, 3"):
        tracks.select([1, 9])


def test_an_empty_log_has_nobody(tmp_path: Path) -> None:
    none: list[tuple[int, float, list[dict[str, object]]]] = []
    for frames in (none, [(0, 0.0, none)]):
        tracks = read_tracks(log_of(tmp_path / "a.jsonl", *frames))
        assert len(tracks) == len(frames)
        assert tracks.keypoints.shape == (len(frames), 0, 2, 3)


def test_a_broken_line_costs_its_frame_alone(tmp_path: Path) -> None:
    path = log_of(tmp_path / "a.jsonl", (0, 0.0, [person(1, 1.0)]), (1, 0.1, [{"id": 1}]), (2, 0.2, [person(1, 3.0)]))
    assert read_tracks(path).frames.tolist() == [0, 2]
    with pytest.raises(SourceError, match="not a keypoint log"):
        read_tracks(SAMPLES / "crowd.mp4")


def test_a_table_of_it_has_the_columns_of_the_log_s_own(tracks: Tracks) -> None:
    table = tracks.to_polars()
    assert table.columns[:8] == ["frame", "time", "id", "score", "x1", "y1", "x2", "y2"]
    assert table.columns[8:11] == ["nose_x", "nose_y", "nose_c"]
    assert table.height == len(tracks.rows)
    last = table.row(-1, named=True)
    assert last["id"] == tracks.rows.id[-1]
    assert last["right_ankle_x"] == tracks.rows.keypoints[-1, 16, 0]


@pytest.mark.system("pandas")
def test_pandas_gets_the_same_table(tracks: Tracks) -> None:
    table, theirs = tracks.to_polars(), tracks.to_pandas()
    assert list(theirs.columns) == table.columns
    assert np.array_equal(theirs.to_numpy(float), table.to_numpy().astype(float), equal_nan=True)


@pytest.mark.system("xarray")
def test_xarray_gets_named_dimensions(tracks: Tracks) -> None:
    data = tracks.to_xarray()
    assert data.position.dims == ("time", "space", "keypoint", "individual")
    nose = data.position.sel(keypoint="nose", individual=2, space="x")
    assert np.array_equal(nose.to_numpy(), tracks.keypoints[:, 1, 0, 0], equal_nan=True)


def test_ten_thousand_frames_of_four_take_a_second(tmp_path: Path) -> None:
    """Bounded by what one pass over the same text takes in JSON's own reader, so that no machine's speed decides."""
    keypoints = np.random.default_rng(1).random((17, 3)).round(3).tolist()
    persons = [{"id": n, "score": 0.9, "box": [1.5, 2.5, 3.5, 4.5], "keypoints": keypoints} for n in range(1, 5)]
    frames = [{"type": "frame", "frame": i, "pts": i, "time": i / 30, "persons": persons} for i in range(2_000)]
    skeleton = {"names": COCO17.names, "edges": COCO17.edges}
    lines = [orjson.dumps({"type": "run", "schema": 1, "source": "a", "skeleton": skeleton, "video": None})]
    lines += [orjson.dumps({**frame, "dropped_before": 0, "corrupt": False}) for frame in frames]
    (tmp_path / "long.jsonl").write_bytes(b"\n".join([*lines, b""]))
    took = []
    for work in (lambda: [orjson.loads(line) for line in lines], lambda: read_tracks(tmp_path / "long.jsonl")):
        best = min(_seconds(work) for _ in range(3))
        took.append(best)
    assert took[1] < 15 * took[0], took  # measured: 3 to 5 times, and 0.4 s for 10,000 frames


def _seconds(work: object) -> float:
    assert callable(work)
    began = time.process_time()  # a busy machine makes all else longer
    work()
    return time.process_time() - began
