"""How to read a report: what the signs in its plots mean, and the conventions behind its numbers."""

from __future__ import annotations

from poseline.analysis.report import figures
from poseline.analysis.report.markup import Markup, tag
from poseline.analysis.report.subject import Subject
from poseline.analysis.result import Analysis

Key = tuple[str, str, str]
"""Class and path of a small drawing, and what it stands for."""

_LINE, _AREA = "M0 6h22", "M0 1h22v10h-22z"
_JOINTS = (
    "Joint angles are flexion: 0 is straight (knee, elbow) or in line with the trunk (hip, shoulder), + is flexed or "
    "forward. The included angle of a knee or an elbow is 180° minus that. Lean is 0 upright and + forward."
)
_SIDES = (
    "Flexion is positive whichever way the person faces; left and right are the person's own. Seen from the front or "
    "the back, angles are those of the frontal plane."
)
_PLANE = (
    "An angle in the picture is the body's angle only where the limb moves in the picture's plane. Limbs that look "
    "more than 30° foreshortened against their own usual length are marked as out of plane; a limb that never lies in "
    "the plane is not found out."
)
_METRES = (
    "Metres, where given, are in the picture's plane at the person's distance; movement towards the camera is in no "
    "speed and no distance."
)


def legend(subject: Subject) -> Markup:
    """What the signs in a person's plots mean."""
    keys = (
        ("line left", _LINE, "left"),
        ("line right", _LINE, "right"),
        ("line middle", _LINE, "middle"),
        ("line filled middle", _LINE, "filled in"),
        ("dots middle", "M4 6h0M11 4h0M18 8h0", "as measured"),
        ("band middle", _AREA, "± one standard uncertainty"),
        *_marks(subject),
        ("away", _LINE, "out of the picture's plane"),
        ("unsure", _LINE, "not seen well"),
    )
    items = [
        tag("li", tag("svg", tag("path", class_=kind, d=path), viewBox="0 0 22 12", aria_hidden="true"), told)
        for kind, path, told in keys
    ]
    return tag("ul", *items, class_="legend")


def conventions(analysis: Analysis) -> Markup:
    """What every number of a report rests on."""
    lines = (_JOINTS, _SIDES, _PLANE, _uncertainty(analysis), _curves(analysis), _METRES)
    items = tag("ul", *(tag("li", line) for line in lines))
    return tag("section", tag("h2", "How to read this"), items, class_="conventions")


def _marks(subject: Subject) -> list[Key]:
    """How events are marked in this person's plots."""
    if not subject.kinds:
        return []
    if figures.ticked(subject):
        return [("event left", "M8 2v8", "left foot in front"), ("event right", "M14 2v8", "right foot in front")]
    return [("stretch", _AREA, "repetition")]


def _uncertainty(analysis: Analysis) -> str:
    return (
        "± is one standard uncertainty: of noise, and, for angles, depths and lengths, of what a network is typically "
        f"off by for good ({analysis.options.bias:g} torso lengths a point, measured on rendered clips), and of the "
        "scale. Single angles are good to about 10° at best; differences between repetitions, which share what is off, "
        "are better: see their spread, which is a standard deviation."
    )


def _curves(analysis: Analysis) -> str:
    smoothing = analysis.options.smoothing
    method = {
        "auto": "a constant-acceleration Rauch-Tung-Striebel smoother on the true time stamps",
        "butterworth": f"a zero-phase Butterworth filter, \N{MINUS SIGN}3 dB at {smoothing.frequency or 0:g} Hz",
        "none": "not smoothed",
    }[smoothing.method]
    gaps = "" if smoothing.method == "none" else f"; gaps of up to {smoothing.max_gap:g} s are filled in and dashed"
    return (
        f"Curves: {method}{gaps}; longer gaps stay empty. Dots are the points as measured, of a long clip the lowest "
        "and highest of each moment; those far outside are drawn at the edge. Least and most are taken where all "
        "points of an angle were seen well."
    )
