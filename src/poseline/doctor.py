"""Doctor: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from poseline.cache import cache_folder
from poseline.capture import cameras
from poseline.machine import cpu_flags, cpu_name, nvidia
from poseline.output import encodes
from poseline.pipeline import versions

_HARDWARE_ENCODERS = ("h264_nvenc", "h264_videotoolbox", "h264_qsv", "h264_vaapi", "h264_amf", "h264_v4l2m2m")


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    topic: str
    text: str
    missing: str = ""
    """What to do about it, where something is missing."""


def examine() -> Iterator[Finding]:
    """Everything that matters for a run here, as it is found."""
    yield from _machine()
    yield from _engines()
    yield from _media()
    yield from _models()
    yield Finding("versions", ", ".join(f"{name} {number}" for name, number in versions().items()))


def _machine() -> Iterator[Finding]:
    yield Finding("system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    yield Finding("cpu", f"{cpu_name()}, {os.cpu_count()} cores; {', '.join(cpu_flags()) or 'no known vector flags'}")
    gpu = nvidia()
    yield Finding("gpu", gpu or "no NVIDIA GPU that nvidia-smi knows")
    seen = cameras()
    yield Finding("cameras", ", ".join(seen) or "none", "" if seen else "connect one, or rehearse with a clip: --live")
    display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or sys.platform in (
        "darwin",
        "win32",
    )
    yield Finding("display", "yes" if display else "none", "" if display else "--show needs one; the files do not")


def _engines() -> Iterator[Finding]:
    from poseline.openvino_core import core

    can = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    kinds = [
        name for name, key in (("bf16", "BF16"), ("fp16", "FP16"), ("fp32", "FP32"), ("int8", "INT8")) if key in can
    ]
    yield Finding("openvino", f"{', '.join(core().available_devices)}; precisions on the CPU: {', '.join(kinds)}")
    if find_spec("onnxruntime") is None:
        yield Finding("onnx", "not installed", "for .onnx models: pip install 'poseline[onnx]'")
    else:
        import onnxruntime

        yield Finding("onnx", ", ".join(onnxruntime.get_available_providers()))
    if find_spec("nncf") is None:
        yield Finding("int8", "cannot be made", "for --precision int8: pip install 'poseline[int8]'")
    else:
        yield Finding("int8", f"made by NNCF {version('nncf')}")
    yield _torch()


def _torch() -> Finding:
    """Torch is asked in a process of its own: it takes seconds and half a gigabyte."""
    question = (
        "import torch; print(torch.cuda.is_available(), torch.backends.mps.is_available(), torch.version.cuda, "
        "*[torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())], sep='|')"
    )
    try:
        answer = subprocess.run(  # noqa: S603 # our own interpreter and a constant
            [sys.executable, "-c", question], capture_output=True, text=True, timeout=120, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("torch", f"cannot be imported: {error}", "pip install --force-reinstall torch")
    cuda, mps, build, *names = answer.split("|")
    if cuda == "True":
        return Finding("torch", f"cuda: {', '.join(names)}")
    if mps == "True":
        return Finding("torch", "mps")
    hint = "a driver that fits CUDA " + build if build != "None" else "a CUDA build of torch"
    return Finding("torch", "cpu only", f"for --device cuda: {hint}" if nvidia() else "")


def _media() -> Iterator[Finding]:
    import av

    yield Finding(
        "ffmpeg", f"PyAV {av.__version__}, libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"
    )
    software = [name for name in ("libx264", "libx265", "libsvtav1") if name in av.codecs_available]
    yield Finding("encoders", ", ".join(software), "" if "libx264" in software else "libx264: pip install -U av")
    working = [name for name in _HARDWARE_ENCODERS if name in av.codecs_available and encodes(name)]
    yield Finding("hardware encoders", ", ".join(working) or "none that opens here")


def _models() -> Iterator[Finding]:
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
