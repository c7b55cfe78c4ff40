"""Published weights: downloads the pose models that ultralytics publishes.

pooch downloads them: by way of the proxy that HTTPS_PROXY names where there is one, beside the place where they belong,
and again where it breaks off. What came is checked before it is kept: its length against what the server states, and
every part of the file against its checksum. It runs in a worker, so that a server that hangs never holds up a run.
"""

from __future__ import annotations

import logging
import os
import re
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from poseline.errors import ModelError
from poseline.inference.subprocess_task import run_in_subprocess

PUBLISHED = re.compile(r"yolo(v8|11|26)[nsmlx]-pose(-p6)?\.pt")
"""Names of the pose models that ultralytics publishes."""


def names() -> list[str]:
    """The names that are likely to be meant by one that is not quite right."""
    return [f"yolo{family}{size}-pose.pt" for family in ("v8", "11", "26") for size in "nsmlx"]


_PUBLISHER = "https://github.com/ultralytics/assets/releases/download/v8.4.0/"
_SECONDS = 900
"""For the largest, of 120 MB, over a slow line."""
_ANSWER_SECONDS = 3.0, 30.0
"""How long a connection may take, and then a pause in what comes."""
_TRIES = 3


class _Unreachable(Exception):
    """No connection at all: to try again at once would only take longer."""


def fetch(name: str, folder: Path, publisher: str = _PUBLISHER) -> Path:
    """Download the published model `name` into `folder`.

    Raises:
        ModelError: it could not be downloaded, or is damaged on its way; then nothing is kept.
    """
    if find_spec("pooch") is None:
        raise ModelError(f"{name}: could not be downloaded: pooch, which does it, is not here: pip install pooch")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{name}: cannot be kept in {folder} ({error.strerror})") from error
    run_in_subprocess(
        f"{name}: fetch", _fetch_here, name, folder.absolute(), publisher, seconds=_SECONDS, environment={}
    )
    return folder / name


def _fetch_here(name: str, folder: Path, publisher: str) -> None:
    import pooch
    from requests import exceptions

    pooch.get_logger().setLevel(logging.ERROR)  # it has a handler of its own, which writes to stderr
    source = pooch.create(folder, publisher, registry={name: None}, retry_if_failed=_TRIES - 1)
    try:
        source.fetch(name, downloader=_download)
    except _Unreachable as error:
        raise ModelError(f"{name}: could not be downloaded: {error}") from error
    except exceptions.HTTPError as error:
        answer = error.response
        told = f"{answer.status_code} {answer.reason}" if answer is not None else "an error"
        raise ModelError(f"{name}: could not be downloaded: the server says {told}") from error
    except exceptions.RequestException as error:
        raise ModelError(f"{name}: could not be downloaded: it broke off {_TRIES} times ({error})") from error
    except ValueError as error:  # ours
        raise ModelError(f"{name}: could not be downloaded: {error}") from error
    except OSError as error:
        raise ModelError(f"{name}: cannot be kept in {folder} ({error.strerror or error})") from error


def _download(url: str, output_file: Any, mother: Any) -> None:
    """A downloader of pooch's, which also looks at what came."""
    import pooch
    from requests import exceptions

    try:
        pooch.HTTPDownloader(timeout=_ANSWER_SECONDS, chunk_size=1 << 16)(url, output_file, mother)
    except exceptions.ConnectionError as error:
        if os.path.getsize(output_file):
            raise
        proxies = {name for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") if os.environ.get(name)}
        way = f", by the proxy of {' and '.join(sorted(proxies))}" if isinstance(error, exceptions.ProxyError) else ""
        raise _Unreachable(f"this machine reaches no {url.split('/')[2]}{way}") from error
    try:
        with zipfile.ZipFile(output_file) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ValueError(f"what came is not weights, or not all of them ({error})") from error
    if damaged is not None:
        raise ValueError(f"what came is damaged ({damaged})")
