"""Device: the ways in which ultralytics lets a device be named, as the one name that settings know."""

from __future__ import annotations

from collections.abc import Sequence

from poseline.errors import SettingsError


class Device(str):
    """A device's name, with the parts that a torch.device has."""

    @property
    def type(self) -> str:
        """cpu, cuda or mps."""
        return self.partition(":")[0]

    @property
    def index(self) -> int | None:  # type: ignore[override] # a torch.device's, where a text has a search of this name
        """Which GPU, from 0; None where there is one alone."""
        number = self.partition(":")[2]
        return int(number) if number else None


def device_name(given: object) -> str | None:
    """`cpu`, `cuda:1` ... of a name, a number, a list of one number or a torch.device; None where none is named.

    Raises:
        SettingsError: it names several devices.
    """
    if given is None or given == "" or given == -1:
        return None
    if isinstance(given, Sequence) and not isinstance(given, str):
        if len(given) != 1:
            raise SettingsError(f"device: {given!r} names {len(given)} devices; a model runs on one")
        return device_name(given[0])
    name = str(given).strip().lower()
    if "," in name:
        raise SettingsError(f"device: {given!r} names several devices; a model runs on one")
    return f"cuda:{name}" if name.isdecimal() else name
