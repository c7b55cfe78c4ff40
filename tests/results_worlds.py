"""The same expressions on ultralytics' results and on ours, made of the same numbers.

`python tests/results_worlds.py FILE` writes what ultralytics' give into a pickle, as plain data: torch stays out of the
tests' own process.
"""

from __future__ import annotations

import inspect
import math
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (480, 640)
"""(height, width) of the pictures."""
SPEED = {"preprocess": 1.5, "inference": 20.25, "postprocess": 0.5}
FRACTIONS = np.random.default_rng(4)


@dataclass(frozen=True)
class Case:
    """What both libraries make a result of."""

    boxes: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    names: Mapping[int, str]
    path: str = "pictures/street.png"


def _persons(count: int, keypoints: int = 17, classes: int = 1, ids: bool = False) -> Case:
    """Persons at places with fractions of a pixel, the surest first, the last at the picture's edge."""
    height, width = SIZE
    corner = FRACTIONS.uniform(20, 150, (count, 2))
    boxes = np.concatenate([corner, corner + FRACTIONS.uniform(60, 250, (count, 2))], axis=1)
    boxes[-1:] = 0, 0, width, height
    scores = np.linspace(0.95, 0.26, count)[:, None]
    kinds = (np.arange(count) % classes)[:, None]
    numbers = [np.arange(count)[:, None] * 3 + 2] if ids else []
    points = np.concatenate(
        [FRACTIONS.uniform(0, height, (count, keypoints, 2)), FRACTIONS.uniform(0, 1, (count, keypoints, 1))], axis=2
    )
    return Case(
        np.concatenate([boxes, *numbers, scores, kinds], axis=1).astype(np.float32),
        points.astype(np.float32),
        dict(enumerate(("person", "dog", "horse")[:classes])),
    )


CASES = {
    "three persons": _persons(3),
    "one person": _persons(1),
    "nobody": _persons(0),
    "with ids": _persons(3, ids=True),
    "two classes, five keypoints": _persons(4, keypoints=5, classes=2),
}

OF_BOXES = ("xyxy", "xywh", "xyxyn", "xywhn", "conf", "cls", "id", "is_track", "data", "shape", "orig_shape")
OF_KEYPOINTS = ("data", "xy", "xyn", "conf", "has_visible", "shape", "orig_shape")
OF_RESULTS = ("names", "orig_img", "orig_shape", "path", "speed", "masks", "probs", "obb", "depth", "save_dir")
ATTRIBUTES = [
    *(f"r.boxes.{name}" for name in OF_BOXES),
    *(f"r.keypoints.{name}" for name in OF_KEYPOINTS),
    *(f"r.{name}" for name in OF_RESULTS),
]
LENGTHS = ["len(r)", "len(r.boxes)", "len(r.keypoints)", "bool(r)", "bool(r.boxes)", "len(list(r))"]
PERSONS = [
    "r[0]", "r[0].boxes.xyxy", "r[-1].keypoints.xy", "r[1:].boxes.data", "r[[0, 0]].keypoints.data", "r[3]",
    "[p.boxes.conf for p in r]", "[k.xy for k in r.keypoints]", "[len(b) for b in r.boxes]",
    "r[r.boxes.conf > 0.5].boxes.xywhn", "r[r.boxes.cls == 1]", "r.boxes[r.boxes.conf < 0.5].conf",
    "r.boxes[0].xyxy[0]", "r.keypoints[0].data.shape", "list(reversed(r.boxes))[0].data",
]  # fmt: skip
CHAINS = [
    "r.keypoints.xy.cpu().numpy()", "r.boxes.xyxy.cpu().numpy().astype(int)", "r.boxes.id.int().cpu().tolist()",
    "r.boxes.xyxy.int().tolist()", "r.boxes.cls.long().numpy()", "r.boxes.conf.double()", "r.boxes.conf.half()",
    "r.boxes.cls.bool()", "r.boxes.conf.float()", "r.boxes.xywh.detach().clone()", "r.boxes.conf[0].cpu().numpy()",
    "r.boxes.conf[0].item()", "r.cpu().boxes.data", "r.numpy().keypoints.data", "r.to('cpu').boxes.conf",
    "type(r.numpy().boxes.xyxy).__name__", "type(r.boxes.xyxy.numpy()).__name__", "r.boxes.cpu().numpy().xyxyn",
    "r.boxes.numpy().xywh", "r.keypoints.numpy().conf", "r.keypoints.to('cpu').xyn", "r.to(half).keypoints.data",
    "r.boxes.to(dtype=half).xyxy", "r.boxes.xyxy.to('cpu', half)", "r.new().path", "len(r.new())",
    "[int(b.cls) for b in r.boxes]", "[float(b.conf) for b in r.boxes]", "[r.names[int(c)] for c in r.boxes.cls]",
    "[int(v) for v in r.boxes.xyxy[0]]", "[round(float(c), 2) for c in r.boxes.conf]",
    "[[int(v) for v in b.xyxy[0].tolist()] for b in r.boxes]", "np.asarray(r.boxes.xyxy).mean()",
    "[(x, y) for x, y in r.keypoints.xy[0].tolist()]", "r.keypoints.xy[0][5]", "r.keypoints.xy[0, 5, 0]",
    "(r.boxes.xyxy[:, 2:] - r.boxes.xyxy[:, :2]) / 2", "r.boxes.xyxy.max()", "r.boxes.conf.mean()",
    "f'{r.boxes.conf[0]:.2f}'", "(r.boxes.conf > 0.5).sum()", "r.boxes.conf.argmax().item()",
    "math.ceil(r.boxes.conf[0] * 100) / 100", "np.array(r.keypoints.data)",
    "r.boxes.xyxy.shape[0]", "r.boxes.xyxy.ndim",
]  # fmt: skip
EXPORTS = [
    "r.verbose()", "r.summary()", "r.summary(normalize=True)", "r.summary(decimals=2)", "r.to_df()", "r.to_csv()",
    "r.to_df(normalize=True, decimals=3)", "r.to_json()", "r.to_json(normalize=True)", "r.to_csv(True, 2)",
    "text(r)", "text(r, save_conf=True)", "text(r[0])", "crops(r)", "crops(r[:1], 'dog.webp')",
]  # fmt: skip
DRAWINGS = [
    "r.plot()", "r.plot(True, 2, 14)", "r.plot(pil=True)", "r.plot(boxes=False, labels=False)",
    "r.plot(kpt_radius=9, kpt_line=False)", "r.plot(img=np.zeros((90, 160, 3), np.uint8), color_mode='instance')",
    "r.plot(color_mode='class', masks=False, probs=False)", "saved(r, 'a.png')",
    "saved(r, 'new/folder/a.jpg', conf=False)",
]  # fmt: skip
PARAMETERS = [
    f"parameters(r.{name})"
    for name in ("plot", "save_txt", "save_crop", "summary", "to_df", "to_csv", "to_json", "verbose")
]
EXPRESSIONS = [*ATTRIBUTES, *LENGTHS, *PERSONS, *CHAINS, *EXPORTS, *DRAWINGS, *PARAMETERS]
WITH_TORCH = [
    "torch.as_tensor(r.boxes.xyxy)", "torch.as_tensor(r.keypoints.xy) * 2",
    "torch.stack([torch.as_tensor(k.xy) for k in r.keypoints])", "r.boxes.xyxy.to(torch.float16)",
    "r.boxes.conf.to('cpu', torch.float64)", "r.boxes.cls.to(torch.device('cpu'), dtype=torch.int64)",
    "r.to(torch.float64).keypoints.xyn", "r.keypoints.to(dtype=torch.half).data",
    "r[torch.arange(len(r)) != 1].boxes.data", "r.boxes[torch.tensor([0, 0])].xyxy", "r.keypoints[torch.tensor(0)].xy",
]  # fmt: skip
"""What needs torch in the same process."""


def text(result: Any, **options: Any) -> list[str] | None:
    """The lines that are in a file when `save_txt` has been called twice; None where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new" / "label.txt"
        assert [result.save_txt(path, **options), result.save_txt(str(path), **options)] == [str(path)] * 2
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else None


def crops(result: Any, *name: str) -> list[tuple[str, tuple[int, int]]]:
    """The files that `save_crop` writes, and their sizes."""
    with tempfile.TemporaryDirectory() as folder:
        result.save_crop(folder, *name)
        found = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return [(path.relative_to(folder).as_posix(), _size_of(path)) for path in found]


def saved(result: Any, name: str, **options: Any) -> tuple[str, tuple[int, int]]:
    """The name that `save` returns, and the size of the picture."""
    with tempfile.TemporaryDirectory() as folder:
        returned = result.save(str(Path(folder) / name), **options)
        return Path(returned).relative_to(folder).as_posix(), _size_of(Path(returned))


def _size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def parameters(method: Callable[..., Any]) -> list[str]:
    """The names of a method's parameters, in their order."""
    return list(inspect.signature(method).parameters)


def evaluated(expression: str, result: Any, half: object, torch: object = None) -> Any:
    """What an expression about the result `r` comes to, as plain data; also that it raises."""
    scope = {"r": result, "np": np, "math": math, "half": half, "torch": torch}
    scope |= {"text": text, "crops": crops, "saved": saved, "parameters": parameters}
    try:
        return plain(eval(expression, scope))  # noqa: S307 - it is one of those above
    except Exception:  # noqa: BLE001 - there is no mean of nobody: torch and numpy have different errors for that
        return "raises"


def plain(value: Any) -> Any:
    """Nothing but numbers, texts, lists and dictionaries: those of arrays with shape and dtype."""
    if hasattr(value, "detach") and not isinstance(value, np.ndarray):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:  # a picture, which others may draw otherwise
        return {"shape": tuple(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, np.ndarray):
        return {"shape": tuple(value.shape), "dtype": str(value.dtype), "values": value.tolist()}
    if type(value).__name__ == "DataFrame":
        return {"schema": str(value.schema), "rows": value.to_dicts()}
    if isinstance(value, Image.Image):
        return {"mode": value.mode, "size": value.size}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, np.generic):
        return value.item()
    return f"{type(value).__name__} of {len(value)}"


_PATTERN = np.asarray(np.indices(SIZE).sum(axis=0)[:, :, None] % [200, 90, 250], np.uint8)


def picture() -> NDArray[np.uint8]:
    """The picture that all results are of, anew."""
    return _PATTERN.copy()


def main() -> None:
    """Write what ultralytics' results give, by case and expression; and what both do of what needs torch."""
    import torch
    from ultralytics.engine.results import Results as Theirs

    from poseline.results import Results as Ours

    def theirs(case: Case) -> Any:
        boxes, keypoints = torch.from_numpy(case.boxes.copy()), torch.from_numpy(case.keypoints.copy())
        return Theirs(picture(), case.path, dict(case.names), boxes=boxes, keypoints=keypoints, speed=dict(SPEED))

    def ours(case: Case) -> Any:
        return Ours(picture(), case.path, dict(case.names), boxes=case.boxes.copy(), keypoints=case.keypoints.copy())

    found = {
        (name, text): evaluated(text, theirs(case), torch.float16)
        for name, case in CASES.items()
        for text in EXPRESSIONS
    }
    both = {
        (name, text): [evaluated(text, make(case), None, torch) for make in (ours, theirs)]
        for name, case in CASES.items()
        for text in WITH_TORCH
    }
    Path(sys.argv[1]).write_bytes(pickle.dumps((found, both)))


if __name__ == "__main__":
    main()
