"""Kill recordings at random moments, and take the disk away from them; see what is left, and that it is said.

    python tools/soak/kills.py [--kills 40] [--fills 20] [--seed 1] [--json FILE]

A sample is recorded by `poseline run` with the built-in model, whole and in segments. A kill is SIGKILL once so many
frames are in the log, as chance says. Then the log must have every frame up to its last line, torn at most; `recover`
must give a video that lacks at most 0.2 s of the log.

The disk is taken away by filling it, by a quota (btrfs), by making it read-only as after an error of the disk (these as
root, with loop mounts), by a limit on a file's size, or by removing the folder. Then the exit code must be 4, the error
in words, the log readable, and the video likewise, but for 0.2 s.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import av
from cases import Cases, parser

from poseline.errors import PoselineError
from poseline.log import read_log
from poseline.output.recover import recover

SAMPLE = Path(__file__).parents[2] / "samples" / "squat.mp4"
LOST = 0.2
"""Seconds of video, at most, that a kill may cost: frames that are being encoded, and a fragment that is not full."""
RATE = 25
"""Frames a second of the sample."""
RUN = [sys.executable, "-m", "poseline", "run", str(SAMPLE), "-m", "builtin", "--imgsz", "64"]
QUICK_ENOUGH = 400.0


def started(out: Path, *options: str, most_bytes: int | None = None) -> subprocess.Popen[str]:
    """A recording; none of its files may be larger than `most_bytes`."""

    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    command = [*RUN, "-o", str(out), *options]
    return subprocess.Popen(  # noqa: S603 # our own command
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=limit, start_new_session=True
    )  # fmt: skip


def logged(out: Path) -> int:
    """Whole lines in all parts of the log."""
    return sum(path.read_bytes().count(b"\n") for path in out.glob("keypoints*.jsonl"))


def wait_for(out: Path, lines: int, process: subprocess.Popen[str]) -> None:
    """Until the log has so many lines, or the run has ended."""
    deadline = time.monotonic() + QUICK_ENOUGH
    while process.poll() is None and time.monotonic() < deadline and logged(out) < lines:
        time.sleep(0.005)


def pictures(path: Path) -> int:
    """Pictures in a video, by decoding them."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def kill(out: Path, segmented: bool, chance: random.Random) -> tuple[str, float]:
    """What is wrong after a kill, empty for nothing; and the seconds of video that were lost."""
    process = started(out, *(("--segment", "2s") if segmented else ("--live",) if chance.random() < 0.3 else ()))
    wait_for(out, chance.randrange(2, 195), process)
    time.sleep(chance.random() / 20)
    with suppress(ProcessLookupError):  # it has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    if not any(out.glob("keypoints*.jsonl")):
        return "", 0.0  # killed before its first line
    log = read_log(out)
    numbers = [frame.index for frame in log.frames]
    if numbers != sorted(set(numbers)) or log.skipped > 1:
        return f"the log skips {log.skipped} lines, and has {len(numbers)} frames", 0.0
    if not any(out.glob("*.part")) or log.ended == "complete":
        return "", 0.0
    try:
        saved = recover(out)
    except PoselineError as error:
        newest = max(out.glob("keypoints*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        early = newest.read_bytes().count(b'"type":"frame"') <= LOST * RATE  # of this segment there is no fragment yet
        return ("" if early else f"recover: {error}"), 0.0
    lost = saved.lost_seconds or 0.0
    if saved.frames != pictures(saved.video):
        return f"{saved.frames} pictures said, {pictures(saved.video)} there", lost
    if lost > LOST + 1e-6 and not segmented and len(numbers) - saved.frames == 1:
        return "", 0.0  # the newest picture alone, of a live source that came late
    return (f"{lost:.2f} s of video lost" if lost > LOST + 1e-6 else ""), lost


def fill(place: Path, how: str, chance: random.Random) -> str:
    """What is wrong with how a run ends whose disk is taken away; empty for nothing."""
    disk = place / "disk"
    out, most = disk / "out", chance.randrange(20_000, 200_000)
    disk.mkdir()
    if how in DISKS:
        _mount(place / "image", disk, DISKS[how])
    if how == "quota":
        for command in ("quota enable", "subvolume create", "qgroup limit 300K"):
            _system("btrfs", *command.split(), str(disk if "enable" in command else out))
    try:
        process = started(out, most_bytes=most if how == "limit" else None)
        wait_for(out, chance.randrange(2, 150), process)
        if how == "removed":
            shutil.rmtree(out, ignore_errors=True)
        elif how == "read-only":
            _system("mount", "-o", "remount,abort", str(disk))  # as after an error of the disk, with files open
        elif how == "full":
            with (disk / "ballast").open("wb") as ballast:
                free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
                os.posix_fallocate(ballast.fileno(), 0, max(1, free - chance.randrange(100_000)))
        try:
            _, text = process.communicate(timeout=QUICK_ENOUGH)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "hang"
        return _fault_of_fill(out, how, process.returncode, text, place / "copy")
    finally:
        if how in DISKS:
            _system("umount", "-l", str(disk))


DISKS = {"full": "ext4", "read-only": "ext4", "quota": "btrfs"}
"""File systems of the disks that are mounted; only one with quotas of its own needs no set-up of accounts."""


def _system(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603


def _mount(image: Path, disk: Path, kind: str) -> None:
    """Mount a disk with room for a run to begin, of which nothing is taken before it is used."""
    with image.open("wb") as file:
        file.truncate(400_000_000)
    _system(f"mkfs.{kind}", "-q", str(image))
    _system("mount", "-o", "loop", str(image), str(disk))


def _fault_of_fill(out: Path, how: str, code: int, text: str, copy: Path) -> str:
    if code == 0:
        whole = out / "annotated.mp4"
        return "" if whole.exists() and pictures(whole) == 210 else "exit code 0 without its files"
    if code != 4:
        return f"exit code {code}: {text[-300:]}"
    if "Traceback" in text or "error: " not in text:
        return f"no error in words: {text[-300:]}"
    if not (out / "keypoints.jsonl").exists() or b"\n" not in (out / "keypoints.jsonl").read_bytes():
        return "" if how == "removed" or "MB are free" in text or "cannot be" in text else f"no log: {text[-300:]}"
    try:
        shutil.copytree(out, copy)
    except OSError as error:
        return "" if how == "read-only" else f"cannot be read: {error}"  # the disk's own files were cut off
    try:
        log = read_log(copy)
    except PoselineError as error:
        return f"its log: {error}"
    if log.skipped > 1 or [frame.index for frame in log.frames] != list(range(len(log.frames))):
        return f"its log skips {log.skipped} lines"
    if len(log.frames) < LOST * RATE + 1:
        return ""
    try:
        video = recover(copy).video if list(copy.glob("*.part")) else copy / "annotated.mp4"
    except PoselineError as error:
        return f"recover: {error}"
    lost = (len(log.frames) - pictures(video)) / RATE
    return f"{lost:.2f} s of video lost" if lost > LOST + 1e-6 else ""


def main() -> int:
    """Run it; 0 where there is no fault."""
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=40)
    options.add_argument("--fills", type=int, default=20)
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)  # noqa: S311 # the same for a seed
    cases = Cases()
    kinds = ["full", "limit", "removed", "read-only", "quota"] if os.geteuid() == 0 else ["limit", "removed"]
    tried = [("killed", "segmented" if number % 3 == 2 else "whole") for number in range(chosen.kills)]
    tried += [("disk", kinds[number % len(kinds)]) for number in range(chosen.fills)]
    for what, how in tried:
        lost = 0.0
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            if what == "killed":
                fault, lost = kill(Path(folder) / "out", how == "segmented", chance)
            else:
                fault = fill(Path(folder), how, chance)
        cases.add(f"{what}, {how}", fault, lost)
    return cases.conclude(chosen.seed, chosen.json)


if __name__ == "__main__":
    sys.exit(main())
