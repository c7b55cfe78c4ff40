"""Tracking: the same person keeps the same id from frame to frame."""

from poseline.tracking.main_person import MainPerson, keep_main
from poseline.tracking.stage import followed, track
from poseline.tracking.tracker import Tracker

__all__ = ["MainPerson", "Tracker", "followed", "keep_main", "track"]
