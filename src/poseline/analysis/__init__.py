"""Analysis of one person's keypoints over time: angles, speeds, metres and events. Pure numpy, no files and no models.

>>> from poseline.analysis import Motion, analyse_motion
>>> person = analyse_motion(Motion(times, points, confidence, names, width, height))
>>> person.angles["left_knee"], person.counts
"""

from poseline.analysis.analyse import AnalysisOptions, PersonAnalysis, analyse_motion
from poseline.analysis.angles import DEFINITIONS, Angles, Definition
from poseline.analysis.camera import Camera
from poseline.analysis.event import FINDERS, Event, Movement, Quantity, event_finder, find_events
from poseline.analysis.facing import Facing, FacingChoice
from poseline.analysis.feet import Footprint
from poseline.analysis.floor import Floor
from poseline.analysis.mechanics import Mechanics
from poseline.analysis.motion import Motion
from poseline.analysis.scale import Known, Scale
from poseline.analysis.smoothing import PointState, Smoothed, Smoothing
from poseline.analysis.stitching import Fragment, Join, Stitched, stitch
from poseline.analysis.uncertainty import Plane

__all__ = [
    "DEFINITIONS",
    "FINDERS",
    "AnalysisOptions",
    "Angles",
    "Camera",
    "Definition",
    "Event",
    "Facing",
    "FacingChoice",
    "Floor",
    "Footprint",
    "Fragment",
    "Join",
    "Known",
    "Mechanics",
    "Motion",
    "Movement",
    "PersonAnalysis",
    "Plane",
    "PointState",
    "Quantity",
    "Scale",
    "Smoothed",
    "Smoothing",
    "Stitched",
    "analyse_motion",
    "event_finder",
    "find_events",
    "stitch",
]
