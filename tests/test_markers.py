"""What a test needs and is not there: one line for all such tests, or failures where they must run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import conftest

TESTS = """
import pytest
@pytest.mark.parametrize("number", range(5))
def test_of_other_weights(number, shared): pass
@pytest.mark.system("no-such-program")
def test_of_a_program(): pass
@pytest.mark.system
def test_that_finds_out_by_itself(): pytest.skip("no screen")
@pytest.mark.system("os")
def test_that_can_run(): pass
"""


def told(folder: Path, *options: str, required: str = "") -> tuple[int, list[str]]:
    """Exit code and lines of a run of TESTS beside this folder's conftest, without the shared folder."""
    (folder / "test_some.py").write_text(TESTS, encoding="utf-8")
    here = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        "-c",
        here.parent / "pyproject.toml",
    ]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(here), *sys.path]),
        "POSELINE_SHARED": str(folder / "none"), "POSELINE_REQUIRE": required,
    }  # fmt: skip
    done = subprocess.run(
        [*map(str, command), *options, str(folder)], capture_output=True, text=True, timeout=280, env=environment
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("chosen", "hidden"), [("", True), ("not gpu", True), ("not (gpu or browser)", True), ("gpu", False)]
)
def test_a_gpu_is_hidden_from_all_tests_but_its_own(chosen: str, hidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a run on the CPU, which they mean, would be on the GPU where there is one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    conftest.pytest_configure(SimpleNamespace(option=SimpleNamespace(markexpr=chosen)))  # type: ignore[arg-type] # all it asks for
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ("-1" if hidden else "0")


def test_skips_for_one_reason_are_one_line(tmp_path: Path) -> None:
    code, lines = told(tmp_path)
    assert code == 0, lines
    skipped = [line for line in lines if line.startswith("SKIPPED")]
    assert len(skipped) == 3, skipped
    assert any("[5]" in line and str(tmp_path / "none") in line for line in skipped)
    assert any("[1]" in line and "needs no-such-program" in line for line in skipped)
    assert "1 passed, 7 skipped" in lines[-1]


@pytest.mark.parametrize(
    ("required", "outcome"),
    [("shared", "1 passed, 2 skipped, 5 errors"), ("system", "1 failed, 1 passed, 5 skipped, 1 error")],
)
def test_where_they_must_run_they_fail(required: str, outcome: str, tmp_path: Path) -> None:
    code, lines = told(tmp_path, required=required)
    assert code == 1
    assert outcome in lines[-1]


def test_the_fixture_is_the_marker(tmp_path: Path) -> None:
    code, lines = told(tmp_path, "-m", "shared")
    assert code == 0, lines
    assert "5 skipped, 3 deselected" in lines[-1]
