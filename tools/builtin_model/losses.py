"""How far the student is from the teacher, on the same canvases."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .network import KEYPOINTS, TAPS, Raw

STRIDES = (8, 16, 32)
BINS = 16
SIGMAS = (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)
"""COCO's keypoint sigmas in thousandths (Ronchi and Perona, 2017): eyes are marked more exactly than hips."""
FLOOR = -8.0
"""Below this logit (a probability of 0.0003) a score says "nobody"; how far below means nothing."""
NAMES = ("score", "quiet", "bins", "side", "keypoint", "seen", "feature")


class Distance:
    """The loss and its parts. `deviation` is the spread of each channel of the teacher's features (see `spread`)."""

    def __init__(self, deviation: dict[int, Tensor], device: torch.device, compiled: bool = False) -> None:
        self._deviation = deviation
        self._apart = torch.compile(_apart, dynamic=True) if compiled else _apart
        self._bins = torch.arange(BINS, device=device, dtype=torch.float32)[:, None]
        sharp = torch.tensor(SIGMAS, device=device).float().rsqrt()
        self._sharp = (sharp / sharp.mean())[:, None]
        self._strides: dict[tuple[int, int], Tensor] = {}

    def __call__(self, student: Raw, teacher: Raw, stride: Tensor) -> Tensor:
        """(len(NAMES),) weighted parts; their sum is the loss. `stride` comes from `strides`."""
        target, guess = teacher.scores.float(), student.scores.float()
        likely, guessed = target.sigmoid(), guess.sigmoid()
        weight = likely * (likely > 0.05)
        total = weight.sum().clamp(min=1)

        # Soft cross-entropy where the two differ (focal, as in Generalized Focal Loss, Li et al. 2020).
        entropy = functional.binary_cross_entropy_with_logits(guess, likely, reduction="none")
        score = (entropy * ((likely - guessed).abs() ** 1.5 + 0.02 * likely)).sum() / total
        quiet = functional.smooth_l1_loss(guess.clamp(min=FLOOR), target.clamp(min=FLOOR))

        batch, _, anchors = target.shape
        target_bins = teacher.boxes.float().view(batch, 4, BINS, anchors).log_softmax(2)
        guess_bins = student.boxes.float().view(batch, 4, BINS, anchors).log_softmax(2)
        divergence = (target_bins.exp() * (target_bins - guess_bins)).sum(2).mean(1, keepdim=True)
        bins = (divergence * weight).sum() / total
        target_sides = (target_bins.exp() * self._bins).sum(2) * stride
        guess_sides = (guess_bins.exp() * self._bins).sum(2) * stride
        area = (target_sides[:, 0] + target_sides[:, 2]) * (target_sides[:, 1] + target_sides[:, 3])
        size = area.clamp(min=64).sqrt()[:, None]
        side = ((target_sides - guess_sides).abs().mean(1, keepdim=True) / size * weight).sum() / total

        points = teacher.keypoints.float().view(batch, *KEYPOINTS, anchors)
        guesses = student.keypoints.float().view(batch, *KEYPOINTS, anchors)
        visible = points[:, :, 2].sigmoid()
        squared = (points[:, :, :2] - guesses[:, :, :2]).square().sum(2) * (2 * stride) ** 2
        error = (squared / size**2 + 1e-6).sqrt() * (0.1 + 0.9 * visible) * self._sharp
        keypoint = (error.mean(1, keepdim=True) * weight).sum() / total
        # Soft cross-entropy less its floor, the target's own entropy.
        seen = functional.binary_cross_entropy_with_logits(guesses[:, :, 2], visible, reduction="none")
        seen = seen - functional.binary_cross_entropy_with_logits(points[:, :, 2], visible, reduction="none")
        seen = (seen.mean(1, keepdim=True) * weight).sum() / total

        apart = [self._apart(student.features[tap], teacher.features[tap], self._deviation[tap]) for tap in TAPS]
        feature = torch.stack(apart).mean()
        return torch.stack([4 * score, 2 * quiet, bins, 3 * side, 16 * keypoint, 2 * seen, 3 * feature])

    def strides(self, height: int, width: int) -> Tensor:
        """(1, 1, A) the stride in pixels of each anchor of a canvas; kept, because a graph must not allocate it."""
        if (height, width) not in self._strides:
            parts = [torch.full((height // s * (width // s),), float(s)) for s in STRIDES]
            self._strides[height, width] = torch.cat(parts)[None, None].to(self._bins.device)
        return self._strides[height, width]


def _apart(student: Tensor, teacher: Tensor, deviation: Tensor) -> Tensor:
    """Mean squared difference of two feature maps in the teacher's deviations; one wild entry counts 25 at most."""
    return ((student.float() - teacher.float()) / deviation).square().clamp(max=25).mean()


def spread(teacher: Raw) -> dict[int, Tensor]:
    """Standard deviation of each channel of the teacher's features, (1, C, 1, 1)."""
    return {tap: value.float().std((0, 2, 3), keepdim=True) + 1e-3 for tap, value in teacher.features.items()}
