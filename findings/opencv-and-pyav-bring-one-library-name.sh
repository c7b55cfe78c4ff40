#!/bin/sh
# The Linux wheels of opencv-python 5.0.0.93 and PyAV 18.1.0 both bring a libxcb-shm of one name, built differently.
#
# A process loads only one library of a name, the first. PyAV's libxcb-shm needs the libxcb that PyAV brings; OpenCV's
# needs the system's. Where PyAV is imported first, OpenCV's window asks the X server by one libxcb and waits for the
# answer at the other, for ever. A window in a process that never imports PyAV does not have this trouble.
#
# Seen with opencv-python 5.0.0.93 and PyAV 18.1.0 for Linux x86-64, which also share other names:
#   libxcb-shm-0be6dfbf.so.0.0.0: in opencv_python.libs it needs libxcb.so.1, in av.libs libxcb-5ddf6756.so.1.1.0
# Only lists what is in the wheels; nothing of them is run. Exits 0 as long as that is so, and 1 once it is not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for package in av==18.1.0 opencv-python==5.0.0.93; do
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 --python-version 3.11 --dest "$folder" "$package"
done
python3 - "$folder" <<'PYTHON'
import re
import sys
from pathlib import Path
from zipfile import ZipFile



def needed(library):
    """The libxcb that a libxcb-shm is linked with: the wheel's own, whose name was put in place of the system's."""
    names = {name.decode() for name in re.findall(rb"\0(libxcb(?:-[0-9a-f]{8})?\.so[.\d]*)(?=\0)", library)}
    return max(names, key=len)


needs = {}
for wheel in sorted(Path(sys.argv[1]).glob("*.whl")):
    with ZipFile(wheel) as files:
        needs[wheel.name.partition("-")[0]] = {
            name.rpartition("/")[2]: needed(files.read(name))
            for name in files.namelist()
            if ".libs/libxcb-shm" in name
        }
for package, libraries in needs.items():
    for name, libxcb in libraries.items():
        print(f"{package} brings {name}, which needs {libxcb}")
first, second = needs.values()
shared = set(first) & set(second)
same = len(shared) == 1 and all(first[name] != second[name] for name in shared)
print("as described" if same else "the behaviour has changed")
raise SystemExit(not same)
PYTHON
