"""docs/design.md against the source: the drawing of the rooms, their order, and the one way to the pipeline."""

from __future__ import annotations

import ast
from graphlib import CycleError

import pytest

import rooms
from poseline import pipeline
from rooms import SRC


def test_the_drawing_is_that_of_the_imports() -> None:
    page = rooms.PAGE.read_text(encoding="utf-8")
    assert rooms.renewed(page) == page, "docs/design.md is stale; `python tests/rooms.py` renews it"


def test_no_room_imports_upwards() -> None:
    found = rooms.graph()
    level = rooms.levels(found)  # raises CycleError where there is no order
    assert level.keys() == rooms.rooms()
    assert all(level[name] > level[below] for name, used in found.items() for below in used)
    assert {name for name in found if level[name] == max(level.values())} == {"__main__"}


def test_a_circle_of_rooms_is_found() -> None:
    with pytest.raises(CycleError, match="capture"):
        rooms.levels({"capture": {"frame"}, "frame": {"output"}, "output": {"capture"}})


def test_arrows_that_others_imply_are_left_out() -> None:
    assert rooms.reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}


def _imported_from(path: str, module: str) -> set[str]:
    """Names that a file of the package imports from `module` or from below it."""
    tree = ast.parse((SRC / path).read_text(encoding="utf-8"))
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{module}.")
        for alias in node.names
    }


WORDS = {
    "AnnotatedVideo",
    "Cancelled",
    "Channel",
    "Meter",
    "OnFrame",
    "Overflow",
    "RunReport",
    "Sink",
    "Stage",
    "versions",
}
"""What the pipeline speaks in; the other public names of it set it to work."""


def test_the_pipeline_is_set_to_work_by_the_session_alone() -> None:
    works = set(pipeline.__all__) - WORDS
    assert len(works) == 3, "a new name of the pipeline: is it a word, or does it run something?"
    files = [path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if path.parent.name != "pipeline"]
    users = {path: used for path in files if (used := _imported_from(path, "poseline.pipeline") & works)}
    assert users.pop("rendering/render.py") == {"chain"}, "stages of its own, which read a log and load no model"
    assert set(users) == {"session.py"}


def test_every_way_in_uses_the_session() -> None:
    """The command and its workers, `stream`, `record` and the benchmark; tests/test_extending.py sees them do it."""
    files = [path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py")]
    users = {rooms.part(f"poseline.{path.replace('/', '.')}") for path in files if "Session" in _calls(path)}
    assert {"model", "recording", "bench"} < users, "and the command's own room"


def _calls(path: str) -> set[str]:
    """Names that a file calls."""
    tree = ast.parse((SRC / path).read_text(encoding="utf-8"))
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
