"""YOLO words: what is typed as for ultralytics' command, such as `predict source=clip.mp4`, as a command of ours.

It is not run, since its results would be others than expected: the command to type instead is said, whole.
"""

import os
import shlex
from collections.abc import Collection, Sequence

_MODES = ("predict", "track")
_TASKS = ("pose", "detect", "segment", "semantic", "depth", "classify", "obb")
_OTHER_MODES = {
    "train": "training is ultralytics': yolo pose train ...; poseline runs the .pt that comes of it",
    "tune": "tuning is ultralytics': yolo pose tune ...; poseline runs the .pt that comes of it",
    "val": "average precision on labels: poseline evaluate MODEL DATASET.yaml",
    "export": "exporting is ultralytics': yolo export format=onnx ...; poseline converts a .pt by itself when it runs it",
    "benchmark": "speed is measured by `poseline bench CLIP`",
    "checks": "what this machine has is said by `poseline doctor`",
    "version": "the version is said by `poseline --version`",
}
"""Modes of ultralytics' command that Poseline's `run` does not have, and what does it."""
_VALUES = {
    "model": "-m", "conf": "--conf", "iou": "--iou", "imgsz": "--imgsz", "device": "--device", "max_det": "--max-det",
    "vid_stride": "--vid-stride", "line_width": "--line-width", "classes": "--classes",
}  # fmt: skip
_SWITCHES = {
    "show": ("--show", ""), "save": ("", "--no-video"), "half": ("--half", "--no-half"),
    "exist_ok": ("--overwrite", ""), "show_labels": ("", "--no-labels"), "show_boxes": ("", "--no-boxes"),
    "stream_buffer": ("--every-frame", ""), "verbose": ("", ""), "stream": ("", ""), "persist": ("", ""),
}  # fmt: skip
"""What True and False are here; nothing where it is so anyhow."""
_READ = ("source", "mode", "task", "project", "name", "format", "data")
_FALSE = ("false", "0", "no", "off", "none")


def translated(arguments: Sequence[str], commands: Collection[str]) -> str | None:
    """What to say of a command line that is in ultralytics' words; None where it is not.

    Args:
        arguments: behind the program's name.
        commands: ours.
    """
    given = {name: value for name, equals, value in (word.partition("=") for word in arguments) if _known(name, equals)}
    plain = [word for word in arguments if "=" not in word]
    first = next(iter(arguments), "")
    is_ours, yolo_words = first in commands, (*_MODES, *_TASKS, *_OTHER_MODES)
    if any(os.path.exists(word) for word in arguments if "=" in word):
        return None
    if not given and (is_ours or first not in yolo_words):
        return None
    if is_ours and first != "run" and first not in _OTHER_MODES:
        return None  # its own message names the argument that it does not understand
    modes = [given.get("mode", ""), given.get("task", ""), *([] if first == "run" else plain)]
    for mode in modes:
        if mode in _OTHER_MODES:
            return f"poseline has no {mode}: {_OTHER_MODES[mode]}"
        if mode in _TASKS[1:]:
            return f"poseline has no {mode}: it finds poses alone"
    sources = [word for word in plain if word not in yolo_words and word not in commands and not word.startswith("-")]
    pairs = [word.partition("=")[0] for word in arguments if "=" in word]
    return _instead(given, sources, [name for name in pairs if name.isidentifier() and name not in given])


def _known(name: str, equals: str) -> bool:
    return bool(equals) and (name in _VALUES or name in _SWITCHES or name in _READ)


def _instead(given: dict[str, str], sources: Sequence[str], unknown: Sequence[str]) -> str:
    """The command to type instead, and which of the options it does not have."""
    typed = ["poseline", "run", *([given["source"]] if "source" in given else sources or ["SOURCE"])]
    if "project" in given or "name" in given:
        typed += ["-o", "/".join(filter(None, (given.get("project", "runs"), given.get("name"))))]
    for name, value in given.items():
        if name in _VALUES:
            value = value.strip("[]()").replace(" ", "")
            typed += [_VALUES[name], max(value.split(","), key=int) if name == "imgsz" and "," in value else value]
        elif name in _SWITCHES:
            typed += filter(None, [_SWITCHES[name][value.lower() in _FALSE]])
    without = f" (without {', '.join(unknown)}, which poseline does not have)" if unknown else ""
    return f"options are written in another way here; type: {shlex.join(typed)}{without}"
