"""Pose stream: a source taken through inference and tracking, each stage on its own thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from poseline.capture import Source
from poseline.frame import Frame, Gap
from poseline.inference import PoseEstimator, Turn, infer
from poseline.pipeline.chain import Stage, Work, chain, single_threaded
from poseline.pipeline.channel import Channel, Overflow
from poseline.pipeline.meter import Meter, measured
from poseline.pose import Observation
from poseline.settings import InferenceSettings, Settings
from poseline.tracking import Tracker, keep_main, track

_FILE_DEPTH = 4
"""Frames between two stages of a file: enough to bridge one slow frame, or else to fill a batch."""
_LIVE_DEPTH = 1
"""Frames between two stages of a live source: each one more would add its own age to every frame after it."""
_STALL_TIMEOUT = 60.0
"""Seconds, beyond the source's own time-outs, after which a silent stage counts as hung."""


READING = ("decoding", "a smaller or differently encoded source, or fewer programs beside this one")
"""Words for what reads a source: what takes its time, and what would help."""
IN_PIECES = ("decoding and the network, in other processes", "more --jobs where cores are idle, or a smaller --imgsz")
"""The same of a recording in pieces."""
ENCODING_ADVICE = "a faster --preset, or --no-video"
"""What would help where encoding is what the rest waits for."""


def overlay_stage(draw: Work) -> Stage:
    """The stage that draws, by `Overlay.stage` or `Overlay.stills`."""
    return Stage("overlay", draw, "drawing", "--no-video, or fewer things drawn")


@runtime_checkable
class Estimated(Protocol):
    """What a source in pieces has: its frames come with what is seen in them; it takes the place of the network."""

    cuts: Sequence[float]
    """Times at which it is cut, rising, in seconds from the recording's first frame; one at least."""
    drawing: int
    """Pieces between them that are drawn at once, at most."""

    def observations(self, frames: Iterator[Frame]) -> Generator[Observation, None, None]:
        """What is seen in each of the source's frames."""


@dataclass
class PoseStream:
    """A running pipeline: its items, and what it has cost so far."""

    items: Iterator[Any]
    """What the last stage gives; read on the caller's thread."""
    channels: list[Channel[Any]]
    """Between the stages; none where all run on one thread."""
    meters: list[Meter] = field(default_factory=list)
    read: Callable[[], int] = lambda: 0
    """Frames that the source gave and the pipeline took, so far."""

    @property
    def dropped_frames(self) -> int:
        """Frames dropped for newer ones, so far."""
        return sum(channel.dropped for channel in self.channels)

    @property
    def lost_frames(self) -> int:
        """Frames that were read, but that the last stage never yielded.

        They were dropped for newer ones, or were between two stages when the pipeline was closed. Read it after that:
        before, frames in the pipeline count too.
        """
        between = sum(channel.dropped + channel.discarded for channel in self.channels)
        return between + sum(meter.discarded for meter in self.meters[1:])  # the first is the source's own


@contextmanager
def open_pose_stream(
    source: Source, estimator: PoseEstimator, settings: Settings, extra: Sequence[Stage] = (),
    *, inference: InferenceSettings | None = None, turn: Turn | None = None, tracker: Tracker | None = None,
    estimate_only: bool = False,
) -> Iterator[PoseStream]:  # fmt: skip
    """Run `source` through inference and tracking, then through `extra` stages.

    Leaving the `with` stops everything. An error of any stage is raised by `items`, behind the frames before it.
    `inference` holds the thresholds of this run; without it the estimator's own settings do. Runs that share the
    estimator give the network to each other by `turn`. A `tracker` of the caller's goes on from where it is. With
    `estimate_only`, persons are found as the tracker wants them, but not tracked.
    """
    capture = settings.capture
    live = source.info.live
    drops = live and not capture.every_frame
    skeleton = estimator.spec.skeleton
    tracked = settings.tracking.enabled and source.info.width > 0  # separate pictures know nothing of each other
    inference = inference or estimator.settings
    if not tracked:
        tracker = None
    elif tracker is None:
        tracker = Tracker(settings.tracking, skeleton.sigmas, inference.conf)
    low = settings.tracking.low if tracked else None
    counter = _FrameCounter(source, capture.vid_stride)
    estimate: Work = (
        source.observations
        if isinstance(source, Estimated)
        else lambda frames: infer(
            counter.with_drops(frames) if drops else frames, estimator, inference, live=live, low=low, turn=turn
        )
    )
    stages = [
        Stage(
            "inference",
            estimate,
            "the network with its scaling and decoding",
            "a smaller --imgsz, a smaller model, or a GPU",
        ),
        Stage(
            "tracking",
            (lambda seen: keep_main(track(seen, tracker, skeleton.torso), tracked))
            if settings.tracking.main
            else (lambda seen: track(seen, tracker, skeleton.torso)),
            "tracking",
            "--no-track, or a smaller --max-det",
        ),
        *extra,
    ]
    if estimate_only:
        stages = stages[:1]
    reading = Meter("capture", *(IN_PIECES if isinstance(source, Estimated) else READING))
    stages, meters = measured(stages)
    if isinstance(source, Estimated):
        with single_threaded(reading.source(counter.frames()), stages) as items:
            yield PoseStream(items, [], [reading, *meters], lambda: counter.count)
        return
    with chain(
        reading.source(counter.frames()),
        stages,
        depth=_LIVE_DEPTH if live else max(_FILE_DEPTH, estimator.runtime.batch),
        overflow=Overflow.DROP_OLDEST if drops else Overflow.WAIT,
        stall_timeout=_STALL_TIMEOUT + capture.max_outage + capture.read_timeout,
        before_taking=turn.begin if turn else None,
    ) as (items, channels):
        yield PoseStream(items, channels, [reading, *meters], lambda: counter.count)


class _FrameCounter:
    """Every n-th frame of the source, counted. The gap of a frame that is dropped is passed on to the next one."""

    def __init__(self, source: Source, stride: int) -> None:
        self._source, self._stride = source, stride
        self._gaps: deque[tuple[int, Gap]] = deque()
        self.count = 0

    def frames(self) -> Generator[Frame, None, None]:
        """On the source's thread."""
        gap: Gap | None = None
        before: float | None = None
        with closing(self._source.frames()) as frames:
            for frame in frames:
                gap = _joined(gap, frame.gap)
                if frame.index % self._stride == 0:
                    self.count += 1
                    if gap is not None:
                        gap = gap if self._stride == 1 else _between(before, frame, gap)
                        self._gaps.append((frame.index, gap))
                    yield frame if frame.gap is gap else replace(frame, gap=gap)
                    gap, before = None, frame.time

    def with_drops(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The frames that were not dropped; each gets the number of frames dropped before it, and their gap."""
        expected, before = 0, None
        for frame in frames:
            missed = (frame.index - expected) // self._stride
            expected = frame.index + self._stride
            gap: Gap | None = None
            while self._gaps and self._gaps[0][0] <= frame.index:
                gap = _joined(gap, self._gaps.popleft()[1])
            if missed > 0:
                yield replace(frame, dropped_before=missed, gap=gap and _between(before, frame, gap))
            else:
                yield frame
            before = frame.time


def _between(before: float | None, frame: Frame, gap: Gap) -> Gap:
    """The outage as seen by what takes `frame` and the one at the time `before`, and none of those in between."""
    return replace(gap, start=gap.start if before is None else before, end=frame.time)


def _joined(first: Gap | None, second: Gap | None) -> Gap | None:
    """One outage from the beginning of the first to the end of the second."""
    return replace(second, start=first.start) if first and second else first or second
