"""Report: an analysis as one HTML file for the athlete, to be read on a phone, a screen or paper.

It stands alone: no script, nothing from the network, pictures and plots inside.
"""

from __future__ import annotations

from pathlib import Path

from poseline.analysis.result import Analysis
from poseline.atomic import replacing


def write_report(analysis: Analysis, path: Path) -> None:
    """Write the report of an analysis.

    Frames of the clip are shown where it still is where the log says; else the skeleton alone.

    Raises:
        OutputError: the file cannot be written; one that was there stays.
    """
    from poseline.analysis.report.page import page  # pictures need OpenCV and PyAV

    text = page(analysis)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
