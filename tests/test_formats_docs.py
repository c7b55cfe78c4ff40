"""docs/formats.md against the formats: each has its row, its section and an example that it really makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from format_examples import MARKED, PAGE, example
from poseline.formats import FORMATS

TEXT = PAGE.read_text(encoding="utf-8")
OTHER = {name: each for name, each in FORMATS.items() if each.of_tracks}


@pytest.mark.parametrize("name", OTHER)
def test_each_format_has_a_row_that_says_what_it_can(name: str) -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith("|") and f"| `{name}` |" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    file = OTHER[name].file_name() + ("/" if OTHER[name].folder else "")
    assert cells[2] == f"`{file}`"
    assert cells[3:5] == ["yes", "yes" if OTHER[name].read else "no"]
    anchor = re.findall(r"\]\(#([\w-]+)\)", cells[0])[0]
    headings = re.findall(r"^##+ (.+)$", TEXT, re.MULTILINE)
    assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize(("name", "shown"), MARKED.findall(TEXT), ids=lambda value: str(value).partition("\n")[0])
def test_examples_are_what_is_made(name: str, shown: str, tmp_path: Path) -> None:
    made = example(name, tmp_path)
    assert made == shown, "`python tests/format_examples.py` writes the examples anew"
