"""Files: JSON and text as formats read and write them, and folders that are whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from poseline.atomic import cause, replacing
from poseline.errors import OutputError, PoselineError, SourceError


def write_json(path: Path, value: Any) -> None:
    """Write a value, numpy's included, as JSON; atomic.

    Raises:
        OutputError: it cannot be written.
    """
    content = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8 with plain line feeds; atomic.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def read_bytes(path: Path) -> bytes:
    """What a file holds.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {cause(error)}") from error


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        SourceError: it cannot be read, or is not UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(f"{path}: is not text in UTF-8") from None


def read_json(path: Path) -> Any:
    """What a JSON file holds; NaN, which some programs write, is null.

    Raises:
        SourceError: it cannot be read, or is not JSON.
    """
    content = read_bytes(path)
    try:
        return orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        with suppress(ValueError, RecursionError):
            import json

            return json.loads(content, parse_constant=lambda _: None)
        raise SourceError(f"{path}: is not JSON: {error}") from None


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Within, an error of Python's that a garbled file causes becomes a SourceError: the file is no `kind`."""
    try:
        yield
    except PoselineError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise SourceError(f"{path}: is not {kind}, or not whole: {error!r}") from None


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A new empty folder beside `path` to fill; on leaving it takes the place of `path`, whatever that held.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists():
            path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if isinstance(error, PoselineError):
            raise
        raise OutputError(f"{path}: cannot be written: {cause(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
