"""Smooth: keypoints without their tremble, for what is drawn and sent; the log keeps what was measured."""

from poseline.smooth.one_euro import OneEuro
from poseline.smooth.stage import smooth

__all__ = ["OneEuro", "smooth"]
