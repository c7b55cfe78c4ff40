"""Reads inputs as commands do, one line `kind<TAB>path` each, and says in one line of JSON what came of it."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from poseline.capture.camera_list import read_camera_list
from poseline.errors import PoselineError
from poseline.inference.load import load_estimator
from poseline.log import read_log, read_tracks
from poseline.settings import InferenceSettings, load
from poseline.skeleton import Skeleton


def model(path: Path) -> None:
    """Load it and run it on one picture."""
    load_estimator(InferenceSettings(model=str(path), imgsz=64, device="cpu")).warm_up(64, 48)


def log(path: Path) -> None:
    """Read a keypoint log in both ways."""
    found = read_log(path)
    assert found.pixel_aspect > 0
    read_tracks(path)


READ: dict[str, Callable[[Path], object]] = {
    "model": model, "log": log, "config": load, "skeleton": Skeleton.load, "cameras": read_camera_list,
}  # fmt: skip
CODES = {"model": (5,), "log": (3,), "config": (2,), "skeleton": (2,), "cameras": (2, 3)}


def answer(kind: str, path: Path) -> dict[str, object]:
    """`error` in words, `raised` what is none of ours, or neither where it could be used."""
    started, found = time.monotonic(), dict[str, object]()
    try:
        READ[kind](path)
    except PoselineError as error:
        found = {"error": str(error)}
        if error.exit_code not in CODES[kind]:
            found = {"raised": f"exit code {error.exit_code}: {error}"}
    except BaseException as error:  # noqa: BLE001 # what is looked for
        found = {"raised": f"{type(error).__name__}: {error}"[:300], "where": traceback.format_exc()[-1500:]}
    return found | {"seconds": time.monotonic() - started}


def main() -> None:
    """Answer until the input ends."""
    logging.disable()
    for line in sys.stdin:
        kind, _, path = line.rstrip("\n").partition("\t")
        print(json.dumps(answer(kind, Path(path))), flush=True)


if __name__ == "__main__":
    main()
