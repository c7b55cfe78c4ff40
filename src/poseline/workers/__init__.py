"""Workers: units of work, one after another or at once in processes of their own."""

from poseline.workers.executor import Executor, ProcessExecutor, SerialExecutor
from poseline.workers.worker import Context, Outcome, UnitLost, Work, Worker, WorkerDied, in_worker

__all__ = [
    "Context",
    "Executor",
    "Outcome",
    "ProcessExecutor",
    "SerialExecutor",
    "UnitLost",
    "Work",
    "Worker",
    "WorkerDied",
    "in_worker",
]
