"""Evaluation: a model's poses, or a run's, against labels that somebody made: average precision, and identities."""

from poseline.evaluation.average_precision import PoseScores, average_precision
from poseline.evaluation.dataset import Dataset, Labelled, read_dataset
from poseline.evaluation.detections import of_model, of_run
from poseline.evaluation.identities import Identities, identities
from poseline.evaluation.labels import read_labels
from poseline.evaluation.tracked import Tracked, TrackedFrame, read_truth, tracked_by_model, tracked_in_run

__all__ = [
    "Dataset",
    "Identities",
    "Labelled",
    "PoseScores",
    "Tracked",
    "TrackedFrame",
    "average_precision",
    "identities",
    "of_model",
    "of_run",
    "read_dataset",
    "read_labels",
    "read_truth",
    "tracked_by_model",
    "tracked_in_run",
]
