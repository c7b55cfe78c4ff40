"""Overlay: the stage that turns observations into drawn pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from math import exp

from poseline.frame import Frame, Picture, Pixels
from poseline.overlay.canvas import BgrCanvas, YuvCanvas
from poseline.overlay.draw import Trails, draw_hud, draw_poses
from poseline.overlay.style import Style
from poseline.overlay.text import load_letters
from poseline.overlay.writable import writable_yuv
from poseline.pose import Observation, Poses
from poseline.settings import OverlaySettings
from poseline.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Drawn:
    """An observation and the picture that shows it."""

    observation: Observation
    picture: Picture
    """Everything drawn: yuv420p of even size with the frame's pts and time base, or (H, W, 3) BGR of a still.

    It belongs to whoever holds it.
    """


class Overlay:
    """Draws as `settings` say, keypoints as `skeleton` joins them, classes by their `names`."""

    def __init__(
        self,
        settings: OverlaySettings,
        skeleton: Skeleton,
        names: dict[int, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._skeleton, self._names, self._clock = settings, skeleton, names, clock

    def stage(self, observations: Iterator[Observation], trails: Trails | None = None) -> Generator[Drawn, None, None]:
        """Draw each observation on a copy of its own picture.

        Args:
            observations: of one source, in order.
            trails: of the frames before the first one, to be gone on with; None: there are none before.
        """
        trails, status = Trails(self._settings.trail) if trails is None else trails, _Status(self._clock)
        style: Style | None = None
        if self._settings.labels or self._settings.hud:
            load_letters()  # while the network looks at the first picture
        for observation in observations:
            frame, poses = observation.frame, observation.shown
            if style is None or style.size != (frame.width, frame.height):
                style = Style.of(self._settings, frame.width, frame.height)
            picture = writable_yuv(frame)
            canvas = YuvCanvas(picture)
            if self._settings.trail:
                trails.update(poses, frame.time)
                trails.draw(canvas, style)
            draw_poses(canvas, poses, self._skeleton, style, self._names)
            status.update(frame)
            if self._settings.hud:
                draw_hud(canvas, style, status.lines(frame))
            yield Drawn(observation, picture)

    def stills(self, observations: Iterator[Observation]) -> Generator[Drawn, None, None]:
        """Draw each observation of a picture file in full colour, with no trails and no HUD."""
        for observation in observations:
            picture = render(observation.frame.bgr, observation.shown, self._skeleton, self._names, self._settings)
            yield Drawn(observation, picture)


def render(bgr: Pixels, poses: Poses, skeleton: Skeleton, names: dict[int, str], settings: OverlaySettings) -> Pixels:
    """A copy of the picture `bgr`, (H, W, 3) uint8, with `poses` drawn on it."""
    picture = bgr.copy()
    style = Style.of(settings, picture.shape[1], picture.shape[0])
    draw_poses(BgrCanvas(picture), poses, skeleton, style, names)
    return picture


class _Status:
    """Frames a second, latency and drops, as the stage sees them pass."""

    _MEMORY = 1.0
    """Seconds over which the frame rate is smoothed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: float | None = None
        self._frames = self._seconds = 0.0
        self._dropped = 0

    def update(self, frame: Frame) -> None:
        now = self._clock()
        if self._last is not None:
            passed = now - self._last
            kept = exp(-passed / self._MEMORY)
            self._frames, self._seconds = self._frames * kept + 1, self._seconds * kept + passed
        self._last = now
        self._dropped += frame.dropped_before

    def lines(self, frame: Frame) -> list[str]:
        rate = f"{self._frames / self._seconds:.1f}" if self._seconds else "-"
        latency = (self._clock() - frame.arrival) * 1000
        return [f"{rate} fps", f"{latency:.0f} ms", f"{self._dropped} dropped"]
