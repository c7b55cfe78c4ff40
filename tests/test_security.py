"""docs/security.md: each test that it names exists; and what no other file tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poseline.capture import locate_one
from poseline.output.folder import numbered_folder

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
