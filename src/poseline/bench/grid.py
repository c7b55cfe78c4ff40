"""Grid: rows and columns of text, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """A table. Its first columns are names, to the left; the rest are numbers, to the right."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int
    """How many of the columns are names."""
    title: str = ""

    def lines(self) -> tuple[list[str], list[str]]:
        """For the terminal, without the title: the lines of the headings, and those of the rows.

        As wide as it needs to be: a number cut short to fit would be another number.
        """
        split = [heading.split("\n") for heading in self.headings]
        height = max(map(len, split))
        heads = list(zip(*([""] * (height - len(parts)) + parts for parts in split), strict=True))
        widths = [max(map(len, column)) for column in zip(*heads, *self.rows, strict=True)]
        return [self._line(head, widths) for head in heads], [self._line(row, widths) for row in self.rows]

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = [
            cell.ljust(width) if index < self.names else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    def markdown(self) -> str:
        """For an issue or a README."""
        rules = [":--" if index < self.names else "--:" for index in range(len(self.headings))]
        lines = [self.headings, rules, *self.rows]
        table = "\n".join(
            "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in line) + " |" for line in lines
        )
        return f"**{self.title}**\n\n{table}" if self.title else table

    def without_empty_columns(self) -> Grid:
        """The same without columns that hold nothing in any row."""
        kept = [index for index in range(len(self.headings)) if any(row[index] for row in self.rows)]
        return Grid(
            tuple(self.headings[index] for index in kept),
            tuple(tuple(row[index] for index in kept) for row in self.rows),
            sum(index < self.names for index in kept),
            self.title,
        )

    def folded(self) -> Grid:
        """The same, with what all rows have in common said once, in the title; the last name stays a column."""
        shared = [index for index in range(self.names - 1) if self.rows and len({row[index] for row in self.rows}) == 1]
        kept = [index for index in range(len(self.headings)) if index not in shared]
        said = ", ".join(self.rows[0][index] for index in shared)
        return Grid(
            tuple(self.headings[index] for index in kept),
            tuple(tuple(row[index] for index in kept) for row in self.rows),
            self.names - len(shared),
            f"{self.title}: {said}" if said else self.title,
        )
