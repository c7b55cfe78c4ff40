"""Tracking: the same person keeps the same id from frame to frame."""

from poseline.tracking.stage import track
from poseline.tracking.tracker import Tracker

__all__ = ["Tracker", "track"]
