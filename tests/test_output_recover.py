from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from output_worlds import CHILD, SAMPLES, decoded, header, lines, pictures, poses, seconds, seen, stamps
from poseline.errors import OutputError, SourceError
from poseline.log import Counts, KeypointLog
from poseline.output import Recovered, VideoWriter, prepare, recover
from poseline.settings import OutputSettings
from poseline.terminal import show_recovered

RECORDER = """
import sys
from fractions import Fraction
from pathlib import Path
import av
from output_worlds import CHILD, SAMPLES, header, pictures, poses, seen
from poseline.log import KeypointLog
from poseline.output import VideoWriter, encoder, prepare
from poseline.settings import OutputSettings
many = sys.argv[3] == "many cores"
encoder.machine.cores = lambda: 16 if many else 2
size = (64, 512) if many else (320, 240)
sound = av.open(str(SAMPLES / "sprint.mp4"))
stream = sound.streams.audio[0]
with prepare(Path(sys.argv[1]), "", False, []) as folder:
    log = KeypointLog(folder.journal, header())
    video = VideoWriter(folder.video, OutputSettings(preset=sys.argv[2]), live=sys.argv[3] == "live",
                        frame_rate=Fraction(30), audio=sound.demux(stream), audio_template=stream)
    for index, picture in enumerate(pictures(range(1_000_000), Fraction(1, 30), size)):
        video.write(picture)
        log.frame(seen(index, poses(3, index)))
        print(index, flush=True)
"""


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A recording of 100 pictures as it stands on the disk while it is being written."""
    writer = VideoWriter(tmp_path / "other.mp4", OutputSettings.model_validate({}), frame_rate=Fraction(30))
    for picture in pictures(range(100), Fraction(1, 30)):
        writer.write(picture)
    path = tmp_path / "annotated.mp4.part"
    path.write_bytes((tmp_path / "other.mp4.part").read_bytes())
    writer.close()
    return path


def boxes(content: bytes) -> Iterator[tuple[str, int, int]]:
    """Kind, begin and end of each top-level box of an MP4."""
    begin = 0
    while begin + 8 <= len(content):
        end = begin + int.from_bytes(content[begin : begin + 4], "big")
        yield content[begin + 4 : begin + 8].decode("latin1"), begin, end
        begin = end


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that no process can catch")
@pytest.mark.parametrize(
    ("preset", "kind", "frames"),
    [
        ("ultrafast", "file", 61),
        ("veryfast", "file", 200),
        ("medium", "file", 97),
        ("ultrafast", "live", 133),
        ("ultrafast", "many cores", 88),
        ("veryfast", "many cores", 140),
    ],
)
def test_a_killed_run_loses_a_fifth_of_a_second_at_most(preset: str, kind: str, frames: int, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-c", RECORDER, str(folder), preset, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=CHILD) as child:
        assert child.stdout is not None
        told = next((int(line) for line in child.stdout if int(line) >= frames), -1)
        child.kill()
    assert told == frames, "the recorder must get this far"
    damaged = folder / "annotated.mp4.part"
    before = hashlib.sha256(damaged.read_bytes()).digest()

    saved = recover(folder)

    whole = [record for record in lines(saved.journal or folder / "keypoints.jsonl") if record["type"] == "frame"]
    assert [record["frame"] for record in whole] == list(range(len(whole)))
    assert len(whole) > told, "a line that was flushed is there"
    assert saved.video == folder / "annotated.mp4"
    assert saved.frames == decoded(saved.video)
    assert stamps(saved.video) == list(range(saved.frames)), "in the source's own ticks"
    assert saved.lost_seconds == pytest.approx((len(whole) - saved.frames) / 30, abs=1e-5)
    assert saved.lost_seconds is not None
    assert 0 <= saved.lost_seconds <= 0.2 + 1e-5
    heard = min(seconds(saved.video)[-1], seconds(SAMPLES / "sprint.mp4", "a")[-1])
    assert seconds(saved.video, "a")[-1] > heard - Fraction(1, 10)
    assert hashlib.sha256(damaged.read_bytes()).digest() == before


def test_a_file_torn_anywhere_in_a_fragments_head_is_recovered(part: Path) -> None:
    content = part.read_bytes()
    heads = [(begin, end) for kind, begin, end in boxes(content) if kind == "moof"]
    begin, end = heads[len(heads) // 2]
    torn = part.with_name("torn.mp4.part")
    torn.write_bytes(content[:begin])
    expected = recover(torn).frames
    assert expected > 30
    refused = 0
    for cut in range(begin + 1, end + 1):
        torn.with_name("torn.mp4").unlink()
        torn.write_bytes(content[:cut])
        refused += not opens(torn)
        assert recover(torn).frames == expected, f"cut at byte {cut - begin} of {end - begin}"
    assert refused > 10, "without a cure such a file is refused: else this shows nothing"


def opens(path: Path) -> bool:
    try:
        with av.open(str(path), format="mp4") as video:
            return len(list(video.decode(video=0))) > 0
    except (av.error.FFmpegError, IndexError):
        return False


def test_a_file_cut_anywhere_gives_all_its_whole_fragments_or_says_why_not(part: Path) -> None:
    content = part.read_bytes()
    torn, most = part.with_name("torn.mp4.part"), 0
    beginning = next(end for kind, _, end in boxes(content) if kind == "mdat")
    for cut in (*range(0, len(content), len(content) // 150), len(content)):
        torn.write_bytes(content[:cut])
        if most == 0 and cut < beginning:
            with pytest.raises(SourceError, match=r"torn\.mp4\.part: nothing to recover"):
                recover(torn)
        else:
            frames = recover(torn).frames
            assert frames >= most
            most = frames
            torn.with_name("torn.mp4").unlink()
    assert most >= 100 - 6
    assert sorted(path.name for path in part.parent.iterdir()) == ["annotated.mp4.part", "other.mp4", "torn.mp4.part"]


def test_zeros_behind_the_end_do_not_matter(part: Path) -> None:
    frames = recover(part).frames
    padded = part.with_name("padded.mp4.part")
    padded.write_bytes(part.read_bytes() + bytes(5000))
    assert recover(padded).frames == frames


def test_a_finished_video_that_was_not_renamed_is_whole(part: Path) -> None:
    finished = part.with_name("finished.mp4.part")
    finished.write_bytes((part.parent / "other.mp4").read_bytes())
    assert recover(finished).frames == 100


def test_another_name_gets_recovered_behind_it(part: Path) -> None:
    torn = part.rename(part.with_name("clip.mp4"))
    assert recover(torn).video == part.with_name("clip-recovered.mp4")


def test_nothing_is_replaced(part: Path) -> None:
    target = part.with_suffix("")
    target.write_text("precious")
    with pytest.raises(OutputError, match=r"annotated\.mp4 is already there"):
        recover(part)
    assert target.read_text() == "precious"


def test_a_video_that_appears_meanwhile_is_not_replaced_either(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = part.with_suffix("")
    monkeypatch.setattr(sys.modules[recover.__module__], "_times", lambda _: target.write_text("precious") and [0.0])
    with pytest.raises(OutputError, match=r"annotated\.mp4 is already there"):
        recover(part)
    assert target.read_text() == "precious"


def test_a_run_that_is_still_going_is_left_alone(part: Path) -> None:
    with (
        prepare(part.parent / "run", "", False, []) as folder,
        pytest.raises(OutputError, match=f"in use by process {os.getpid()}"),
    ):
        recover(part.rename(folder.video.with_name("annotated.mp4.part")))


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "no such file"), (b"", "beginning"), (b"no video at all, only some words", "beginning")],
    ids=["missing", "empty", "text"],
)
def test_what_cannot_be_recovered_is_said(content: bytes | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "annotated.mp4.part"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=why):
        recover(path)
    assert sorted(tmp_path.iterdir()) == ([] if content is None else [path])


def test_a_folder_without_a_part_has_nothing_to_recover(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="found none: its videos were finished, or not begun"):
        recover(tmp_path)


def test_pieces_that_were_not_joined_are_no_video(tmp_path: Path) -> None:
    (tmp_path / "annotated.piece-1").touch()
    (tmp_path / "annotated.piece-2.part").touch()
    with pytest.raises(SourceError, match=f"`poseline render {tmp_path}` draws the video from the log"):
        recover(tmp_path)


def test_a_journals_torn_line_is_left_out_of_a_copy(part: Path) -> None:
    journal = part.with_name("keypoints.jsonl")
    with KeypointLog(journal, header()) as log:
        for index in range(100):
            log.frame(seen(index, poses(2, index)))
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"type":"frame","fra')
    torn = journal.read_bytes()
    saved = recover(part)
    assert saved.journal is not None
    assert saved.journal.read_bytes() == whole
    assert journal.read_bytes() == torn
    assert saved.lost_seconds == pytest.approx((100 - saved.frames) / 30, abs=1e-5)


@pytest.mark.parametrize(("behind", "told"), [(0.0, False), (0.2, False), (1.9, True)])
def test_what_draws_the_lost_end_of_a_clip_is_told(
    behind: float, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a process that draws was killed, the video is further behind its log than any other kill leaves it."""
    folder = tmp_path / "my run"
    show_recovered(Recovered(folder / "annotated.mp4", 60, 2.0, behind, None, "killed"))
    assert (f"`poseline render '{folder}'` draws it whole" in capsys.readouterr().out) is told


def test_a_journal_that_was_recovered_before_is_said_before_anything_is_written(part: Path) -> None:
    part.with_name("keypoints.jsonl").write_bytes(b'{"type":"run"}\n{"type":"frame","fra')
    part.with_name("keypoints-recovered.jsonl").write_text("precious")
    with pytest.raises(OutputError, match=r"keypoints-recovered\.jsonl is already there"):
        recover(part)
    assert not part.with_suffix("").exists()
    assert part.with_name("keypoints-recovered.jsonl").read_text() == "precious"


def test_a_whole_journal_needs_no_copy(part: Path) -> None:
    with KeypointLog(part.with_name("keypoints.jsonl"), header()) as log:
        log.end(Counts(), 0.0, 0.0)
    assert recover(part).journal is None
