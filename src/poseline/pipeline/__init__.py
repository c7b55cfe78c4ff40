"""Pipeline: stages joined by bounded channels, and the run that is made of them."""

from poseline.pipeline.annotated import AnnotatedVideo
from poseline.pipeline.chain import Stage, chain
from poseline.pipeline.channel import Cancelled, Channel, Overflow
from poseline.pipeline.meter import Meter
from poseline.pipeline.pose_stream import open_pose_stream
from poseline.pipeline.report import OnFrame, RunReport
from poseline.pipeline.run import run, versions
from poseline.pipeline.sink import Sink

__all__ = [
    "AnnotatedVideo",
    "Cancelled",
    "Channel",
    "Meter",
    "OnFrame",
    "Overflow",
    "RunReport",
    "Sink",
    "Stage",
    "chain",
    "open_pose_stream",
    "run",
    "versions",
]
