"""What Poseline uses of other packages that they do not promise: a release that moves it is told here, by name."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

CHECK = """
import inspect
from ultralytics.nn import tasks
from ultralytics.nn.modules import head

wanted = {
    "nn.tasks.SAFE_LOAD": hasattr(tasks, "SAFE_LOAD"),
    "nn.tasks._SafeLoad.SUPPORTED": hasattr(getattr(tasks, "_SafeLoad", None), "SUPPORTED"),
    "nn.tasks.load_checkpoint": hasattr(tasks, "load_checkpoint"),
    "Pose._inference(raw)": list(inspect.signature(head.Pose._inference).parameters)[1:] == ["x"],
    "Pose.end2end": hasattr(head.Pose, "end2end"),
}
made = head.Pose(nc=1, kpt_shape=(17, 3), ch=(64, 128, 256))
wanted |= {f"Pose().{name}": hasattr(made, name) for name in ("dfl", "kpt_shape", "stride", "nc", "no", "nk")}
print(*[name for name, there in wanted.items() if not there], sep=", ")
"""


def test_ultralytics_has_what_the_adapter_and_the_gpu_head_reach_for() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, f"ultralytics {version('ultralytics')}: {done.stderr[-2000:]}"
    moved = done.stdout.strip().splitlines()[-1:] or [""]
    assert moved == [""], (
        f"ultralytics {version('ultralytics')} has moved {moved[0]}; see inference/ultralytics_adapter.py, "
        "torch_head.py and runtimes/cuda.py, and set the upper bound in pyproject.toml until they follow"
    )


def test_scipys_solver_is_found_without_the_rest_of_scipy() -> None:
    code = (
        "import sys, numpy as np\nfrom poseline.tracking.assignment import assign\n"
        "print(*assign(np.array([[1.0, 5.0], [4.0, 2.0]], np.float32))[1], 'scipy.optimize' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True)
    assert done.stdout.split()[:2] == ["1", "0"]
    assert done.stdout.split()[2] == "False", (
        f"scipy {version('scipy')} has moved optimize/_lsap; a start takes half a second longer until "
        "tracking/assignment.py finds it again"
    )


def test_pydantic_looks_for_plugins_where_a_start_has_nothing_to_find() -> None:
    code = (
        "import sys\nfrom poseline.startup import tune_process\ntune_process()\nimport poseline.settings\n"
        "print('pydantic.plugin._schema_validator' in sys.modules, 'importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True)
    assert done.stdout.split() == ["True", "False"], (
        f"pydantic {version('pydantic')} searches elsewhere; a start takes longer until startup/__init__.py follows"
    )
