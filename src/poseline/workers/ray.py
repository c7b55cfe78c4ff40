"""RayExecutor: units of work on the machines of a Ray cluster.

Ray chooses the machine, keeps cores and GPUs apart, and runs a unit again where a machine dies. A Ray task hands its
unit to a worker of ours on that machine, which stays there for the next task: so a unit runs as it does with
`ProcessExecutor`, on cores of its own, and a decoder that crashes takes nothing of Ray with it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import textwrap
import threading
import time
import uuid
import warnings
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from poseline import __version__
from poseline.amounts import port_in
from poseline.errors import PoselineError, SettingsError, redact
from poseline.interruption import SIGNALS, Interruption
from poseline.optional import require
from poseline.workers.executor import POLL_SECONDS, Ended, Executor, OnProgress
from poseline.workers.worker import Outcome, UnitLost, Work, Worker, WorkerDied

_OLDEST = 2, 60
_CONNECT_SECONDS = 10.0
_RETRIES = 3
"""How often Ray runs a unit again whose machine died."""
_IN_FLIGHT = 500
"""Most units that Ray knows of at a time: enough for it to see what machines it could use."""
_LONGEST = 400
"""Most letters of Ray's text in an error of ours: Ray explains at length."""
_WAIT_SECONDS = 30.0
"""How long nothing runs before that is said."""
_HEAD = {"node:__internal_head__": 0.001}
"""Keeps an actor on the cluster's first machine, whose end is the cluster's."""


class ClusterLost(PoselineError):
    """The cluster, or the connection to it, is gone."""


class MachineDied(UnitLost):
    """The machine that a unit ran on was lost, as often as Ray would try again."""


class RayCluster:
    """A connection to a Ray cluster, until it is closed.

    Args:
        on: `ray://HOST:PORT` of a Ray Client server, or `ray`: the cluster that RAY_ADDRESS names or that runs on this
            machine, else this machine alone.

    Raises:
        SettingsError: Ray is not installed or too old, or nothing answers there.
    """

    def __init__(self, on: str) -> None:
        if on != "ray" and not on.startswith("ray://"):
            raise SettingsError(f"--on {on}: takes ray, or ray://HOST:PORT")
        require("ray", "--on", install="'poseline[ray]'")
        address = "auto" if on == "ray" else on
        if on == "ray" and os.environ.get("RAY_ADDRESS"):
            address = os.environ["RAY_ADDRESS"]
        self.started_here = False
        """Whether there was no cluster, so that Ray was started on this machine alone."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Poseline reports to nobody
        os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # else a call without a connection starts a cluster here
        with _signal_handlers_kept(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._connect(on, address)

    def _connect(self, on: str, address: str) -> None:
        import ray

        if _version(ray.__version__) < _OLDEST:
            raise SettingsError(
                f"--on {on}: needs Ray {'.'.join(map(str, _OLDEST))} or later, and {ray.__version__} is installed: "
                "pip install -U 'poseline[ray]'"
            )
        if address not in ("auto", "local"):
            _check_reachable(on, address)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            try:
                ray.init(address, **options)
            except ConnectionError:
                if address != "auto":
                    raise
                ray.init("local", include_dashboard=False, **options)
                self.started_here = True
        except Exception as error:  # where a part of it does not start in time, Ray raises just that
            raise SettingsError(f"--on {on}: cannot be used: {_brief(error)}") from error

    @property
    def machines(self) -> list[dict[str, float]]:
        """What each machine has, by Ray's names: CPU, GPU, memory ..."""
        import ray

        with _connected():
            return [node["Resources"] for node in ray.nodes() if node["Alive"]]

    def close(self) -> None:
        """End the connection; a cluster that was started here ends too."""
        import ray

        with _signal_handlers_kept():
            ray.shutdown()


class RayExecutor(Executor):
    """Runs units as tasks of the cluster that this process is connected to.

    Args:
        cores: of each unit.
        cards: GPUs of each unit.
        most: units at the same time; None for all that the cluster has room for.
        may_begin: as `ProcessExecutor` has it.
        name: of the units' job: those of one job may use a worker that did others of it, if their work is the same;
            None: a new name for each run.
    """

    def __init__(
        self, cores: int, cards: int = 0, most: int | None = None, *,
        may_begin: Callable[[int], bool] = lambda _: True, name: str | None = None,
    ) -> None:  # fmt: skip
        self._cores, self._cards, self._most = cores, cards, most or _IN_FLIGHT
        self._may_begin, self._name = may_begin, name

    def _run(
        self, waiting: deque[int], units: Sequence[Any], work: Work, interruption: Interruption, on_progress: OnProgress
    ) -> Ended:
        import ray

        # a task with a GPU would by default be the last of its process, and each clip would load its model
        task = ray.remote(num_cpus=self._cores, num_gpus=self._cards, max_retries=_RETRIES, max_calls=0)(run_unit)
        job = _Job(self._name or uuid.uuid4().hex, __version__, self._cores)
        with _connected():
            mailbox = ray.remote(num_cpus=0, resources=_HEAD)(Mailbox).remote()
            kept = ray.put(work)  # with the weights that it may hold: once a machine
        unsent, running = deque(waiting), dict[Any, int]()
        heard = time.monotonic()
        try:
            with interruption.stopping(lambda: None):
                while waiting and not interruption.signal_count:  # those that have not ended
                    with _connected():
                        while unsent and len(running) < self._most and self._may_begin(unsent[0]):
                            index = unsent.popleft()
                            running[task.remote(job, [kept], units[index], index, mailbox)] = index
                    if not running:  # none may begin yet
                        time.sleep(POLL_SECONDS)
                        continue
                    with _connected():
                        ready, _ = ray.wait([*running], timeout=POLL_SECONDS)
                        messages = _messages(mailbox)
                        ended = [(running.pop(each), _outcome(each)) for each in ready]
                    for index, content in messages:
                        on_progress(index, content)
                    if ended or messages:
                        heard = time.monotonic()
                    elif time.monotonic() - heard > _WAIT_SECONDS:
                        heard = time.monotonic()
                        self._say_if_nothing_fits()
                    for index, outcome in ended:
                        if index in waiting:  # else no more are wanted
                            waiting.remove(index)
                            yield index, outcome
        finally:
            for each in running:
                with suppress(Exception):  # the cluster may be gone
                    ray.cancel(each, force=True)
            with suppress(Exception):
                ray.kill(mailbox)

    def _say_if_nothing_fits(self) -> None:
        import logging

        import ray

        with _connected():
            free = ray.cluster_resources()
        if free.get("CPU", 0) < self._cores or free.get("GPU", 0) < self._cards:
            logging.getLogger("poseline").info(
                "nothing runs yet: each task waits for %d cores%s, and the cluster has %g cores and %g GPUs",
                self._cores, f" and {self._cards} GPU" if self._cards else "", free.get("CPU", 0), free.get("GPU", 0),
            )  # fmt: skip


class _Job(NamedTuple):
    """What the tasks of one batch have in common."""

    name: str
    version: str
    """Of Poseline, where the batch was started."""
    cores: int


class Mailbox:
    """A Ray actor that keeps what units report until it is fetched, and counts how often each was begun."""

    def __init__(self) -> None:
        self._messages: list[tuple[int, Any]] = []
        self._begun = Counter[int]()

    def begin(self, index: int) -> int:
        """How often this unit has been begun, now included."""
        self._begun[index] += 1
        return self._begun[index]

    def put(self, index: int, content: Any) -> None:
        """Keep what a unit reports."""
        self._messages.append((index, content))

    def take(self) -> list[tuple[int, Any]]:
        """What was reported since the last call."""
        taken, self._messages = self._messages, []
        return taken


def run_unit(job: _Job, kept: list[Any], unit: Any, index: int, mailbox: Any) -> Outcome:
    """A Ray task: run one unit in this task's worker.

    Args:
        job: what all units have in common.
        kept: a reference to the work, which is fetched only where a worker is new.
        unit: what is worked on.
        index: the unit's.
        mailbox: where its progress goes.
    """
    if job.version != __version__:
        return Outcome(
            error=SettingsError(
                f"--on: {socket.gethostname()} has Poseline {__version__}, and the batch was started with "
                f"{job.version}: install the same on all machines of the cluster"
            )
        )
    import ray

    if ray.get(mailbox.begin.remote(index)) > 1 + _RETRIES:  # Ray itself sets no limit where memory runs out
        times = 1 + _RETRIES
        return Outcome(
            error=MachineDied(f"its process was ended {times} times, as where its machine's memory runs out")
        )
    worker = _worker(job, kept)
    worker.send(unit)
    while True:
        _, content = worker.events.get()
        if not isinstance(content, Outcome):
            mailbox.put.remote(index, content)
            continue
        if isinstance(content.error, WorkerDied):
            _kept.clear()
            worker.close()
        return content


_kept: dict[tuple[str, str | None], Worker] = {}
"""This Ray process's worker, by its job and the cards that it sees."""


def _worker(job: _Job, kept: list[Any]) -> Worker:
    import ray

    key = job.name, os.environ.get("CUDA_VISIBLE_DEVICES")  # Ray's choice for this task
    if key not in _kept:
        for other in _kept.values():
            other.close()
        _kept.clear()
        _kept[key] = Worker(ray.get(kept[0]), cores=_claimed(job.cores))
    return _kept[key]


_claims: dict[int, tuple[int, set[int]]] = {}
"""Cores that this process has claimed, by their number, with the locked file that says so."""


def _claimed(count: int) -> Collection[int] | None:
    """Cores of this machine that no other Ray process of ours has; None where they run out, or nobody knows."""
    if count in _claims:
        return _claims[count][1]
    try:
        import fcntl

        cores = sorted(os.sched_getaffinity(0))
    except (ImportError, AttributeError):  # not Linux
        return None
    folder = Path(tempfile.gettempdir()) / f"poseline-cores-{os.getuid()}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        for first in range(0, len(cores) - count + 1, count):
            handle = os.open(folder / f"{count}-{cores[first]}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends
            except BlockingIOError:
                os.close(handle)
                continue
            _claims[count] = handle, set(cores[first : first + count])
            return _claims[count][1]
    return None


def _messages(mailbox: Any) -> list[tuple[int, Any]]:
    """What units have reported; nothing where the mailbox is not up yet."""
    import ray

    try:
        messages: list[tuple[int, Any]] = ray.get(mailbox.take.remote(), timeout=_CONNECT_SECONDS)
    except ray.exceptions.RayError as error:
        if _is_of_the_connection(error):
            raise
        return []
    return messages


def _outcome(task: Any) -> Outcome:
    """How the unit of a task that has ended came out."""
    import ray

    try:
        outcome: Outcome = ray.get(task)
    except ray.exceptions.RayTaskError as error:  # raised by the task, not by the unit
        if "No module named 'poseline" in str(error):
            return Outcome(
                error=SettingsError(
                    f"--on: a machine of the cluster has no Poseline {__version__}: install it on all of them"
                )
            )
        return Outcome(error=PoselineError(_brief(error)), traceback=redact(str(error)))
    except ray.exceptions.RayError as error:
        if _is_of_the_connection(error):
            raise
        return Outcome(error=MachineDied(f"its machine was lost: {_brief(error)}"))
    return outcome


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def _check_reachable(on: str, address: str) -> None:
    """See that something answers: Ray itself would try for minutes.

    Raises:
        SettingsError: the address is none, or nothing answers there.
    """
    host, _, number = address.rpartition("://")[2].rpartition("@")[2].partition("?")[0].rpartition(":")
    if not host or (port := port_in(number)) is None:  # the system takes the rest of a larger one, divided by 65536
        raise SettingsError(f"--on {on}: {address.rpartition('@')[2]} is no HOST:PORT")  # before an @: a password
    if address.startswith("ray://"):
        require("grpcio", "--on ray://", module="grpc", install="'poseline[ray]'")
    try:
        socket.create_connection((host.strip("[]"), port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise SettingsError(
            f"--on {on}: nothing answers at {host}:{port} ({error}); a Ray cluster's first machine takes clients at "
            "port 10001, with ray://HOST:10001; on a machine of the cluster itself use --on ray"
        ) from error


@contextmanager
def _connected() -> Iterator[None]:
    """What is asked of the cluster in here needs the connection.

    Raises:
        ClusterLost: it is gone. So Ray Client says; a process on the cluster itself Ray ends without asking.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_the_connection(error):
            raise
        raise ClusterLost(
            f"the Ray cluster was lost ({_brief(error)}): what is done is kept; start the same again where there is one"
        ) from error


def _is_of_the_connection(error: Exception) -> bool:
    """Whether Ray's error says that the connection is gone; it has many for that, and some are plain exceptions."""
    import ray

    grpc = sys.modules.get("grpc")  # of Ray Client alone
    of_grpc = grpc is not None and isinstance(error, grpc.RpcError)
    return isinstance(error, ConnectionError) or of_grpc or not ray.is_initialized()


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Keep this process's handlers of signals, in the place of which Ray puts its own."""
    here = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS} if here else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _brief(error: BaseException) -> str:
    """What went wrong in one line, without the cluster's token."""
    text = textwrap.shorten(redact(str(error)), _LONGEST, placeholder=" ...") or type(error).__name__
    token = os.environ.get("RAY_AUTH_TOKEN")
    return text.replace(token, "***") if token else text
