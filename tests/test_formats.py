"""The formats of a log: each is written and validated, and a new one is a function and a validator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from output_worlds import header, poses, seen
from poseline.capture import locate
from poseline.errors import OutputError, SettingsError
from poseline.formats import FORMATS, JOURNAL, Format, chosen_formats, from_journal, log_format
from poseline.log import KeypointLog, read_log
from poseline.output import prepare
from poseline.request import RunRequest
from poseline.session import Models, Session
from poseline.settings import LOG_FORMATS, load


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    with KeypointLog(path, header()) as journal:
        for index in range(5):
            journal.frame(seen(index, poses(2, index)))
    return path


@pytest.fixture
def ids() -> Iterator[Format]:
    """A format of one's own: a line of ids for each frame."""

    def validate(path: Path) -> None:
        if not all(word.isdecimal() for word in path.read_text().split()):
            raise OutputError(f"{path}: holds more than ids")

    @log_format("ids", validate)
    def write_ids(log: Path, target: Path) -> None:
        lines = (" ".join(map(str, frame.poses.ids)) for frame in read_log(log).frames)
        target.write_text("\n".join(lines))

    yield FORMATS["ids"]
    del FORMATS["ids"]
    LOG_FORMATS.remove("ids")


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_what_is_written_is_valid_and_what_is_torn_is_not(name: str, log: Path, tmp_path: Path) -> None:
    target = tmp_path / f"keypoints.{name}"
    FORMATS[name].convert(log, target)
    whole = target.read_bytes()
    for torn in (whole[:-1], whole[:50], b"", b"\n", b"time,frame\n1,2\n"):
        target.write_bytes(torn)
        with pytest.raises(OutputError, match=rf"keypoints\.{name}: "):
            FORMATS[name].validate(target)


def test_each_is_made_once_and_the_journal_is_no_conversion(ids: Format) -> None:
    assert chosen_formats(["jsonl", "ids", "csv", "ids"]) == [ids, FORMATS["csv"]]
    with pytest.raises(SettingsError, match=r"output\.log\.1: a format .* is jsonl, csv, parquet, .*, ids, got 'xml'"):
        load(overrides={"output": {"log": ["csv", "xml"]}})


def test_settings_know_the_names_of_all_formats() -> None:
    assert [JOURNAL, *(name for name, each in FORMATS.items() if each.write)] == LOG_FORMATS


@pytest.mark.parametrize("name", ["csv", "jsonl", "a/b", "", "CSV"])
def test_names_that_are_taken_or_unfit_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a format's name is new"):
        log_format(name, print)


def test_a_run_writes_a_new_format_and_replaces_it(ids: Format, tmp_path: Path) -> None:
    clip = Path(__file__).parents[1] / "samples" / "squat.mp4"
    settings = load(
        overrides={
            "capture": {"vid_stride": 30},
            "inference": {"model": "builtin", "imgsz": 160},
            "output": {"log": ["ids", "csv", "yolo"], "video": False},
        }
    )
    request = RunRequest(locate([clip])[0], settings)
    for overwrite in (False, True):
        with (
            Session(request, Models(), into_folder=True) as session,
            prepare(tmp_path / "out", "clip", overwrite, []) as out,
        ):
            report = session.run(out)
        assert report.error is None
        assert [path.name for path in report.files] == [
            "keypoints.csv",
            "keypoints.ids",
            "keypoints.jsonl",
            "keypoints.yolo",
            "summary.json",
        ]
        assert "yolo: no times, no ids and no scores; points are seen (2), hidden (1) or missing" in report.notes
    ids.validate(tmp_path / "out" / "keypoints.ids")


def test_a_file_that_is_not_valid_is_an_error(ids: Format, log: Path, tmp_path: Path) -> None:
    def write(_: Path, target: Path) -> None:
        target.write_text("no ids")

    with pytest.raises(OutputError, match="holds more than ids"):
        Format("ids", from_journal(write), ids.validate).convert(log, tmp_path / "keypoints.ids")
