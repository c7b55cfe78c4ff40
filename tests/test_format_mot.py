"""MOTChallenge: boxes of everybody who has an id, by our reader and by TrackEval."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from format_worlds import FPS, SIZE, read_by, write_log
from poseline.errors import OutputError, SourceError
from poseline.formats import FORMATS
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import read_tracks


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "keypoints.jsonl")


def test_boxes_and_ids_come_back_and_keypoints_do_not(log: Path) -> None:
    exported = export_log(log, "mot")
    assert exported.notes[1] == "mot: 1 person without an id left out"
    first = exported.paths[0].read_text().splitlines()[0].split(",")
    truth = read_tracks(log)
    box = truth.rows.box[0]
    assert first[:2] == ["1", "1"]
    assert [float(word) for word in first[2:6]] == pytest.approx(
        [box[0] + 1, box[1] + 1, box[2] - box[0], box[3] - box[1]], abs=0.01
    )
    assert first[7:] == ["-1"] * 3
    read = import_log(exported.paths[0], "mot", log.parent / "again", fps=FPS, size=SIZE)
    known = truth.rows[truth.rows.id >= 0]
    np.testing.assert_allclose(read.tracks.rows.box, known.box, atol=0.02)
    assert read.tracks.rows.id.tolist() == known.id.tolist()
    np.testing.assert_allclose(read.tracks.rows.score, known.score, atol=1e-4)
    assert read.tracks.frames[read.tracks.rows.frame].tolist() == truth.frames[known.frame].tolist()
    assert np.isnan(read.tracks.rows.keypoints).all()
    assert read.notes == ["boxes only: all keypoints are missing"]
    assert len(read_tracks(log.parent / "again" / "keypoints.jsonl").rows) == len(known)


def test_ground_truth_of_a_sequence_has_its_rate_and_size(tmp_path: Path) -> None:
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text(
        "1,3,11,21,30,40,1,1,0.9\n1,4,1,1,5,5,0,1,1\n2,5,1,1,5,5,1,7,1\n4,3,12.5,22,30,40,1,1,0.5\n"
    )
    info = "[Sequence]\nname=MOT-1\nimDir=img1\nframeRate=25\nseqLength=5\nimWidth=640\nimHeight=480\nimExt=.jpg\n"
    (tmp_path / "seqinfo.ini").write_text(info)
    read = import_log(tmp_path, "mot")
    assert (len(read.tracks), read.tracks.size, read.tracks.times[-1]) == (5, (640, 480), 4 / 25)
    assert read.tracks.rows.box.tolist() == [[10, 20, 40, 60], [11.5, 21, 41.5, 61]]
    assert read.tracks.rows.frame.tolist() == [0, 3]
    assert "left out what is not to count: 2 lines" in read.notes
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nframeRate=fast\n")
    with pytest.raises(SourceError, match=r"seqinfo.ini: frameRate=fast is not a number above 0"):
        import_log(tmp_path, "mot")


def test_a_box_after_the_stated_length_is_a_frame_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text("1,3,11,21,30,40,1,1,1\n4,3,11,21,30,40,1,1,1\n")
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nframeRate=25\nseqLength=2\nimWidth=640\nimHeight=480\n")
    read = import_log(tmp_path, "mot").tracks
    assert (read.frames.tolist(), read.rows.frame.tolist(), read.times[-1]) == ([0, 1, 2, 3], [0, 3], 3 / 25)


@pytest.mark.parametrize(
    ("last", "length", "words"),
    [("1", 2**50, f"no clip has {2**50} frames"), (f"{10**12}", 2, f"no clip has {10**12} frames"),
     ("-3", 2, "has a frame -3")],
)  # fmt: skip
def test_numbers_in_a_file_claim_no_memory(last: str, length: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text(f"1,3,11,21,30,40,1,1,1\n{last},4,11,21,30,40,1,1,1\n")
    info = f"[Sequence]\nframeRate=25\nseqLength={length}\nimWidth=640\nimHeight=480\n"
    (tmp_path / "seqinfo.ini").write_text(info)
    with pytest.raises(SourceError, match=f"gt.txt: {words}"):
        import_log(tmp_path, "mot")


def test_frames_from_zero_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("0,1,1,1,5,5,0.5,-1,-1,-1\n1,1,1,1,5,5,0.5,-1,-1,-1\n")
    read = import_log(tmp_path / "x.txt", "mot", fps=FPS, size=SIZE)
    assert read.tracks.frames.tolist() == [0, 1]
    assert "frames are counted from 0 in it" in read.notes


@pytest.mark.parametrize("text", ["", "1,2,3\n", "1,1,1,1,1,1,1,-1,-1,-1\nx\n", "1.5,1,1,1,1,1\n", "{}"])
def test_other_text_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(SourceError, match=r"x\.txt"):
        import_log(tmp_path / "x.txt", "mot", fps=30, size=SIZE)


def test_an_id_twice_in_a_frame_is_not_valid(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("1,1,1,1,1,1,1,-1,-1,-1\n" * 2)
    with pytest.raises(OutputError, match="an id is twice in a frame"):
        FORMATS["mot"].validate(tmp_path / "x.txt")


EVALUATE = """
import contextlib, io, json, shutil, sys
from pathlib import Path
import trackeval
truth, found, folder, length = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
sequence = folder / "gt" / "clip"
(sequence / "gt").mkdir(parents=True)
rows = [line.split(",") for line in truth.read_text().splitlines()]
(sequence / "gt" / "gt.txt").write_text("".join(",".join([*row[:6], "1,1,1"]) + "\\n" for row in rows))
(sequence / "seqinfo.ini").write_text(f"[Sequence]\\nname=clip\\nseqLength={length}\\n")
(folder / "trackers" / "ours" / "data").mkdir(parents=True)
shutil.copy(found, folder / "trackers" / "ours" / "data" / "clip.txt")
with contextlib.redirect_stdout(io.StringIO()):
    evaluator = trackeval.Evaluator({"PRINT_RESULTS": False, "OUTPUT_SUMMARY": False, "OUTPUT_DETAILED": False,
        "PLOT_CURVES": False, "TIME_PROGRESS": False, "OUTPUT_EMPTY_CLASSES": False})
    data = trackeval.datasets.MotChallenge2DBox({"GT_FOLDER": str(folder / "gt"), "SKIP_SPLIT_FOL": True,
        "TRACKERS_FOLDER": str(folder / "trackers"), "BENCHMARK": "MOT15", "DO_PREPROC": False,
        "SEQ_INFO": {"clip": length}, "PRINT_CONFIG": False})
    metrics = [trackeval.metrics.HOTA(), trackeval.metrics.Identity({"PRINT_CONFIG": False})]
    results, _ = evaluator.evaluate([data], metrics)
result = results["MotChallenge2DBox"]["ours"]["clip"]["pedestrian"]
print(json.dumps([float(result["HOTA"]["HOTA"].mean()), float(result["Identity"]["IDF1"])]))
"""


@pytest.mark.formats("trackeval")
def test_trackeval_sees_who_is_who(tmp_path: Path, format_readers: str) -> None:
    log = write_log(tmp_path / "keypoints.jsonl", 20, persons=2, hard=False)
    truth = export_log(log, "mot").paths[0]
    assert json.loads(read_by(format_readers, EVALUATE, truth, truth, tmp_path / "same", "20")) == [1.0, 1.0]
    swapped = tmp_path / "swapped.txt"  # from frame 11 on, the two have each other's id
    rows = [line.split(",") for line in truth.read_text().splitlines()]
    swap = {"1": "2", "2": "1"}
    lines = [",".join([row[0], swap[row[1]] if int(row[0]) > 10 else row[1], *row[2:]]) for row in rows]
    swapped.write_text("\n".join(lines) + "\n")
    hota, idf1 = json.loads(read_by(format_readers, EVALUATE, truth, swapped, tmp_path / "swap", "20"))
    assert idf1 == pytest.approx(0.5)
    assert hota == pytest.approx((1 / 3) ** 0.5, abs=1e-6)  # each pair of ids meets in 10 of 30 places
