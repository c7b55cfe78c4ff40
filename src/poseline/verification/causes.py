"""Causes: why two sides may differ, as far as it can be read off the models or was measured."""

from __future__ import annotations

from poseline.inference import PoseEstimator
from poseline.verification.differences import Comparison
from poseline.verification.verdict import verdict_of

_RANK = ("same", "close", "different")


def likely_causes(
    model: PoseEstimator, reference: PoseEstimator, found: Comparison, at_same_size: Comparison | None = None
) -> list[str]:
    """Sentences, the likeliest cause first; none where both see the same.

    Args:
        model: what is verified.
        reference: what it is held against.
        found: how they differ.
        at_same_size: how they differ where the reference's pictures were put into an input of the model's size.
    """
    if verdict_of(found) == "same":
        return []
    causes = [] if at_same_size is None else [_of_size(model, found, at_same_size)]
    return [*causes, *_of_precision(model), *_of_facts(model, reference)]


def size_note(estimator: PoseEstimator) -> str:
    """What to know where another input size runs than the one that the model was made for; else empty."""
    made_for, runs = estimator.spec.made_for, estimator.imgsz
    if made_for is None or max(made_for) == runs:
        return ""
    height, width = made_for
    return (
        f"{estimator.spec.name} was trained or exported for an input of {width}x{height}, and {runs} runs here: "
        f"--imgsz {max(made_for)} may find more"
    )


def _of_size(model: PoseEstimator, found: Comparison, at_same_size: Comparison) -> str:
    height, width = model.fixed_size or (0, 0)
    before, after = verdict_of(found), verdict_of(at_same_size)
    explained = _RANK.index(after) < _RANK.index(before)
    share = "explains it" if explained and after == "same" else "explains a part" if explained else "is not the cause"
    text = (
        f"the input's size {share}: {model.spec.name} takes {width}x{height} alone, which pads the picture otherwise; "
        f"with that input the reference gives mean OKS {at_same_size.oks:.4f} ({after})"
    )
    return f"{text}. Export with dynamic=True, or with imgsz=[height, width] of your pictures" if explained else text


def _of_precision(model: PoseEstimator) -> list[str]:
    precision = model.runtime.precision
    if precision == "int8":
        return ["int8 rounds weights and activations to 8 bits: calibrate it on pictures like yours, or run fp32"]
    if precision in ("bf16", "fp16"):
        bits = {"bf16": 8, "fp16": 11}[precision]
        return [f"{precision} keeps {bits} bits of each number: --precision fp32 where joint angles matter"]
    return []


def _of_facts(model: PoseEstimator, reference: PoseEstimator) -> list[str]:
    ours, theirs = model.spec, reference.spec
    causes = []
    if ours.format == theirs.format and ours.sha256 != theirs.sha256:
        causes.append("the weights are not the same: the two files differ")
    if ours.names != theirs.names:
        causes.append(f"the classes are not the same: {_listed(ours.names)} against {_listed(theirs.names)}")
    if ours.skeleton.names != theirs.skeleton.names:
        causes.append("the keypoints have other names, and perhaps another order")
    if ours.keypoint_shape[1] != theirs.keypoint_shape[1]:
        without = ours if ours.keypoint_shape[1] == 2 else theirs
        causes.append(f"{without.name} gives no confidence of keypoints: hidden ones count as seen")
    inside = [spec.end2end for spec in (ours, theirs)]
    if inside[0] != inside[1]:
        final = ours if inside[0] else theirs
        causes.append(
            f"{final.name} chooses persons in the network (end-to-end, or NMS exported with it): --iou has no effect "
            "there, and --conf and --max-det only below what it was exported with"
        )
    if model.runtime.channels != reference.runtime.channels:
        causes.append("one network takes grey pictures and the other colour")
    return causes


def _listed(names: dict[int, str]) -> str:
    shown = ", ".join(list(names.values())[:5])
    return shown + (f" ... ({len(names)})" if len(names) > 5 else "")
