"""Latency: a code that a page shows and a camera films, from which the delay between the two is read.

The code is two ArUco markers (OpenCV's DICT_5X5_1000) side by side. The left one is the server's time in steps of 5 ms,
modulo 1000; the right one is the left one's number plus 333, modulo 1000, so that a picture in which two codes mix, as
where an exposure spans two of the screen's frames, is not read wrong.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from poseline.frame import Frame, Pixels, plane_pixels

STEP = 5
"""Milliseconds."""
_NUMBERS = 1000
LONGEST = STEP * _NUMBERS
"""Milliseconds after which the code begins anew: a longer delay cannot be told from a shorter one."""
CHECK = 333
CELLS = 7
"""Squares across one marker: five bits, and a black border."""


def numbers(time: float) -> tuple[int, int]:
    """The numbers of the two markers at a time in `time.monotonic()` seconds."""
    first = int(1000 * time // STEP) % _NUMBERS
    return first, (first + CHECK) % _NUMBERS


@lru_cache(maxsize=1)
def markers() -> list[str]:
    """All markers, each as 49 characters, row by row: 1 is white."""
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_1000)
    drawn = (dictionary.generateImageMarker(number, CELLS) for number in range(_NUMBERS))
    return ["".join("1" if cell else "0" for cell in marker.ravel()) for marker in drawn]


def delay(frame: Frame) -> float | None:
    """Milliseconds from when the code in the frame was shown until the frame arrived; None where there is no code."""
    found = _found(_grey(frame))
    if len(found) != 2:
        return None
    for first, second in (found, found[::-1]):
        if (first + CHECK) % _NUMBERS == second:
            return (1000 * frame.arrival - STEP * first) % LONGEST
    return None


def _grey(frame: Frame) -> Pixels:
    picture = frame.picture
    if isinstance(picture, np.ndarray) or not picture.format.name.startswith("yuv"):
        grey: Pixels = np.asarray(cv2.cvtColor(frame.bgr, cv2.COLOR_BGR2GRAY), np.uint8)
        return grey
    return np.ascontiguousarray(plane_pixels(picture.planes[0]))


def _found(grey: Pixels) -> list[int]:
    parameters = cv2.aruco.DetectorParameters()
    parameters.errorCorrectionRate = 0.0  # a marker that is not whole is a mixture of two
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_1000), parameters)
    _, ids, _ = detector.detectMarkers(grey)
    return [] if ids is None else [int(number) for number in ids.ravel()]
