"""Sink: where results of a run go. A new place for them is one subclass, with no edit elsewhere."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import replace

from poseline.capture import SourceInfo
from poseline.frame import Picture
from poseline.log import RunHeader
from poseline.pipeline.channel import Cancelled, Channel, Overflow
from poseline.pipeline.meter import Meter
from poseline.pose import Observation


class Sink(ABC):
    """Takes what a run sees, frame by frame. `write` is all that a subclass must have.

    What `name`, `work` and `advice` say stands in the table at the end of a run, in `summary.json` and in benchmarks.
    """

    name = "sink"
    work = ""
    """What takes its time, in words; the name where there are none."""
    advice = ""
    """What would help where the run waits for it."""
    needs_picture = False
    """Whether it wants the annotated picture of each frame, which is drawn only if somebody does."""
    overflow = Overflow.WAIT
    """While it is busy the run waits; or, with DROP_OLDEST, it gets the newest frame alone, on a thread of its own."""
    depth = 1
    """With DROP_OLDEST, frames that may wait for it. Where more than one may, they come to it without their pixels."""
    lost = 0
    """Frames that it got and gave up, so far."""

    def open(self, header: RunHeader, info: SourceInfo) -> None:
        """Get ready, before the first frame; raises a PoselineError if that cannot be."""
        del header, info

    @abstractmethod
    def write(self, observation: Observation, picture: Picture | None) -> bool | None:
        """Take one frame.

        Args:
            observation: the frame and who was found in it.
            picture: the annotated picture, to be read only: yuv420p planes, or (H, W, 3) uint8 BGR of a still; None
                where no sink needs one.

        Returns:
            False where the user wants to end the run, as by closing a window.
        """

    def resume(self) -> None:
        """End any pause: the run comes to its end. Called from a signal's handler."""
        return

    def close(self) -> list[str]:
        """Finish, after the last frame, also after an error of another; returns what the user should know."""
        return []


class SinkWriter:
    """One sink at work: measured, and on a thread of its own where it wants the newest frame alone."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.meter = Meter(sink.name, sink.work, sink.advice)
        self._goes_on = True
        self._error: BaseException | None = None
        self._channel: Channel[tuple[Observation, Picture | None]] | None = None
        self._thread: threading.Thread | None = None
        if sink.overflow is Overflow.DROP_OLDEST:
            self.meter.waited_for = False
            self._channel = Channel(sink.name, sink.depth, Overflow.DROP_OLDEST)
            self._thread = threading.Thread(target=self._take, name=sink.name, daemon=True)
            self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames that it did not get because a newer one came, or gave up."""
        return self._late + self.sink.lost

    @property
    def _late(self) -> int:
        """Frames that made way for newer ones."""
        return 0 if self._channel is None else self._channel.dropped  # an empty channel counts as false

    def write(self, observation: Observation, picture: Picture | None) -> bool:
        """Give it a frame, or leave the frame for it; False where it wants the run to end. Raises the sink's error."""
        if self._channel is None:
            self._write(observation, picture)
        elif self._error is not None:
            raise self._error
        else:
            if self.sink.depth > 1 and not self.sink.needs_picture:
                observation = replace(observation, frame=observation.frame.without_pixels())
            self._channel.put((observation, picture))
            self.meter.dropped = self.dropped
        return self._goes_on

    def close(self) -> list[str]:
        """Let it take what waits, and finish it; raises its error."""
        if self._channel is not None and self._thread is not None:
            self._channel.finish()
            self._thread.join()
        notes = self.sink.close()
        self.meter.dropped = self.dropped
        if self._error is not None:
            raise self._error
        return [*notes, f"{self.sink.name}: {self._late} frames made way for newer ones"] if self._late else notes

    def _take(self) -> None:
        assert self._channel is not None
        try:
            for observation, picture in self._channel:
                self._write(observation, picture)
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001 # raised by the next `write`, or by `close`
            self._error = error

    def _write(self, observation: Observation, picture: Picture | None) -> None:
        with self.meter.timed():
            self._goes_on = self.sink.write(observation, picture) is not False and self._goes_on
