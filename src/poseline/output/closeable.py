"""Closeable: a context manager whose `close` may fail, without hiding an earlier error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

from poseline.errors import PoselineError

T = TypeVar("T", bound="Closeable")


class Closeable(ABC):
    """Something whose results are complete once it is closed, which may fail."""

    @abstractmethod
    def close(self) -> None:
        """Finish; a second call does nothing."""

    def __enter__(self: T) -> T:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            with suppress(PoselineError):  # the first error is already on its way
                self.close()
