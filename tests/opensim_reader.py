"""What OpenSim makes of our files; run by a Python that has `opensim`, which need not be the tests' own.

    read FILE...        every reader's times, labels and numbers of each .trc and .mot, as JSON
    markers OUT         markers of Pose2Sim's model that walks on the spot, and its joint angles, as JSON
    solve TRC OUT.mot   inverse kinematics of a .trc by that model: its joint angles, as JSON

Pose2Sim's package is not imported, only its model is read: it may be installed without what it needs.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any

import opensim

opensim.Logger.setLevelString("off")
TIMES = [frame / 30 for frame in range(45)]


def read(path: str) -> dict[str, Any]:
    return trc(path) if path.endswith(".trc") else mot(path)


def trc(path: str) -> dict[str, Any]:
    table, data = opensim.TimeSeriesTableVec3(path), opensim.MarkerData(path)
    rows = [table.getRowAtIndex(row) for row in range(table.getNumRows())]
    frames = [data.getFrame(row) for row in range(data.getNumFrames())]
    names = data.getMarkerNames()
    return {
        "TimeSeriesTableVec3": {
            "labels": list(table.getColumnLabels()),
            "times": list(table.getIndependentColumn()),
            "numbers": [[vector(row.getElt(0, column)) for column in range(row.ncol())] for row in rows],
        },
        "MarkerData": {
            "labels": [names.get(index) for index in range(names.getSize())],
            "times": [frame.getFrameTime() for frame in frames],
            "numbers": [[vector(frame.getMarker(index)) for index in range(names.getSize())] for frame in frames],
            "unit": data.getUnits().getLabel(),
        },
    }


def mot(path: str) -> dict[str, Any]:
    table, storage = opensim.TimeSeriesTable(path), opensim.Storage(path)
    rows = [table.getRowAtIndex(row) for row in range(table.getNumRows())]
    labels = storage.getColumnLabels()
    states = [storage.getStateVector(row) for row in range(storage.getSize())]
    return {
        "TimeSeriesTable": {
            "labels": ["time", *table.getColumnLabels()],
            "times": list(table.getIndependentColumn()),
            "numbers": [[row[column] for column in range(row.ncol())] for row in rows],
            "degrees": table.getTableMetaDataString("inDegrees") == "yes",
        },
        "Storage": {
            "labels": [labels.get(index) for index in range(labels.getSize())],
            "times": [state.getTime() for state in states],
            "numbers": [[state.getData().get(column) for column in range(state.getData().size())] for state in states],
            "degrees": storage.isInDegrees(),
        },
    }


def vector(values: Any) -> list[float]:
    return [values.get(axis) for axis in range(3)]


def setup() -> Path:
    spec = importlib.util.find_spec("Pose2Sim")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))) / "OpenSim_Setup"


def model() -> Any:
    """Pose2Sim's model with its markers for COCO's points; of these the right hip, which lies at the knee, is moved."""
    body = opensim.Model(str(setup() / "Model_Pose2Sim_simple.osim"))
    body.set_MarkerSet(opensim.MarkerSet(str(setup() / "Markers_Coco17.xml")))
    left = vector(body.getMarkerSet().get("LHip").get_location())
    body.getMarkerSet().get("RHip").set_location(opensim.Vec3(left[0], left[1], -left[2]))
    return body


def markers() -> dict[str, Any]:
    body = model()
    state = body.initSystem()
    names = [body.getMarkerSet().get(index).getName() for index in range(body.getMarkerSet().getSize())]
    angles: dict[str, list[float]] = {}
    points = []
    for time in TIMES:
        swing = 30 * math.sin(2 * math.pi * time)
        pose = {"arm_add_r": 0.0, "arm_add_l": 0.0, "pelvis_ty": 0.95, "pelvis_tx": 0.5 * time}
        for side, knee in (("r", 40 + swing), ("l", 40 - swing)):
            pose |= {f"knee_angle_{side}": math.radians(knee), f"hip_flexion_{side}": math.radians(0.8 * knee - 10)}
        for name, value in pose.items():
            body.getCoordinateSet().get(name).setValue(state, value, False)
            angles.setdefault(name, []).append(math.degrees(value))
        body.realizePosition(state)
        points.append([vector(body.getMarkerSet().get(name).getLocationInGround(state)) for name in names])
    return {"times": TIMES, "names": names, "points": points, "angles": angles}


def solve(path: str, out: str) -> dict[str, Any]:
    body = model()
    body.initSystem()
    tool = opensim.InverseKinematicsTool(str(setup() / "IK_Setup_Pose2Sim_Coco17.xml"), False)
    data = opensim.MarkerData(path)
    tool.setModel(body)
    tool.setMarkerDataFileName(path)
    tool.setOutputMotionFileName(out)
    tool.setStartTime(data.getStartFrameTime())
    tool.setEndTime(data.getLastFrameTime())
    tool.set_report_errors(False)
    tool.run()
    table = opensim.TimeSeriesTable(out)
    return {name: list(table.getDependentColumn(name).to_numpy()) for name in table.getColumnLabels()}


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    answer: Any = (
        {path: read(path) for path in given} if what == "read" else markers() if what == "markers" else solve(*given)
    )
    target = Path(given.pop()) if what == "markers" else None
    text = json.dumps(answer)
    if target is not None:
        target.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write("ANSWER" + text)
