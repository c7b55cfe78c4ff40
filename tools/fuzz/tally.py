"""Tally: how many cases of each kind were read, refused and at fault."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Tally:
    """Counts what a worker answered, from when it is made."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._table: dict[str, Counter[str]] = defaultdict(Counter)
        self._faults: list[dict[str, str]] = []

    def add(self, kind: str, case: str, found: Mapping[str, Any], fault: str) -> None:
        """Count one case; `fault` is what is wrong with the answer `found`, or empty."""
        row = self._table[kind]
        row["cases"] += 1
        row["refused" if "error" in found else "read"] += 1
        row["faults"] += bool(fault)
        if fault:
            self._faults.append({"case": case, "fault": fault, "where": found.get("where", "")})

    def show(self, seed: int) -> None:
        """Print a line a kind, the sums, and each fault on stderr."""
        wide = max(map(len, self._table), default=0) + 2
        for name, row in self._table.items():
            numbers = "  ".join(f"{row[what]:5} {what}" for what in ("cases", "read", "refused", "faults"))
            print(f"{name:{wide}}{numbers}")
        cases, seconds = sum(row["cases"] for row in self._table.values()), time.monotonic() - self._started
        print(f"{cases} cases, {len(self._faults)} faults, seed {seed}, {seconds:.0f} s")
        for each in self._faults:
            print(f"{each['case']}: {each['fault']}\n{each['where']}", file=sys.stderr)

    def write(self, path: Path) -> None:
        """Write the table and the faults as JSON."""
        path.write_text(json.dumps({"table": self._table, "faults": self._faults}, indent=1))

    @property
    def exit_code(self) -> int:
        """1 where anything is at fault."""
        return 1 if self._faults else 0
