"""Rerun's recording: by the reader of its own library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from format_worlds import read_by, write_log
from media_worlds import write_clip
from poseline.errors import OutputError, SourceError
from poseline.formats import FORMATS
from poseline.formats.exporting import export_log
from poseline.log import read_tracks
from track_worlds import assert_alike, by_frame, write_changing_log

pytestmark = [pytest.mark.system("rerun"), pytest.mark.formats("rerun")]

READ = """
import json, sys
from rerun.chunk import RrdReader
found = {}
for chunk in RrdReader(sys.argv[1]).stream():
    batch = chunk.to_record_batch()
    own = found.setdefault(chunk.entity_path, {})
    for name in batch.schema.names:
        column = batch.column(name)
        if "RowId" in name or "AssetVideo:blob" in name:
            own[name] = len(column)
        elif name == "time":
            own[name] = [value.value for value in column]
        else:
            own[name] = own.get(name, []) + column.to_pylist()
json.dump(found, open(sys.argv[2], "w"), default=str)
"""


def entities(path: Path, folder: Path, python: str) -> dict[str, Any]:
    """By the path of an entity, its columns."""
    read_by(python, READ, path, folder / "answer.json")
    found: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    return found


def test_everybody_has_a_row_for_each_frame_until_they_leave(tmp_path: Path, format_readers: str) -> None:
    log = write_changing_log(tmp_path / "keypoints.jsonl")
    exported = export_log(log, "rerun")
    assert exported.notes == ["rerun: without the clip: --pictures puts it in"]
    found, truth = entities(exported.paths[0], tmp_path, format_readers), read_tracks(log)
    points = {}
    times = dict(zip(truth.frames.tolist(), truth.times.tolist(), strict=True))
    for number, last in ((3, None), (7, 21), (12, None)):
        own = found[f"/clip/person_{number}"]
        columns = (own["frame"], own["Points2D:positions"], own["Points2D:keypoint_ids"], own["confidence"])
        for frame, places, names, sure in zip(*columns, strict=True):
            assert len(places) == len(names) == len(sure)
            if not places:
                assert frame == last, "the first frame without them"
                continue
            values = np.full((17, 3), np.nan)
            values[names] = np.column_stack([places, sure])
            points[frame, number] = values
        assert [frame for frame in own["frame"] if frame == last] == ([] if last is None else [last])
        assert [time / 1e9 for time in own["time"]] == pytest.approx([times[frame] for frame in own["frame"]], abs=1e-8)
    assert_alike(points, by_frame(truth))
    box = found["/clip/person_7/box"]
    centre, half = (np.array(box[f"Boxes2D:{name}"][0][0]) for name in ("centers", "half_sizes"))
    row = truth.rows[truth.rows.id == 7]
    np.testing.assert_allclose(np.concatenate([centre - half, centre + half]), row.box[0], atol=1e-3)
    assert box["score"][0] == pytest.approx([row.score[0]])
    context = json.dumps(found["/clip"]["AnnotationContext:context"])
    assert all(f'"{name}"' in context for name in truth.skeleton.names)


def test_people_without_ids_are_told_apart_within_a_frame(tmp_path: Path, format_readers: str) -> None:
    log = write_log(tmp_path / "keypoints.jsonl", hard=False)
    log.write_text(log.read_text().replace('"id":1', '"id":-1').replace('"id":3', '"id":-1'))
    found = entities(export_log(log, "rerun").paths[0], tmp_path, format_readers)
    assert sorted(name for name in found if name.count("/") == 2) == [
        "/clip/person_2", "/clip/without_id_1", "/clip/without_id_3",
    ]  # fmt: skip
    assert found["/clip/without_id_3"]["frame"] == list(range(12))


def test_the_clip_is_beside_it_by_time(tmp_path: Path, format_readers: str) -> None:
    write_clip(tmp_path / "clip.mp4", range(12))
    log = write_log(tmp_path / "keypoints.jsonl", source=str(tmp_path / "clip.mp4"))
    exported = export_log(log, "rerun", pictures=True)
    assert exported.notes == []
    clip = entities(exported.paths[0], tmp_path, format_readers)["/clip"]
    assert clip["AssetVideo:media_type"] == [["video/mp4"]]
    truth = read_tracks(log)
    assert clip["frame"] == truth.frames.tolist()
    shown = [stamp[0] / 1e9 for stamp in clip["VideoFrameReference:timestamp"]]
    assert shown == pytest.approx((truth.frames / 30).tolist(), abs=1e-3)


@pytest.mark.parametrize("bf", ["0", "2"])
def test_a_trimmed_clip_is_shown_from_the_first_frame_that_is_not_hidden(
    tmp_path: Path, format_readers: str, bf: str
) -> None:
    write_clip(tmp_path / "clip.mp4", range(-3, 12), options={"bf": bf, "qp": "10"})
    log = write_log(tmp_path / "keypoints.jsonl", source=str(tmp_path / "clip.mp4"))
    exported = export_log(log, "rerun", pictures=True)
    clip = entities(exported.paths[0], tmp_path, format_readers)["/clip"]
    shown = [stamp[0] / 1e9 for stamp in clip["VideoFrameReference:timestamp"]]
    assert shown == pytest.approx(((read_tracks(log).frames + 3) / 30).tolist(), abs=1e-3)


def test_a_clip_that_rerun_does_not_take_is_noted(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.avi", range(12))
    log = write_log(tmp_path / "keypoints.jsonl", source=str(tmp_path / "clip.avi"))
    exported = export_log(log, "rerun", pictures=True)
    assert exported.notes == ["rerun: without the clip: Rerun takes MP4 alone, and clip.avi is none"]


def test_a_clip_that_cannot_be_opened_here_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> float:
        raise SourceError("clip.mp4: its video codec has no decoder")

    monkeypatch.setattr("poseline.capture.trimmed.hidden_seconds", refused)
    write_clip(tmp_path / "clip.mp4", range(12))
    log = write_log(tmp_path / "keypoints.jsonl", source=str(tmp_path / "clip.mp4"))
    exported = export_log(log, "rerun", pictures=True)
    assert exported.notes == ["rerun: without the clip: clip.mp4: its video codec has no decoder"]
    FORMATS["rerun"].validate(exported.paths[0])


@pytest.mark.filterwarnings("ignore:RRD file has no footer")
def test_torn_files_are_not_valid(tmp_path: Path) -> None:
    path = export_log(write_changing_log(tmp_path / "keypoints.jsonl"), "rerun").paths[0]
    FORMATS["rerun"].validate(path)
    whole = path.read_bytes()
    for torn in (whole[:-10], whole[: len(whole) // 2], b"", b"{}"):
        path.write_bytes(torn)
        with pytest.raises(OutputError, match=r"keypoints.rrd: is not a recording of Rerun"):
            FORMATS["rerun"].validate(path)
