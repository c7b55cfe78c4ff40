"""Worker processes that answer lines with lines; one that dies or says nothing for too long is replaced."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any


class Worker:
    """One process of a script that answers each line of its input with one line of JSON."""

    def __init__(self, script: Path) -> None:
        self._script = script
        self._start()

    def ask(self, line: str, seconds: float) -> dict[str, Any]:
        """Its answer; {"crash": ...} where the process died, {"hang": ...} where it took longer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            self.close()
            self._start()
            return {"hang": f"no answer within {seconds:.0f} s"}
        except BrokenPipeError:
            answer = ""
        if answer:
            found: dict[str, Any] = json.loads(answer)
            return found
        code = self._process.wait()
        last = self._errors.read_text(errors="replace").strip().splitlines()[-3:]
        self.close()
        self._start()
        return {"crash": f"the process ended by {code}: {' | '.join(last)}"}

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._errors.unlink(missing_ok=True)

    def _start(self) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as errors:
            self._errors = Path(errors.name)
            self._process = subprocess.Popen(  # noqa: S603 # our own script
                [sys.executable, str(self._script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        answers: queue.Queue[str] = queue.Queue()
        self._answers, output = answers, self._process.stdout
        assert output is not None

        def listen() -> None:
            for line in output:
                answers.put(line)
            answers.put("")

        threading.Thread(target=listen, daemon=True).start()


def answers(
    script: Path, cases: Iterable[Any], line_of: Callable[[Any], tuple[str, float]], workers: int = 2
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each case with its answer, as they come; `line_of` gives the line to ask and the seconds to wait."""
    waiting, done = iter(cases), queue.Queue[Any]()
    lock = threading.Lock()

    def work() -> None:
        worker = Worker(script)
        try:
            while True:
                with lock:
                    case = next(waiting, None)
                if case is None:
                    return
                line, seconds = line_of(case)
                done.put((case, worker.ask(line, seconds)))
        except BaseException as error:  # noqa: BLE001 # raised where the answers are taken
            done.put(error)
        finally:
            worker.close()
            done.put(None)

    for _ in range(workers):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(workers):
        while (found := done.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found
