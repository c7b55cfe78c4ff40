"""Bench: what whole runs cost on this machine, against each other, another program, and other machines."""

from poseline.bench.command import Files, compare, run
from poseline.bench.plan import Options

__all__ = ["Files", "Options", "compare", "run"]
