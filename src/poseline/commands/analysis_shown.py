"""What `poseline analyze` says at its end: a line a person, what must be known of their numbers, and the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from poseline import terminal
from poseline.words import counted

if TYPE_CHECKING:
    from poseline.analysis import Analysis, Person
    from poseline.analysis.files import Written


def show_analysis(analysis: Analysis, written: Written) -> None:
    """Show it."""
    show = terminal.console.print
    for person in analysis.persons:
        show(escape(_line(person)), soft_wrap=True)
        for note in person.warnings:
            show(escape(f"  note: {note}"), soft_wrap=True)
    others = analysis.people - len(analysis.persons)
    if others:
        show(f"{counted(others, 'other person')} in the log: --person all".replace("persons", "people"))
    for note in analysis.warnings:
        show(escape(f"note: {note}"), soft_wrap=True)
    if not analysis.metres and not analysis.options.known.anything:
        show("lengths are in pixels; --height, --scale or --calibrate gives metres")
    for name, note in written.notes.items():
        show(escape(f"note: {name}: {note}"), soft_wrap=True)
    names = ", ".join(path.name for path in written.files)
    show(escape(f"{written.files[0].parent}: {names}"), soft_wrap=True)


def _line(person: Person) -> str:
    """Such as `person 1: 0.00 to 8.36 s, faces right; 3 squats; 2 % filled`."""
    from poseline.analysis.files.summary import facings

    count = [counted(number, kind) for kind, number in person.counts.items()]
    stretches = [facing["facing"] for facing in facings(person)]
    faces = stretches[0] if len(stretches) == 1 else f"{stretches[0]}, then {', '.join(stretches[1:4])}"
    more = " ..." if len(stretches) > 4 else ""
    way = person.result.mechanics.distance_m
    parts = [
        f"{person.times[0]:.2f} to {person.times[-1]:.2f} s, faces {faces}{more}",
        ", ".join(count) or "no event",
        *([] if way is None else [f"hips {way:.2f} m to and fro"]),
        f"{person.filled:.1%} of the points filled, {person.missing:.1%} missing",
    ]
    return f"person {person.id}: " + "; ".join(parts)
