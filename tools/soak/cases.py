"""Cases: what every soak of many short cases does with them: count them by kind, tell faults at once, and conclude."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path


class Cases:
    """Counts cases, from when it is made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._table: dict[str, Counter[str]] = defaultdict(Counter)
        self._most_lost: dict[str, float] = defaultdict(float)
        self._faults: list[str] = []

    def add(self, kind: str, fault: str, lost: float = 0.0) -> None:
        """Count one case; `fault` is what was wrong, or empty, and `lost` the seconds of video that it cost."""
        self._table[kind]["cases"] += 1
        self._table[kind]["faults"] += bool(fault)
        self._most_lost[kind] = max(self._most_lost[kind], lost)
        if fault:
            self._faults.append(f"{kind}: {fault}")
            print(self._faults[-1], file=sys.stderr, flush=True)

    def conclude(self, seed: int, file: Path | None) -> int:
        """Print a line a kind, and write all of it to `file` as JSON; the exit code, 0 where nothing was wrong."""
        for kind, row in self._table.items():
            lost = f", most video lost {self._most_lost[kind]:.2f} s" if self._most_lost[kind] else ""
            print(f"{kind:20}{row['cases']:5} cases {row['faults']:5} faults{lost}")
        print(f"seed {seed}, {time.monotonic() - self._began:.0f} s")
        if file:
            found = {"table": self._table, "faults": self._faults, "most lost": self._most_lost}
            file.write_text(json.dumps(found, indent=1) + "\n")
        return 1 if self._faults else 0


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all of them have: --seed and --json."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", type=Path, help="file for what was found")
    return options
