"""Doctor on broken installations: it names what is missing, and looks at all else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from poseline import doctor

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
TOPICS = {
    "system", "cpu", "gpu", "packages", "cameras", "display", "openvino", "onnx", "int8", "torch", "ffmpeg", "encoders",
    "models", "versions",
}  # fmt: skip
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))  # as if they were not installed
from poseline.__main__ import main
main()
"""
QUICK = """
from poseline import doctor
assert doctor._run_python
doctor._run_python = lambda *_: (0, "poseline: begin\\nposeline:|False|False|None")  # all that is there can be imported
"""


def python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=280,
        env=ENVIRONMENT | {"COLUMNS": "300"} | environment,
    )  # fmt: skip


def findings(said: str) -> dict[str, str]:
    """What is said of each topic; of several lines of one, all."""
    found: dict[str, str] = {}
    for line in said.splitlines():
        topic, text = re.split(r"\s{2,}", line, maxsplit=1)
        found[topic] = found.get(topic, "") + text + "\n"
    return found


def test_it_knows_all_that_poseline_requires() -> None:
    listed = re.search(r"^dependencies = \[(.*?)^\]", PYPROJECT.read_text(), re.M | re.S)
    assert listed is not None
    required = set(re.findall(r'^\s*"([\w-]+)', listed[1], re.M))
    assert set(doctor.REQUIRED | doctor.LARGE) == required | {"torch"}


@pytest.mark.parametrize(("name", "module"), (doctor.REQUIRED | doctor.LARGE | doctor.OPTIONAL).items(), ids=str)
def test_it_works_where_any_one_package_is_missing(name: str, module: str) -> None:
    done = python(QUICK + WITHOUT, f"{module},torch", "doctor")  # which takes seconds to import
    assert done.returncode == 0
    assert "Traceback" not in done.stderr  # libraries write lines of their own there
    found = findings(done.stdout)
    assert set(found) >= TOPICS
    if name in doctor.OPTIONAL:
        topic = {"onnxruntime": "onnx", "nncf": "int8"}[name]
        assert "cannot be" in found[topic]
        assert "pip install 'poseline[" in found[topic]
    else:
        assert f"{name} is not installed" in found["packages"]
        assert f"pip install '{name}" in found["packages"]
    assert re.fullmatch(r"not installed (→|->) see packages *\n", found["torch"]), "how to get it is said once"
    broken = {topic for topic in found if "cannot be examined" in found[topic]}
    assert all(module in found[topic] for topic in broken)
    assert {"system", "cpu", "gpu", "versions"}.isdisjoint(broken)
    assert len(broken) <= 6, "what does not need it is looked at"


def test_it_names_packages_that_cannot_be_imported_and_survives_those_that_crash(tmp_path: Path) -> None:
    (tmp_path / "openvino.py").write_text("import os; os.abort()")
    (tmp_path / "polars.py").write_text("raise OSError('libGL.so.1: no such\\nfile')")
    (tmp_path / "scipy.py").write_text("import sys; sys.exit(3)")
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('its parts do not fit together')")
    few = "from poseline import doctor\n" + "for name in ('torch', 'ultralytics'): del doctor.LARGE[name]\n"
    few += "del doctor.OPTIONAL['nncf']\ndoctor._torch = doctor._int8 = tuple\n"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = python(few + WITHOUT, "nothing", "doctor", PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    found = findings(done.stdout)
    assert "openvino cannot be imported: it ends the process (-6)" in found["packages"].replace("(3)", "(-6)")
    assert "polars cannot be imported: OSError: libGL.so.1: no such file" in found["packages"]
    assert "scipy cannot be imported: SystemExit: 3" in found["packages"]
    assert "onnxruntime cannot be imported: ImportError: its parts do not fit together" in found["packages"]
    assert len(found["packages"].splitlines()) == 4
    assert found["onnx"].strip() == "cannot be examined: onnxruntime cannot be imported → see packages"
    assert "cannot be examined" in found["openvino"]
    assert "PyAV" in found["ffmpeg"]


def test_packages_that_cannot_be_tried_are_not_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_run_python", lambda *_: ("no process can be started", ""))
    assert "no process can be started" in doctor._packages()[0].text


@pytest.mark.parametrize(("version", "named"), [("19.0.2", True), ("16.1", True), ("17", False), ("18.99.1", False)])
def test_it_names_a_package_of_a_version_that_does_not_fit(version: str, named: bool, tmp_path: Path) -> None:
    metadata = tmp_path / f"av-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: av\nVersion: {version}\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = python(QUICK + WITHOUT, "torch", "doctor", PYTHONPATH=path)
    said = findings(done.stdout)["packages"]
    assert (f"av {version} is not a version that Poseline works with → pip install 'av" in said) is named
    assert said.count("is not a version") == named


@pytest.mark.parametrize("module", ["typer", "av", "pydantic"])
def test_a_run_without_a_package_says_which_and_who_knows_more(module: str, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    done = python(WITHOUT, module, "run", tmp_path / "clip.mp4")
    assert done.returncode == 1
    assert re.fullmatch(
        rf"error: .*{module}.*; `poseline doctor` says what is missing and how to get it\n", done.stderr
    )
    assert done.stdout == ""
