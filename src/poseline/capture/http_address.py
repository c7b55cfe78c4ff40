"""HTTP address: what an address says of itself, without the libraries that would fetch from it."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from poseline.capture.recognise import IMAGE_SUFFIXES, Recognised
from poseline.errors import SourceError


class NotAnImage(SourceError):
    """The address answers with something that is not one picture: perhaps a video stream.

    `found` is what its first bytes say that it is; None where they do not.
    """

    def __init__(self, message: str, found: Recognised | None = None) -> None:
        super().__init__(message)
        self.found = found


def is_http(url: str) -> bool:
    """Whether an address is one of a web server."""
    return url.lower().startswith(("http://", "https://"))


def is_image_address(url: str) -> bool:
    """Whether an http address names a picture by its suffix."""
    return is_http(url) and path_of(url).suffix.lower() in IMAGE_SUFFIXES


def image_name(url: str) -> str:
    """A short name of the picture at an address, without suffix; empty where its path has none."""
    return path_of(url).stem.rpartition("@")[2]  # before it, a password that holds a /


def not_one_picture(name: str, found: Recognised) -> str:
    """What to say of a video, or of pictures that move, where one picture is wanted."""
    return f"{name}: not one picture, but {found.name}; `poseline run` and stream() take it by itself"


def path_of(url: str) -> PurePosixPath:
    """The path of an address, without what its characters stand for."""
    try:
        return PurePosixPath(unquote(urlsplit(url).path))
    except ValueError:  # a [ in its password; whoever opens it says what is wrong
        return PurePosixPath()
