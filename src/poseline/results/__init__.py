"""Results: the poses in one picture, under the names that ultralytics' results have."""

from poseline.results.results import Boxes, Keypoints, Results, describe

__all__ = ["Boxes", "Keypoints", "Results", "describe"]
