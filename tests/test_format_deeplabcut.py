"""DeepLabCut's tables, as CSV and as HDF5: by our readers, by pandas as DeepLabCut reads them, and by movement."""

from __future__ import annotations

import json
import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from format_worlds import SIZE, read_by
from poseline.errors import OutputError, SourceError
from poseline.formats import FORMATS
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import read_tracks
from poseline.skeleton import COCO17
from track_worlds import COUNT, assert_alike, by_frame, of_arrays, write_changing_log

BOTH = pytest.mark.parametrize("name", ["deeplabcut", pytest.param("deeplabcut-h5", marks=pytest.mark.system("h5py"))])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_changing_log(tmp_path / "keypoints.jsonl")


def test_the_csv_of_several_is_that_of_a_multi_animal_project(log: Path) -> None:
    path = export_log(log, "deeplabcut").paths[0]
    assert path.name == "keypoints.dlc.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    assert [line[:5] for line in lines[:4]] == [
        ["scorer", *["poseline"] * 4],
        ["individuals", *["person_3"] * 4],
        ["bodyparts", "nose", "nose", "nose", "left_eye"],
        ["coords", "x", "y", "likelihood", "x"],
    ]
    assert [line[0] for line in lines[4:]] == [str(number) for number in range(COUNT)]
    assert {len(line) for line in lines} == {1 + 3 * 17 * 3}
    assert lines[4][1:4] == ["", "", "0.0"], "a row of nothing but empty fields is lost by pandas"


def test_the_csv_of_one_is_that_of_a_single_animal_project(tmp_path: Path) -> None:
    path = export_log(write_changing_log(tmp_path / "keypoints.jsonl", (3,)), "deeplabcut").paths[0]
    lines = path.read_text().splitlines()
    assert [line.split(",")[0] for line in lines[:5]] == ["scorer", "bodyparts", "coords", "0", "1"]
    read = import_log(path, "deeplabcut", fps=30, size=SIZE).tracks
    assert read.ids.tolist() == [1], "the only person has no name there"


@BOTH
def test_it_comes_back_with_a_row_for_every_frame(name: str, log: Path) -> None:
    path = export_log(log, name).paths[0]
    read = import_log(path, name, fps=25, size=SIZE)
    assert read.notes == []
    assert read.tracks.times == pytest.approx(np.arange(COUNT) / 25)
    assert read.tracks.skeleton == COCO17
    assert_alike(by_frame(read.tracks), by_frame(read_tracks(log)))


@BOTH
def test_a_log_of_nobody_has_its_frames(name: str, tmp_path: Path) -> None:
    path = export_log(write_changing_log(tmp_path / "keypoints.jsonl", ()), name).paths[0]
    read = import_log(path, name, fps=25, size=SIZE).tracks
    assert (len(read), len(read.rows)) == (COUNT, 0)


@BOTH
def test_people_without_ids_are_one_person_or_refused(name: str, tmp_path: Path) -> None:
    log = write_changing_log(tmp_path / "keypoints.jsonl", (3,))
    log.write_text(log.read_text().replace('"id":3', '"id":-1'))
    read = import_log(export_log(log, name).paths[0], name, fps=25, size=SIZE).tracks
    assert read.ids.tolist() == [1]
    assert len(read.rows) == len(read_tracks(log).rows)
    log = write_changing_log(tmp_path / "two.jsonl", (3, 7))
    log.write_text(log.read_text().replace('"id":3', '"id":-1'))
    assert export_log(log, name).notes == [f"{name}: left out: 27 poses without an id"]
    log.write_text(log.read_text().replace('"id":7', '"id":-1'))
    with pytest.raises(OutputError, match="nobody in this log has a track id"):
        export_log(log, name, tmp_path / "none")


@BOTH
def test_frames_that_are_too_far_apart_are_refused(name: str, tmp_path: Path) -> None:
    log = write_changing_log(tmp_path / "keypoints.jsonl")
    log.write_text(log.read_text().replace('"frame":39', '"frame":3900000000'))
    with pytest.raises(OutputError, match="the last frame's number is 3,900,000,000"):
        export_log(log, name)


@BOTH
def test_torn_files_are_not_valid(name: str, log: Path) -> None:
    path = export_log(log, name).paths[0]
    whole = path.read_bytes()
    for torn in (whole[:-1] if name == "deeplabcut" else whole[:-2000], whole[:50], b"", b"scorer,a\n"):
        path.write_bytes(torn)
        with pytest.raises(OutputError, match=path.name):
            FORMATS[name].validate(path)


def test_tables_of_others(tmp_path: Path) -> None:
    head = "scorer,DLC,DLC,DLC,DLC,DLC,DLC\nindividuals,bob,bob,bob,anna,anna,anna\n"
    head += "bodyparts,nose,nose,nose,nose,nose,nose\ncoords,x,y,likelihood,x,y,likelihood\n"
    path = tmp_path / "x.csv"
    path.write_text(head + "0,1.5,2,0.25,,,\n1,,,,3,4,\n")
    read = import_log(path, "deeplabcut", fps=10, size=SIZE).tracks
    assert read.rows.id.tolist() == [1, 2]
    assert read.rows.keypoints[:, 0].tolist() == [[1.5, 2, 0.25], [3, 4, 1]], (
        "what is seen is sure where nothing is said"
    )
    labels = head.replace("\n", "\n", 1) + "labeled-data/clip/img0.png,a,b,c,d,e,f\n"
    for content, said in (
        (labels, "rows are not 6 numbers each"),
        (head.replace("likelihood", "z") + "0,1,2,3,4,5,6\n", "points in space"),
        (head.replace("DLC,DLC\n", "DLC,other\n") + "0,1,2,3,4,5,6\n", "several scorers"),
        ("frame,time\n0,1\n", "its first lines are not scorer, bodyparts and coords"),
        ("", "its first lines are not"),
    ):
        path.write_text(content)
        with pytest.raises(SourceError, match=said):
            import_log(path, "deeplabcut", fps=10, size=SIZE)


def test_a_place_that_is_too_large_is_missing(tmp_path: Path) -> None:
    rows = [f"{frame},{'1e308' if frame == 1 else 5},7,0.9" for frame in range(3)]
    head = ["scorer,a,a,a", "bodyparts,nose,nose,nose", "coords,x,y,likelihood"]
    (tmp_path / "x.csv").write_text("\n".join([*head, *rows, ""]))
    read = import_log(tmp_path / "x.csv", "deeplabcut", fps=25, size=SIZE).tracks
    assert read.frames[read.rows.frame].tolist() == [0, 2]


@pytest.mark.system("h5py")
def test_a_file_from_elsewhere_runs_no_code(log: Path, tmp_path: Path) -> None:
    import h5py

    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    path = export_log(log, "deeplabcut-h5").paths[0]
    with h5py.File(path, "r+") as file:
        file["df_with_missing/table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(Evil(), 0))
    with pytest.raises(SourceError, match="it holds posix.mkdir"):
        import_log(path, "deeplabcut-h5", fps=10, size=SIZE)
    assert not (tmp_path / "made").exists()


@pytest.mark.system("h5py")
@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02Nr\xff\xff\x7f\x00.", b"\x80\x04\x95" + 7 * b"\xff" + b"\x0f", b"", b"(",
        b"\x80\x05\x96\x00\xe1\xf5\x05\x00\x00\x00\x00.", b"\x80\x04\x8c", b"\x80\x04X\x05\x00",
    ],
)  # fmt: skip
def test_a_header_that_asks_for_much_memory_or_is_cut_is_refused(content: bytes, log: Path) -> None:
    """The first would take 134 MB, the one of protocol 5 100 MB."""
    import h5py

    path = export_log(log, "deeplabcut-h5").paths[0]
    with h5py.File(path, "r+") as file:
        file["df_with_missing/table"].attrs["values_block_0_kind"] = np.void(content or b"\0")
    tracemalloc.start()
    with pytest.raises(SourceError, match="is not DeepLabCut's"):
        import_log(path, "deeplabcut-h5", fps=10, size=SIZE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 50e6


READ = """
import json, sys, warnings
import numpy as np
import pandas as pd
from movement.io import load_dataset
answers = {}
for path in sys.argv[2:]:
    if path.endswith(".csv"):
        head = open(path).read(2000).splitlines()
        levels = 4 if head[1].startswith("individuals") else 3
        frame = pd.read_csv(path, header=list(range(levels)), index_col=0)
    else:
        frame = pd.read_hdf(path)
        for kind in ("fixed", "table"):
            frame.to_hdf(path.replace(".h5", f".{kind}.h5"), key="df_with_missing", mode="w", format=kind)
    several = "individuals" in frame.columns.names
    names = list(frame.columns.get_level_values("individuals").unique()) if several else ["person_1"]
    parts = list(frame.columns.get_level_values("bodyparts").unique())
    scorer = frame.columns[0][0]
    own = frame[scorer]
    coords = ("x", "y", "likelihood")
    keys = [(*([name] if several else []), part, coord) for name in names for part in parts for coord in coords]
    points = np.stack([own[key].to_numpy(float) for key in keys], axis=1).reshape(len(frame), len(names), len(parts), 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_dataset(path, source_software="DeepLabCut", fps=25)
    loaded = loaded.rename({name: name[:-1] for name in ("keypoints", "individuals") if name in loaded.sizes})
    order = ("time", "individual", "keypoint")
    values = np.concatenate([loaded.position.transpose(*order, "space").values,
        loaded.confidence.transpose(*order).values[..., None]], axis=-1)
    answers[path] = {"names": names, "parts": parts, "index": list(map(int, frame.index)),
        "pandas": points.tolist(), "movement": values.tolist(), "who": list(map(str, loaded.individual.values)),
        "times": loaded.time.values.tolist()}
json.dump(answers, open(sys.argv[1], "w"))
"""


@pytest.mark.formats("pandas", "tables", "movement")
@pytest.mark.system("h5py")
def test_pandas_and_movement_read_every_number(tmp_path: Path, format_readers: str) -> None:
    made: dict[str, tuple[Path, list[int]]] = {}
    for ids in ((3, 7, 12), (3,), ()):
        log = write_changing_log(tmp_path / f"{len(ids)}.jsonl", ids[::-1])
        for made_path in export_log(log, ["deeplabcut", "deeplabcut-h5"], tmp_path / str(len(ids))).paths:
            made[str(made_path)] = log, list(ids) or [1]
    read_by(format_readers, READ, tmp_path / "answer.json", *made)
    answers = json.loads((tmp_path / "answer.json").read_text())
    for path, (log, persons) in made.items():
        found, truth = answers[path], by_frame(read_tracks(log))
        assert found["index"] == list(range(COUNT)), "the first frame, in which nobody is, is there too"
        assert found["parts"] == list(COCO17.names)
        assert found["names"] == ([f"person_{number}" for number in persons] if len(persons) > 1 else ["person_1"])
        assert found["who"] == (found["names"] if len(persons) > 1 else ["individual_0"])
        assert found["times"] == pytest.approx(np.arange(COUNT) / 25)
        for reader in ("pandas", "movement"):
            assert_alike(of_arrays(found[reader], persons), truth)
    both = str(tmp_path / "3" / "3.dlc.h5")
    for kind in ("fixed", "table"):  # what pandas itself writes
        again = import_log(both.replace(".h5", f".{kind}.h5"), "deeplabcut-h5", fps=25, size=SIZE).tracks
        assert_alike(by_frame(again), by_frame(read_tracks(tmp_path / "3.jsonl")))
