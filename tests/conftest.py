"""What the tests share: what some of them need beside the project, and a folder that anybody may read and write."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import av
import cv2
import numpy as np
import pytest

import scheduling
from output_worlds import SAMPLES, SHARED
from poseline.inference import weights
from poseline.telemetry import without_telemetry

with without_telemetry():  # before tests import it, whose usage reports would fork each worker and go out
    import openvino  # noqa: F401 # see above

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
REQUIRED = set(os.environ.get("POSELINE_REQUIRE", "").split(","))
"""Markers (shared, system, readers, formats, gpu, browser) whose tests must run: to be skipped is to fail."""
READERS = os.environ.get("POSELINE_READERS", sys.executable)
FORMAT_READERS = os.environ.get("POSELINE_FORMAT_READERS", sys.executable)
"""Pythons that have the programs which read what `analyze` and `export` write; by default the tests' own."""
POLICY = scheduling.policy()
"""How the tests' threads are scheduled."""
Told: TypeAlias = Callable[..., tuple[int, str, str]]
"""The fixture `told`."""

os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "True")  # whichever test imports ultralytics first


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of other weights and clips; a test that asks for it is marked `shared`."""
    return SHARED


@pytest.fixture(scope="session")
def readers() -> str:
    """The Python that runs `opensim_reader.py`; the test is marked `readers("opensim")`."""
    return READERS


@pytest.fixture(scope="session")
def format_readers() -> str:
    """The Python that has the readers of formats; the test is marked `formats("pycocotools")`, with their modules."""
    return FORMAT_READERS


@pytest.fixture(scope="session")
def clip() -> Path:
    """Eight persons: 200 frames of 1280x720 at 25 frames a second."""
    return SAMPLES / "crowd.mp4"


@pytest.fixture(scope="session")
def picture(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip's hundredth picture as a file."""
    path = tmp_path_factory.mktemp("picture") / "crowd.png"
    with av.open(str(clip)) as container:
        frame = next(frame for index, frame in enumerate(container.decode(video=0)) if index == 100)
    cv2.imwrite(str(path), frame.to_ndarray(format="bgr24"))
    return path


@pytest.fixture(scope="session")
def builtin() -> Path:
    """The built-in model's weights; their OpenVINO form lies beside them, so that nothing is converted first."""
    return weights.find("builtin")


@pytest.fixture(scope="session")
def int8(builtin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in model as a folder of OpenVINO whose input is quantised, which makes it an int8 network."""
    import openvino
    from openvino import opset13

    from poseline.openvino_core import core

    folder = tmp_path_factory.mktemp("int8")
    of_floats = builtin.with_name(f"{builtin.stem}_openvino_model")
    model = core().read_model(of_floats / f"{builtin.stem}.xml")
    picture = model.get_parameters()[0].output(0)
    readers = picture.get_target_inputs()
    quantised = opset13.fake_quantize(picture, *(np.float32(limit) for limit in (0, 1, 0, 1)), 256)
    for reader in readers:
        reader.replace_source_output(quantised.output(0))
    openvino.save_model(model, folder / "int8.xml")
    shutil.copy(of_floats / "metadata.yaml", folder)
    return folder


@pytest.fixture
def no_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to be read by a process without privileges, which this one is meanwhile."""
    del tmp_path_factory  # its folders are closed to others
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        if not hasattr(os, "geteuid"):
            pytest.skip("needs POSIX permissions")
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if user == 0:
                os.seteuid(0)


@pytest.fixture(autouse=True)
def _scheduled_as_before() -> Iterator[None]:
    """A test that leaves its thread under real-time scheduling would make those after it fail by chance."""
    with scheduling.kept():
        yield
        after = scheduling.policy()
    assert after == POLICY, "an encoder changed how this thread is scheduled: scheduling.kept() round it"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """Runs the command line: exit code, what it says, and what it says of errors."""
    from poseline.cli import command
    from poseline.interruption import Interruption

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["poseline", *map(str, arguments)])
        code = command(Interruption())
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; the test is marked `browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A window of it, on a computer's screen."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    yield context
    context.close()


def _unmet(mark: pytest.Mark) -> str | None:
    """Why a test with this marker cannot run here; None where it can."""
    if mark.name == "shared" and not (SHARED / "models").is_dir():
        return f"needs other weights and clips, in the folder that POSELINE_SHARED names; {SHARED} has none"
    if mark.name == "gpu":
        import torch  # takes seconds, which only the tests of a GPU are to pay

        return None if torch.cuda.is_available() else "needs `-m gpu`, and an NVIDIA GPU that PyTorch sees"
    if mark.name == "browser":
        if find_spec("playwright") is None or CHROMIUM is None:
            return "needs Playwright and Chromium: pip install playwright, and the package chromium"
        return None
    if mark.name == "system":
        absent = [name for name in mark.args if shutil.which(name) is None and find_spec(name) is None]
        return f"needs {' and '.join(absent)}: not installed" if absent else None
    if mark.name == "readers":
        absent = sorted({name for name in mark.args if find_spec(name) is None} & _absent(READERS, *mark.args))
        return f"needs {' and '.join(absent)}, here or in the Python that POSELINE_READERS names" if absent else None
    if mark.name == "formats":
        absent = sorted(_absent(FORMAT_READERS, *mark.args))
        return f"needs {' and '.join(absent)} in the Python that POSELINE_FORMAT_READERS names" if absent else None
    return None


@cache
def _absent(python: str, *names: str) -> set[str]:
    """Those of some modules that a Python lacks."""
    code = "import sys; from importlib.util import find_spec as f; print(*(n for n in sys.argv[1:] if f(n) is None))"
    done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, timeout=60, check=False)
    return set(done.stdout.split()) if done.returncode == 0 else set(names)


def pytest_configure(config: pytest.Config) -> None:
    """Hide NVIDIA's GPUs, but from `-m gpu`: all other tests are of a run on the CPU, which a GPU would take over."""
    if config.option.markexpr.strip() != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # Windows takes an empty one for none


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the shared folder, before `-m` selects by marker."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")


def pytest_collection_finish() -> None:
    """Have Python's collector look at what tests make, and no more: all that was imported costs them a sixth."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here, from one place, so that pytest reports all skips for one reason in one line."""
    for mark in item.iter_markers():
        reason = _unmet(mark)
        if reason is not None:
            (pytest.fail if mark.name in REQUIRED else pytest.skip)(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A `system` test that finds out by itself that something is missing fails too where it must run."""
    report = yield
    if report.skipped and "system" in REQUIRED and item.get_closest_marker("system"):
        report.outcome, report.longrepr = "failed", f"it must run here, but was skipped: {report.longrepr}"
    return report
