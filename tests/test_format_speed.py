"""What a long log costs: 10,000 frames of four people in every format, measured in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from format_worlds import read_by, write_log

MEASURE = """
import json, sys, time
from importlib.util import find_spec
from pathlib import Path
from poseline.formats import FORMATS
from poseline.formats.source import LogFile
log, folder, costs = LogFile(Path(sys.argv[1])), Path(sys.argv[2]), {}
for name, each in FORMATS.items():
    if each.write is None or any(find_spec(module) is None for module in each.needs):
        continue
    before = time.process_time()
    each.convert(log, folder / each.file_name())
    costs[name] = time.process_time() - before
[peak] = [int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps({"seconds": costs, "peak": peak}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.formats("h5py")
@pytest.mark.system("h5py", "pynwb", "ndx_pose", "rerun")
def test_ten_thousand_frames_take_a_few_seconds_and_little_memory(tmp_path: Path) -> None:
    log = write_log(tmp_path / "keypoints.jsonl", 10_000, persons=4, hard=False)
    (tmp_path / "out").mkdir()
    answer = json.loads(read_by(sys.executable, MEASURE, log, tmp_path / "out"))
    assert len(answer["seconds"]) >= 12
    assert sum(answer["seconds"].values()) < 40, answer  # of CPU time, which busy machines stretch; 15 on an idle one
    assert answer["peak"] < 650, answer  # of which 300 are the libraries
