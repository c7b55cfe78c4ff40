"""Verify: a model and its references on the same frames, each decoded once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from poseline.errors import SourceError
from poseline.frame import Frame, Pixels
from poseline.inference import PoseEstimator
from poseline.pose import Observation, Poses
from poseline.settings import InferenceSettings
from poseline.verification.causes import likely_causes, size_note
from poseline.verification.differences import Comparison, Differences, FrameDifference
from poseline.verification.sides import Side
from poseline.verification.verdict import Verdict, in_words, verdict_of
from poseline.words import counted


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """One frame in which two sides differ most."""

    index: int
    time: float
    bgr: Pixels
    """(H, W, 3) uint8."""
    difference: FrameDifference


@dataclass(frozen=True, eq=False)
class Against:
    """A model against one reference."""

    reference: Side
    inputs: tuple[tuple[int, int], ...]
    """(width, height) of the reference's inputs, in the order in which they came."""
    found: Comparison
    at_same_size: Comparison | None
    """The same with the reference's pictures in inputs of the model's size; None where they are of one size anyhow."""
    causes: tuple[str, ...]
    worst: tuple[WorstFrame, ...]
    """The worst first."""

    @property
    def verdict(self) -> Verdict:
        """same, close or different."""
        return verdict_of(self.found)

    @property
    def words(self) -> str:
        """The verdict with its bounds, and what of the differences matters most."""
        return in_words(self.found)


@dataclass(frozen=True, eq=False)
class Verification:
    """A model against its references on one clip."""

    clip: str
    model: Side
    inputs: tuple[tuple[int, int], ...]
    """(width, height) of the model's inputs."""
    against: tuple[Against, ...]
    notes: tuple[str, ...]

    @property
    def oks(self) -> float:
        """The lowest mean OKS of all references."""
        return min(each.found.oks for each in self.against)


def verify(
    clip: str, frames: Iterable[Frame], model: Side, references: Sequence[Side], *, worst: int = 4,
    pixel_aspect: float = 1.0, on_frame: Callable[[Observation], object] | None = None,
) -> Verification:  # fmt: skip
    """Run everybody on each frame and compare.

    Args:
        clip: its name, to show.
        frames: decoded once; all sides get the same pixels.
        model: what is verified.
        references: what it is held against, at least one.
        worst: how many of the worst frames are kept for each reference.
        pixel_aspect: width of a pixel over its height.
        on_frame: called with each frame's result of the model.

    Raises:
        SourceError: there is no frame, or nobody is found in any by anybody.
    """
    asked = model.estimator.settings
    wide = asked.model_copy(update={"conf": asked.conf / 2})
    meters = [_Meter(side, model, wide, worst, pixel_aspect) for side in references]
    inputs: dict[tuple[int, int], None] = {}
    for frame in frames:
        seen = model.estimator.estimate(frame, wide)
        inputs[seen.input_shape[::-1]] = None
        for meter in meters:
            meter.add(frame, seen)
        if on_frame is not None:
            on_frame(seen)
    against = tuple(meter.result() for meter in meters)
    if not any(each.found.persons for each in against):
        looked = counted(against[0].found.frames, "frame")
        raise SourceError(f"{clip}: nobody is found in {looked}; give a clip with people in it, or a lower --conf")
    notes = dict.fromkeys(size_note(side.estimator) for side in (model, *references))
    return Verification(clip, model, tuple(inputs), against, tuple(note for note in notes if note))


@dataclass(eq=False)
class _Meter:
    """A reference, and what the model's poses differ from its own by."""

    side: Side
    model: Side
    settings: InferenceSettings
    worst: int
    pixel_aspect: float
    _inputs: dict[tuple[int, int], None] = field(default_factory=dict)
    _worst: list[tuple[tuple[int, float], int, WorstFrame]] = field(default_factory=list)
    """A heap, the least bad first."""

    def __post_init__(self) -> None:
        self._found, self._at_same_size = self._differences(), self._differences()
        self._resized = _resized(self.side.estimator, self.model.estimator)
        self._other_size = False

    def add(self, frame: Frame, seen: Observation) -> None:
        """Look at one frame, of which the model has `seen` this."""
        own = self.side.estimator.estimate(frame, self.settings)
        self._inputs[own.input_shape[::-1]] = None
        difference = self._found.add(frame.index, seen.poses, own.poses)
        self._keep(frame, difference)
        if self._resized is not None:
            at_same_size = self._poses_at_same_size(frame, seen, own)
            self._at_same_size.add(frame.index, seen.poses, at_same_size)

    def result(self) -> Against:
        """All frames together."""
        found = self._found.total()
        at_same_size = self._at_same_size.total() if self._other_size else None
        causes = likely_causes(self.model.estimator, self.side.estimator, found, at_same_size)
        worst = [frame for _, _, frame in sorted(self._worst, key=lambda kept: (kept[0], -kept[1]), reverse=True)]
        return Against(self.side, tuple(self._inputs), found, at_same_size, tuple(causes), tuple(worst))

    def _poses_at_same_size(self, frame: Frame, seen: Observation, own: Observation) -> Poses:
        if own.input_shape == seen.input_shape:
            return own.poses
        assert self._resized is not None
        self._other_size = True
        return self._resized.estimate(frame, self.settings).poses

    def _differences(self) -> Differences:
        asked = self.model.estimator.settings
        return Differences(self.side.estimator.spec.skeleton, asked.conf, self.pixel_aspect)

    def _keep(self, frame: Frame, difference: FrameDifference) -> None:
        key = difference.badness, -frame.index
        if difference.badness == (0, 0.0) or not self.worst:
            return
        if len(self._worst) == self.worst:
            if key <= self._worst[0][:2]:
                return
            heapq.heappop(self._worst)
        heapq.heappush(self._worst, (*key, WorstFrame(frame.index, frame.time, frame.bgr, difference)))


def _resized(reference: PoseEstimator, model: PoseEstimator) -> PoseEstimator | None:
    """The reference with inputs of the size that the model takes; None where the one or the other cannot be had."""
    if model.fixed_size is None or reference.fixed_size is not None:
        return None
    return PoseEstimator(reference.spec, reference.runtime, reference.settings, fixed_size=model.fixed_size)
