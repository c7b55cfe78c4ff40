"""LiveSink: gives each frame of a run to the page's server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poseline.pipeline import Sink

if TYPE_CHECKING:
    from poseline.capture import SourceInfo
    from poseline.frame import Picture
    from poseline.log import RunHeader
    from poseline.pose import Observation
    from poseline.serve.feed import Feed


class LiveSink(Sink):
    """Puts each observation where the server finds the newest one; it never waits, so that no run is slowed.

    It asks for no annotated picture: the page draws keypoints over the frame itself, as its visitor likes. A thread of
    its own (`DROP_OLDEST`) would only add a hand-over: what it does takes some 20 microseconds.
    """

    name, work = "serve", "handing frames to the page"

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def open(self, header: RunHeader, info: SourceInfo) -> None:
        """Tell the page what it will see, and get ready to record."""
        self._feed.begin(header, info)
        if self._feed.recorder is not None:
            self._feed.recorder.start()

    def write(self, observation: Observation, picture: Picture | None) -> None:
        """Show the frame."""
        del picture
        self._feed.put(observation)

    def close(self) -> list[str]:
        """Finish a recording."""
        recorder = self._feed.recorder
        if recorder is None:
            return []
        recorder.close()
        notes = [f"recorded {each.seconds:.1f} s: {each.video}" for each in recorder.finished]
        dropped = recorder.dropped
        return [*notes, f"{dropped} frames are in no recording: encoding was too slow"] if dropped else notes
