"""docs/formats.md against the formats: each has its row, its section and an example that it really makes."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from format_examples import MARKED, PAGE, example
from format_worlds import write_log
from poseline.formats import FORMATS
from poseline.log import read_tracks

TEXT = PAGE.read_text(encoding="utf-8")
OTHER = {name: each for name, each in FORMATS.items() if each.of_tracks}


@pytest.mark.parametrize("name", OTHER)
def test_each_format_has_a_row_that_says_what_it_can(name: str) -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith("|") and f"| `{name}` |" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    file = OTHER[name].file_name() + ("/" if OTHER[name].folder else "") if OTHER[name].write else f"*.{name}"
    assert cells[2] == f"`{file}`"
    assert cells[3:5] == ["yes" if can else "no" for can in (OTHER[name].write, OTHER[name].read)]
    anchor = re.findall(r"\]\(#([\w-]+)\)", cells[0])[0]
    headings = re.findall(r"^##+ (.+)$", TEXT, re.MULTILINE)
    assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize(("name", "shown"), MARKED.findall(TEXT), ids=lambda value: str(value).partition("\n")[0])
@pytest.mark.filterwarnings("default")  # HDMF's and pynwb's own, while they are imported
def test_examples_are_what_is_made(name: str, shown: str, tmp_path: Path) -> None:
    if missing := [module for module in FORMATS[name].needs if find_spec(module) is None]:
        pytest.skip(f"needs {' and '.join(missing)}: not installed")
    made = example(name, tmp_path)
    assert made == shown, "`python tests/format_examples.py` writes the examples anew"


LINES = re.findall(r"^\| (polars|pandas|xarray) \| `(.+?)` \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("library", "line"), LINES, ids=lambda value: str(value).partition("(")[0])
def test_each_library_has_its_line(library: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip(library)
    (tmp_path / "runs" / "clip").mkdir(parents=True)
    log = write_log(tmp_path / "runs" / "clip" / "keypoints.jsonl", 120)
    monkeypatch.chdir(tmp_path)
    truth = read_tracks(log)
    found = eval(line, {library: module, "tracks": truth})  # noqa: S307 # a line of our own page
    if library == "xarray":
        np.testing.assert_array_equal(found.position.values, truth.keypoints.transpose(0, 3, 2, 1)[:, :2])
        np.testing.assert_array_equal(found.time.values, truth.times)
        assert found.keypoint.values.tolist() == list(truth.skeleton.names)
    elif line.startswith("tracks"):
        assert len(found) == len(truth.rows)
        np.testing.assert_array_equal(found["left_knee_x"], truth.rows.keypoints[:, 13, 0])
        np.testing.assert_array_equal(found["time"], truth.times[truth.rows.frame])
    else:
        assert len(found) == 1 + 119 + 1
        assert list(found["ended"])[-1] == "complete", "which only the last line has"
        assert len(list(found["persons"])[2]) == 3
