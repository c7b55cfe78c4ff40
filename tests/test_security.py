"""docs/security.md: each test that it names exists; and what no other file tests."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Told
from output_worlds import header, poses, seen
from poseline.analysis.files.tables import write_table
from poseline.capture import locate_one
from poseline.commands.evaluate import _show_scores
from poseline.corrections import Corrections, LogIdentity, Rename
from poseline.errors import SourceError
from poseline.evaluation import PoseScores
from poseline.formats.exporting import export_log
from poseline.formats.importing import import_log
from poseline.log import KeypointLog
from poseline.output.folder import numbered_folder
from poseline.skeleton import Skeleton
from poseline.words import cell

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "security.md"


def rows() -> list[str]:
    return [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("row", rows(), ids=[row.split("|")[1].strip()[:40] for row in rows()])
def test_each_row_names_tests_that_exist(row: str) -> None:
    named = re.findall(r"`(test_\w+\.py): (test_\w+)`", row)
    assert named, "a row without a test holds nothing"
    for file, test in named:
        assert f"\ndef {test}(" in (TESTS / file).read_text(encoding="utf-8"), f"{file} has no {test}"
    assert row.count("`test_") == len(named)


@pytest.mark.parametrize(
    "name",
    ["..", ".", "/", "../../etc/passwd", "a/../../b", "\\..\\x", "C:\\x", "\0", "a\nb", " ", "x" * 500, "-rf", "~root",
     "\U00010400" * 200],
)  # fmt: skip
def test_a_name_never_leads_out_of_the_output_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made, created = numbered_folder(name)
    assert created
    assert made.resolve().parent == (tmp_path / "runs").resolve()
    assert not re.search(r"[/\\\0\n ]", made.name)
    assert not made.name.startswith(("-", ".", "~"))


@pytest.mark.parametrize(
    "url", ["rtsp://../../etc", "http://host/../../etc/passwd", "rtsp://a:b@..", "http://%2e%2e/x.m3u8"]
)
def test_an_address_names_a_folder_that_is_no_way_out(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made, _ = numbered_folder(locate_one(url, "open").name)
    assert made.resolve().parent == (tmp_path / "runs").resolve()


FORMULA = '=HYPERLINK("http://evil.example";"x")'


def cells(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [each for row in csv.reader(file) for each in row]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_is_no_formula(sign: str) -> None:
    assert cell(f"{sign}1") == f"'{sign}1"
    assert cell("left_knee") == "left_knee"


@pytest.mark.parametrize("name", ["csv", "deeplabcut"])
def test_a_spreadsheet_finds_no_formula_in_a_table_of_ours(name: str, tmp_path: Path) -> None:
    """Not in names of keypoints, of persons and of files: all three may be somebody else's."""
    pytest.importorskip("polars", reason="needs a full installation")
    skeleton = Skeleton((FORMULA, "@SUM(1)"), ((0, 1),))
    clip = {"width": 64, "height": 48, "fps": 30.0, "time_base": "1/30"} if name == "deeplabcut" else None
    with KeypointLog(tmp_path / "keypoints.jsonl", header(skeleton=skeleton, video=clip, source=FORMULA)) as log:
        for index in range(3):
            log.frame(seen(index, poses(1), source=FORMULA))
    [path] = export_log(tmp_path / "keypoints.jsonl", name).paths
    found = [each for each in cells(path) if "HYPERLINK" in each or "SUM" in each]
    assert len(found) >= 4
    assert all(each.startswith("'") for each in found)


def test_an_analysis_has_no_formula_either(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars", reason="needs a full installation")
    write_table(tmp_path / "x.csv", polars.DataFrame({f"{FORMULA}_x": [1.0], "y": [-2.0]}), "csv")
    assert cells(tmp_path / "x.csv") == [f"'{FORMULA}_x", "y", "1.000000", "-2.000000"]


HOSTILE = {
    "deep": "[" * 100_000,
    "deep objects": '{"a":' * 50_000,
    "a long number": '{"images":[{"id":' + "9" * 5000 + "}]}",
    "no numbers": '{"images":[{"id":1e999,"width":-1,"height":1e400}],"annotations":[],"categories":[]}',
    "bytes": "\0" * 100,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", ["coco", "coco-results", "posetrack", "openpose", "mot", "cvat"])
def test_files_of_other_programs_are_refused_in_words(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / "frame_000000000001_keypoints.json"
    path.write_text(content)
    with pytest.raises(SourceError, match=tmp_path.name):
        import_log(tmp_path if name == "openpose" else path, name, fps=25, size=(64, 48))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("labels.json", HOSTILE["deep"], "is not JSON"),
        ("labels.json", HOSTILE["a long number"], "is not JSON"),
        ("data.yaml", "!!python/object/apply:os.mkdir [made]", "is not YAML"),
        ("data.yaml", "path: /\nval: etc\nkpt_shape: [17, 3]\nnames: {0: person}", "holds no picture"),
    ],
)
def test_labels_of_others_are_refused_in_words(
    file: str, content: str, words: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).write_text(content)
    code, _, complaint = told("evaluate", "builtin", tmp_path / file)
    assert (code, words in complaint) == (3, True), complaint
    assert [path.name for path in tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("line", [HOSTILE["deep"], HOSTILE["deep objects"], "\0\0", "[]"])
def test_a_line_of_corrections_that_is_none_is_left_out(line: str, told: Told, tmp_path: Path) -> None:
    with KeypointLog(tmp_path / "keypoints.jsonl", header()) as log:
        log.frame(seen(0, poses(1)))
    first = json.loads((tmp_path / "keypoints.jsonl").read_bytes().splitlines()[0])
    of = {"name": "keypoints.jsonl", "sha256": LogIdentity.of(first).sha256, "source": "clip.mp4"}
    head = json.dumps({"type": "corrections", "schema": 1, "log": of, "created": ""}, separators=(",", ":"))
    (tmp_path / "corrections.jsonl").write_text(f"{head}\n{line}\n")
    code, said, _ = told("corrections", tmp_path)
    assert (code, said) == (0, "no corrections; 1 line torn, left out\n")


LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [["export", LONG, "--to", "coco"], ["inspect", LONG], ["import", LONG, "--from", "coco"], ["recover", LONG],
     ["evaluate", "builtin", f"{LONG}.txt"], ["analyze", LONG], ["skeleton", LONG]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_a_name_that_the_system_refuses_is_no_internal_error(words: list[str], told: Told) -> None:
    code, _, complaint = told(*words)
    assert code == 3
    assert "File name too long" in complaint
    assert "Traceback" not in complaint


MARKUP = "[/red]"
"""What ends a style, in rich's markup; none was begun."""


def test_words_of_others_are_shown_as_they_are(told: Told, tmp_path: Path) -> None:
    (tmp_path / "body.yaml").write_text(f"names: ['{MARKUP}', '[red]']\nedges: [[0, 1]]\n")
    folder = tmp_path / "a[" / "red]"
    folder.mkdir(parents=True)
    code, said, complaint = told("skeleton", "--skeleton", tmp_path / "body.yaml", "-o", folder / "body.png")
    assert (code, complaint) == (0, "")
    assert f"picture: {folder / 'body.png'}" in said
    assert said.count(MARKUP) == 3
    assert said.count("[red]") == 2

    with KeypointLog(folder / "keypoints.jsonl", header()) as log:
        log.frame(seen(0, poses(1)))
    code, said, complaint = told("corrections", folder)
    assert (code, said) == (0, f"no corrections: {folder / 'corrections.jsonl'} is not there\n"), complaint
    made = Corrections.of(folder).append(Rename(1, MARKUP), by=MARKUP, act=MARKUP)
    Corrections.of(folder).add([replace(made, id="[red]", when=MARKUP).as_record()])
    code, said, complaint = told("corrections", folder)
    assert (code, complaint) == (0, "")
    assert said.count(MARKUP) == 6
    assert said.count("[red]") == 1


def test_a_class_of_others_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    _show_scores(PoseScores(1, 1, 1, {}, {}, {MARKUP: 0.5}))
    assert f"{MARKUP}: pose AP 0.500" in capsys.readouterr().out
