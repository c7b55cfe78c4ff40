"""Results: the poses in one picture, under the names that ultralytics' results have."""

from poseline.results.array import Array
from poseline.results.boxes import Boxes
from poseline.results.keypoints import Keypoints
from poseline.results.results import Results

__all__ = ["Array", "Boxes", "Keypoints", "Results"]
