"""Luma: how much of red, green and blue is in it, for each colour space."""

from __future__ import annotations

FULL_RANGE = 2
"""FFmpeg's number for full range (AVCOL_RANGE_JPEG)."""
BT601 = (0.299, 0.114)
"""Weights of red and blue in luma by ITU-R BT.601; green has the rest."""
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""The same for BT.709, FCC, SMPTE 240M and BT.2020, by FFmpeg's number of the colour space (ITU-T H.273)."""


def luma_weights(colorspace: int) -> tuple[float, float]:
    """Weights of red and blue, 0..1, for FFmpeg's number of the colour space.

    An unspecified one gets BT.601's, as in swscale.
    """
    return _WEIGHTS.get(colorspace, BT601)
