"""Doctor: what this machine has, what is missing, and how to get it.

It is for broken installations, so it needs nothing but Python itself: whatever else an examination imports, it imports
itself, and what goes wrong there is a finding, and keeps no other examination from its own.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from poseline import __version__
from poseline.machine import cpu_flags, cpu_name, nvidia

REQUIRED = {
    "av": "av", "numpy": "numpy", "opencv-python": "cv2", "openvino": "openvino", "orjson": "orjson",
    "pillow": "PIL", "platformdirs": "platformdirs", "pooch": "pooch", "psutil": "psutil", "pydantic": "pydantic",
    "pyyaml": "yaml", "rich": "rich", "typer": "typer",
}  # fmt: skip
"""Packages that Poseline does not go without, and the module of each."""
LARGE = {"polars": "polars", "scipy": "scipy", "torch": "torch", "ultralytics": "ultralytics"}
"""Packages that a slim installation goes without; torch comes with ultralytics."""
_WITHOUT = {
    "polars": "tables and analyses are not written", "scipy": "the Butterworth filter does not run",
    "torch": "GPUs are not used", "ultralytics": "of .pt models only those that Poseline knows run, on the CPU",
}  # fmt: skip
"""What a slim installation does not do."""
OPTIONAL = {"onnxruntime": "onnxruntime", "nncf": "nncf"}
_UNUSABLE: set[str] = set()
"""Modules that are there and cannot be imported, as the examination of packages has found."""
_HARDWARE_ENCODERS = ("h264_nvenc", "h264_videotoolbox", "h264_qsv", "h264_vaapi", "h264_amf", "h264_v4l2m2m")
_CHILD = "python"
_SECONDS = 120.0
"""How long a child may take."""
_QUIET = {"YOLO_OFFLINE": "True", "YOLO_AUTOINSTALL": "False", "YOLO_VERBOSE": "False"}
_IMPORTING = """
import importlib, sys
for name in sys.argv[1:]:
    print("poseline: begin", name, flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        print("poseline: failed", *f"{type(error).__name__}: {error}".split(), flush=True)
print("poseline: begin", flush=True)
"""
"""Imports one module after another, and says which, so that one that ends the process is known too."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    topic: str
    text: str
    missing: str = ""
    """What to do about it, where something is missing."""


_NO_CAMERA = Finding("cameras", "none", "connect one, or try a clip as a camera: --live")


def show(topic: str | None = None) -> int:
    """Say all findings on stdout, or those of a topic alone; 0, whatever is missing: what was asked for was done."""
    findings = examine() if topic is None else _camera_check()
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
    except ImportError:
        for finding in findings:
            hint = f" -> {finding.missing}" if finding.missing else ""
            sys.stdout.write(f"{finding.topic:18} {finding.text}{hint}\n")
        return 0
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        hint = f" [yellow]→ {escape(finding.missing)}[/]" if finding.missing else ""
        table.add_row(f"[bold]{finding.topic}[/]", escape(finding.text) + hint)
    Console(highlight=False, emoji=False).print(table)
    return 0


def examine() -> Iterator[Finding]:
    """Everything that matters for a run here, as it is found."""
    examinations: dict[str, Callable[[], Iterable[Finding]]] = {
        "system": _system, "packages": _packages, "cameras": _cameras, "display": _display, "openvino": _openvino,
        "onnx": _onnx, "int8": _int8, "torch": _torch, "ffmpeg": _ffmpeg, "encoders": _encoders, "models": _models,
        "versions": _versions,
    }  # fmt: skip
    for topic, examination in examinations.items():
        try:
            yield from examination()
        except Exception as error:  # noqa: BLE001 # whatever a broken installation does
            hint = "see packages" if isinstance(error, ImportError) else ""
            yield Finding(topic, f"cannot be examined: {_words(error)}", hint)


def _system() -> Iterator[Finding]:
    yield Finding("system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    yield Finding("cpu", f"{cpu_name()}, {os.cpu_count()} cores; {', '.join(cpu_flags()) or 'no known vector flags'}")
    gpu = nvidia()
    yield Finding("gpu", gpu or "no NVIDIA GPU that nvidia-smi knows")


def _packages() -> list[Finding]:
    """One finding for each package that is missing or broken; tried in a child, since some end the process."""
    packages = REQUIRED | LARGE | {name: module for name, module in OPTIONAL.items() if _is_there(module)}
    missing = [name for name, module in packages.items() if not _is_there(module)]
    broken = _broken([module for name, module in packages.items() if name not in missing])
    _UNUSABLE.update(broken)
    for module in broken:
        sys.modules[module] = None  # type: ignore[assignment] # what follows must not try it in this process
    findings = [Finding("packages", f"cannot be tried: {broken[_CHILD]}")] if _CHILD in broken else []
    for name, module in packages.items():
        if name in missing:
            findings.append(_unfit(name, "is not installed" + (f": {_WITHOUT[name]}" if name in LARGE else "")))
        elif not _fits(name):
            findings.append(_unfit(name, f"{version(name)} is not a version that Poseline works with"))
        elif module in broken:
            findings.append(_unfit(name, f"cannot be imported: {broken[module]}", "--force-reinstall "))
    return findings or [Finding("packages", "all there")]


def _unfit(name: str, why: str, option: str = "") -> Finding:
    return Finding("packages", f"{name} {why}", f"pip install {option}'{_requirement(name)}'")


def _requirement(name: str) -> str:
    """The package with the versions that Poseline takes, as pip understands it."""
    with suppress(PackageNotFoundError):
        for requirement in requires("poseline") or []:
            specifier = requirement.partition(";")[0].strip()
            if re.fullmatch(rf"{re.escape(name)}\s*[<>=!~].*", specifier):
                return specifier
    return name


def _fits(name: str) -> bool:
    """Whether the installed version is one that Poseline takes; pip sees to it, unless it is told `--no-deps`."""
    try:
        here = _numbers(version(name))
    except PackageNotFoundError:  # another package has its module, such as opencv-python-headless
        return True
    bounds = re.findall(r"(>=|<)\s*([\d.]+)", _requirement(name))
    return all(here >= _numbers(bound) if sign == ">=" else here < _numbers(bound) for sign, bound in bounds)


def _numbers(version: str) -> list[int]:
    """What versions are compared by: `18.1.0rc1` is 18, 1; zeros at the end mean nothing."""
    leading = re.match(r"[\d.]*\d", version)
    return [int(number) for number in re.sub(r"(\.0+)+$", "", leading[0]).split(".")] if leading else []


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # something else of its name
        return False


def _is_installed(module: str) -> bool:
    """Whether it is there to be looked at.

    Raises:
        ImportError: it is there and cannot be imported, as is said of the packages.
    """
    if module in _UNUSABLE:
        raise ImportError(f"{module} cannot be imported")
    return _is_there(module)


def _broken(modules: list[str]) -> dict[str, str]:
    """Why which of the modules cannot be imported; why none can be tried is said of `_CHILD`."""
    broken: dict[str, str] = {}
    while modules:
        code, output = _run_python(_IMPORTING, *modules)
        words = [line.split()[1:] for line in output.splitlines() if line.startswith("poseline: ")]
        at = ""
        for verb, *rest in words:
            if verb == "begin":
                at = " ".join(rest)
            else:
                broken[at] = " ".join(rest)
        if not at:
            if not words:
                broken[_CHILD] = f"a child process ended with {code}"
            return broken
        broken[at] = f"it ends the process ({code})"
        modules = modules[modules.index(at) + 1 :]
    return broken


def _run_python(code: str, *arguments: str) -> tuple[int | str, str]:
    """The exit code of this interpreter for `code`, or what is in its place, and what it output on stdout."""
    try:
        done = subprocess.run(  # noqa: S603 # our own interpreter and a constant
            [sys.executable, "-c", code, *arguments], env=os.environ | _QUIET, check=False, timeout=_SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""  # bytes, although text was asked for
        text = output if isinstance(output, str) else output.decode(errors="replace")
        return f"it took longer than {_SECONDS:g} s", text
    except OSError as error:
        return str(error), ""
    return done.returncode, done.stdout


def _cameras() -> Iterator[Finding]:
    from poseline.capture import cameras

    seen = cameras()
    yield Finding("cameras", ", ".join(seen)) if seen else _NO_CAMERA


def _camera_check() -> Iterator[Finding]:
    """Each camera with its formats and the rate that it keeps."""
    from poseline.capture import check_cameras

    found = False
    for name, lines in check_cameras():
        found = True
        yield from (Finding(name, line) for line in lines)
    if not found:
        yield _NO_CAMERA


def _display() -> Iterator[Finding]:
    """A window is opened for a moment, as a run does it."""
    from poseline.errors import OutputError
    from poseline.output import Window

    try:
        Window.check()
    except OutputError as error:
        yield Finding("display", "none", str(error))
    else:
        yield Finding("display", "yes, a window opens")


def _openvino() -> Iterator[Finding]:
    from poseline.openvino_core import core

    can = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    kinds = [
        name for name, key in (("bf16", "BF16"), ("fp16", "FP16"), ("fp32", "FP32"), ("int8", "INT8")) if key in can
    ]
    yield Finding("openvino", f"{', '.join(core().available_devices)}; precisions on the CPU: {', '.join(kinds)}")


def _onnx() -> Iterator[Finding]:
    if not _is_installed("onnxruntime"):
        yield Finding("onnx", "cannot be run", "for .onnx models: pip install 'poseline[onnx]'")
        return
    import onnxruntime

    yield Finding("onnx", ", ".join(onnxruntime.get_available_providers()))


def _int8() -> Iterator[Finding]:
    if not _is_installed("nncf"):
        yield Finding("int8", "cannot be made", "for --precision int8: pip install 'poseline[int8]'")
    else:
        yield Finding("int8", f"made by NNCF {version('nncf')}")


def _torch() -> Iterator[Finding]:
    """Torch is asked in a process of its own: it takes seconds and half a gigabyte."""
    if not _is_installed("torch"):
        yield Finding("torch", "not installed", "see packages")
        return
    question = (
        "import torch; print('poseline:', torch.cuda.is_available(), torch.backends.mps.is_available(), "
        "torch.version.cuda, *[torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())], sep='|')"
    )
    code, output = _run_python(question)
    answers = [line.split("|")[1:] for line in output.splitlines() if line.startswith("poseline:|")]
    if not answers:
        raise ImportError(f"its process ended with {code}")
    cuda, mps, build, *names = answers[-1]
    if cuda == "True":
        yield Finding("torch", f"cuda: {', '.join(names)}")
    elif mps == "True":
        yield Finding("torch", "mps")
    else:
        hint = "a driver that fits CUDA " + build if build != "None" else "a CUDA build of torch"
        yield Finding("torch", "cpu only", f"for --device cuda: {hint}" if nvidia() else "")


def _ffmpeg() -> Iterator[Finding]:
    import av

    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    yield Finding("ffmpeg", f"PyAV {av.__version__}, libavcodec {codec}")


def _encoders() -> Iterator[Finding]:
    import av

    from poseline.output import encodes

    software = [name for name in ("libx264", "libx265", "libsvtav1") if name in av.codecs_available]
    yield Finding("encoders", ", ".join(software), "" if "libx264" in software else "libx264: pip install -U av")
    working = [name for name in _HARDWARE_ENCODERS if name in av.codecs_available and encodes(name)]
    yield Finding("hardware encoders", ", ".join(working) or "none that opens here")


def _models() -> Iterator[Finding]:
    from poseline.cache import cache_folder

    cache = cache_folder()
    here = [
        path.name for path in sorted(Path.cwd().glob("*-pose*")) if path.suffix in (".pt", ".onnx") or path.is_dir()
    ]
    kept = sorted(path.name for path in (cache / "weights").glob("*.pt"))
    converted = sorted(path.name for path in (cache / "converted").glob("*") if path.is_dir())
    hint = (
        "" if here or kept else "poseline fetches yolo11n-pose.pt on first use; offline, copy it here or give -m PATH"
    )
    yield Finding("models", f"builtin; here: {', '.join(here) or 'none'}; fetched: {', '.join(kept) or 'none'}", hint)
    yield Finding("cache", f"{cache}: {len(converted)} converted")


def _versions() -> Iterator[Finding]:
    found = {"poseline": __version__, "python": platform.python_version()}
    for name in REQUIRED | LARGE | OPTIONAL:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    yield Finding("versions", ", ".join(f"{name} {number}" for name, number in found.items()))


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ImportError) else f"{type(error).__name__}: {text}"
