"""Analysis of people's keypoints over time: angles, speeds, metres and events. Pure numpy, no models.

>>> from poseline import analyze
>>> analyze("runs/squat", height=1.80).main.angles["left_knee"]

Points from elsewhere are analysed in the same way:

>>> from poseline.analysis import Motion, analyse_motion
>>> person = analyse_motion(Motion(times, points, confidence, names, width, height))
>>> person.angles["left_knee"], person.counts
"""

from poseline.analysis.analyse import AnalysisOptions, PersonAnalysis, analyse_motion
from poseline.analysis.angles import DEFINITIONS, Angles, Definition
from poseline.analysis.camera import Camera
from poseline.analysis.clip import analyze
from poseline.analysis.event import FINDERS, Event, Movement, Quantity, event_finder, find_events
from poseline.analysis.facing import Facing, FacingChoice
from poseline.analysis.feet import Footprint
from poseline.analysis.floor import Floor
from poseline.analysis.mechanics import Mechanics
from poseline.analysis.motion import Motion
from poseline.analysis.result import Analysis, Gap, Person
from poseline.analysis.scale import Known, Scale
from poseline.analysis.smoothing import PointState, Smoothed, Smoothing
from poseline.analysis.stitching import Fragment, Join, Stitched, stitch
from poseline.analysis.uncertainty import Plane

__all__ = [
    "DEFINITIONS",
    "FINDERS",
    "Analysis",
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
    "Gap",
    "Join",
    "Known",
    "Mechanics",
    "Motion",
    "Movement",
    "Person",
    "PersonAnalysis",
    "Plane",
    "PointState",
    "Quantity",
    "Scale",
    "Smoothed",
    "Smoothing",
    "Stitched",
    "analyse_motion",
    "analyze",
    "event_finder",
    "find_events",
    "stitch",
]
