"""Pythons: the wheel, installed slim as docs/install.md has it, and used on each Python that is here.

    python tools/pythons.py                                 # those of pyenv and of PATH, from 3.10 on
    python tools/pythons.py python3.13 python3.14t
    python tools/pythons.py --wheel dist/poseline-0.1.0-py3-none-any.whl --without tests --keep venvs

Each gets a virtual environment of its own in a temporary folder, which is removed when it is done with; with `--keep`
it stays, and is used again. Without `--wheel` the Python that runs this builds one, and needs `pip install build`. One
takes 600 MB of disk and some minutes. For a schedule, not for each change. A Python without the GIL is asked what
turns it on, too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIP = ROOT / "samples" / "crossing.mp4"
FRAMES = 233
SERVE = ("aiohttp", "segno", "simplejpeg")
STAND_INS = ("cv2", "orjson", "simplejpeg")
"""Modules that the chain of stages imports and does not use: what stands in for one is empty."""
MODULES = ("av", "numpy", "cv2", "openvino", "orjson", "PIL", "psutil", "pydantic", "yaml", "aiohttp", "simplejpeg")
"""Native code that a run or a page imports."""
_LONGEST = 1800.0
_VERSION = """
import sys
print("%d.%d%s" % (*sys.version_info[:2], sys.abiflags) if sys.version_info >= (3, 10) else "")
"""
_API = """
import sys
from poseline import PoseModel, stream

result = PoseModel("builtin")(sys.argv[1])[0]
persons = len(result.boxes.xyxy)
assert persons and result.keypoints.xy.shape[0] == persons
for number, observation in enumerate(stream(sys.argv[2], model="builtin")):
    assert observation.poses.keypoints.shape[0] == len(observation.poses.ids)
print(persons, "persons in a picture,", number + 1, "frames")
"""
_GIL = """
import importlib, sys, sysconfig
if not sysconfig.get_config_var("Py_GIL_DISABLED"):
    raise SystemExit("it has a GIL")
module = sys.argv[1]
try:
    importlib.import_module(module)
except ImportError:
    print("missing")
    raise SystemExit
print("on" if sys._is_gil_enabled() else "off")
"""


class Failed(Exception):
    """A step that did not do what it is for; its text says what."""


@dataclass(frozen=True)
class Place:
    """A virtual environment with Poseline in it, and a folder for what it writes."""

    python: Path
    folder: Path

    def run(self, *words: object, cwd: Path | None = None, **settings: str) -> str:
        """What a command of this environment prints."""
        return _run(self.python, *words, cwd=cwd or self.folder, **settings)

    def poseline(self, *words: object) -> str:
        """What `poseline` prints here."""
        return _run(self.python.with_name("poseline"), *words, cwd=self.folder)

    def start(self, *words: object) -> subprocess.Popen[str]:
        """A `poseline` that goes on until it is ended."""
        return subprocess.Popen(  # noqa: S603 # our own command
            [str(self.python.with_name("poseline")), *map(str, words)], cwd=self.folder, env=_surroundings(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def _surroundings(**settings: str) -> dict[str, str]:
    """The environment of a command: nothing of this checkout, and no window of 80 letters."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {"COLUMNS": "200", "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | settings


def _run(*words: object, cwd: Path, **settings: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 # our own commands
            [str(word) for word in words], cwd=cwd, env=_surroundings(**settings), capture_output=True, text=True,
            timeout=_LONGEST, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed(f"took longer than {_LONGEST:g} s") from None
    if done.returncode:
        raise Failed(f"exit code {done.returncode}: {(done.stdout + done.stderr).strip()[-1500:]}")
    return done.stdout


def slim() -> list[str]:
    """The packages of a slim installation, as its page names them."""
    [line] = re.findall(r"^pip install ('av.*)$", (ROOT / "docs" / "install.md").read_text(encoding="utf-8"), re.M)
    return line.replace("'", "").split()


def tested() -> list[str]:
    """The arguments of pytest for a slim installation, as .ci/run has them."""
    found = re.search(r"^\.slim/bin/pytest (.*?)\n\n", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.M | re.S)
    assert found is not None
    words = _run("bash", "-c", f"printf '%s\\n' {found[1]}", cwd=ROOT).splitlines()
    return [word for word in words if word]


def pythons() -> Iterator[str]:
    """Those of pyenv, newest of each version, and those of PATH."""
    seen: dict[str, str] = {}
    places = sorted((Path.home() / ".pyenv" / "versions").glob("3.*/bin/python3"), key=_numbers)
    for path in [*places, *(shutil.which(f"python3.{minor}") or "" for minor in range(10, 30))]:
        done = path and subprocess.run([str(path), "-c", _VERSION], capture_output=True, text=True, timeout=60)  # noqa: S603
        if done and (version := done.stdout.strip()):
            seen[version] = str(path)
    yield from (seen[version] for version in sorted(seen, key=lambda each: int(re.findall(r"\d+", each)[1])))


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.parents[1].name)]


def installed(python: str, wheel: Path, folder: Path) -> tuple[Place, list[str]]:
    """A virtual environment with the wheel, what a slim installation has, the page's packages, and pytest.

    And the packages that have no wheel for this Python: nothing is built.
    """
    place = Place(folder / "venv" / "bin" / "python", folder)
    if not place.python.exists():
        _run(python, "-m", "venv", folder / "venv", cwd=folder)
    place.run("-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", wheel)
    missing = []
    for package in [*slim(), *SERVE, "pytest", "pytest-timeout", "pytest-xdist"]:
        try:
            place.run("-m", "pip", "install", "-q", "--only-binary", ":all:", package)
        except Failed:
            missing.append(package)
    return place, missing


def version(place: Place) -> str:
    """`poseline --version`."""
    return place.poseline("--version").strip()


def doctor(place: Place) -> str:
    """`poseline doctor`: nothing but the large packages may be missing."""
    said = place.poseline("doctor")
    if wrong := re.findall(r".*(?:cannot be (?:imported|examined)|is not installed: see).*", said):
        raise Failed("; ".join(map(str.strip, wrong)))
    return f"{said.count('is not installed')} of the large packages not installed"


def run(place: Place) -> str:
    """A clip to a video and a log."""
    place.poseline("run", CLIP, "-m", "builtin", "-o", "one", "--overwrite")
    lines = (place.folder / "one" / "keypoints.jsonl").read_text(encoding="utf-8").splitlines()
    frames = sum(json.loads(line)["type"] == "frame" for line in lines)
    size = (place.folder / "one" / "annotated.mp4").stat().st_size
    if frames != FRAMES or size < 10_000:
        raise Failed(f"{frames} of {FRAMES} frames in the log; {size} bytes of video")
    return f"{frames} frames"


def jobs(place: Place) -> str:
    """Two clips by two processes."""
    clips = place.folder / "clips"
    clips.mkdir(exist_ok=True)
    for name in ("squat", "crossing"):
        shutil.copy(ROOT / "samples" / f"{name}.mp4", clips)
    place.poseline("run", clips, "-m", "builtin", "-o", "two", "--overwrite", "--no-video", "--jobs", 2)
    made = sorted((place.folder / "two").glob("*/summary.json"))
    if len(made) != 2:
        raise Failed(f"{len(made)} of 2 clips")
    return f"{len(made)} clips"


def inspect(place: Place) -> str:
    """The page on a run answers."""
    return _answered(place, "inspect", "one", "--port", 0)


def serve(place: Place) -> str:
    """The live page of a run answers; the clip stands in for a camera."""
    page = ("--serve", "127.0.0.1:0")
    return _answered(place, "run", CLIP, "-m", "builtin", "--live", "-o", "live", "--overwrite", "--no-video", *page)


def _answered(place: Place, *words: object) -> str:
    running = place.start(*words)
    guard = threading.Timer(_LONGEST, running.kill)  # which ends what it says, too
    guard.start()
    said, status = "", 0
    try:
        assert running.stdout is not None
        for line in running.stdout:
            said += line
            if address := re.search(r"http://[\d.]+:\d+/\S*", line):
                with urllib.request.urlopen(address[0], timeout=60) as answer:  # noqa: S310 # of this computer
                    status, said = answer.status, answer.read().decode()
                break
    finally:
        guard.cancel()
        running.send_signal(signal.SIGINT)
        try:
            running.communicate(timeout=60)  # what it still says must find a reader
        except subprocess.TimeoutExpired:
            running.kill()
            raise Failed("it does not end on Ctrl-C") from None
    if status != 200 or "</html>" not in said:
        raise Failed(f"{status}: {said[-800:]}")
    return f"{len(said)} letters"


def api(place: Place) -> str:
    """The first example for Python, with the built-in model."""
    place.run("-c", _PICTURE, CLIP, "picture.png")
    return place.run("-c", _API, "picture.png", CLIP).strip().splitlines()[-1]


_PICTURE = """
import sys, av
with av.open(sys.argv[1]) as container:
    frame = next(frame for number, frame in enumerate(container.decode(video=0)) if number == 40)
    frame.to_image().save(sys.argv[2])
"""


def tests(place: Place) -> str:
    """The tests of a slim installation."""
    return place.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *tested(), cwd=ROOT).strip().splitlines()[-1]


def races(place: Place) -> str:
    """The chain of stages and its channels, without the GIL where this Python has none."""
    stand_ins = place.folder / "stand-ins"
    stand_ins.mkdir(exist_ok=True)
    for module in STAND_INS:
        try:
            place.run("-c", f"import {module}")
        except Failed:
            (stand_ins / f"{module}.py").write_text("def __getattr__(name):\n    return 0\n", encoding="utf-8")
    words = (ROOT / "tools" / "soak" / "races.py", "--runs", 10_000)
    return place.run(*words, PYTHONPATH=str(stand_ins)).strip().splitlines()[-1]


def gil(place: Place) -> str:
    """Which packages turn on the GIL of a Python without one."""
    try:
        found = {module: place.run("-W", "ignore", "-c", _GIL, module).strip() for module in MODULES}
    except Failed as failed:
        if "it has a GIL" in str(failed):
            return "it has one"
        raise
    on = ", ".join(module for module, state in found.items() if state == "on") or "none"
    none = [module for module, state in found.items() if state == "missing"]
    return f"off; turned on by {on}" + (f"; missing: {', '.join(none)}" if none else "")


STEPS: tuple[Callable[[Place], str], ...] = (version, doctor, run, jobs, inspect, serve, api, gil, races, tests)


def main() -> int:
    """Do it; 0 where all went well on all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="*")
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--without", default="", help="steps that are left out, with commas between them")
    parser.add_argument("--keep", type=Path, help="a folder for the virtual environments, which stay")
    chosen = parser.parse_args()
    steps = [step for step in STEPS if step.__name__ not in chosen.without.split(",")]
    faults = 0
    with tempfile.TemporaryDirectory() as temporary:
        wheel = chosen.wheel and chosen.wheel.absolute()
        if wheel is None:
            _run(sys.executable, "-m", "build", "--wheel", "--outdir", temporary, ROOT, cwd=ROOT)
            [wheel] = Path(temporary).glob("*.whl")
        for python in chosen.pythons or pythons():
            name = _run(python, "-VV", cwd=ROOT).partition("(")[0].strip()
            folder = (chosen.keep or Path(temporary)) / re.sub(r"\W+", "-", name + python[-2:]).lower()
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{name}, {python}", flush=True)
            faults += _tried(python, wheel, folder, steps)
            if chosen.keep is None:
                shutil.rmtree(folder)
    print(f"{faults} faults")
    return 1 if faults else 0


def _tried(python: str, wheel: Path, folder: Path, steps: list[Callable[[Place], str]]) -> int:
    """Install, then each step, whatever became of the one before; how many failed."""
    try:
        place, missing = installed(python, wheel, folder)
    except Failed as failed:
        print(f"  not installed: {failed}", flush=True)
        return 1
    faults = len(missing)
    if missing:
        print(f"  no wheel of {', '.join(missing)}: only what does without is tried", flush=True)
        steps = [step for step in steps if step in (gil, races)]
    for step in steps:
        begun = time.monotonic()
        try:
            said = step(place)
        except Failed as failed:
            faults += 1
            said = f"FAILED: {failed}"
        print(f"  {step.__name__:8} {said} ({time.monotonic() - begun:.0f} s)", flush=True)
    return faults


if __name__ == "__main__":
    sys.exit(main())
