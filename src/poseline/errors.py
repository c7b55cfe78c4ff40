"""What can go wrong, as a tree. Each error says what, where and what to try, and knows its exit code.

PoselineError                      1
├── SettingsError(ValueError)      2  an option or a configuration file
├── SourceError(OSError)           3  a file, camera or stream that cannot be read
├── OutputError(OSError)           4  a video, log or folder that cannot be written
├── ModelError(RuntimeError)       5  weights that cannot be found, trusted, converted or run
│   └── DeviceError                5  a device that was asked for and is not there
└── StageStalled(TimeoutError)     1  a stage that has given nothing for too long
"""

from __future__ import annotations

import re

_WORD = re.compile(r"\S+")
_QUERY_VALUE = re.compile(r"([?&;])([\w-]+)=([^&;\s'\"#]+)")
_SECRET = re.compile(r"(?i)pas|pwd|token|secret|auth|sig|credential|^(?:api)?key$|[_-](?:api)?key$")
"""What the names of such values have in them. All patterns take time in proportion to the text: it may be a file's."""

_LONGEST = 1800
"""Letters of an error's text."""


def redact(text: str) -> str:
    """Hide the user name and password of every URL in `text`, and secrets in its query."""
    if "://" in text and "@" in text:
        text = _WORD.sub(_without_credentials, text)
    return _QUERY_VALUE.sub(_without_secret, text) if "=" in text else text


def _without_credentials(word: re.Match[str]) -> str:
    """Up to the last @ of a word, since a password may hold / : # and @ itself: hiding too much is the safe side."""
    before, mark, rest = word[0].partition("://")
    _, at, host = rest.rpartition("@")
    return f"{before}{mark}***@{host}" if at else word[0]


def _without_secret(value: re.Match[str]) -> str:
    return f"{value[1]}{value[2]}=***" if _SECRET.search(value[2]) else value[0]


def _shortened(text: str) -> str:
    """The text, without the middle of one that repeats a whole file."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


class PoselineError(Exception):
    """The root of all errors that Poseline raises on purpose; its text never holds a password."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(_shortened(redact(message)))


class SettingsError(PoselineError, ValueError):
    """An option or a configuration file that cannot be used."""

    exit_code = 2


class SourceError(PoselineError, OSError):
    """A source that cannot be opened or read."""

    exit_code = 3


class OutputError(PoselineError, OSError):
    """A place that cannot be written to."""

    exit_code = 4


class ModelError(PoselineError, RuntimeError):
    """A model that cannot be found, trusted, converted or run."""

    exit_code = 5


class DeviceError(ModelError):
    """A device that was asked for and is not there."""


class StageStalled(PoselineError, TimeoutError):
    """A stage of the pipeline that has given nothing for too long."""


INTERNAL = 1
"""Exit code of an error that is not one of these: a fault of ours."""


def exit_code_of(error: BaseException) -> int:
    """The exit code of a run that ended with `error`."""
    return error.exit_code if isinstance(error, PoselineError) else INTERNAL


def last_line(error: BaseException) -> str:
    """The last line of an error's text: OpenVINO puts the reason behind the places that it came through."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
