"""Style: how wide, how large and in which colours things are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from poseline.luma import BT601
from poseline.overlay.canvas import Colour
from poseline.overlay.text import Font
from poseline.pose import UNTRACKED
from poseline.settings import OverlaySettings
from poseline.skeleton import Side

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

LIMB_COLOURS: dict[Side, Colour] = {"left": (233, 180, 86), "right": (0, 159, 230), "middle": (225, 225, 225)}
"""Sky blue and orange, which no common colour blindness confuses, and a light grey."""
KEYPOINT_COLOURS: dict[Side, Colour] = {"left": (178, 114, 0), "right": (0, 94, 213), "middle": (110, 110, 110)}
"""The same hues darker, so that a joint stands out from its limbs. (Okabe and Ito, jfly.uni-koeln.de/color.)"""

_ID_COLOURS: tuple[Colour, ...] = (
    (178, 114, 0), (66, 228, 240), (0, 94, 213), (115, 158, 0), (167, 121, 204),
    (233, 180, 86), (0, 159, 230), (136, 34, 51), (51, 119, 17), (102, 17, 102), (153, 170, 68), (119, 204, 221),
)  # fmt: skip
"""Neighbours differ in lightness as well as in hue: two ids side by side differ for the colour-blind, too."""
_UNTRACKED_COLOUR: Colour = (130, 90, 60)

_LINE_SHARE = 0.003
"""Line width over the mean of the picture's sides, as in ultralytics."""
_FONT_SHARE = 0.02
_LEAST_FONT = 12.0


@dataclass(frozen=True)
class Style:
    """The look of one picture size."""

    settings: OverlaySettings
    """What is drawn at all."""
    size: tuple[int, int]
    """(width, height) of the pictures that it is made for, in pixels."""
    line_width: int
    """Width of boxes in pixels."""
    font: Font
    """Letters of labels and of the status panel."""
    radius: int
    """Radius of a keypoint's disc in pixels."""

    @classmethod
    def of(cls, settings: OverlaySettings, width: int, height: int) -> Style:
        """The style that `settings` ask for, and by the size of the picture where they leave it open."""
        mean = (width + height) / 2
        line_width = settings.line_width or max(round(mean * _LINE_SHARE), 2)
        font = Font(settings.font_size or max(mean * _FONT_SHARE, _LEAST_FONT))
        return cls(settings, (width, height), line_width, font, radius=line_width + 1)

    @property
    def limb_width(self) -> int:
        """Width of limbs and trails in pixels: they lie on a moving body, and are seen worse than boxes."""
        return self.line_width + 1


def id_colour(number: int) -> Colour:
    """The colour of a box and its label: always the same for the same id, and one of its own for the untracked."""
    return _UNTRACKED_COLOUR if number == UNTRACKED else _ID_COLOURS[(number - 1) % len(_ID_COLOURS)]


def ink_on(ground: Colour) -> Colour:
    """Black or white, whichever is easier to read on `ground`."""
    blue, green, red = ground
    of_red, of_blue = BT601
    return BLACK if of_red * red + (1 - of_red - of_blue) * green + of_blue * blue > 140 else WHITE
