"""Jobs in processes of their own: order, faults, signals, and nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from media_worlds import until
from poseline.interruption import Interruption
from poseline.workers import Context, Outcome, ProcessExecutor

TESTS = Path(__file__).parent


class Scripted:
    """A worker's work: what each job says, step by step."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, job: str, context: Context) -> tuple[str, int, int]:
        verb, _, rest = job.partition(" ")
        if verb == "die":
            os._exit(7)
        if verb == "sleep":
            Path(rest).write_text(str(os.getpid()))
            stopped = threading.Event()
            with context.interruption.stopping(stopped.set):
                stopped.wait(60)
            return "stopped", self.done, os.getpid()
        if verb == "count":
            for number in range(int(rest)):
                context.report_progress(number)
        self.done += 1
        return job, self.done, os.getpid()


def run(
    jobs: list[str], most: int, interruption: Interruption | None = None
) -> tuple[list[Outcome], list[tuple[int, Any]], list[int]]:
    told: list[tuple[int, Any]] = []
    ended: list[int] = []
    outcomes = ProcessExecutor(most).run(
        jobs, Scripted(), interruption or Interruption(),
        lambda *what: told.append(what), lambda index, _: ended.append(index),
    )  # fmt: skip
    left = [
        child for child in psutil.Process().children() if any("poseline.workers" in word for word in child.cmdline())
    ]
    assert not left, "a worker was left behind"
    return outcomes, told, ended


def test_outcomes_keep_the_jobs_order_and_workers_keep_what_is_theirs() -> None:
    outcomes, told, ended = run([f"count {number}" for number in range(5)], 2)
    assert [outcome.result[0] for outcome in outcomes] == [f"count {number}" for number in range(5)]
    assert len({outcome.result[2] for outcome in outcomes}) == 2
    assert max(outcome.result[1] for outcome in outcomes) >= 3  # of five jobs, one worker had three
    assert sorted(ended) == [0, 1, 2, 3, 4]
    assert {index: [what for job, what in told if job == index] for index in range(5)} == {
        index: list(range(index)) for index in range(5)
    }


def test_a_worker_that_dies_takes_no_other_job_with_it() -> None:
    outcomes, _, ended = run(["count 1", "die", "count 2", "die", "count 3"], 1)
    codes = [getattr(outcome.error, "process_exit_code", None) for outcome in outcomes]
    assert codes == [None, 7, None, 7, None]
    assert [outcome.result[0] for outcome in outcomes if outcome.result] == ["count 1", "count 2", "count 3"]
    assert ended == [0, 1, 2, 3, 4]


def test_a_signal_reaches_all_and_begins_nothing_new(tmp_path: Path) -> None:
    marks, interruption = [tmp_path / name for name in "ab"], Interruption()

    def send() -> None:
        assert until(lambda: all(mark.exists() and mark.read_text() for mark in marks), 30)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, interruption)
    sender = threading.Thread(target=send)
    sender.start()
    outcomes, _, _ = run([f"sleep {mark}" for mark in marks] + ["count 1"], 2, interruption)
    sender.join()
    signal.signal(signal.SIGTERM, before)
    assert [outcome.result and outcome.result[0] for outcome in outcomes] == ["stopped", "stopped", None]
    assert not outcomes[2].started


def test_workers_leave_when_their_parent_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from test_workers import Interruption, ProcessExecutor, Scripted
if __name__ == "__main__":
    ProcessExecutor(1).run(["sleep {mark}"], Scripted(), Interruption(), print, print)
"""
    script = tmp_path / "parent.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, str(script)]) as parent:
        assert until(lambda: mark.exists() and bool(mark.read_text()), 30)
        worker = psutil.Process(int(mark.read_text()))
        time.sleep(0.3)
        parent.kill()
    assert until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 10)
