"""ScriptedCamera: a camera for tests, with a script of pictures, pauses and cables pulled."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from poseline.frame import Pixels


class ScriptedCamera:
    """Gives the pictures of `script`; a None is a read that fails, a float a pause in seconds."""

    def __init__(
        self, script: Iterable[Pixels | float | None], size: tuple[int, int] = (640, 480), fps: float = 30.0
    ) -> None:
        import cv2

        self._script: Iterator[Pixels | float | None] = iter(script)
        self._properties: dict[int, float] = {
            cv2.CAP_PROP_FRAME_WIDTH: size[0],
            cv2.CAP_PROP_FRAME_HEIGHT: size[1],
            cv2.CAP_PROP_FPS: fps,
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG"),
        }
        self.asked: dict[int, float] = {}
        """What was asked of the driver, by OpenCV's property number; it grants nothing."""

    def isOpened(self) -> bool:  # noqa: N802 # OpenCV's name
        """Always: a camera that is not there is a script of its own."""
        return True

    def set(self, prop: int, value: float) -> bool:
        """Note what is asked, and refuse it as a stubborn driver does."""
        self.asked[prop] = value
        return False

    def get(self, prop: int) -> float:
        """What this camera gives, whatever was asked."""
        return self._properties.get(prop, 0.0)

    def read(self) -> tuple[bool, Pixels | None]:
        """The next picture of the script; a failure at its end."""
        for entry in self._script:
            if isinstance(entry, float):
                time.sleep(entry)
                continue
            return entry is not None, entry
        return False, None

    def release(self) -> None:
        """Nothing to give back."""
