"""What can be known of a camera or an address before a model is loaded, and without opening it."""

from __future__ import annotations

from poseline.capture.camera import check_camera
from poseline.capture.locate import Location
from poseline.capture.network import check_address, check_host


def check_present(location: Location) -> None:
    """Raise a SourceError for a camera that is not there, or an address that can lead nowhere.

    Whether it can be opened shows only then; files were looked at when they were located.
    """
    if location.camera is not None:
        check_camera(location.camera)
    if location.url:
        check_address(location.url)
        check_host(location.url)
