"""What angles, events and their values are called for a reader who does not know the code's names."""

from __future__ import annotations

from poseline.analysis.angles import split_side

_ANGLES = {
    "knee": "Knee flexion", "hip": "Hip flexion", "shoulder": "Shoulder flexion", "elbow": "Elbow flexion",
    "ankle": "Ankle dorsiflexion", "wrist": "Wrist flexion", "trunk": "Trunk direction", "lean": "Trunk lean",
    "thigh": "Thigh direction", "shank": "Shank direction", "arm": "Upper arm direction",
    "forearm": "Forearm direction", "foot": "Foot direction", "pelvis": "Pelvis slope", "shoulders": "Shoulder slope",
}  # fmt: skip
_FRONTAL = {
    "knee": "Knee, sideways",
    "hip": "Hip, sideways",
    "shoulder": "Shoulder, sideways",
    "elbow": "Elbow, sideways",
}
"""From the front or the back, where the picture's plane is the body's frontal plane."""

_EVENTS = {"squat": ("squat", "squats"), "jump": ("jump", "jumps"), "step": ("step", "steps")}

_VALUES = {
    "depth": "depth", "down": "going down", "up": "coming up", "descent": "hips sink by",
    "left_knee": "left knee", "right_knee": "right knee",
    "flight": "flight", "height_by_flight": "height by flight", "height_by_hips": "height by hips",
    "split": "split of the ankles", "split_m": "split of the ankles (metres)", "contact": "foot on the floor",
    "step_time": "step time", "cadence": "cadence", "stride_time": "stride time",
    "stride_length": "stride length", "speed": "speed",
}  # fmt: skip


def base(name: str) -> str:
    """`left_knee` to `knee`."""
    return split_side(name)[1]


def angle(name: str, frontal: bool = False) -> str:
    """The title of an angle's plot: of both sides together."""
    own = base(name)
    plain = own.replace("_", " ").capitalize()
    return _FRONTAL.get(own, _ANGLES.get(own, plain)) if frontal else _ANGLES.get(own, plain)


def events(kind: str, count: int) -> str:
    """Such as `3 squats`."""
    one, many = _EVENTS.get(kind, (kind.replace("_", " "),) * 2)
    return f"{count} {one if count == 1 else many}"


def event(kind: str) -> str:
    """Such as `squat`."""
    return _EVENTS.get(kind, (kind.replace("_", " "), ""))[0]


def value(name: str) -> str:
    """What a value of an event is called."""
    return _VALUES.get(name, name.replace("_", " "))
