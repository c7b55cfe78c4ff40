"""Fuzzing what reads media: damaged files of all kinds, and sound ones, by a seed.

    python tools/fuzz/media.py [--damaged 2000] [--sound 500] [--seed 1] [--keep FOLDER] [--json FILE]

Small clips of seven codecs in eleven containers are made of a sample. Damage is done to bytes, to the parts that a
container is made of, and to encoded pictures. Each file is read as a run reads it, by worker processes. A fault is:

- a process that dies or takes longer than a second and 20 s a megabyte, on a computer that has nothing else to do;
- an error that is no SourceError in words, which names the file;
- frames that are missing, of those that the file states, without a word about it;
- a file that lost pictures, and neither an error, a note, a bad packet, a corrupt frame, a gap nor a hole in the log's
  times tells it, where something in the file could;
- times that do not move on; more than 700 MB of memory; files or threads that stay open;
- of a sound file: another number of frames, other times, or any word of damage.

It prints a table and ends with 0 if there was no fault.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("SVT_LOG", "1")  # errors only
from clips import Recipe, Truth, drawn, kinds, write
from damage import DAMAGES
from pool import answers
from structure import packets_of, units_of
from tally import Tally

WORKER = Path(__file__).with_name("media_worker.py")
SECONDS, SECONDS_PER_MEGABYTE, PATIENCE = 1.0, 20.0, 10.0
"""Time for a file, and how many times as long a busy computer may take."""
MEGABYTES = 700
SHORT = 0.8
"""Below this share of its pictures a damaged file is short."""
TELLS_NOTHING = frozenset({"ts", "mpg", "h264", "hevc", "m2v", "obu", "mjpeg", "frag.mp4"})
"""Containers that state nowhere how much they hold: a part that is missing whole leaves no trace."""
HARMLESS = ("interlaced", "no time stamps and states no frame rate")
"""Notes that a sound file may have."""


@dataclass
class Case:
    """One file to read."""

    path: Path
    recipe: Recipe
    truth: Truth
    damage: str
    """How it was damaged; empty for a sound one."""


def sound_cases(folder: Path, count: int, chance: random.Random) -> Iterator[Case]:
    """Sound files, of each kind in turn."""
    plain = kinds()
    for number in range(count):
        recipe = drawn(plain[number % len(plain)], chance)
        path = folder / f"sound-{number:04}-{recipe.name}"
        yield Case(path, recipe, write(recipe, path, chance), "")


def damaged_cases(folder: Path, count: int, chance: random.Random) -> Iterator[Case]:
    """Damaged files, of each kind and damage in turn."""
    whole = []
    for recipe in [*kinds(), *(replace(drawn(recipe, chance), count=24) for recipe in kinds() * 2)]:
        path = folder / f"whole-{recipe.name}"
        truth = write(recipe, path, chance)
        whole.append((recipe, truth, path.read_bytes(), packets_of(path)))
        path.unlink()
    for number in range(count):
        recipe, truth, content, packets = whole[number % len(whole)]
        damage = DAMAGES[(number // len(whole) + number) % len(DAMAGES)]
        damaged = bytearray(content)
        structure = units_of(content, recipe.container)
        damage(damaged, packets if packets and chance.random() < 0.4 else structure, chance)
        if bytes(damaged) == content or not damaged:
            damaged = damaged[: len(damaged) // 2] or bytearray(b"\0")
        path = folder / f"damaged-{number:04}-{damage.__name__}-{recipe.name}"
        path.write_bytes(damaged)
        yield Case(path, recipe, truth, damage.__name__)


def fault_of(case: Case, found: dict[str, Any]) -> str:
    """What is wrong with how a file was read; empty for nothing."""
    for kind in ("crash", "hang", "raised"):
        if kind in found:
            return f"{kind}: {found[kind]}"
    for what in ("files left", "threads left", "python threads left"):
        if found[what] > 0:
            return f"left open: {found[what]} {what}"
    if found["megabytes"] > MEGABYTES:
        return f"memory: {found['megabytes']:.0f} MB"
    if "error" in found:
        return _fault_of_error(case, found)
    if found["odd"]:
        return f"odd: {found['odd']}"
    return _fault_of_damaged(case, found) if case.damage else _fault_of_sound(case, found)


def _fault_of_error(case: Case, found: dict[str, Any]) -> str:
    text = found["error"]
    if not case.damage:
        return f"false alarm: {text}"
    in_words = case.path.name in text and found["code"] == 3 and "Error" not in text and "Traceback" not in text
    return "" if in_words else f"error without words: {text}"


def _fault_of_sound(case: Case, found: dict[str, Any]) -> str:
    truth, times = case.truth, found["times"]
    if found["frames"] != truth.count:
        return f"false count: {found['frames']} of {truth.count}"
    if found["stated"] not in (None, truth.count):
        return f"false count: {found['stated']} stated of {truth.count}"
    alarms = [note for note in found["notes"] if not any(words in note for words in HARMLESS)]
    if alarms or found["bad"] or found["corrupt"] or found["gaps"]:
        return f"false alarm: {alarms or found}"
    if truth.times and max(abs(one - other) for one, other in zip(times, truth.times, strict=True)) > 0.0011:
        return f"false times: {times} for {truth.times}"
    return ""


def _fault_of_damaged(case: Case, found: dict[str, Any]) -> str:
    given, stated = found["frames"] + found["bad"], found["stated"]
    told = any("cut short" in note or "ended after" in note or "passed over" in note for note in found["notes"])
    if stated and given < 0.98 * stated and not told:
        return f"not told: {given} of {stated} that are stated"
    hole = any(later - earlier > 1.5 / case.recipe.rate for earlier, later in pairwise(found["times"]))
    signs = found["notes"] or found["bad"] or found["corrupt"] or found["gaps"] or hole
    if given < SHORT * case.truth.count and not signs and not _states_less(case, found):
        return f"not told: {given} of {case.truth.count} that were there"
    return ""


def _states_less(case: Case, found: dict[str, Any]) -> bool:
    """Whether nothing in the file says how much there was: it never did, or that was damaged too."""
    if case.recipe.container in TELLS_NOTHING:
        return True
    if found["stated"] is not None:
        return bool(found["frames"] + found["bad"] >= found["stated"])
    return case.recipe.varying or found["duration"] is None


def main() -> int:
    """Run it; 0 where there is no fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damaged", type=int, default=2000)
    parser.add_argument("--sound", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder for the files that have a fault")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)  # noqa: S311 # the same for a seed
    tally, slowest, largest = Tally(), (0.0, ""), (0.0, "")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def made() -> Iterator[Case]:
            yield from sound_cases(folder, chosen.sound, chance)
            yield from damaged_cases(folder, chosen.damaged, chance)

        def line_of(case: Case) -> tuple[str, float]:
            return str(case.path), PATIENCE * (SECONDS + SECONDS_PER_MEGABYTE * case.path.stat().st_size / 1e6)

        for case, found in answers(WORKER, made(), line_of, chosen.workers):
            fault = fault_of(case, found)
            tally.add(case.damage or "sound", case.path.name, found, fault)
            slowest = max(slowest, (found.get("seconds", 0.0), case.path.name))
            largest = max(largest, (found.get("megabytes", 0.0), case.path.name))
            if fault and chosen.keep:
                chosen.keep.mkdir(parents=True, exist_ok=True)
                case.path.rename(chosen.keep / case.path.name)
            case.path.unlink(missing_ok=True)
    tally.show(chosen.seed)
    print(f"longest {slowest[0]:.2f} s: {slowest[1]}; most memory {largest[0]:.0f} MB: {largest[1]}")
    if chosen.json:
        tally.write(chosen.json)
    return tally.exit_code


if __name__ == "__main__":
    sys.exit(main())
