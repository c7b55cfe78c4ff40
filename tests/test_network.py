"""Networks built from `.pt` files: the answers of ultralytics' own, and what is not known is left to ultralytics."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from network_worlds import FAMILIES, SIZE, picture
from poseline.errors import ModelError
from poseline.inference import ultralytics_adapter, weights
from poseline.inference.network import build
from poseline.inference.network.build import build_network
from poseline.inference.network.checkpoint import recorded_network
from poseline.inference.network.module import Module, UnknownNetworkError
from poseline.inference.unpickler import Name, Record
from poseline.openvino_core import core
from poseline.pose import Floats

QUIET = os.environ | {"YOLO_OFFLINE": "True", "YOLO_AUTOINSTALL": "False", "YOLO_VERBOSE": "False"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.pt` and torch's answer, in double precision, of each family."""
    folder = tmp_path_factory.mktemp("made")
    script = Path(__file__).with_name("network_worlds.py")
    subprocess.run([sys.executable, "-W", "ignore", script, folder], env=QUIET, check=True, timeout=280)
    return folder


def rows_of(path: Path, conf: float, size: tuple[int, int] | None = SIZE) -> Floats:
    model, _ = build_network(path)
    if size:
        model.reshape({0: [1, 3, *size]})
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    rows = np.array(compiled([picture(), np.array([conf], np.float32)])[0])
    return rows if rows.ndim == 2 else rows[0]


@pytest.mark.parametrize("family", [name for name in FAMILIES if not name.endswith("end2end")])
def test_each_family_answers_as_torch_does(family: str, made: Path) -> None:
    truth, classes = np.load(made / f"{family}.npy"), FAMILIES[family][1]
    everywhere = rows_of(made / f"{family}.pt", -1.0)[: len(truth)]
    np.testing.assert_allclose(everywhere, truth, atol=4e-3)
    scores = truth[:, 4 : 4 + classes].max(axis=1)
    conf = np.quantile(scores, 0.7)
    rows = rows_of(made / f"{family}.pt", conf, None)
    rows = rows[rows[:, 4 : 4 + classes].max(axis=1) > conf]
    assert 0.2 * len(truth) < len(rows) < 0.4 * len(truth)
    np.testing.assert_allclose(rows, truth[scores > conf], atol=4e-3)


def test_an_end_to_end_head_gives_the_same_best_rows(made: Path) -> None:
    truth, rows = np.load(made / "26n-end2end.npy"), rows_of(made / "26n-end2end.pt", -1.0)
    assert rows.shape == truth.shape == (300, 16)
    apart = np.abs(rows[:, None] - truth[None]).max(axis=2).min(axis=0)
    assert (apart < 4e-3).mean() > 0.98, "of scores that are all but equal, either may be the last"
    conf = float(np.quantile(truth[:, 4], 0.9))
    few = rows_of(made / "26n-end2end.pt", conf)
    few = few[few[:, 4] > conf]
    np.testing.assert_allclose(few[:, 4], truth[: len(few), 4], atol=1e-4)
    assert len(few) == (truth[:, 4] > conf).sum()


REAL = """
import sys
from pathlib import Path
import numpy as np, torch
from network_worlds import _answer
from poseline.inference.ultralytics_adapter import load_network
np.save(sys.argv[2], _answer(load_network(Path(sys.argv[1]))[0]))
"""


def test_the_published_network_answers_as_torch_does(shared: Path, tmp_path: Path) -> None:
    path, answer = shared / "models" / "yolo11n-pose.pt", tmp_path / "answer.npy"
    here = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", REAL, path, answer], env=QUIET | here, check=True, timeout=280
    )
    truth = np.load(answer)
    np.testing.assert_allclose(rows_of(path, -1.0)[: len(truth)], truth, atol=6e-3)


@pytest.mark.parametrize("name", ["protocol4", "bfloat16"])
def test_weights_may_be_saved_in_other_ways(name: str, made: Path) -> None:
    truth = np.load(made / "11n.npy")
    rows = rows_of(made / f"{name}.pt", -1.0)[: len(truth)]
    np.testing.assert_allclose(rows, truth, atol=4e-3 if name == "protocol4" else 20)


OTHERWISE = {
    "bare": "bare.pt: holds a bare PoseModel, saved without ultralytics' checkpoint",
    "state_dict": r"state_dict.pt: holds numbers alone \(a state_dict\)",
    "model_of_numbers": r"model_of_numbers.pt: holds numbers alone \(a state_dict\)",
    "legacy": "legacy.pt: was saved in the form of torch 1.5 and older; load it with torch.load and save it",
    "script": "script.pt: is TorchScript, not weights; give the .pt that it was exported from",
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_each_other_kind_of_file_is_told_by_name(name: str, made: Path) -> None:
    with pytest.raises(ModelError, match=OTHERWISE[name]):
        weights.read_spec(made / f"{name}.pt", convert=True)


TORCH = """
import sys
from pathlib import Path
from poseline.errors import ModelError
from poseline.inference import weights
for name in sys.argv[1:]:
    try:
        print(weights.read_spec(Path(name), convert=False).format)
    except ModelError as error:
        print(error)
"""


def test_torch_has_the_same_words_for_them(made: Path) -> None:
    names = [str(made / f"{name}.pt") for name in ("11n", "protocol4", "bare", "state_dict", "legacy", "script")]
    command = [sys.executable, "-W", "ignore", "-c", TORCH, *names]
    told = subprocess.run(command, env=QUIET, check=True, timeout=280, capture_output=True, text=True).stdout
    fine, protocol, *others = told.splitlines()
    assert (fine, len(others)) == ("pt", 4)
    assert protocol.startswith("protocol4.pt: torch reads no pickle of this protocol safely")
    for line, name in zip(others, ("bare", "state_dict", "legacy", "script"), strict=True):
        assert OTHERWISE[name].partition(":")[2].replace("\\", "") in line


def test_a_conversion_is_made_once_and_needs_no_torch(builtin: Path, tmp_path: Path) -> None:
    copy = shutil.copy(builtin, tmp_path / "mine.pt")
    code = (
        "import sys; from pathlib import Path; from poseline.inference.weights import read_spec\n"
        "for _ in range(2): print(read_spec(Path(sys.argv[1]), convert=True).path)\n"
        "print(not {'torch', 'ultralytics'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, copy], env=os.environ | {"POSELINE_CACHE": str(tmp_path)}, check=True,
        timeout=280, capture_output=True, text=True,
    )  # fmt: skip
    first, again, free = done.stdout.split()
    assert (again, free) == (first, "True")
    assert [path.name for path in (tmp_path / "converted").iterdir()] == [Path(first).parent.name]
    spec = weights.read_spec(Path(first).parent, convert=True)  # by metadata.yaml, as of a user's own folder
    assert (spec.names, spec.keypoint_shape, spec.stride) == ({0: "person"}, (17, 3), 32)


Change = Callable[[dict[str, Any], Record], None]


def _of(state: dict[str, Any], *names: str) -> Record:
    """A module by its path of names below the state of another."""
    record: Record
    for name in names:
        record = state["_modules"][name]
        state = record.state
    return record


def _rename(record: Record, kind: str) -> None:
    record.path = f"ultralytics.nn.modules.block.{kind}"


CHANGES: dict[str, Change] = {
    "is a RepConv": lambda state, _: _rename(_of(state, "model", "0"), "RepConv"),
    "is a Conv with groupwise": lambda state, _: _of(state, "model", "0").state.update(groupwise=1),
    "has hooks": lambda state, _: _of(state, "model", "1").state.update(_forward_hooks={1: Name("torch.relu")}),
    "has a forward of its own": lambda state, _: _of(state, "model", "1").state.update(forward=Name("torch.relu")),
    "is a ReLU": lambda state, _: _rename(_of(state, "model", "0", "act"), "ReLU"),
    "a convolution of another make": lambda state, _: _of(state, "model", "0", "conv").state.update(
        padding_mode="reflect"
    ),
    r"padding is \[65, 65\]": lambda state, _: _of(state, "model", "0", "conv").state.update(padding=65),
    "is a Pose with xy": lambda state, _: _of(state, "model", "23").state.update(xy=True),
    "a head with options of its own": lambda state, _: _of(state, "model", "23").state.update(agnostic_nms=True),
    "numbered 7": lambda state, _: _of(state, "model", "1").state.update(i=7),
    "IndexError": lambda state, _: _of(state, "model", "1").state.update(f=99),
    "more modules than any network has": lambda state, _: (
        _of(state, "model", "2", "m")
        .state["_modules"]
        .update((str(n), _of(state, "model", "2", "m", "0")) for n in range(5000))
    ),
    "no texts by number": lambda state, _: state.update(names={0: 1}),
    "is a OtherModel": lambda _, network: _rename(network, "OtherModel"),
}


@pytest.mark.parametrize("words", CHANGES)
def test_what_is_not_known_is_not_built(words: str, builtin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(content: dict[str, Any], name: str) -> Module:
        network = content.get("ema") or content["model"]
        CHANGES[words](network.state, network)
        return recorded_network(content, name)

    monkeypatch.setattr(build, "recorded_network", changed)
    with pytest.raises(UnknownNetworkError, match=words):
        build_network(builtin)


@pytest.fixture
def unknown(builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights that our builder does not know."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setenv("POSELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_model", fail)
    return Path(shutil.copy(builtin, tmp_path / "odd.pt"))


def test_the_unknown_is_left_to_ultralytics(
    unknown: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def exported(_: Path, folder: Path) -> None:
        shutil.copytree(weights._shipped(weights.find("builtin")), folder)

    monkeypatch.setattr(ultralytics_adapter, "convert", exported)
    caplog.set_level("INFO")
    assert weights.read_spec(unknown, convert=True).keypoint_shape == (17, 3)
    assert "odd.pt: ultralytics converts it, which takes longer: ZeroDivisionError: division by zero" in caplog.text


def test_without_ultralytics_it_says_what_is_missing(unknown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poseline.inference.ultralytics_adapter.find_spec", lambda _: None)
    words = r"odd\.pt: .*does not know \(ZeroDivisionError.*ultralytics, which may.*pip install ultralytics"
    with pytest.raises(ModelError, match=words):
        weights.read_spec(unknown, convert=True)
    with pytest.raises(ModelError, match=r"odd\.pt: PyTorch runs it by ultralytics.*pip install ultralytics"):
        weights.read_spec(unknown, convert=False)
