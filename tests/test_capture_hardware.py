"""Hardware decoding where there is none: every way in which it can be missing. On a card: see test_gpu.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest

from media_worlds import write_clip
from poseline.capture import VideoFile, hardware, open_source
from poseline.capture.container import open_container
from poseline.capture.hardware import accelerators, refusal
from poseline.errors import SettingsError, SourceError
from poseline.settings import CaptureSettings
from test_capture_orientation import with_matrix

AUTO, CPU, CUDA = (CaptureSettings(decoder=name) for name in ("auto", "cpu", "cuda"))


def test_pictures_stay_where_the_network_is_or_else_the_cpu_decodes() -> None:
    assert accelerators("auto", "cpu") == []
    assert accelerators("auto", "mps") == []
    assert accelerators("cpu", "cuda") == []
    for decoder in ("auto", "cuda"):
        cards = accelerators(decoder, "cuda:1")
        assert [(card.is_hw_owned, card.device_id) for card in cards] == [(True, 1)] * 2
        assert [card.options.get("current_ctx") for card in cards] == [None, "1"]


def test_a_decoder_far_from_the_network_is_refused() -> None:
    with pytest.raises(SettingsError, match="--device cuda too"):
        accelerators("cuda", "cpu")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"format": SimpleNamespace(name="yuv420p")}, "does not take this codec"),
        ({"sw_format": SimpleNamespace(name="p010le")}, ""),
        ({"sw_format": SimpleNamespace(name="yuv444p16le")}, ""),
        ({"sw_format": SimpleNamespace(name="nv16")}, "its pictures are nv16"),
        ({"sw_format": None}, "an unknown format"),
        ({"height": 721}, "an odd size"),
        ({"interlaced_frame": True}, "it is interlaced"),
    ],
)
def test_pictures_that_cannot_stay_on_the_device(changed: dict[str, Any], words: str) -> None:
    picture = SimpleNamespace(
        format=SimpleNamespace(name="cuda"), sw_format=SimpleNamespace(name="nv12"), width=1280, height=720,
        interlaced_frame=False,
    )  # fmt: skip
    vars(picture).update(changed)
    reason = refusal(picture)  # type: ignore[arg-type] # as much of a VideoFrame as is looked at
    assert words in reason
    assert bool(reason) == bool(words)


def test_an_interlaced_picture_may_stay_where_nobody_wants_it_whole() -> None:
    picture = SimpleNamespace(
        format=SimpleNamespace(name="cuda"), sw_format=SimpleNamespace(name="nv12"), width=1280, height=720,
        interlaced_frame=True,
    )  # fmt: skip
    assert refusal(picture, deinterlace=False) == ""  # type: ignore[arg-type] # as much of it as is looked at


def frames_and_notes(source: Any) -> tuple[int, list[str]]:
    return sum(1 for _ in source.frames()), source.notes


def test_without_a_card_the_cpu_decodes_and_says_so(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def no_card(location: str, settings: CaptureSettings, card: object = None, form: str | None = None) -> Any:
        if card is not None:
            raise SourceError("no") from av.error.PermissionError(1, "Operation not permitted")
        return open_container(location, settings, form=form)

    monkeypatch.setattr("poseline.capture.file.open_container", no_card)
    count, notes = frames_and_notes(open_source(clip, AUTO, "cuda"))
    assert count == 200
    assert notes == ["decoded by the CPU: the card's decoder cannot be opened: Operation not permitted"]


def test_a_codec_that_the_card_does_not_know(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg then decodes it itself, in one thread: it is opened again, for all of them."""

    def no_card(location: str, settings: CaptureSettings, card: object = None, form: str | None = None) -> Any:
        del card
        return open_container(location, settings, form=form)

    monkeypatch.setattr("poseline.capture.file.open_container", no_card)
    source = VideoFile(clip, CUDA, consumer="cuda")
    count, notes = frames_and_notes(source)
    assert count == 200
    assert notes == ["decoded by the CPU: the card's decoder does not take this codec or profile"]


def test_a_bad_file_is_the_files_fault(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"not a video" * 100)
    with pytest.raises(SourceError, match="not a video that FFmpeg can read"):
        VideoFile(bad, AUTO, consumer="cuda")


def test_nobody_asks_the_card_for_what_the_cpu_is_to_decode(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "HWAccel", pytest.fail)
    for settings, consumer in ((AUTO, "cpu"), (CPU, "cuda")):
        source = VideoFile(clip, settings, consumer=consumer)
        assert source.notes == []
        next(source.frames())


@pytest.mark.parametrize("numbers", [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, 1)])
def test_what_is_to_be_turned_stays_on_the_device(
    numbers: tuple[int, int, int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames have the size of the upright picture, and say how it lies; here the CPU's memory is the device's."""
    path = with_matrix(write_clip(tmp_path / "clip.mp4", range(8), size=(64, 48)), *numbers)
    expected = [(frame.width, frame.height, frame.pts) for frame in VideoFile(path, CPU).frames()]
    upright = VideoFile(path, CPU).info

    def card(location: str, settings: CaptureSettings, card: object = None, form: str | None = None) -> Any:
        del card
        return open_container(location, settings, form=form)

    monkeypatch.setattr("poseline.capture.file.open_container", card)
    monkeypatch.setattr("poseline.capture.file.refusal", lambda *_: "")
    for module in ("decoder", "file"):
        monkeypatch.setattr(f"poseline.capture.{module}.ON_DEVICE", "yuv420p")
    source = VideoFile(path, CUDA, consumer="cuda")
    assert source.info == replace(upright, on_device=True)
    frames = list(source.frames())
    assert [(frame.width, frame.height, frame.pts) for frame in frames] == expected
    assert all((frame.orientation is None) == (numbers == (1, 0, 0, 1)) for frame in frames)
    assert all((frame.picture.width, frame.picture.height) == (64, 48) for frame in frames)  # type: ignore[union-attr] # decoded
    part = VideoFile(path, CUDA.model_copy(update={"start": 0.1}), consumer="cuda")
    assert (part.info.width, part.info.height) == (upright.width, upright.height)
