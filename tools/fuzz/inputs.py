"""Fuzzing what reads models, logs, settings, skeletons and lists of cameras, by a seed.

    python tools/fuzz/inputs.py [--cases 500] [--seed 1] [--json FILE]

Sound files are damaged: bytes and lines by chance, and values at their places that are of another type, huge, deeply
nested or not numbers. Weights are also given pickles that would write a file if they ran; it must not be there. Each
file is read as a command reads it, by worker processes. A fault is a process that dies or takes longer than its time,
what ran, and an error that is none of Poseline's or has not the exit code of its kind.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from damage import DAMAGES
from pool import answers
from tally import Tally

ROOT = Path(__file__).parents[2]
BUILTIN = ROOT / "src" / "poseline" / "builtin"
WORKER = Path(__file__).with_name("inputs_worker.py")
SECONDS = {"model": 90.0, "log": 20.0, "config": 20.0, "skeleton": 20.0, "cameras": 20.0}
"""How long a kind may take, on a computer that has something else to do; a model is compiled."""
SHARES = ("log", "config", "skeleton", "cameras", "model", "log", "config", "model")
"""The kinds in turn."""
DEEP = 3000
_OTHER_YAML = ("", "- ", "a: b: c", "\t", "%YAML 9.9\n---\n", "null", "[]", "3", "!!binary '*'", "{? : }")
_NAMES = {"names": ["nose", "knee"], "edges": [[0, 1]], "sigmas": [0.1, 0.2]}
_PERSON = {"id": 1, "score": 0.9, "box": [1.0, 2.0, 30.0, 40.0], "keypoints": [[3.0, 4.0, 0.9], [5.0, 6.0, 0.8]]}
_FRAME = {"type": "frame", "dropped_before": 0, "corrupt": False, "persons": [_PERSON]}
LOG: list[dict[str, Any]] = [
    {"type": "run", "schema": 1, "source": "clip.mp4", "live": False, "skeleton": _NAMES,
     "video": {"width": 64, "height": 48, "fps": 25.0, "pixel_aspect": 1.0}},
    *(_FRAME | {"frame": index, "pts": 512 * index, "time": index / 25} for index in range(6)),
    {"type": "gap", "from": 0.2, "to": 0.4, "reason": "lost"},
    {"type": "size", "frame": 6, "width": 32, "height": 24},
    {"type": "end", "ended": "complete", "counts": {"read": 6}, "elapsed": 1.0},
]  # fmt: skip
SKELETON = {
    "names": ["nose", "left_knee", "right_knee"],
    "edges": [["nose", "left_knee"], [0, 2]],
    "sigmas": [0.03, 0.1, 0.1],
}
CAMERAS = [
    {"source": 0, "name": "front", "cam_size": "64x48", "fourcc": "MJPG"},
    "rtsp://127.0.0.1:1/x",
    {"source": "clip.mp4"},
]


class Case(NamedTuple):
    """One file to read."""

    kind: str
    path: Path
    how: str
    marker: Path | None = None
    """What is written if the file's own code runs."""


_ODD = (
    None, True, "", "x", "x" * 100_000, -1, 0, 2**31, 2**63, 10**30, 1e308, float("inf"), float("nan"), [], {}, [[]],
    [None], {"a": {"b": []}}, "\0", "<script>", "../../etc", "(" * 5000, "[1000000000, 3]", [1, 2, 3, 4, 5], "1e400",
    0.5, list(range(5000)), {"": 1},
)  # fmt: skip


def odd_values(chance: random.Random) -> Any:
    """A value at which readers go wrong."""
    return chance.choice(_ODD)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values within a value."""
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*way, key))


def changed(value: Any, chance: random.Random) -> Any:
    """A copy in which one to three values are odd ones, or not there."""
    copy = json.loads(json.dumps(value))
    for _ in range(chance.choice((1, 1, 2, 3))):
        *way, last = chance.choice([each for each in places(copy) if each] or [("",)])
        inner = copy
        for key in way:
            inner = inner[key]
        if chance.random() < 0.15 and isinstance(inner, dict):
            del inner[last]
        elif isinstance(inner, dict) or last != "":
            inner[last] = odd_values(chance)
    return copy


def log(path: Path, chance: random.Random) -> str:
    """A keypoint log."""
    lines = [json.dumps(changed(record, chance) if chance.random() < 0.3 else record) for record in LOG]
    how = chance.choice(("values", "bytes", "torn", "nested", "digits", "twice", "schema", "one line"))
    if how == "torn":
        lines[chance.randrange(len(lines))] = lines[0][: chance.randrange(len(lines[0]))]
    elif how == "nested":
        lines[chance.randrange(len(lines))] = '{"type":"run","skeleton":' + "[" * 100_000
    elif how == "digits":
        lines[chance.randrange(len(lines))] = lines[1].replace("512", "9" * 5000)
    elif how == "twice":
        lines = [chance.choice(lines) for _ in range(20)]
    elif how == "schema":
        lines[0] = json.dumps(LOG[0] | {"schema": odd_values(chance)})
    elif how == "one line":
        lines = ["x" * 20_000_000]
    content = bytearray("".join(line + "\n" for line in lines).encode())
    return written(path, content, chance, how)


def yaml_file(value: Any, path: Path, chance: random.Random) -> str:
    """Settings, a skeleton or a list of cameras."""
    how = chance.choice(("values", "bytes", "nested", "aliases", "tags", "date", "keys", "digits", "other"))
    text = yaml.safe_dump(changed(value, chance) if how in ("values", "bytes") else value)
    head = "names:" if "names" in text else "inference:"
    text = {
        "nested": f"{head} {'[' * DEEP}",
        "aliases": _unfolding(head),
        "tags": f"{head} !!python/object/apply:os.getcwd []\n",
        "date": f"{head} 2020-13-45\n",
        "keys": f"{head}\n  ? [a, b]\n  : 1\n",
        "digits": f"{head}\n  imgsz: {'9' * 5000}\n",
        "other": chance.choice(_OTHER_YAML),
    }.get(how, text)  # fmt: skip
    return written(path, bytearray(text.encode()), chance, how)


def _unfolding(head: str) -> str:
    """A few lines that unfold to 9 ** 20 values."""
    lines = [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]" for number in range(1, 20)]
    return "\n".join(["a0: &a0 x", *lines, f"{head} *a19", ""])


def written(path: Path, content: bytearray, chance: random.Random, how: str) -> str:
    """Write it, with bytes damaged where `how` says so."""
    if how == "bytes" and content:
        chance.choice(DAMAGES[:5])(content, [], chance)
    path.write_bytes(content)
    return how


class _Runs:
    """What a pickle would call."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> Any:
        return open, (str(self._marker), "w")


def weights(path: Path, marker: Path, chance: random.Random) -> str:
    """A .pt file: the built-in one damaged, or one whose pickle would write `marker`."""
    how = chance.choice(("bytes", "bytes", "entries", "pickle", "bare", "shapes"))
    whole = (BUILTIN / "poseline-builtin.pt").read_bytes()
    if how == "bytes":
        return written(path, bytearray(whole), chance, how)
    if how == "bare":
        path.write_bytes(pickle.dumps({"model": _Runs(marker)}))
        return how
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(path, "w") as out:
        names = source.namelist()
        chosen = set(chance.sample(names, 3))
        for name in names:
            content = bytearray(source.read(name))
            if name.endswith("data.pkl") and how == "pickle":
                content = bytearray(pickle.dumps({"model": _Runs(marker)}, chance.choice((2, 4))))
            elif name.endswith("data.pkl") and how == "shapes":
                content = _numbers_changed(content, chance)
            elif name in chosen and how == "entries":
                content = content[: len(content) // 2]
            out.writestr(name, bytes(content))
    return how


def _numbers_changed(content: bytearray, chance: random.Random) -> bytearray:
    """A pickle with a few of its small whole numbers (operation K) changed: shapes, strides, channels."""
    numbers = [place for place in range(len(content) - 1) if content[place] == ord("K")]
    for place in chance.sample(numbers, 3):
        content[place + 1] = chance.randrange(256)
    return content


def openvino(folder: Path, chance: random.Random) -> str:
    """A folder of OpenVINO, damaged in one of its three files."""
    source = BUILTIN / "poseline-builtin_openvino_model"
    folder.mkdir()
    how = chance.choice(("xml", "xml numbers", "bin", "metadata", "metadata"))
    for each in source.iterdir():
        if each.suffix == ".json":
            continue
        content, path = bytearray(each.read_bytes()), folder / each.name
        if how == "metadata" and each.suffix == ".yaml":
            yaml_file(yaml.safe_load(bytes(content)), path, chance)
            continue
        if how == "xml numbers" and each.suffix == ".xml":
            digits = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
            for place in chance.sample(digits, 4):
                content[place] = ord("0") + chance.randrange(10)
        if how == each.suffix[1:]:
            chance.choice(DAMAGES[:5])(content, [], chance)
        path.write_bytes(content)
    return f"openvino {how}"


def onnx(path: Path, chance: random.Random) -> str:
    """A small network of ONNX that answers as a pose model does, damaged."""
    from onnx import TensorProto, helper

    shape = [1, chance.choice((56, 56, 5, 7, 57)), 84]
    values = helper.make_tensor("found", TensorProto.FLOAT, shape, [0.0] * (shape[1] * shape[2]))
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["output0"], value=values)], "pose",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, chance.choice((3, 3, 1, 4)), 64, 64])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    made = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    facts = {"task": "pose", "kpt_shape": "[17, 3]", "names": "{0: 'person'}", "stride": "32", "imgsz": "[64, 64]"}
    how = chance.choice(("bytes", "facts"))
    if how == "facts":
        facts[chance.choice(list(facts))] = str(odd_values(chance))
    for key, value in facts.items():
        made.metadata_props.add(key=key, value=value)
    return "onnx " + written(path, bytearray(made.SerializeToString()), chance, how)


def cases(folder: Path, count: int, chance: random.Random) -> Iterator[Case]:
    """The files, of each kind in turn."""
    config = {}
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        config |= content if isinstance(content, dict) else {}
    plain: dict[str, Callable[[Path], str]] = {
        "log": lambda path: log(path, chance),
        "config": lambda path: yaml_file(config, path, chance),
        "skeleton": lambda path: yaml_file(SKELETON, path, chance),
        "cameras": lambda path: yaml_file(CAMERAS, path, chance),
    }
    for number in range(count):
        kind, path = SHARES[number % len(SHARES)], folder / f"case-{number:04}"
        if kind != "model":
            path = path.with_suffix(".jsonl" if kind == "log" else ".yaml")
            yield Case(kind, path, plain[kind](path))
            continue
        form, marker = chance.choice(("pt", "pt", "openvino", "onnx")), folder / f"ran-{number}"
        if form == "openvino":
            yield Case(kind, path, openvino(path, chance))
        else:
            path = path.with_suffix(f".{form}")
            how = onnx(path, chance) if form == "onnx" else "pt " + weights(path, marker, chance)
            yield Case(kind, path, how, marker)


def fault_of(case: Case, found: dict[str, Any]) -> str:
    """What is wrong with how a file was read; empty for nothing."""
    if case.marker and case.marker.exists():
        return "it ran"
    for kind in ("crash", "hang", "raised"):
        if kind in found:
            return f"{kind}: {found[kind]}"
    text = found.get("error", "")
    return f"long: {len(text)} letters" if len(text) > 2000 else "traceback" if "Traceback" in text else ""


def main() -> int:
    """Run it; 0 where there is no fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", help="only these, with commas between: log,config,skeleton,cameras,model")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--verbose", action="store_true", help="what came of each case")
    chosen = parser.parse_args()
    chance, tally = random.Random(chosen.seed), Tally()  # noqa: S311 # the same for a seed
    wanted = set(chosen.kinds.split(",")) if chosen.kinds else set(SHARES)
    with tempfile.TemporaryDirectory() as place:
        os.environ["POSELINE_CACHE"] = str(Path(place) / "cache")
        made = (case for case in cases(Path(place), chosen.cases, chance) if case.kind in wanted)
        asked = answers(WORKER, made, lambda case: (f"{case.kind}\t{case.path}", SECONDS[case.kind]))
        for case, found in asked:
            tally.add(case.kind, f"{case.path.name} {case.how}", found, fault_of(case, found))
            if chosen.verbose:
                print(f"{case.path.name} {case.how}: {found.get('error', 'read')}")
    tally.show(chosen.seed)
    if chosen.json:
        tally.write(chosen.json)
    return tally.exit_code


if __name__ == "__main__":
    sys.exit(main())
