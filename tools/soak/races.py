"""Races: the chain of stages and its channels, run thousands of times while threads change as often as they can.

    python tools/soak/races.py [--runs 10000] [--seed 1]

Each run has stages, depths, delays and an ending by chance: at the source's end, by an error in any stage, by a
consumer that leaves, by a time-out, or by another thread that cancels a channel. Python changes threads every
microsecond. A fault is a run that does not end, a thread or an open generator that is left, an item lost, repeated or
out of order, and an error that does not come out. A run that hangs ends the program, with all threads' places.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

from poseline.pipeline import Overflow, chain
from poseline.pipeline.chain import Stage
from poseline.pipeline.channel import Cancelled

HANG = 60.0
"""Seconds after which a run that takes some milliseconds counts as hung."""
ENDINGS = ("end", "end", "source", "stage", "leave", "cancel")


class Torn(Exception):
    """What a stage raises on purpose."""


class Run:
    """One chain; `fault` says what was wrong with it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 # the same for a seed
        self.count, self.ending = self.chance.randint(0, 25), self.chance.choice(ENDINGS)
        self.at = self.chance.randint(0, 25)
        self.overflow = self.chance.choice((Overflow.WAIT, Overflow.DROP_OLDEST))
        self.names = [f"stage {number}" for number in range(self.chance.randint(1, 3))]
        self.broken = self.chance.choice(self.names) if self.ending == "stage" else ""
        self.naps = [self.chance.choice((0.0, 0.0, 0.0, 0.0, 1e-5, 2e-4)) for _ in range(64)]
        self.open = Counter[str]()
        self.raised = False

    def _nap(self, item: int) -> None:
        if nap := self.naps[item % 64]:
            time.sleep(nap)

    def source(self) -> Generator[int, None, None]:
        self.open["source"] += 1
        try:
            for item in range(self.count):
                self._nap(item)
                if self.ending == "source" and item == self.at:
                    self.raised = True
                    raise Torn
                yield item
        finally:
            self.open["source"] -= 1

    def stage(self, name: str) -> Any:
        def run(items: Iterator[int]) -> Generator[int, None, None]:
            self.open[name] += 1
            try:
                for item in items:
                    self._nap(item + len(name))
                    if name == self.broken and item >= self.at:
                        self.raised = True
                        raise Torn
                    yield item
            finally:
                self.open[name] -= 1

        return run

    def fault(self) -> str:
        """Run it; what was wrong, in words, or an empty text."""
        before, got, came_out, dropped = threading.active_count(), list[int](), "", 0
        stages = [Stage(name, self.stage(name)) for name in self.names]
        try:
            with chain(self.source(), stages, depth=self.chance.randint(1, 3), overflow=self.overflow) as (
                flow,
                channels,
            ):
                cancelling = threading.Thread(target=channels[self.chance.randrange(len(channels))].cancel)
                for item in flow:
                    got.append(item)
                    if self.ending == "leave" and item >= self.at:
                        break
                    if self.ending == "cancel" and item >= self.at and cancelling.ident is None:
                        cancelling.start()
                dropped = channels[0].dropped
            if cancelling.ident is not None:
                cancelling.join()
        except (Torn, Cancelled) as error:
            came_out = type(error).__name__
            if isinstance(error, Cancelled):
                cancelling.join()
        return self._judged(got, came_out, dropped, threading.active_count() - before)

    def _judged(self, got: list[int], came_out: str, dropped: int, threads: int) -> str:
        if threads or any(self.open.values()):
            return f"{threads} threads left, open: {dict(self.open)}"
        if got != sorted(set(got)):
            return f"items repeated or out of order: {got}"
        if self.raised != (came_out == "Torn"):
            return f"raised: {self.raised}, came out: {came_out or 'nothing'}"
        if self.ending == "end" and len(got) + dropped != self.count:
            return f"{len(got)} items and {dropped} dropped of {self.count}"
        if (
            self.ending in ("source", "stage")
            and self.overflow is Overflow.WAIT
            and self.raised
            and len(got) != self.at
        ):
            return f"{len(got)} items before the error at {self.at}"
        return ""


def main() -> int:
    """Run it; 0 where there is no fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    sys.setswitchinterval(1e-6)
    faults, begun, endings = 0, time.monotonic(), Counter[str]()
    for number in range(chosen.runs):
        faulthandler.dump_traceback_later(HANG, exit=True)
        run = Run(chosen.seed * 1_000_003 + number)
        if fault := run.fault():
            faults += 1
            print(f"run {number} ({run.ending}): {fault}", file=sys.stderr)
        endings[run.ending] += 1
    faulthandler.cancel_dump_traceback_later()
    gil = "with" if getattr(sys, "_is_gil_enabled", lambda: True)() else "without"
    seconds = time.monotonic() - begun
    print(f"{chosen.runs} runs {gil} the GIL, {faults} faults, seed {chosen.seed}, {seconds:.0f} s; {dict(endings)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
