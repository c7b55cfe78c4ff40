"""Arcs: the angle of a joint drawn where it is, with its number beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from poseline.analysis import Facing, Person
from poseline.frame import plane_pixels
from poseline.overlay import Colour, Font
from poseline.overlay.canvas import yuv_of
from poseline.overlay.style import KEYPOINT_COLOURS, LIMB_COLOURS, WHITE
from poseline.pose import Floats
from poseline.rendering.layers import Sheet

Doubles: TypeAlias = NDArray[np.float64]

DEGREE = "°" if int(cv2.__version__.split(".")[0]) >= 5 else ""
"""OpenCV 4's letters have no such sign."""
_RADIUS = 0.17
"""Of an arc, in torsos."""
_CLEAR = (0.0, 0.7, 1.5)
"""How much farther from the joint, in heights of the number, a place for it is looked for ..."""
_TURNS = (0, 40, -40, 80, -80, 130, -130, 180)
"""... and by how many degrees turned from the middle of the arc."""
_STAY = 0.6
"""How much better, in shares of a number's area that is free, another place must be for a number to move there."""
_LETTERS = 0.2
"""Height of numbers in torsos, at most."""
_VEIL = 0.35
"""Opacity of the sector between the arc and the joint."""

JOINTS = ("knee", "hip", "elbow", "shoulder")
"""Whose angles have an arc."""


@dataclass(frozen=True, eq=False)
class Arc:
    """One joint's angle over a person's T frames, in square pixels of the source."""

    name: str
    """Such as `left_knee`."""
    vertex: Doubles
    """(T, 2) the joint."""
    zero: Doubles
    """(T,) radians: where the limb would point at 0 degrees, from x towards y."""
    sweep: Doubles
    """(T,) radians from there to where it points, within half a turn; NaN where a point is missing."""
    degrees: Doubles
    """(T,) the angle."""
    radius: float
    """Of the arc."""
    unsure: NDArray[np.bool_]
    """(T,) where one of its points was seen with little confidence."""

    @property
    def side(self) -> str:
        """`left` or `right`."""
        return self.name.split("_")[0]


def arcs_of(person: Person, joints: Sequence[str]) -> list[Arc]:
    """The arcs of these joints, both sides, as far as the skeleton has their points."""
    motion = person.result.smoothed.motion
    radius = max(_RADIUS * motion.torso, 10.0)
    found = []
    for joint in joints:
        for side in ("left", "right"):
            name = f"{side}_{joint}"
            if name not in person.angles.names:
                continue
            vertex, limb, before = _arms(person, side, joint)
            zero, end = _direction(before), _direction(limb)
            sweep = (end - zero + np.pi) % (2 * np.pi) - np.pi
            found.append(Arc(name, vertex, zero, sweep, person.angles[name], radius, unsure(person, name)))
    return found


def unsure(person: Person, name: str) -> NDArray[np.bool_]:
    """(T,) where one of the points of an angle was seen with little confidence."""
    return person.result.angle_hidden[:, person.angles.names.index(name)]


def _arms(person: Person, side: str, joint: str) -> tuple[Doubles, Doubles, Doubles]:
    """(T, 2) each: the joint, the limb beyond it, and the direction that the limb has at 0 degrees."""
    motion = person.result.smoothed.motion

    def place(name: str) -> Doubles:
        return motion.place(name if name.startswith("mid_") else f"{side}_{name}")

    down = place("mid_hip") - place("mid_shoulder")
    if joint == "knee":
        return place("knee"), place("ankle") - place("knee"), place("knee") - place("hip")
    if joint == "elbow":
        return place("elbow"), place("wrist") - place("elbow"), place("elbow") - place("shoulder")
    if joint == "hip":
        return place("hip"), place("knee") - place("hip"), down
    return place("shoulder"), place("elbow") - place("shoulder"), down


def _direction(vectors: Doubles) -> Doubles:
    known = (vectors != 0).any(axis=1)
    return np.where(known, np.arctan2(vectors[:, 1], vectors[:, 0]), np.nan)


class ArcLayer:
    """Draws one person's arcs and numbers; from the side, those of the side that faces the camera.

    Args:
        person: analysed.
        joints: of `JOINTS`.
        rows: which row of the person's arrays each frame of the log is, by its number.
    """

    def __init__(self, person: Person, joints: Sequence[str], rows: dict[int, int]) -> None:
        self._person, self._rows = person, rows
        self._arcs = arcs_of(person, joints)
        self._places: dict[str, int] = {}
        """Where each number stood last: which of the places it has to choose from."""

    def draw(self, sheet: Sheet) -> None:
        """Draw what the frame has."""
        row = self._rows.get(sheet.scene.number)
        if row is None:
            return
        shown = [arc for arc in self._arcs if np.isfinite(arc.sweep[row]) and self._is_near(arc.side, row)]
        for arc in shown:
            self._draw_arc(sheet, arc, row)
        for arc in shown:
            self._draw_number(sheet, arc, row)

    def _is_near(self, side: str, row: int) -> bool:
        """Whether the camera sees this side: of somebody who faces left the left one, of others both."""
        facing = self._person.facings[row]
        return facing not in (Facing.LEFT, Facing.RIGHT) or side == ("left" if facing == Facing.LEFT else "right")

    def _curve(self, sheet: Sheet, arc: Arc, row: int) -> tuple[Floats, Floats]:
        """The joint (2,) and the arc (N, 2) in pixels of the picture."""
        turns = arc.zero[row] + np.linspace(0, arc.sweep[row], max(2, int(abs(arc.sweep[row]) / 0.1) + 2))
        curve = arc.vertex[row] + arc.radius * np.stack((np.cos(turns), np.sin(turns)), axis=1)
        return self._seen(sheet, arc.vertex[row]), self._seen(sheet, curve)

    def _seen(self, sheet: Sheet, points: Doubles) -> Floats:
        """Square pixels of the source as pixels of the picture."""
        return sheet.scene.moved(points / np.array([self._person.pixel_aspect, 1.0]))

    def _font(self, sheet: Sheet, arc: Arc) -> Font:
        """Letters for a body of this size: a small one is not to disappear behind its numbers."""
        size = _LETTERS * arc.radius / _RADIUS * float(sheet.scene.factor[1])
        return Font(round(min(max(size, 12.0), sheet.style.font.size)))

    def _draw_arc(self, sheet: Sheet, arc: Arc, row: int) -> None:
        vertex, curve = self._curve(sheet, arc, row)
        colour = LIMB_COLOURS["left" if arc.side == "left" else "right"]
        veil(sheet, np.concatenate((vertex[None], curve)), colour)
        zero = np.stack((vertex, vertex + 1.25 * (curve[0] - vertex)))
        sheet.canvas.lines(_dashes(zero, 3), WHITE, max(1, sheet.style.line_width // 2))
        sheet.canvas.lines(np.stack((curve[:-1], curve[1:]), axis=1), colour, sheet.style.line_width)

    def _draw_number(self, sheet: Sheet, arc: Arc, row: int) -> None:
        vertex, curve = self._curve(sheet, arc, row)
        middle = curve[len(curve) // 2] - vertex
        mask = self._font(sheet, arc).mask(f"{round(arc.degrees[row])}{DEGREE}")
        width, height = mask.shape[1], mask.shape[0]
        reach, heading = float(np.linalg.norm(middle)), float(np.arctan2(middle[1], middle[0]))
        places = []
        for clear in _CLEAR:
            for turn in _TURNS:
                angle = heading + np.radians(turn)
                way = np.array([np.cos(angle), np.sin(angle)])
                distance = reach + (0.4 + clear) * height + abs(way[0]) * width / 2
                centre = vertex + way * distance
                places.append(centre - np.array([width, height]) / 2)
        costs = np.array([_cost(place, width, height, sheet.canvas.size, sheet.taken) for place in places])
        costs += 0.02 * np.arange(len(places))
        chosen, last = int(costs.argmin()), self._places.get(arc.name)
        if last is not None and costs[last] <= costs[chosen] + _STAY:
            chosen = last
        if costs[chosen] < 1.0:
            self._places[arc.name] = chosen
            x, y = (round(float(edge)) for edge in places[chosen])
            x, y = max(0, min(x, sheet.canvas.size[0] - width)), max(0, min(y, sheet.canvas.size[1] - height))
            ground = (90, 90, 90) if arc.unsure[row] else KEYPOINT_COLOURS["left" if arc.side == "left" else "right"]
            sheet.canvas.stamp((x, y), mask, ground, WHITE)
            sheet.taken.append((x, y, x + width, y + height))


def _cost(
    corner: Floats, width: int, height: int, size: tuple[int, int], taken: Sequence[tuple[float, float, float, float]]
) -> float:
    """Share of a number that would lie outside the picture, or over others, counted tenfold."""
    x1, y1 = float(corner[0]), float(corner[1])
    x2, y2 = x1 + width, y1 + height
    inside = max(0.0, min(x2, size[0]) - max(x1, 0)) * max(0.0, min(y2, size[1]) - max(y1, 0))
    covered = sum(
        max(0.0, min(x2, right) - max(x1, left)) * max(0.0, min(y2, bottom) - max(y1, top))
        for left, top, right, bottom in taken
    )
    return 10 * (1 - inside / (width * height)) + 10 * covered / (width * height)


def _dashes(line: Floats, count: int) -> Floats:
    """`line` (2, 2) as `count` dashes, (count, 2, 2)."""
    shares = np.linspace(0, 1, 2 * count).reshape(count, 2, 1)
    dashes: Floats = (line[0] + shares * (line[1] - line[0])).astype(np.float32)
    return dashes


def veil(sheet: Sheet, outline: Floats, colour: Colour, opacity: float = _VEIL) -> None:
    """Tint the inside of a polygon, (N, 2) in pixels."""
    values = yuv_of(colour, sheet.picture)
    for plane, value, scale in zip(sheet.picture.planes, values, (1, 2, 2), strict=True):
        pixels = plane_pixels(plane)
        corners = np.rint(outline / scale).astype(np.int32)
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0) + 1
        left, top = max(0, int(left)), max(0, int(top))
        part = pixels[top : max(0, int(bottom)), left : max(0, int(right))]
        if not part.size:
            continue
        mask = np.zeros(part.shape, np.uint8)
        cv2.fillPoly(mask, [corners - (left, top)], (255,))
        tinted = cv2.addWeighted(part, 1 - opacity, np.full_like(part, value), opacity, 0)
        cv2.copyTo(tinted, mask, part)
