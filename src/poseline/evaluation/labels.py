"""Labels: of poses in pictures, or of who is who in a clip, told apart by the file that they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poseline.evaluation.dataset import Dataset, coco_dataset, read_dataset
from poseline.evaluation.tracked import Tracked, posetrack_truth, read_truth
from poseline.formats.files import read_json


def read_labels(
    path: Path, *, pictures: Path | None = None, split: str = "val", clip: Path | None = None
) -> Dataset | Tracked:
    """Read a dataset of poses (YOLO's .yaml, COCO's .json), or the truth of identities in a clip.

    Args:
        path: the file; or the folder of a MOTChallenge sequence.
        pictures: of a dataset, as in `read_dataset`.
        split: likewise.
        clip: of a truth, as in `read_truth`.

    Raises:
        SourceError: a file is missing or is not what it should be; the text says which and where.
    """
    kind = path.suffix.lower()
    if kind == ".json":
        content = read_json(path)
        return posetrack_truth(path, content, clip) if _has_tracks(content) else coco_dataset(path, content, pictures)
    return read_dataset(path, pictures, split) if kind in (".yaml", ".yml") else read_truth(path, clip)


def _has_tracks(content: Any) -> bool:
    """Whether the content of a JSON file is PoseTrack's, rather than COCO's: its first person has a track."""
    annotations = content.get("annotations") if isinstance(content, dict) else None
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    return isinstance(first, dict) and "track_id" in first
