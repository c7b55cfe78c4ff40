"""C3D: markers in millimetres and events, by ezc3d (an extra).

The format has one frame rate. Where the clip's intervals are uneven, the smoothed paths are read off at even times, by
cubic interpolation with their own velocities. It counts frames in 16 bits, and ezc3d reads no more than 65,535 of them
without a word, so longer motions go into several files. Times in it begin with 0 at the first frame of the first file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poseline.analysis.files.markers import marker_names, metric_markers
from poseline.analysis.motion import Doubles
from poseline.analysis.result import Person
from poseline.errors import SettingsError

MOST_FRAMES = 65_535
_EVEN = 0.02
"""Share of a frame by which times may be off even ones and still count as even."""


def require_ezc3d() -> Any:
    """The module.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        import ezc3d
    except ImportError:
        raise SettingsError(
            "c3d files need ezc3d: pip install 'poseline[c3d]', or leave c3d out of --formats"
        ) from None
    return ezc3d


def parts(count: int) -> list[tuple[int, int]]:
    """First row and row after the last of each file of `count` frames."""
    return [(start, min(start + MOST_FRAMES, count)) for start in range(0, count, MOST_FRAMES)]


def even_times(times: Doubles) -> Doubles:
    """As many times at even intervals, from the first to the last: `times` themselves where they are even."""
    even = np.linspace(times[0], times[-1], len(times))
    step = (times[-1] - times[0]) / max(len(times) - 1, 1)
    return times if np.abs(times - even).max() <= _EVEN * step else even


def write_c3d(path: Path, person: Person, times: Doubles, rows: tuple[int, int]) -> None:
    """Write some rows of a person's smoothed points, and the events that fall among them.

    Args:
        path: to write to.
        person: with metres.
        times: (T,) as `even_times` gives them.
        rows: the first one, and the one after the last.
    """
    ezc3d = require_ezc3d()
    start, stop = rows
    millimetres = _at(person, times)[start:stop] * 1000
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 1.0
    file = ezc3d.c3d()
    point = file["parameters"]["POINT"]
    point["LABELS"]["value"] = list(marker_names(person.names))
    point["UNITS"]["value"] = ["mm"]
    point["RATE"]["value"] = [rate]
    points = np.ones((4, len(person.names), stop - start))
    points[:3] = millimetres.transpose(2, 1, 0)
    file["data"]["points"] = points
    _add_events(file, person, times, rows)
    file.add_parameter("POSELINE", "START", [float(times[start])])  # seconds of the clip at the first frame
    named = path.with_name(f"{path.name}.c3d")  # ezc3d adds the suffix to any other name
    try:
        file.write(str(named))
        named.replace(path)
    finally:
        named.unlink(missing_ok=True)


def _add_events(file: Any, person: Person, times: Doubles, rows: tuple[int, int]) -> None:
    """The moments that count, in seconds from the file's first frame."""
    first, last = times[rows[0]], times[rows[1] - 1]
    events = [event for event in person.events if first <= event.time <= last]
    if not events:
        return
    minutes, seconds = np.divmod([event.time - first for event in events], 60)
    file.add_parameter("EVENT", "USED", [len(events)])
    file.add_parameter("EVENT", "LABELS", [event.kind for event in events])
    file.add_parameter("EVENT", "CONTEXTS", [(event.side or "general").capitalize() for event in events])
    file.add_parameter("EVENT", "TIMES", np.stack([minutes, seconds]))


def _at(person: Person, times: Doubles) -> Doubles:
    """(T, K, 3) metres at other times than the person's own, NaN where a marker is missing on either side."""
    own = metric_markers(person)
    if times is person.times:
        return own
    assert person.velocity_m is not None
    speed = np.concatenate([person.velocity_m, np.zeros_like(own[:, :, :1])], axis=2)
    after = np.clip(np.searchsorted(person.times, times, side="right"), 1, len(times) - 1)
    step = (person.times[after] - person.times[after - 1])[:, None, None]
    part = np.clip((times - person.times[after - 1]) / step[:, 0, 0], 0, 1)[:, None, None]
    begin, end = own[after - 1], own[after]
    # at the very frames a neighbour that is missing does not matter
    begin, end = np.where(part == 1, end, begin), np.where(part == 0, begin, end)
    leave, arrive = (np.nan_to_num(values) * step for values in (speed[after - 1], speed[after]))
    result: Doubles = (
        (2 * part**3 - 3 * part**2 + 1) * begin
        + (part**3 - 2 * part**2 + part) * leave
        + (3 * part**2 - 2 * part**3) * end
        + (part**3 - part**2) * arrive
    )
    return result
