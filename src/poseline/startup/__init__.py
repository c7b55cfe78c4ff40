"""Start-up: what makes a process of our own start fast. A process that only imports Poseline is left as it is.

Each trick is here with what a start without it costs more, of CPU time and of the time to the end. Measured on a run of
five frames with the built-in model on two busy cores (1.2 s of CPU time): 20 pairs in turns, medians. What gave less
than 2 % is not here any more: `gc.freeze` (0 %).

- Fewer garbage collections: 6 % of CPU time, 4 to 8 % of time.
- The search for pydantic's plug-ins left out: it imports 40 modules to find none.
- Rich left out where nobody watches (`terminal.py`): 3 % of CPU time.
- OpenVINO's converter left out: 6 % of CPU time.
- One thread for OpenBLAS: 3 to 10 % of CPU time, 6 to 26 % of time.
- Exit without Python's clean-up (`interruption.exit_now`): 8 % of CPU time.
- The network of the last run loaded at once: see `model_preload`.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""Our matrices are tiny: threads of OpenBLAS would only spin."""
_GC_THRESHOLD = 200_000
"""New objects before Python collects garbage: imports make tens of thousands, and none of them is garbage."""
_SETTLED_GC_THRESHOLDS = (1000, 1, 1)
"""The same once a process is settled, with the collections of a generation after which the next older one is included.

All are included each few thousand new objects, so that no more garbage than some 2 MB waits.
"""

_GIVING_BACK_SECONDS = 60.0
_M_ARENA_MAX, _M_MMAP_THRESHOLD = -8, -3
"""Of glibc's malloc.h."""
_OWN_PAGES = 256 * 1024
"""Bytes of a block from which on it gets pages of its own."""


def tune_process() -> None:
    """Tune this process for a run; call it before numpy and OpenVINO are imported."""
    gc.set_threshold(_GC_THRESHOLD)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _skip_plugins_of_pydantic()
    # Only the worker that converts a model needs OpenVINO's converter.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type] # marks a module as not to be had


def tune_malloc() -> None:
    """Keep glibc's free memory together: for a process that may run for months, before it loads much.

    Decoders and encoders come and go with outages, sizes, segments and viewers; what they leave free must fit again.

    - All threads take memory from one arena. In glibc's usual eight for each core, each thread leaves free pieces in
      another place, and memory grows for an hour. With one, a run of a file at full speed would take 2 % more CPU time.
    - Blocks from 256 KiB on, as pictures are, get pages of their own where the arena has no room for them, and these go
      back to the system at once. By itself glibc raises its limit to the largest block that was freed; pictures then
      leave large gaps in the arena, which small blocks that stay fill. At six times the soak's pace memory grew by
      4 MB in ten minutes; now it does not grow, and is 8 MB less. Two cameras of 1280x720 took the same CPU time.

    Only a process that `tune_process` has tuned is changed.
    """
    if gc.get_threshold()[0] == _GC_THRESHOLD and (mallopt := _of_glibc("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES)


def settle_process() -> None:
    """Keep memory as it is from now on: for a process that may run for months, once all is loaded.

    Python collects garbage often, and every minute glibc gives back the pages that are free.

    Each connection of asyncio is a reference cycle, which only a collection frees. What is there now is passed over
    from now on, so that a collection takes a millisecond rather than fifty, for which no frame would be processed.
    Only a process that `tune_process` has tuned is changed, and only once.
    """
    if gc.get_threshold()[0] == _GC_THRESHOLD:
        gc.freeze()
        gc.set_threshold(*_SETTLED_GC_THRESHOLDS)
        if (trim := _of_glibc("malloc_trim")) is not None:
            threading.Thread(target=_give_back, args=(trim,), name="memory", daemon=True).start()


def _give_back(trim: Callable[[int], object]) -> None:
    """Give free pages back to the system, again and again; takes 2 to 5 ms, and no GIL.

    What encoders and decoders leave free lies between what is in use; by itself glibc gives back an arena's end only.
    """
    while True:
        time.sleep(_GIVING_BACK_SECONDS)
        trim(0)


def _of_glibc(name: str) -> Callable[..., object] | None:
    """A function of the C library; None of another one."""
    if sys.platform != "linux":
        return None
    import ctypes  # which only live runs need

    return getattr(ctypes.CDLL(None), name, None)


def _skip_plugins_of_pydantic() -> None:
    """Put a module in the place of the one that searches all installed packages for plug-ins of pydantic."""
    loader: Any = ModuleType("pydantic.plugin._loader")
    loader.get_plugins = tuple
    sys.modules.setdefault(loader.__name__, loader)
