"""Verdict: same, close or different, by stated bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from poseline.verification.differences import Comparison
from poseline.words import counted

Verdict: TypeAlias = Literal["same", "close", "different"]


@dataclass(frozen=True)
class Bounds:
    """What two results must keep to."""

    oks: float
    """Least mean OKS, one whom only one finds counted 0."""
    lowest: float
    """Least OKS of any pair."""
    alone: float
    """Largest share of persons whom only one finds."""

    def hold(self, found: Comparison) -> bool:
        """Whether `found` keeps to them."""
        return found.oks >= self.oks and found.lowest_oks >= self.lowest and found.alone <= self.alone

    def __str__(self) -> str:
        alone = "nobody" if not self.alone else f"at most {self.alone:.0%} of the persons"
        lowest = f", lowest {self.lowest:g}" if self.lowest else ""
        return f"mean OKS at least {self.oks:g}{lowest}, {alone} found by one only"


SAME = Bounds(oks=0.999, lowest=0.99, alone=0.0)
"""What rounding in another order does: two runtimes in fp32."""
CLOSE = Bounds(oks=0.97, lowest=0.0, alone=0.02)
"""What a good bf16, fp16 or int8 network does; int8 is refused below the same OKS when it is made."""


def verdict_of(found: Comparison) -> Verdict:
    """Which bounds a comparison keeps to."""
    return "same" if SAME.hold(found) else "close" if CLOSE.hold(found) else "different"


def in_words(found: Comparison) -> str:
    """The verdict, and what of it matters most."""
    verdict = verdict_of(found)
    parts = [f"mean OKS {found.oks:.4f} over {counted(found.persons, 'person')} in {counted(found.frames, 'frame')}"]
    if found.only_model or found.only_reference:
        parts.append(f"{found.only_reference} found by the reference only, {found.only_model} by the model only")
    if found.points is not None:
        parts.append(f"keypoints {found.points.median:.2f} px apart (median), {found.points.worst:.1f} px at most")
    if found.angles:
        joint, worst = max(found.angles.items(), key=lambda item: item[1].worst)
        parts.append(f"angles up to {worst.worst:.1f}° ({joint})")
    bounds = {"same": f" ({SAME})", "close": f" ({CLOSE})", "different": f" (close would be: {CLOSE})"}[verdict]
    return f"{verdict}{bounds}: " + "; ".join(parts)
