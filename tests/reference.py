"""What ultralytics itself answers, in a process of its own: torch and its warnings stay out of the tests'."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_FRAME = """
import sys
import numpy as np
given, answer = dict(np.load(sys.argv[1])), {{}}
{code}
np.savez(sys.argv[2], **answer)
"""


def asked(code: str, folder: Path, **given: NDArray[Any]) -> Arrays:
    """Run `code` on the arrays `given`; the arrays that it puts into `answer`."""
    question, reply = folder / "question.npz", folder / "answer.npz"
    np.savez(question, **given)  # type: ignore[arg-type] # numpy's own stub takes the names for its one option
    child = subprocess.run(
        [sys.executable, "-c", _FRAME.format(code=code), str(question), str(reply)],
        env=os.environ | {"YOLO_OFFLINE": "True", "YOLO_AUTOINSTALL": "False"},
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    with np.load(reply) as answer:
        return dict(answer)
