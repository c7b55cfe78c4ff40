"""The rules that the picture of the project states, held against its source and its processes."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import poseline
from rooms import SRC, imports, part

MODULES = sorted(SRC.rglob("*.py"))
ENGINES = {"torch", "ultralytics", "openvino", "onnxruntime", "onnx", "nncf"}
ENGINE_HOMES = (
    "inference/network/",
    "inference/runtimes/",
    "inference/ultralytics_adapter.py",
    "inference/quantize.py",
    "inference/weights.py",
    "doctor.py",
    "openvino_core.py",
)
BASE = {
    "", "amounts", "errors", "frame", "home", "interruption", "luma", "optional", "orientation", "plain_yaml",
    "pose", "request", "settings", "short_repr", "skeleton", "words",
}  # fmt: skip
ROOMS = {"capture", "inference", "tracking", "smooth", "overlay", "output"}
MAY_IMPORT = {
    "amounts": set(),
    "errors": set(),
    "atomic": {"errors"},
    "luma": set(),
    "mp4_boxes": set(),
    "optional": {"errors"},
    "plain_yaml": {"errors"},
    "forks": set(),
    "interruption": {"watchdog"},
    "watchdog": set(),
    "cache": {"errors", "home"},
    "home": set(),
    "openvino_core": {"errors", "forks", "telemetry"},
    "telemetry": set(),
    "startup": {"cache", "openvino_core"},
    "frame": {"errors", "orientation"},
    "orientation": set(),
    "skeleton": {"errors", "frame", "plain_yaml", "pose"},
    "settings": {"amounts", "errors", "plain_yaml", "words"},
    "pose": {"frame", "errors", "words"},
    "short_repr": {"errors"},
    "window_process": {"x11"},
    "x11": set(),
    "words": set(),
    **dict.fromkeys(ROOMS, BASE),
    "capture": BASE | {"log_files", "machine", "mp4_boxes"},
    "log_files": {"errors"},
    "corrections": BASE | {"atomic", "log_files"},
    "log": BASE | {"atomic", "corrections", "log_files"},
    "formats": BASE | {"atomic", "capture", "corrections", "log"},
    "output": BASE
    | {"atomic", "corrections", "formats", "log", "log_files", "machine", "mp4_boxes", "window_process", "x11"},
    "inference": BASE | {"cache", "forks", "machine", "openvino_core", "startup", "telemetry", "workers"},
    "analysis": BASE | {"atomic", "capture", "corrections", "log", "overlay"},
    "recording": BASE | ROOMS | {"pipeline", "session"},
    "results": BASE | {"overlay", "output"},
    "pipeline": BASE | ROOMS | {"atomic", "forks", "formats", "startup", "log", "workers"},
    "calls": BASE | ROOMS | {"pipeline", "results", "session"},
    "model": BASE | ROOMS | {"calls", "forks", "results", "session"},
    "machine": {"errors", "settings"},
    "rendering": BASE | {"analysis", "atomic", "capture", "log", "output", "overlay", "pipeline"},
    "comparison": BASE | {"analysis", "atomic", "log", "output", "overlay", "pipeline", "rendering"},
    "verification": BASE | ROOMS | {"analysis", "atomic"},
    "evaluation": BASE | ROOMS | {"formats", "log", "session"},
    "inspection": BASE | {"analysis", "capture", "corrections", "log", "log_files", "rendering", "serve"},
    "commands": BASE
    | ROOMS
    | {"analysis", "atomic", "batch", "comparison", "corrections", "evaluation", "formats", "inspection", "log"}
    | {"manifest", "rendering", "serve", "startup", "terminal", "verification"},
    "doctor": BASE | ROOMS | {"machine", "cache", "openvino_core"},
    "terminal": BASE | ROOMS | {"analysis", "manifest", "pipeline", "progress"},
    "progress": BASE | ROOMS | {"pipeline"},
    "bench": BASE
    | ROOMS
    | {"atomic", "log", "pipeline", "session", "terminal", "model", "machine", "startup", "cache"},
    "send": BASE | {"capture", "log", "pipeline"},
    "serve": BASE | ROOMS | {"log", "pipeline", "send", "session", "terminal"},
    "session": BASE | ROOMS | {"formats", "log", "machine", "pieces", "pipeline", "send", "startup", "workers"},
    "request": {"capture", "settings"},
    "pieces": BASE | {"capture", "machine", "tracking", "workers"},
    "batch": BASE
    | ROOMS
    | {
        "log",
        "machine",
        "manifest",
        "pipeline",
        "send",
        "serve",
        "session",
        "terminal",
        "progress",
        "workers",
        "startup",
    },
    "cluster": BASE | {"batch", "cache", "capture", "inference", "output", "pieces", "session", "workers"},
    "manifest": BASE | {"atomic", "capture", "log", "output"},
    "cli": BASE | ROOMS | {"commands", "pipeline", "terminal", "doctor", "bench", "batch", "cluster", "serve"},
    "workers": {"", "amounts", "errors", "interruption", "optional"},
    "__main__": {"cli", "interruption", "startup", "doctor"},
}
"""What each part may import of the others, inside functions too; a name that is missing here is a part to be placed."""


def name(path: Path) -> str:
    """A module's file as it is called inside the package."""
    return path.relative_to(SRC).as_posix()


@pytest.fixture(scope="module")
def imported() -> dict[str, list[tuple[str, int]]]:
    """What each module imports, and in which line."""
    return {name(path): imports(path) for path in MODULES}


def test_imports_go_one_way(imported: dict[str, list[tuple[str, int]]]) -> None:
    wrong = []
    for path, found in imported.items():
        own = path.split("/")[0].removesuffix(".py")
        if own != "__init__":  # its imports are for the type checker, and lazy by name
            assert own in MAY_IMPORT, f"{path} is of a new part: say what it may import"
            ours = [(module, line) for module, line in found if module.split(".")[0] == "poseline"]
            may = MAY_IMPORT[own] | {own}
            wrong += [f"{path}:{line} imports {module}" for module, line in ours if part(module) not in may]
    assert not wrong


def test_engines_are_imported_in_their_homes_alone(imported: dict[str, list[tuple[str, int]]]) -> None:
    elsewhere = {path: found for path, found in imported.items() if not path.startswith(ENGINE_HOMES)}
    assert len(elsewhere) > 200
    assert not [
        f"{path}:{line} imports {module}"
        for path, found in elsewhere.items()
        for module, line in found
        if module.split(".")[0] in ENGINES
    ]


def test_every_module_says_what_it_is() -> None:
    said = {name(path): ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in MODULES}
    assert not [path for path, words in said.items() if len(words) <= 15]


def test_the_public_names_are_sorted_and_all_there() -> None:
    assert poseline.__all__ == sorted(poseline.__all__, key=lambda public: (not public.isupper(), public))
    assert set(poseline.__all__) == set(poseline._HOMES)
    assert dir(poseline) == sorted(poseline.__all__)
    for public in poseline.__all__:
        assert getattr(poseline, public).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = poseline.nonsense


def child(code: str, *arguments: str) -> str:
    """What a Python process prints."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cpu_seconds(module: str) -> float:
    """CPU time of a process that imports `module` and ends."""
    code = f"import os, {module}; print(os.times().user + os.times().system)"
    return statistics.median(float(child(code)) for _ in range(5))


def test_importing_it_costs_next_to_nothing() -> None:
    assert cpu_seconds("poseline") < cpu_seconds("numpy")


LOADED = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"


def test_importing_it_imports_no_engine() -> None:
    heavy = {*ENGINES, "scipy", "polars", "matplotlib", "cv2", "av"}
    assert not heavy & set(child(f"import poseline; {LOADED}").split())


def test_a_run_on_openvino_never_imports_torch(builtin: Path, clip: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from poseline.cli import command
from poseline.interruption import Interruption
sys.argv = ["poseline", "run", *sys.argv[1:]]
assert command(Interruption()) == 0
assert "openvino_telemetry" not in sys.modules, "OpenVINO reports its use"
print("LOADED")
{LOADED}
"""
    told = child(code, str(clip), "-m", str(builtin), "-o", str(tmp_path / "out"), "--vid-stride", "20")
    loaded = set(told.rpartition("LOADED")[2].split())
    assert "openvino" in loaded
    assert not loaded & {"torch", "ultralytics", "onnxruntime", "matplotlib"}


def test_a_start_imports_nothing_that_it_can_do_without(clip: Path, tmp_path: Path) -> None:
    code = f"""
import os, sys
from poseline import batch
from poseline.cli import command
from poseline.interruption import Interruption
def recorded(*_):
    print("LOADED")
    {LOADED}
    sys.stdout.flush()
    os._exit(0)  # as a run ends: a thread is loading the network
batch._recorded = recorded
command(Interruption())
"""
    told = child(code, "run", str(clip), "-m", "builtin", "-o", str(tmp_path / "out"))
    loaded = set(told.rpartition("LOADED")[2].split())
    assert "openvino" in loaded
    assert not loaded & {"yaml", "psutil", "scipy", "ssl", "http", "rich"}


def test_a_run_goes_without_what_readers_of_its_log_need(tmp_path: Path) -> None:
    code = """
import sys
from poseline.cli import command
from poseline.interruption import Interruption
command(Interruption())
print("LOADED", *sys.modules)
"""
    clip = Path(__file__).parents[1] / "samples" / "squat.mp4"
    told = child(code, "run", str(clip), "-m", "builtin", "--imgsz", "160", "--to", "0.2", "-o", str(tmp_path / "out"))
    loaded = set(told.rpartition("LOADED")[2].split())
    assert "poseline.pipeline.run" in loaded
    assert not loaded & {"poseline.corrections", "poseline.inspection", "poseline.cluster"}
