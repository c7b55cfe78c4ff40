"""How far the student is from the teacher, on the same canvases."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .network import KEYPOINTS, TAPS, Raw
from .truth import Truth, meant

STRIDES = (8, 16, 32)
BINS = 16
SIGMAS = (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)
"""COCO's keypoint sigmas in thousandths (Ronchi and Perona, 2017): eyes are marked more exactly than hips."""
FLOOR = -8.0
"""Below this logit (a probability of 0.0003) a score says "nobody"; how far below means nothing."""
BODY = 0.53
"""Area of a person as a share of its box's, as COCO's measure has it on average."""
NAMES = ("score", "quiet", "bins", "side", "keypoint", "likeness", "seen", "feature")


class Distance:
    """The loss and its parts. `deviation` is the spread of each channel of the teacher's features (see `spread`)."""

    def __init__(self, deviation: dict[int, Tensor], device: torch.device, compiled: bool = False) -> None:
        self._deviation = deviation
        self._apart = torch.compile(_apart, dynamic=True) if compiled else _apart
        self._bins = torch.arange(BINS, device=device, dtype=torch.float32)[:, None]
        sharp = torch.tensor(SIGMAS, device=device).float().rsqrt()
        self._sharp = (sharp / sharp.mean())[:, None]
        self._reach = (torch.tensor(SIGMAS, device=device) / 500)[:, None]
        self._anchors: dict[tuple[int, int], Tensor] = {}

    def __call__(self, student: Raw, teacher: Raw, anchors: Tensor, truth: Truth | None = None) -> Tensor:
        """(len(NAMES),) weighted parts; their sum is the loss.

        `anchors` comes from `anchors`. Where `truth` knows the person that the teacher means, its keypoints are the
        target instead of the teacher's.
        """
        corner, stride = anchors[:2], anchors[2:][None]
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
        places, guessed_places = (2 * p[:, :, :2] * stride[:, None] + corner for p in (points, guesses))
        counts = 0.1 + 0.9 * visible
        if truth is not None:
            centre = corner + stride[0] / 2
            box = torch.cat([centre - target_sides[:, :2], centre + target_sides[:, 2:]], 1)
            true, known = meant(truth, box, places, centre)
            places = torch.where(known[:, None] > 0, true[:, :, :2], places)
            counts = torch.where(known > 0, true[:, :, 2], counts)
        squared = (places - guessed_places).square().sum(2)
        error = (squared / size**2 + 1e-6).sqrt() * counts * self._sharp
        keypoint = (error.mean(1, keepdim=True) * weight).sum() / total
        # What object keypoint similarity lacks to 1, the measure that the network is judged by.
        lacks = (1 - (-squared / (2 * BODY * size**2 * self._reach**2)).exp()) * counts
        likeness = (lacks.sum(1, keepdim=True) / counts.sum(1, keepdim=True).clamp(min=1) * weight).sum() / total
        # Soft cross-entropy less its floor, the target's own entropy.
        seen = functional.binary_cross_entropy_with_logits(guesses[:, :, 2], visible, reduction="none")
        seen = seen - functional.binary_cross_entropy_with_logits(points[:, :, 2], visible, reduction="none")
        seen = (seen.mean(1, keepdim=True) * weight).sum() / total

        apart = [self._apart(student.features[tap], teacher.features[tap], self._deviation[tap]) for tap in TAPS]
        feature = torch.stack(apart).mean()
        parts = [4 * score, 2 * quiet, bins, 3 * side, 16 * keypoint, 4 * likeness, 2 * seen, 2 * feature]
        return torch.stack(parts)

    def anchors(self, height: int, width: int) -> Tensor:
        """(3, A) x and y of the upper left corner and stride of each anchor of a canvas, pixels.

        They are kept, because a graph must not allocate them.
        """
        if (height, width) not in self._anchors:
            parts: list[Tensor] = []
            for stride in STRIDES:
                y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
                parts.append(torch.stack([x.flatten(), y.flatten(), torch.ones(x.numel())]) * float(stride))
            self._anchors[height, width] = torch.cat(parts, 1).to(self._bins.device)
        return self._anchors[height, width]


def _apart(student: Tensor, teacher: Tensor, deviation: Tensor) -> Tensor:
    """Mean squared difference of two feature maps in the teacher's deviations; one wild entry counts 25 at most."""
    return ((student.float() - teacher.float()) / deviation).square().clamp(max=25).mean()


def spread(teacher: Raw) -> dict[int, Tensor]:
    """Standard deviation of each channel of the teacher's features, (1, C, 1, 1)."""
    return {tap: value.float().std((0, 2, 3), keepdim=True) + 1e-3 for tap, value in teacher.features.items()}
