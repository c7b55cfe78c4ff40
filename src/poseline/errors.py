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
from contextlib import suppress
from typing import Any

_WORD = re.compile(r"\S+")
_SECRET = re.compile(r"(?i)pas|pwd|token|secret|auth|sig|credential|^(?:api)?key$|[_-](?:api)?key$")
"""What the names of such values have in them. All patterns take time in proportion to the text: it may be a file's."""
_VALUE_END = re.compile(r"""[&#]|;(?=[\w.%\[\]-]+=)|['"](?=[\s,:;)\]}]|$)""")
"""What ends a value: the next one's name, or the quote around the address."""
_HEADER = re.compile(
    r"""(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-(?:api-key|auth-token))(["']?\s*[:=])[^\r\n]+"""
)
"""A header of HTTP that proves who somebody is; up to the end of its line."""

_LONGEST = 1800
"""Letters of an error's text."""


def redact(text: str) -> str:
    """Hide the user name and password of every URL in `text`, and secrets in its query, its path and its headers."""
    if "@" in text and ":/" in text:
        text = _WORD.sub(_without_credentials, text)
    if ":" in text or "=" in text:
        text = _HEADER.sub(r"\1\2 ***", text)
    return _WORD.sub(_without_secrets, text) if "=" in text else text


def redact_error(error: BaseException) -> BaseException:
    """The error itself, with the same hidden in what it shows: it may stand as the cause of another one.

    Those of FFmpeg and the system have the address that failed in their texts.
    """
    error.args = tuple(map(redacted, error.args))  # FFmpeg's have all in these: the address, and what it said last
    for name in ("filename", "filename2"):
        with suppress(AttributeError):  # not the system's
            setattr(error, name, redacted(getattr(error, name)))
    return error


def redacted(part: Any) -> Any:
    """The value with passwords hidden, where it is a text or a tuple of texts."""
    if isinstance(part, tuple):
        return tuple(map(redacted, part))
    return redact(part) if isinstance(part, str) else part


def _without_credentials(word: re.Match[str]) -> str:
    """Up to the last @ of a word, since a password may hold / : # and @ itself: hiding too much is the safe side."""
    text = word[0]
    begin = text.find(":/")
    while begin >= 0 and not _is_behind_a_scheme(text, begin):
        begin = text.find(":/", begin + 1)
    if begin < 0:
        return text
    begin += 3 if text.startswith("://", begin) else 2
    at = text.rfind("@", begin)
    if at < 0:
        return text
    if _is_in_a_secret(text[begin:at]):
        found = _VALUE_END.search(text, at)
        at = len(text) if found is None else found.start()
    return f"{text[:begin]}***{text[at:]}"


def _is_in_a_secret(before: str) -> bool:
    """Whether an @ behind this part of an address, from its host on, belongs to a value of its query that is secret."""
    host = re.split(r"[/?#]", before, maxsplit=1)[0].rpartition("@")[2]
    name, equals, _ = re.split(r"[?&;]", before)[-1].partition("=")
    return bool(equals and _SECRET.search(name)) and (":" not in host or host.rpartition(":")[2].isdecimal())


def _is_behind_a_scheme(text: str, colon: int) -> bool:
    """Whether it is an address's; a drive of Windows has one letter. Path() makes one slash of an address's two."""
    return text.startswith("://", colon) or (colon >= 2 and text[colon - 2 : colon].isalnum())


def _without_secrets(word: re.Match[str]) -> str:
    """The values of an address's query, or of its path: some cameras want `/user=NAME_password=WORD_channel=1`."""
    text = word[0]
    if not any(sign in text for sign in (":/", "?", "&", ";")):
        return text
    shown, begin = list[str](), 0
    while (equals := text.find("=", begin)) >= 0:
        name = re.split(r"[?&;/#|,]", text[begin:equals])[-1]
        shown.append(text[begin : equals + 1])
        begin = equals + 1
        if _SECRET.search(name):
            found = _VALUE_END.search(text, begin)
            end = len(text) if found is None else found.start()
            shown.append("***" if end > begin else "")
            begin = end
    return "".join([*shown, text[begin:]])


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
