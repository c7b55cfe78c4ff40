"""The rooms of the package, and what each imports of the others: the drawing in docs/design.md is made from it.

A room is a folder or a module of `src/poseline`. `python tests/rooms.py` writes the drawing into the page anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeAlias

PROJECT = Path(__file__).parents[1]
SRC = PROJECT / "src" / "poseline"
PAGE = PROJECT / "docs" / "design.md"
BEGIN, END = "<!-- made by `python tests/rooms.py` -->\n", "<!-- end of what is made -->\n"

Graph: TypeAlias = Mapping[str, set[str]]
"""What each room imports."""


@cache
def rooms() -> frozenset[str]:
    """Names of all rooms."""
    folders = {path.parent.name for path in SRC.glob("*/*.py")}
    return frozenset(folders | {path.stem for path in SRC.glob("*.py")} - {"__init__"})


def part(module: str) -> str:
    """`poseline.capture.file` is of `capture`; `poseline` itself is ""."""
    return ".".join(module.split(".")[1:2])


@cache
def imports(path: Path) -> list[tuple[str, int]]:
    """Every module that a file imports and the line, wherever in it, but for what is for the type checker alone."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in node.body
        for inner in ast.walk(child)
    }
    known = rooms()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the whole way"
            for (
                alias
            ) in node.names:  # `from poseline import cli` imports a room; `from poseline import __version__` not
                inner = f"{node.module}.{alias.name}"
                is_room = node.module == "poseline" and alias.name in known
                yield (inner if is_room else str(node.module)), node.lineno


def graph() -> dict[str, set[str]]:
    """What each room imports of the others, inside functions too."""
    found: dict[str, set[str]] = {name: set() for name in rooms()}
    for path in SRC.rglob("*.py"):
        own = path.relative_to(SRC).parts[0].removesuffix(".py")
        if own != "__init__":  # its imports are lazy, by name
            found[own] |= {part(module) for module, _ in imports(path) if module.startswith("poseline.")} - {own}
    return found


def levels(found: Graph) -> dict[str, int]:
    """Each room's level: 0 imports no other room, each other is one above the highest that it imports.

    Raises:
        graphlib.CycleError: rooms import each other in a circle, so that there is no order; it names them.
    """
    level: dict[str, int] = {}
    for name in TopologicalSorter(found).static_order():
        level[name] = 1 + max((level[below] for below in found[name]), default=-1)
    return level


def reduced(found: Graph) -> dict[str, set[str]]:
    """The imports without those that a way through another room implies: the fewest arrows that give the same order."""
    reach: dict[str, set[str]] = {}
    for name in TopologicalSorter(found).static_order():
        reach[name] = found[name].union(*(reach[below] for below in found[name]))
    return {
        name: {below for below in direct if not any(below in reach[other] for other in direct)}
        for name, direct in found.items()
    }


def ground(found: Graph) -> set[str]:
    """Single modules that import single modules alone: what flows and what all may use."""
    single = {name for name in found if (SRC / f"{name}.py").is_file()}
    while beyond := {name for name in single if not found[name] <= single}:
        single -= beyond
    return single


def purpose(name: str) -> str:
    """The first line of the room's docstring, without its own name before a colon."""
    path = SRC / name / "__init__.py" if (SRC / name).is_dir() else SRC / f"{name}.py"
    line = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    head, colon, rest = line.partition(": ")
    return rest[0].upper() + rest[1:] if colon and head.lower().replace(" ", "_") == name else line


def drawing() -> str:
    """The part of the page that is made: a Mermaid diagram and a table of all rooms, the highest first."""
    found = graph()
    level, below = levels(found), ground(found)
    drawn = sorted(set(found) - below, key=lambda name: (-level[name], name))
    arrows = reduced({name: found[name] - below for name in drawn})
    lines = ["```mermaid", "flowchart TD", *(f'    r_{name}["{name}"]' for name in drawn)]
    lines += [f"    r_{name} --> r_{other}" for name in drawn for other in sorted(arrows[name])]
    lines += ["```", "", "| level | room | what it is | imports |", "|---|---|---|---|"]
    for name in sorted(found, key=lambda name: (-level[name], name)):
        used = ", ".join(sorted(found[name])) or "-"
        lines.append(f"| {level[name]} | `{name}` | {purpose(name)} | {used} |")
    return "\n".join(lines) + "\n"


def renewed(page: str) -> str:
    """The page with the drawing as it is to be now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{drawing()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
