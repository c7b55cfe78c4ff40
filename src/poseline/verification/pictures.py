"""Pictures: a frame twice, with what either side sees in it."""

from __future__ import annotations

import numpy as np

from poseline.frame import Pixels
from poseline.overlay import BgrCanvas, Style, draw_hud, render
from poseline.pose import Poses
from poseline.settings import OverlaySettings
from poseline.verification.verify import Against, Verification, WorstFrame

_GAP = 8
"""Pixels between the two."""


def side_by_side(verification: Verification, against: Against, frame: WorstFrame) -> Pixels:
    """(H, 2 W + 8, 3) uint8 BGR: the reference to the left, the model to the right; a pair has one colour."""
    left = _drawn(against.reference.name, frame, frame.difference.reference, verification)
    right = _drawn(verification.model.name, frame, frame.difference.model, verification)
    gap = np.full((left.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate((left, gap, right), axis=1)


def _drawn(name: str, frame: WorstFrame, poses: Poses, verification: Verification) -> Pixels:
    spec, settings = verification.model.estimator.spec, OverlaySettings()
    picture = render(frame.bgr, poses, spec.skeleton, spec.names, settings)
    style = Style.of(settings, picture.shape[1], picture.shape[0])
    draw_hud(BgrCanvas(picture), style, [name, f"frame {frame.index}, {frame.time:.2f} s"])
    return picture
