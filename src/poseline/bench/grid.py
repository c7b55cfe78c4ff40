"""Grid: rows and columns of text, for the terminal and for Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Grid:
    """A table. Its first columns are names, to the left; the rest are numbers, to the right."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int
    """How many of the columns are names."""
    title: str = ""

    def table(self) -> Table:
        """For the terminal, without the title."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in self.headings[: self.names]:
            table.add_column(escape(heading))
        for heading in self.headings[self.names :]:
            table.add_column(escape(heading), justify="right", no_wrap=True)  # a number cut short would be another one
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

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
