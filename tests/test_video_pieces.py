"""The annotated video of a recording in pieces is that of one process: pictures, times, sound, and what is drawn."""

from __future__ import annotations

import signal
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media_worlds import joined, settings, write_clip
from output_worlds import SKELETON, decoded, seconds, tone
from output_worlds import pictures as flat_pictures
from poseline.capture import SourceInfo, VideoFile
from poseline.capture.key_frames import cuts, key_times
from poseline.errors import OutputError, StageStalled
from poseline.output import EncodedPicture, VideoWriter, recover
from poseline.pipeline import renderer, video_pieces
from poseline.pipeline.renderer import RenderResult, RenderTask
from poseline.pipeline.video_pieces import VideoPieces
from poseline.pose import Observation, Poses
from poseline.settings import OutputSettings
from poseline.workers import Worker
from test_capture_time import REORDERED
from test_pixels import joined as resized

TICKS = Fraction(1, 12_800)
SIZE = (160, 96)
STEPS = np.random.default_rng(0).integers(100, 900, 100)


def varying(path: Path) -> Path:
    """100 frames with B-frames, of a varying rate, with a key frame every 25."""
    stamps = (np.cumsum(STEPS) - STEPS[0]).tolist()
    timescale = {"video_track_timescale": "12800"}
    return write_clip(path, stamps, TICKS, size=SIZE, options=REORDERED, container=timescale)


def walking(clip: Path, capture: Any) -> tuple[SourceInfo, list[Observation]]:
    """A person who walks through the picture, under another id from the middle on."""
    source = VideoFile(clip, capture)
    info, seen = source.info, list[Observation]()
    for frame in source.frames():
        x, y = 4.0 + frame.index, 48.0 + 20 * np.sin(frame.index / 5)
        person = Poses.of(
            np.array([[x, y - 20, x + 12, y]], np.float32),
            np.array([0.9], np.float32),
            np.array([[[x + 3, y - 15, 0.9], [x + 6, y - 5, 0.9]]], np.float32),
        )
        seen.append(Observation(frame.without_pixels(), person.with_ids(np.array([1 + frame.index // 60]))))
    return info, seen


class World:
    """A clip, and the annotated video of it by one process and in pieces, which two draw at once."""

    def __init__(self, clip: Path, folder: Path, shortest: float = 0.2, **changes: Any) -> None:
        chosen = settings(overlay={"trail": 1.0}, **changes)
        self.info, self.seen = walking(clip, chosen.capture)
        self.one, self.many = (folder / name / "annotated.mp4" for name in ("one", "many"))
        for video in (self.one, self.many):
            video.parent.mkdir()
        self.task = RenderTask(clip, self.one, chosen, "x264", SKELETON, {0: "person"})
        self.cuts = cuts(key_times(clip, chosen.capture), shortest)

    def whole(self, count: int | None = None) -> RenderResult:
        """Drawn by this process, all frames or the first `count`."""
        return renderer.render(self.task, ((each.frame.pts, each.shown) for each in self.seen[:count]))

    def pieces(self, count: int | None = None) -> RenderResult:
        """The same in pieces."""
        with VideoPieces(replace(self.task, video=self.many), self.info, self.cuts, 2) as video:
            for each in self.seen[:count]:
                video.write(each)
        return video.result

    def videos(self) -> list[tuple[Path, Path]]:
        """The files of one process, and those that were joined."""
        names = [path.name for path in sorted(self.one.parent.iterdir())]
        assert names == [path.name for path in sorted(self.many.parent.iterdir())], "and nothing else is left"
        return [(self.one.with_name(name), self.many.with_name(name)) for name in names]


def luma(video: Path) -> list[NDArray[np.int16]]:
    with av.open(str(video)) as container:
        return [frame.to_ndarray(format="gray").astype(np.int16) for frame in container.decode(video=0)]


def assert_same(one: Path, many: Path) -> None:
    assert seconds(one) == seconds(many) != []
    for theirs, ours in zip(luma(one), luma(many), strict=True):
        off = np.abs(theirs - ours)
        assert off.mean() < 2
        assert (off > 40).mean() < 0.002, "a person or a trail at another place makes more"


def test_pictures_times_and_sound_are_those_of_one_process(tmp_path: Path) -> None:
    silent = varying(tmp_path / "silent.mp4")
    clip = joined(tmp_path / "clip.mp4", silent, tone(tmp_path / "tone.m4a", "aac", "ipod", 6.0))
    world = World(clip, tmp_path)
    assert len(world.cuts) == 3
    whole, result = world.whole(), world.pieces()
    ((one, many),) = world.videos()
    assert_same(one, many)
    assert seconds(one, "a") == seconds(many, "a") != []
    assert result.remarks == whole.remarks == []
    assert [(meter.name, meter.items) for meter in result.meters] == [
        (meter.name, meter.items) for meter in whole.meters
    ]


def test_a_part_that_the_user_ends_has_all_that_was_seen(tmp_path: Path) -> None:
    silent = varying(tmp_path / "silent.mp4")
    clip = joined(tmp_path / "clip.mp4", silent, tone(tmp_path / "tone.m4a", "aac", "ipod", 6.0))
    world = World(clip, tmp_path, capture={"start": 0.5, "end": 3.5})
    count = len(world.seen) - 20
    world.whole(count)
    world.pieces(count)
    ((one, many),) = world.videos()
    assert_same(one, many)
    assert decoded(many) == count
    assert seconds(many)[0] == 0
    assert seconds(one, "a") == seconds(many, "a") != []


def test_another_size_begins_another_file_also_within_a_piece(tmp_path: Path) -> None:
    clip = resized(tmp_path, [(64, 48), (96, 64), (64, 48)], 20)
    world = World(clip, tmp_path)
    world.cuts = [0.4]
    world.whole()
    world.pieces()
    assert len(world.videos()) == 3
    for one, many in world.videos():
        assert_same(one, many)


def test_a_process_that_dies_ends_the_video_with_an_error_and_what_was_joined_can_be_recovered(tmp_path: Path) -> None:
    world = World(varying(tmp_path / "clip.mp4"), tmp_path)
    bounds = [sum(each.frame.time < cut for each in world.seen) for cut in world.cuts]
    video = VideoPieces(replace(world.task, video=world.many), world.info, world.cuts, 1)
    for each in world.seen[: bounds[1] + 1]:  # the second piece is joined, where one process draws all
        video.write(each)
    video._pieces[0].worker.process.kill()
    with pytest.raises(OutputError, match=r"^.*annotated.mp4: the process that draws ended with -9; what was joined"):
        for each in world.seen[bounds[1] + 1 :]:
            video.write(each)
        video.close()
    with pytest.raises(OutputError, match="ended with -9"):
        video.write(world.seen[0])
    video.close()
    assert [path.name for path in world.many.parent.iterdir()] == ["annotated.mp4.part"]
    recovered = recover(world.many.parent)
    assert recovered.frames == bounds[1]
    world.whole(bounds[1])
    assert_same(world.one, recovered.video)


@pytest.mark.parametrize(
    ("error", "told"), [(ValueError, r"annotated.mp4: cannot be joined: odd; what was joined"), (AssertionError, "odd")]
)
def test_a_video_with_a_hole_is_never_finished(
    error: type[Exception], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, real, pieces = World(varying(tmp_path / "clip.mp4"), tmp_path), VideoPieces._append, list[Path]()

    def append(self: VideoPieces, file: Path, result: RenderResult) -> None:
        pieces.append(file)
        if len(pieces) == 2:
            raise error("odd")
        real(self, file, result)

    monkeypatch.setattr(VideoPieces, "_append", append)
    video = VideoPieces(replace(world.task, video=world.many), world.info, world.cuts, 1)
    with pytest.raises((OutputError, error), match=told):
        for each in world.seen:
            video.write(each)
    with pytest.raises((OutputError, error), match=told):
        video.write(world.seen[-1])
    video.close()
    assert len(pieces) == 2
    assert [path.name for path in world.many.parent.iterdir()] == ["annotated.mp4.part"]


@pytest.mark.parametrize("joined_before", [0, 1])
def test_a_piece_that_hangs_is_told_of_the_video(
    joined_before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(varying(tmp_path / "clip.mp4"), tmp_path)
    begin = sum(each.frame.time < world.cuts[0] for each in world.seen)
    video = VideoPieces(replace(world.task, video=world.many), world.info, world.cuts, 1)
    for each in world.seen[: begin + joined_before]:  # where one process draws all, the first is joined now
        video.write(each)
    video._pieces[0].worker.process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(renderer, "_STALL_TIMEOUT", 0.3)
    with pytest.raises(StageStalled) as told:
        video.close()
    part = f"what was joined before is in {world.many}.part, `poseline recover` makes it playable; "
    assert str(told.value) == (
        f"{world.many}: nothing was drawn for 0.3 s; {part if joined_before else ''}"
        f"try `poseline render {world.many.parent}` for all that the log has"
    )


def test_a_process_is_started_when_it_has_something_to_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Worker] = []

    def counted() -> Worker:
        started.append(renderer.rendering_worker())
        return started[-1]

    monkeypatch.setattr(video_pieces, "rendering_worker", counted)
    world = World(varying(tmp_path / "clip.mp4"), tmp_path)
    with VideoPieces(replace(world.task, video=world.many), world.info, world.cuts, 4):
        assert not started
    with VideoPieces(replace(world.task, video=world.many), world.info, world.cuts, 4) as video:
        video.write(world.seen[0])
        assert len(started) == 1
    assert decoded(world.many) == 1


def encoded(path: Path, **changes: Any) -> Path:
    with VideoWriter(path, OutputSettings(**changes), frame_rate=Fraction(30)) as writer:
        for picture in flat_pictures(range(10), Fraction(1, 30)):
            writer.write(picture)
    return path


def test_pictures_of_another_encoder_go_into_a_file_of_their_own(tmp_path: Path) -> None:
    files = [
        encoded(tmp_path / "a.mp4", crf=20),
        encoded(tmp_path / "b.mp4", crf=20),
        encoded(tmp_path / "c.mp4", crf=30),
    ]
    with VideoWriter(tmp_path / "out.mp4", OutputSettings()) as writer:
        for number, file in enumerate(files):
            with av.open(str(file)) as container:
                stream = container.streams.video[0]
                for packet in container.demux(stream):
                    if packet.size and packet.pts is not None:
                        place = round(packet.pts * packet.time_base * 30) + 10 * number
                        writer.write(EncodedPicture(packet, place, Fraction(1, 30), stream))
    assert [path.name for path in writer.segments] == ["out.mp4", "out-2.mp4"]
    assert seconds(tmp_path / "out.mp4") == [Fraction(index, 30) for index in range(20)]
    assert seconds(tmp_path / "out-2.mp4") == [Fraction(index, 30) for index in range(20, 30)]
    truth = [grey for file in files for grey in luma(file)]
    for shown, expected in zip(luma(tmp_path / "out.mp4") + luma(tmp_path / "out-2.mp4"), truth, strict=True):
        np.testing.assert_array_equal(shown, expected)
