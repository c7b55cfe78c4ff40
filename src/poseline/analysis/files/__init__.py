"""The files of an analysis: tables, summaries, and what OpenSim and other programs of the field read."""

from poseline.analysis.files.write import FORMATS, Format, Written, existing, parse_formats, write

__all__ = ["FORMATS", "Format", "Written", "existing", "parse_formats", "write"]
