"""Colours: from the decoder's luma and chroma to the red, green and blue, or the grey, that networks are trained on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from poseline.luma import BT601, FULL_RANGE, luma_weights
from poseline.pose import Floats

_BLACK, _WHITE, _CHROMA = 16, 235, 224
"""Limited range: where luma begins and ends, and how far chroma reaches (ITU-R BT.601 and BT.709)."""
_ROUNDING = 1e-5
"""Shares below this are sums that should be 0."""


@lru_cache(maxsize=16)
def colour_matrix(colorspace: int, color_range: int) -> Floats:
    """(3, 4) float32: R, G, B in 0..255 from Y, U, V in 0..255 and 1, by ITU-R BT.601's derivation.

    Args:
        colorspace: FFmpeg's number of it, as in `VideoFrame.colorspace`.
        color_range: FFmpeg's number of it; what is not full is limited.
    """
    red, blue = luma_weights(colorspace)
    green = 1 - red - blue
    matrix = np.array([
        [1, 0, 2 * (1 - red)],
        [1, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
        [1, 2 * (1 - blue), 0],
    ])  # fmt: skip
    black = 0 if color_range == FULL_RANGE else _BLACK
    if black:
        matrix *= [255 / (_WHITE - _BLACK), 255 / _CHROMA, 255 / _CHROMA]
    offset = matrix @ [-black, -128, -128]
    return np.concatenate([matrix, offset[:, None]], axis=1).astype(np.float32)


@lru_cache(maxsize=16)
def network_matrix(colorspace: int, color_range: int, channels: int) -> Floats:
    """(channels, 4) float32: a network's input in 0..255 from Y, U, V in 0..255 and 1.

    Args:
        colorspace: as of `colour_matrix`.
        color_range: as of `colour_matrix`.
        channels: 3 for R, G, B; 1 for grey as OpenCV's COLOR_BGR2GRAY has it, which is BT.601's luma, whatever the
            video's own colour space: models are trained on that.
    """
    matrix = colour_matrix(colorspace, color_range)
    if channels == 3:
        return matrix
    grey: Floats = grey_weights() @ matrix
    grey[np.abs(grey) < _ROUNDING] = 0  # luma is grey already in BT.601: chroma has no share in it
    return grey


def grey_weights() -> Floats:
    """(1, 3) float32 the shares of red, green and blue in grey."""
    red, blue = BT601
    return np.array([[red, 1 - red - blue, blue]], np.float32)
