"""RunRequest: what is to be run, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from poseline.settings import Settings

if TYPE_CHECKING:
    from poseline.capture import Location


@dataclass(frozen=True)
class RunRequest:
    """What is to be run, and how. It can be sent to another process."""

    source: Location
    settings: Settings = field(default_factory=Settings)
    """A source's own, as a list of cameras gives them, win over these, and stand here when it is made."""
    separately: bool = False
    """Whether separate pictures go through the network one by one, so that each one's printed times are its own."""
    patience: float = 0.0
    """Seconds to wait for the folder of the results, where another process is still writing into it."""

    def __post_init__(self) -> None:
        capture = self.source.settings(self.settings.capture)
        if capture is not self.settings.capture:
            object.__setattr__(self, "settings", self.settings.model_copy(update={"capture": capture}))
