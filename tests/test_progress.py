"""What is shown while a run goes on."""

from __future__ import annotations

from typing import Any

import pytest

from poseline import progress


def test_progress_is_told_now_and_then_however_many_frames_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    clock = iter(number / 1000 for number in range(1000))  # a thousand frames a second
    monkeypatch.setattr("poseline.progress.time.monotonic", lambda: next(clock))
    on_frame = progress.now_and_then(lambda observation, _: shown.append(observation), 0.1)
    for number in range(1000):
        on_frame(number, None)  # type: ignore[arg-type] # what is told is of no matter here
    assert shown[0] == 0, "the first at once"
    assert len(shown) in (10, 11)


def test_every_frame_is_told_where_they_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    clock = iter(range(20))
    monkeypatch.setattr("poseline.progress.time.monotonic", lambda: next(clock))
    on_frame = progress.now_and_then(lambda observation, _: shown.append(observation), 0.1)
    for number in range(20):
        on_frame(number, None)  # type: ignore[arg-type] # what is told is of no matter here
    assert shown == list(range(20))
