"""TRC: markers over time, as OpenSim, Mokka and Sports2D read them.

What readers make of such a file differs, so it is written in the one way that all of them read alike: eight keys in the
header, no blanks in names, the word NaN where a marker is missing (an empty last cell makes OpenSim refuse the file),
frames from 1, and the true, rising times at any intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from poseline.analysis.motion import Doubles


def write_trc(path: Path, name: str, times: Doubles, names: Sequence[str], points: Doubles, unit: str) -> None:
    """Write markers.

    Args:
        path: to write to.
        name: that the file will have; it stands in its first line.
        times: (T,) seconds, strictly rising.
        names: of the K markers, without blanks.
        points: (T, K, 3); NaN where a marker is missing.
        unit: `m`, or `px` for pixels of the picture with y down.
    """
    count, markers = len(times), len(names)
    rate = f"{(count - 1) / (times[-1] - times[0]):.6f}" if count > 1 else "1"
    places = [f"{axis}{number}" for number in range(1, markers + 1) for axis in "XYZ"]
    header = (
        f"PathFileType\t4\t(X/Y/Z)\t{name}\n"
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
        f"{rate}\t{rate}\t{count}\t{markers}\t{unit}\t{rate}\t1\t{count}\n"
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\n"
        "\t\t" + "\t".join(places) + "\n\n"
    )
    write_numbers(path, header, times, points.reshape(count, -1), frames=True)


def write_numbers(path: Path, header: str, times: Doubles, values: Doubles, frames: bool = False) -> None:
    """Write a header and rows of numbers between tabs: frames from 1 where asked for, times, and values (T, N)."""
    import polars as pl

    columns: dict[str, object] = {"frame": np.arange(1, len(times) + 1)} if frames else {}
    columns["time"] = time_stamps(times)
    columns |= {f"v{column}": np.ascontiguousarray(values[:, column]) for column in range(values.shape[1])}
    with path.open("wb") as file:
        file.write(header.encode())
        pl.DataFrame(columns).write_csv(
            file, include_header=False, separator="\t", float_precision=6, quote_style="never"
        )


def time_stamps(times: Doubles) -> list[str]:
    """Seconds as text that rises as they do: six decimals, or as many as it takes to tell two of them apart."""
    for decimals in (6, 9):
        stamps = [f"{time:.{decimals}f}" for time in times]
        if len(set(stamps)) == len(stamps):
            return stamps
    return [repr(float(time)) for time in times]
