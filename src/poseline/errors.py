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

_CREDENTIALS = re.compile(r"([a-zA-Z][\w+.-]*://)\S*@")
"""Up to the last @ of a word, since a password may hold / : # and @ itself: hiding too much is the safe side."""
_QUERY_SECRET = re.compile(
    r"(?i)([?&;](?:[\w-]*(?:pas|pwd|token|secret|auth|sig|credential)[\w-]*|(?:[\w-]*[_-])?(?:api)?key)=)[^&;\s'\"#]+"
)


def redact(text: str) -> str:
    """Hide the user name and password of every URL in `text`, and secrets in its query."""
    return _QUERY_SECRET.sub(r"\1***", _CREDENTIALS.sub(r"\1***@", text))


class PoselineError(Exception):
    """The root of all errors that Poseline raises on purpose; its text never holds a password."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


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
