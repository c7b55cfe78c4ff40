#!/bin/sh
# Pose2Sim 0.10.49: in its OpenSim marker set for COCO's 17 keypoints the right hip's marker lies at the knee.
#
# In OpenSim_Setup/Markers_Coco17.xml the marker RHip is attached to the pelvis, as LHip is, but its location is digit for
# digit that of LKnee, which is a location on the left thigh: 0.40 m below the pelvis' origin, where LHip's is 0.08 m.
# Inverse kinematics with this set is pulled by a right hip that is at knee's height, unless the marker is moved.
#
# Seen with Pose2Sim 0.10.49:
#   LHip /bodyset/pelvis y -0.081   RHip /bodyset/pelvis y -0.398   LKnee /bodyset/femur_l at the same numbers as RHip
# Exits 0 as long as that is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" pose2sim==0.10.49
python3 - "$folder" <<'PYTHON'
import sys
from pathlib import Path
from xml.etree import ElementTree

path = Path(sys.argv[1], "Pose2Sim", "OpenSim_Setup", "Markers_Coco17.xml")
markers = {}
for marker in ElementTree.parse(path).iter("Marker"):
    body = marker.findtext("socket_parent_frame").strip()
    markers[marker.get("name")] = body, tuple(map(float, marker.findtext("location").split()))
for name in ("LHip", "RHip", "LKnee", "RKnee"):
    print(name, *markers[name])
(right, right_place), (left, left_place), (thigh, knee_place) = (markers[name] for name in ("RHip", "LHip", "LKnee"))
same = right == left == "/bodyset/pelvis" and thigh == "/bodyset/femur_l" and right_place == knee_place
sys.exit(0 if same and right_place[1] < -0.35 < left_place[1] else 1)
PYTHON
