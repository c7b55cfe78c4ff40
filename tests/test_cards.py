"""Several GPUs: which are meant, which worker has which, and what is said of one that is not there."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from media_worlds import write_clip
from poseline import batch, machine, pieces
from poseline.errors import DeviceError, SettingsError
from poseline.inference.load import choose, seems_on_gpu
from poseline.interruption import Interruption
from poseline.manifest import _fingerprint
from poseline.request import RunRequest
from poseline.settings import InferenceSettings, Settings, card_numbers, load
from poseline.workers import Context, ProcessExecutor

SEEN = "CUDA_VISIBLE_DEVICES"


@pytest.fixture
def machine_has(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with so many cards, of which a variable may hide some."""

    def has(count: int, visible: str | None = None) -> None:
        monkeypatch.setattr(machine, "nvidia", lambda: "; ".join(f"card {number}, 80 GB" for number in range(count)))
        monkeypatch.delenv(SEEN, raising=False)
        if visible is not None:
            monkeypatch.setenv(SEEN, visible)

    return has


def on(device: str, **more: Any) -> Settings:
    return load(overrides={"inference": {"device": device, "model": "builtin", "imgsz": 64, **more}})


@pytest.mark.parametrize(
    ("device", "numbers"),
    [("auto", []), ("cuda", []), ("cuda:1", [1]), ("2", [2]), ("cuda:0,3", [0, 3]), ("1,0", [1, 0])],
)
def test_a_device_names_cards_by_their_numbers(device: str, numbers: list[int]) -> None:
    assert card_numbers(on(device).inference.device) == numbers


@pytest.mark.parametrize(
    "device", ["cuda:", "cuda:0,", "cuda:,1", "cuda:0,cuda:1", "cpu:0", "cuda:0,1,0", "0;1", "cuda,0"]
)
def test_what_names_no_cards_is_refused(device: str) -> None:
    with pytest.raises(SettingsError, match=r"a device is auto, .*cuda:0,1|names a GPU twice"):
        on(device)


@pytest.mark.parametrize(
    ("count", "visible", "cards"),
    [
        (0, None, []), (3, None, ["0", "1", "2"]), (3, "2,0", ["2", "0"]), (3, "", []), (3, "-1", []),
        (3, "1,7,2", ["1"]),
        (2, " 0 , 1 ", ["0", "1"]), (2, "GPU-8d3f,MIG-1a", ["GPU-8d3f", "MIG-1a"]), (0, "1", ["1"]),
        (3, "NoDevFiles", []),
    ],
)  # fmt: skip
def test_cards_are_those_that_cuda_would_show(
    count: int, visible: str | None, cards: list[str], machine_has: Any
) -> None:
    machine_has(count, visible)
    assert machine.cards() == cards


@pytest.mark.parametrize(
    ("visible", "gpu"),
    [(None, True), ("0", True), ("GPU-8d3f", True), ("", False), ("-1", False), ("NoDevFiles", False)],
)
def test_a_run_does_not_look_for_a_gpu_that_is_hidden(
    visible: str | None, gpu: bool, machine_has: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else it would import torch, for seconds, and say that its driver cannot be used."""
    monkeypatch.setattr("poseline.inference.load._NVIDIA", tmp_path)
    machine_has(1, visible)
    assert seems_on_gpu(on("auto").inference) is gpu


def test_workers_are_spread_over_the_cards_that_are_meant(machine_has: Any) -> None:
    machine_has(4)
    assert machine.worker_cards("cuda") == machine.worker_cards("auto") == ["0", "1", "2", "3"]
    assert machine.worker_cards("cuda:3,1") == ["3", "1"]
    assert machine.worker_cards("cuda:1") == machine.worker_cards("cpu") == []
    machine_has(4, "3,2")
    assert machine.worker_cards("cuda:0,1") == ["3", "2"], "numbers are those of what is visible"
    machine_has(1)
    assert machine.worker_cards("cuda") == [], "all use the one"
    machine_has(0)
    assert machine.worker_cards("cuda:0,1") == ["0", "1"], "whether they are there, PyTorch says"


def test_a_card_that_is_not_there_is_named_before_anything_is_run(machine_has: Any, tmp_path: Path) -> None:
    machine_has(2)
    clip = write_clip(tmp_path / "clip.mp4", range(3))
    with pytest.raises(
        DeviceError, match=r"cuda:5 was asked for, but this machine has no such GPU \(found: cuda:0, cuda:1\)"
    ):
        batch.run_batch([str(clip), str(clip.parent)], on("cuda:0,5"), Interruption())
    assert DeviceError.exit_code == 5


class SaysItsCard:
    def __call__(self, job: str, context: Context) -> str:
        if job == "die":
            os._exit(3)
        del context
        return os.environ.get(SEEN, "all")


def run(jobs: list[str], executor: ProcessExecutor) -> list[str]:
    outcomes = executor.run(jobs, SaysItsCard(), Interruption(), lambda *_: None, lambda *_: None)
    return [outcome.result for outcome in outcomes if outcome.result]


def test_each_worker_sees_one_card_and_the_next_one_has_that_of_one_that_died(machine_has: Any) -> None:
    machine_has(0)
    executor = ProcessExecutor(1, cards=["2", "0"])
    assert run(["a", "die", "b"], executor) == ["2", "2"]
    assert run(["c"], executor) == ["2"], "and so in another run"
    assert run(["a"], ProcessExecutor(1)) == ["all"]
    three = ProcessExecutor(3, cards=["2", "0"])
    places = [environment[SEEN] for _, environment in three._places]
    assert places == ["2", "0", "2"]


@pytest.mark.parametrize(
    ("asked", "several", "device", "count", "jobs"),
    [
        (None, True, "auto", 4, 1), (None, True, "cuda", 4, 4), (None, False, "cuda", 4, 1),
        (None, True, "cuda:1", 4, 1),
        (None, True, "cuda:0,2", 4, 2), (None, False, "cuda:0,2", 4, 2), (3, True, "cuda", 4, 3),
        (1, True, "cuda", 4, 1),
        (None, True, "cpu", 4, 1), (None, True, "cuda", 1, 1), (0, False, "cuda", 4, 0),
    ],
)  # fmt: skip
def test_without_jobs_there_is_one_for_each_card(
    asked: int | None, several: bool, device: str, count: int, jobs: int, machine_has: Any
) -> None:
    machine_has(count)
    assert batch._jobs(asked, several, device, local=True) == jobs


def test_a_plain_run_does_not_ask_for_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "nvidia", lambda: pytest.fail("asking takes a second on some machines"))
    for asked, several, device in (
        (None, False, "auto"),
        (None, True, "auto"),
        (None, False, "cuda"),
        (1, True, "cuda"),
    ):
        assert batch._jobs(asked, several, device, local=True) == 1


def test_auto_has_a_job_for_each_card_at_least(machine_has: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "cores", lambda: 8)
    for count, jobs in ((8, 8), (1, 2)):
        machine_has(count)
        assert batch._jobs(0, True, "cuda", local=True) == jobs
    assert pieces.worker_count(0, "cuda NVIDIA H100", 2, 1_000) == 2


def test_a_workers_only_card_is_its_first(tmp_path: Path) -> None:
    clip = batch.with_unique_names(_located(write_clip(tmp_path / "clip.mp4", range(3))))[0]
    assert [
        batch._of_worker(RunRequest(clip, on(device))).settings.inference.device
        for device in ("cuda:2,3", "2,3", "cuda:1", "cuda", "cpu")
    ] == ["cuda", "cuda", "cuda:1", "cuda", "cpu"]
    [first, _] = pieces._requests(RunRequest(clip, on("cuda:2,3")), [1.0])
    assert first.settings.inference.device == "cuda"


def test_one_process_uses_the_first_of_several_cards() -> None:
    assert choose(Path("x.pt"), InferenceSettings(device="cuda:2,3"))[1] == "cuda:2"
    assert choose(Path("x.pt"), InferenceSettings(device="1"))[1] == "cuda:1"


def test_results_of_a_batch_are_the_same_on_whichever_card() -> None:
    prints = Counter(_fingerprint(on(device)) for device in ("cuda", "cuda:1", "0", "cuda:0,1"))
    assert len(prints) == 1
    assert _fingerprint(on("cpu")) not in prints


def _located(clip: Path) -> list[Any]:
    from poseline.capture import locate

    return locate([str(clip)])
