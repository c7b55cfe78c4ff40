"""Logs to other programs and back: places, options, errors, and what an imported log is good for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from format_worlds import FPS, SIZE, assert_same, command_line, write_log, write_pictures_log
from log_worlds import real_log
from media_worlds import write_clip
from poseline import analyze
from poseline.errors import OutputError, PoselineError, SettingsError, SourceError
from poseline.formats import FORMATS, Format, from_journal
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.frame import Gap
from poseline.log import LogReader, read_log, read_tracks, write_tracks


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder."""
    (tmp_path / "run").mkdir()
    write_log(tmp_path / "run" / "keypoints.jsonl")
    return tmp_path / "run"


def test_tracks_become_the_log_that_they_were_read_from(run: Path, tmp_path: Path) -> None:
    before = read_tracks(run / "keypoints.jsonl")
    write_tracks(tmp_path / "again.jsonl", before)
    after = read_tracks(tmp_path / "again.jsonl")
    assert_same(after, before)
    assert after.pts is not None
    assert before.pts is not None
    assert after.pts.tolist() == before.pts.tolist()
    assert (after.size, after.ended, after.header["video"]) == (SIZE, "complete", before.header["video"])


def test_gaps_and_sizes_of_pictures_come_back_too(tmp_path: Path) -> None:
    first = read_tracks(write_pictures_log(tmp_path / "a.jsonl", ["a.jpg", "b.jpg"], [(640, 480), (800, 600)]))
    write_tracks(tmp_path / "b.jsonl", first)
    second = read_tracks(tmp_path / "b.jsonl")
    assert second.sources == ["a.jpg", "b.jpg"]
    np.testing.assert_array_equal(second.shapes, first.shapes)
    video = read_tracks(write_log(tmp_path / "c.jsonl"))
    write_tracks(tmp_path / "d.jsonl", replace(video, gaps=(Gap(0.1, video.times[6], "cable"),)))
    assert read_log(tmp_path / "d.jsonl").gaps == [Gap(0.1, round(video.times[6], 6), "cable")]


@pytest.mark.parametrize("ended", ["complete", "interrupted", "failed", "killed"])
def test_how_a_run_ended_comes_back_too(ended: str, run: Path, tmp_path: Path) -> None:
    write_tracks(tmp_path / "again.jsonl", replace(read_tracks(run / "keypoints.jsonl"), ended=ended))
    assert read_tracks(tmp_path / "again.jsonl").ended == ended


def test_times_that_are_not_known_are_not_written(run: Path, tmp_path: Path) -> None:
    tracks = read_tracks(run / "keypoints.jsonl")
    with pytest.raises(OutputError, match="times of some frames are not known"):
        write_tracks(tmp_path / "x.jsonl", replace(tracks, times=np.full(len(tracks), np.nan)))


def test_several_formats_beside_the_log_or_in_a_folder(run: Path, tmp_path: Path) -> None:
    assert export_log(run, "coco").paths == [run / "keypoints.coco.json"]
    exported = export_log(run, ["csv", "coco", "csv"], tmp_path / "deep" / "er")
    assert [path.name for path in exported.paths] == ["keypoints.csv", "keypoints.coco.json"]
    assert all(path.is_file() for path in exported.paths)
    assert exported.notes[0].startswith("coco: ")
    assert export_log(run / "keypoints.jsonl", "coco", tmp_path / "labels.json").paths == [tmp_path / "labels.json"]


def test_what_is_there_stays_unless_it_may_be_replaced(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "labels.json"
    target.write_text("mine")
    with pytest.raises(OutputError, match="labels.json exists: try --overwrite"):
        export_log(run, "coco", target)
    assert target.read_text() == "mine"
    export_log(run, "coco", target, overwrite=True)
    assert json.loads(target.read_text())["images"]
    journal = run / "keypoints.jsonl"
    before = journal.read_bytes()
    with pytest.raises(OutputError, match="is the log itself"):
        export_log(run, "coco", journal, overwrite=True)
    assert journal.read_bytes() == before


def test_one_of_several_that_is_there_stops_all(run: Path) -> None:
    (run / "keypoints.coco.json").write_text("mine")
    with pytest.raises(OutputError, match="coco.json exists"):
        export_log(run, ["csv", "coco"])
    assert not (run / "keypoints.csv").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["export", "run", "--to", "xml"], 2, "--to xml: formats are csv, parquet, coco"),
        (["export", "gone", "--to", "coco"], 3, "gone: no such log"),
        (["export", "run", "--to", "coco", "-o", "run/keypoints.jsonl/x"], 4, "cannot be"),
        (["export", "run", "--to", "csv", "--pictures"], 2, "csv cannot hold the pictures"),
        (["export", "run"], 2, "--to"),
        (["export", "run", "--to", "coco", "--clip", "bad.json"], 2, "--clip is where pictures come from"),
        (["export", "run", "--to", "coco", "--every", "0"], 2, "--every: each n-th frame"),
        (["import", "gone.json", "--from", "coco"], 3, "gone.json: no such file"),
        (["import", "x.json", "--from", "csv"], 2, "--from csv: formats are c3d, coco"),
        (["import", "bad.json", "--from", "coco", "-o", "new"], 3, "bad.json: is not"),
        (["import", "x.json", "--from", "coco", "--size", "big"], 2, "--size: 'big' is not a size"),
        (["import", "bad.json", "--from", "coco", "--fps", "0", "-o", "new"], 2, "--fps: more than 0"),
        (["import", "bad.json", "--from", "coco", "-o", "run"], 4, "keypoints.jsonl exists"),
    ],
)
@pytest.mark.usefixtures("run")
def test_errors_in_words_with_their_codes(
    words: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from poseline.cli import command
    from poseline.interruption import Interruption

    (tmp_path / "bad.json").write_text('{"images": 7}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["poseline", *words])
    assert command(Interruption()) == code
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "new").exists()


def test_a_module_that_is_missing_is_named_with_its_extra(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needy = Format("needy", from_journal(print), print, needs=("no_such_module",))
    monkeypatch.setitem(FORMATS, "needy", needy)
    with pytest.raises(
        SettingsError, match=r"needy needs no_such_module, which is not installed: pip install 'poseline\[formats\]'"
    ):
        export_log(run, "needy")


def test_the_command_line_goes_both_ways(run: Path, tmp_path: Path) -> None:
    done = command_line("export", "run", "--to", "coco,csv", "--to", "coco-results", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "keypoints.coco-results.json" in done.stdout
    done = command_line("import", "out/keypoints.coco.json", "--from", "coco", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = tmp_path / "runs" / "keypoints" / "keypoints.jsonl"
    assert_same(read_tracks(again), read_tracks(run / "keypoints.jsonl"))
    assert LogReader(again).run["imported"]["format"] == "coco"


def test_an_imported_log_is_analysed_and_rendered_like_any_other(tmp_path: Path) -> None:
    from poseline.rendering import RenderOptions, render

    clip = write_clip(tmp_path / "clip.mp4", list(range(40)), size=SIZE)
    write_log(tmp_path / "keypoints.jsonl", 40, hard=False, tick=3000)
    labels = export_log(tmp_path / "keypoints.jsonl", "coco-results", tmp_path / "results.json").paths[0]
    done = import_log(labels, "coco-results", tmp_path / "new", video=clip)
    assert done.log is not None
    assert done.tracks.size == SIZE
    analysis = analyze(done.log, person=1)
    assert len(analysis.persons[0].times) == 40
    rendered = render(done.log, tmp_path / "new" / "rendered.mp4", RenderOptions())
    assert (rendered.frames, rendered.notes) == (40, [])
    assert export_log(done.log, "csv").paths[0].is_file()
    without = import_log(labels, "coco-results", tmp_path / "without", fps=FPS, size=SIZE).log
    assert without is not None
    assert len(analyze(without, person=1).persons[0].times) == 40
    with pytest.raises(SourceError, match="was imported without its clip.*import it with --video CLIP"):
        render(without, tmp_path / "without.mp4", RenderOptions(clip=clip))


def test_times_come_from_the_file_the_clip_or_the_rate_and_from_nowhere_else(run: Path) -> None:
    truth = read_tracks(run / "keypoints.jsonl")
    labels = export_log(run, "coco").paths[0]
    with pytest.raises(SettingsError, match="holds the times of its frames; leave --fps out"):
        import_log(labels, "coco", fps=30)
    results = export_log(run, "coco-results").paths[0]
    with pytest.raises(SettingsError, match="holds no times: give the clip with --video, or its rate with --fps"):
        import_log(results, "coco-results", size=SIZE)
    with pytest.raises(SettingsError, match="does not hold the size of the picture: give --video, or --size WxH"):
        import_log(results, "coco-results", fps=FPS)
    read = import_log(results, "coco-results", fps=FPS, size=SIZE).tracks
    assert read.frames.tolist() == list(range(12))
    np.testing.assert_allclose(read.times, np.arange(12) / FPS)
    assert len(read.rows) == len(truth.rows)


def test_frames_may_be_counted_from_one(tmp_path: Path) -> None:
    """As in the names of pictures that FFmpeg took out of a clip."""
    clip = write_clip(tmp_path / "clip.mp4", list(range(3)), size=SIZE)
    images = [{"id": n, "file_name": f"out_{n:04d}.png", "width": 640, "height": 480} for n in (1, 2, 3)]
    person = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [5, 6, 2]}
    kind = {"id": 1, "name": "person", "keypoints": ["nose"]}
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"images": images, "categories": [kind], "annotations": [person]}))
    with pytest.raises(SourceError, match=r"has frames 1 to 3, and .*clip.mp4 has 0 to 2"):
        import_log(labels, "coco", video=clip)
    read = import_log(labels, "coco", video=clip, first=1)
    assert read.tracks.frames.tolist() == [0, 1, 2]
    assert read.tracks.rows.frame.tolist() == [0]
    assert (
        "frame 1 is the clip's second; if the file counts from 1, say --first 1"
        in import_log(labels, "coco", fps=3).notes
    )
    with pytest.raises(SettingsError, match="--first 2: labels.json has a frame 1 before it"):
        import_log(labels, "coco", fps=3, first=2)
    with pytest.raises(SettingsError, match="leave it out"):
        import_log(labels, "coco", first=1)


def test_angles_of_a_real_run_are_the_same_after_it_went_through_another_program(tmp_path: Path) -> None:
    log = real_log(tmp_path, "builtin", "squat")
    results = export_log(log, "coco-results", tmp_path / "results.json").paths[0]
    clip = Path(__file__).parents[1] / "samples" / "squat.mp4"
    again = import_log(results, "coco-results", tmp_path / "again", video=clip)
    assert again.log is not None
    before, after = analyze(log).persons[0], analyze(again.log).persons[0]
    np.testing.assert_allclose(after.times, before.times, atol=1e-6)
    np.testing.assert_allclose(after.angles.degrees, before.angles.degrees, atol=0.2)
    assert [(event.kind, round(event.time, 3)) for event in after.events] == [
        (event.kind, round(event.time, 3)) for event in before.events
    ]


def test_another_clip_is_refused(run: Path, tmp_path: Path) -> None:
    results = export_log(run, "coco-results").paths[0]
    short = write_clip(tmp_path / "short.mp4", list(range(5)), size=SIZE)
    with pytest.raises(SourceError, match=r"has frames 0 to 11, and .*short.mp4 has 0 to 4"):
        import_log(results, "coco-results", video=short)
    labels = export_log(run, "coco").paths[0]
    small = write_clip(tmp_path / "small.mp4", list(range(12)), size=(64, 48))
    with pytest.raises(SourceError, match=r"(not those of the frames|640x480, not 64x48)"):
        import_log(labels, "coco", video=small)
    with pytest.raises(SettingsError, match="--fps: the times of frames come from --video"):
        import_log(results, "coco-results", video=small, fps=30)
    with pytest.raises(SettingsError, match="--size: the clip's picture is 64x48"):
        import_log(results, "coco-results", video=small, size=SIZE)
    with pytest.raises(SourceError, match="not a video"):
        import_log(labels, "coco", video=labels)


def test_nothing_of_a_format_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, poseline.output, poseline.cli; print(*(name for name in sys.modules if name.startswith("
        "'poseline.formats.') and name.rpartition('.')[2] not in ('options', 'registry', 'source')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True)
    assert done.stdout.strip() == ""


def test_tracks_can_be_exported_too(run: Path, tmp_path: Path) -> None:
    tracks = read_tracks(run / "keypoints.jsonl").select([2])
    assert export_log(tracks, ["csv", "mot"], tmp_path / "out").paths[1].read_text().count("\n") == len(tracks.rows)
    assert (tmp_path / "out" / "keypoints.csv").read_text().count("\n") == len(tracks.rows) + 1
    with pytest.raises(SettingsError, match="say where to write"):
        export_log(tracks, "mot")
    with pytest.raises(SettingsError, match="tracks have no corrections"):
        export_log(tracks, "mot", tmp_path / "out.txt", corrected=True)


def test_pixels_that_are_not_square_are_told(tmp_path: Path) -> None:
    tracks = replace(read_tracks(write_log(tmp_path / "a.jsonl")), pixel_aspect=1.333333, shapes=None)
    notes = export_log(tracks, "coco", tmp_path / "x.json").notes
    assert notes[0] == "its pixels are not square: multiply x by 1.33333 before you measure lengths and angles"


BOTH_WAYS = [name for name, each in FORMATS.items() if each.read and each.write is not None and not each.needs]


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_a_damaged_file_is_refused_in_words_or_read(name: str, run: Path) -> None:
    """Whatever a file holds, nothing but an error of ours comes out, and no warning."""
    path = export_log(run, name).paths[0]
    file = path if path.is_file() else max(path.rglob("*.*"), key=lambda each: each.stat().st_size)
    whole = file.read_bytes()
    chance = np.random.default_rng(7)
    places = [found.span() for found in re.finditer(rb'-?\d+\.?\d*|"[^"]*"|null', whole)]
    outcomes = set()
    for number in range(60):
        start, end = places[chance.integers(len(places))]
        other = (b"null", b"-1", b"1e400", b"9" * 30, b"NaN", b'"x"', b"[]", b"{}", b"")[number % 9]
        file.write_bytes(whole[:start] + other + whole[end:] if number % 3 else whole[:start])
        try:
            import_log(path, name, fps=FPS if name not in ("coco", "posetrack") else None, size=SIZE)
            outcomes.add("read")
        except PoselineError:
            outcomes.add("refused")
    assert "refused" in outcomes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frame_id": 10**12}, "are no frames of one clip"),
        ({"frame_id": -4}, "a number below 0"),
        ({"time": 99.0}, "the time of frame 1 is before that of the frame before it"),
    ],
)
def test_frames_that_cannot_be_are_refused(change: dict[str, float], said: str, run: Path) -> None:
    labels = export_log(run, "coco").paths[0]
    content = json.loads(labels.read_text())
    content["images"][0 if "time" in change or change["frame_id"] < 0 else -1].update(change)
    labels.write_text(json.dumps(content))
    with pytest.raises(SourceError, match=said):
        import_log(labels, "coco")


def test_a_log_of_another_kind_of_json_is_no_crash(tmp_path: Path) -> None:
    for content in (b"", b"[]", b"{}", b"7", b"\xff\xfe", b'{"images": [{}], "categories": [], "annotations": []}'):
        (tmp_path / "x.json").write_bytes(content)
        for name in ("coco", "coco-results"):
            with pytest.raises(SourceError, match="x.json"):
                import_log(tmp_path / "x.json", name, fps=30, size=SIZE)
    (tmp_path / "x.json").write_bytes(orjson.dumps({"images": [], "categories": [], "annotations": []}))
    with pytest.raises(SourceError, match="x.json"):
        import_log(tmp_path / "x.json", "coco", fps=30, size=SIZE)
