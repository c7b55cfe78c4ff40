"""Poseline's tracker and those of ultralytics on the same detections of the samples, against the exact truth."""

from __future__ import annotations

import sys
from functools import cache

import pytest

from output_worlds import SAMPLES
from poseline.evaluation import Identities, read_truth
from poseline.inference import load_estimator
from poseline.settings import InferenceSettings

sys.path.append(str(SAMPLES.parent))
from tools.compare_trackers import RIVALS, detections, judged, ours, perfect, theirs  # of this project


@cache
def judge(name: str) -> dict[str, Identities]:
    """How well each tracker keeps the ids of a sample, with the built-in model's detections."""
    truth = read_truth(SAMPLES / f"{name}.truth.jsonl")
    assert truth.clip is not None
    frames = detections(truth.clip, load_estimator(InferenceSettings(model="builtin", precision="fp32")))
    ways = {"poseline": ours(frames), "perfect": perfect(frames, truth)}
    ways |= {rival: theirs(frames, rival) for rival in RIVALS}
    return {way: judged(truth, frames, ids) for way, ids in ways.items()}


@pytest.mark.system("trackeval", "lap")
@pytest.mark.parametrize(("name", "least"), [("crossing", 0.94), ("crowd", 0.88)])
def test_ids_are_kept_nearly_as_well_as_the_detections_allow(name: str, least: float) -> None:
    found = judge(name)
    shown = {way: round(each.idf1, 3) for way, each in found.items()}
    assert found["poseline"].idf1 >= least, shown
    assert found["poseline"].idf1 >= found["perfect"].idf1 - 0.06, shown
    for rival in RIVALS:
        assert found["poseline"].idf1 >= found[rival].idf1 + 0.05, shown
        assert found["poseline"].hota >= found[rival].hota, shown
