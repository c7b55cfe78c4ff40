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
import pytest

from media_worlds import until
from poseline.errors import PoselineError, SourceError
from poseline.interruption import Interruption
from poseline.workers import Context, Executor, Outcome, ProcessExecutor, SerialExecutor, WorkerDied

TESTS = Path(__file__).parent


class Scripted:
    """A worker's work: what each job says, step by step."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, job: str, context: Context) -> Any:
        verb, _, rest = job.partition(" ")
        if verb == "die":
            sys.stderr.write("first line\nlast words\n")
            sys.stderr.flush()
            os._exit(7)
        if verb == "refuse":
            raise SourceError(rest)
        if verb == "divide":
            return 1 // int(rest)
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


def test_a_unit_begins_when_it_may() -> None:
    ended: list[int] = []
    executor = ProcessExecutor(2, may_begin=lambda index: index <= len(ended))
    outcomes = executor.run(
        ["count 1", "count 1"], Scripted(), Interruption(), lambda *_: None, lambda index, _: ended.append(index)
    )
    assert [outcome.result[1] for outcome in outcomes] == [1, 2], "one worker did both, one after the other"


def test_a_worker_that_dies_takes_no_other_job_with_it() -> None:
    outcomes, _, ended = run(["count 1", "die", "count 2", "die", "count 3"], 1)
    codes = [getattr(outcome.error, "process_exit_code", None) for outcome in outcomes]
    assert codes == [None, 7, None, 7, None]
    assert [outcome.result[0] for outcome in outcomes if outcome.result] == ["count 1", "count 2", "count 3"]
    assert ended == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("executor", [SerialExecutor(), ProcessExecutor(2)])
def test_all_executors_run_units_alike(executor: Executor) -> None:
    reported: list[tuple[int, Any]] = []
    done: list[int] = []
    outcomes = executor.run(
        ["count 3", "refuse this one", "count 1"], Scripted(), Interruption(),
        lambda *what: reported.append(what), lambda index, _: done.append(index),
    )  # fmt: skip
    assert [outcome.result and outcome.result[0] for outcome in outcomes] == ["count 3", None, "count 1"]
    assert (type(outcomes[1].error), str(outcomes[1].error)) == (SourceError, "this one")
    assert sorted(reported) == [(0, 0), (0, 1), (0, 2), (2, 0)]
    assert sorted(done) == [0, 1, 2]


def test_what_went_wrong_comes_back() -> None:
    died, bug = run(["die", "divide 0"], 1)[0]
    assert isinstance(died.error, WorkerDied)
    assert (died.error.process_exit_code, died.error.last_line) == (7, "last words")
    assert (type(bug.error), str(bug.error)) == (PoselineError, "ZeroDivisionError: integer division or modulo by zero")
    assert "return 1 // int(rest)" in bug.traceback
    with pytest.raises(ZeroDivisionError):
        SerialExecutor().run(["divide 0"], Scripted(), Interruption(), print, print)


def test_a_users_script_is_not_run_again_in_a_worker(tmp_path: Path) -> None:
    """A script without `if __name__ == "__main__"`, as most are that convert a model."""
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "script.py"
    script.write_text(
        "print('once')\nimport os\nfrom poseline.inference.subprocess_task import run_in_subprocess\n"
        f"run_in_subprocess('make: folder', os.mkdir, {str(tmp_path / 'made')!r}, seconds=60, environment={{}})\n"
    )
    (tmp_path / "pickle.py").write_text("raise ImportError('of the current folder')")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert (done.stdout, done.stderr) == ("once\n", "")
    assert (tmp_path / "made").is_dir()


def test_a_signal_reaches_all_and_begins_nothing_new(tmp_path: Path) -> None:
    marks, interruption = [tmp_path / name for name in "ab"], Interruption()

    def send() -> None:
        assert until(lambda: all(mark.exists() and mark.read_text() for mark in marks))
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
        assert until(lambda: mark.exists() and bool(mark.read_text()))
        worker = psutil.Process(int(mark.read_text()))
        time.sleep(0.3)
        parent.kill()
    assert until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
