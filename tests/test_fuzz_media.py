"""Damaged media by a seed, a few of what tools/fuzz/media.py tries; and each kind of fault that it has found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import pytest

from media_worlds import CAPTURE, write_clip
from poseline.capture import VideoFile
from poseline.capture.fragments import forged_count
from poseline.capture.stated_bytes import stated_bytes
from poseline.errors import SourceError

TOOL = Path(__file__).parents[1] / "tools" / "fuzz" / "media.py"
GROUPS = {"bf": "0", "g": "12", "qp": "20", "preset": "ultrafast"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def test_forty_files_by_a_seed() -> None:
    command = [sys.executable, str(TOOL), "--damaged", "40", "--sound", "12", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "52 cases, 0 faults" in done.stdout


def spoiled(clip: Path, packets: range) -> Path:
    """The clip with some packets made ones that the decoder passes over in silence: HEVC's of an unused type."""
    with av.open(str(clip)) as container:
        pictures = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    content = bytearray(clip.read_bytes())
    for number in packets:
        content[content.index(pictures[number]) + 4] = 41 << 1  # of reserved type (ITU-T H.265, table 7-1)
    clip.write_bytes(content)
    return clip


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_half_of_the_packets_without_a_picture_are_told_and_not_taken_for_fields(suffix: str, tmp_path: Path) -> None:
    options = {"x265-params": "log-level=none:bframes=0:keyint=12:min-keyint=12:info=0", "preset": "ultrafast"}
    clip = write_clip(tmp_path / f"clip.{suffix}", range(24), codec="libx265", options=options)
    source = VideoFile(spoiled(clip, range(12, 24)), CAPTURE)
    count = len(list(source.frames()))
    assert (count, source.bad) == (12, 0)
    said = "read 12 of 24 frames" if suffix == "mp4" else "12 of 24 packets gave no picture"
    assert any(said in note for note in source.notes)


def test_a_matroska_that_ends_before_its_stated_time_says_so(tmp_path: Path) -> None:
    """Its size is as stated, and its last third is zeros, as after a download that was broken off."""
    clip = write_clip(tmp_path / "clip.mkv", range(60), options=GROUPS)
    with av.open(str(clip)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content, place = bytearray(clip.read_bytes()), places[40]
    assert place is not None
    content[place:] = bytes(len(content) - place)
    clip.write_bytes(content)
    source = VideoFile(clip, CAPTURE)
    count = len(list(source.frames()))
    assert 38 <= count <= 41
    assert any("of 2.00 s that" in note and "may be cut short or damaged" in note for note in source.notes)


@pytest.mark.parametrize("stamps", [[*range(0, 300, 10), 900], [0, 40, 80, 90, 800]], ids=["last", "uneven"])
def test_a_last_picture_that_stands_for_long_is_no_loss(stamps: list[int], tmp_path: Path) -> None:
    source = VideoFile(write_clip(tmp_path / "clip.mkv", stamps), CAPTURE)
    assert len(list(source.frames())) == len(stamps)
    assert source.notes == []


def test_a_fragment_that_claims_more_pictures_than_it_can_hold_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(48), options=GROUPS, container=FRAGMENTS)
    assert forged_count(clip) is None
    content = bytearray(clip.read_bytes())
    place = content.index(b"trun", content.index(b"trun") + 1) + 8
    assert int.from_bytes(content[place : place + 4], "big") == 12
    content[place : place + 4] = (20_000).to_bytes(4, "big")
    clip.write_bytes(content)
    with pytest.raises(SourceError, match="clip.mp4: damaged: a part of it claims 20000 pictures"):
        VideoFile(clip, CAPTURE)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_torn_fragmented_file_is_not_refused(share: float, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(48), options=GROUPS, container=FRAGMENTS)
    content = clip.read_bytes()
    for end in range(int(share * len(content)), int(share * len(content)) + 120, 7):
        clip.write_bytes(content[:end])
        assert forged_count(clip) is None


@pytest.mark.parametrize("size", [1 << 63, (1 << 64) - 1])
def test_a_box_that_states_an_impossible_size_ends_the_search(size: int, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    box = (1).to_bytes(4, "big") + b"moov" + size.to_bytes(8, "big")
    clip.write_bytes((16).to_bytes(4, "big") + b"ftypisom" + bytes(4) + box)
    assert forged_count(clip) is None
    assert stated_bytes(clip) == 16 + size
