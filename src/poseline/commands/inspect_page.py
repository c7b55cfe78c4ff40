"""The page of `poseline inspect`, from its start until Ctrl-C."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from poseline.errors import SettingsError
from poseline.optional import require

if TYPE_CHECKING:
    from poseline.interruption import Interruption

_TICK = 0.2
"""Seconds after which the main thread looks whether it is to end: a wait without end would not notice Ctrl-C."""


def serve_page(
    run: Path, host: str, port: int, source: Path | None, by: str | None, interruption: Interruption
) -> None:
    """Serve the page until the user ends it.

    Raises:
        SourceError: the run, or the source that was given, cannot be read.
        SettingsError: no address to listen on; or what the page needs is not installed.
        OutputError: nothing can listen there.
    """
    for package in ("aiohttp", "simplejpeg"):
        require(package, "poseline inspect", install="'poseline[serve]'")
    from poseline.corrections import by_whom
    from poseline.inspection.inspected import InspectedRun
    from poseline.inspection.server import InspectAddress, InspectServer
    from poseline.serve.address import is_host
    from poseline.startup import settle_process

    if not is_host(host):
        raise SettingsError(
            f"--host {host}: not an address to listen on; try 127.0.0.1 for this computer alone, or 0.0.0.0 for the "
            "whole network"
        )
    inspected = InspectedRun(run, by_whom() if by is None else by)
    server = InspectServer(InspectAddress(host, port), inspected, source)
    server.start()
    try:
        settle_process()
        _show(server.urls(), server.no_pictures)
        ended = threading.Event()
        with interruption.stopping(ended.set):
            while not ended.wait(_TICK):
                pass
    finally:
        server.stop()


def _show(urls: list[str], no_pictures: str) -> None:
    from rich.markup import escape

    from poseline.terminal import console

    console.print("to look at the run, and to correct it, open", soft_wrap=True)
    for url in urls:
        console.print(f"  {escape(url)}", soft_wrap=True)
    if no_pictures:
        console.print(f"note: poses are shown without pictures: {escape(no_pictures)}", soft_wrap=True)
    console.print("Ctrl-C ends it; what was corrected is saved already", soft_wrap=True)
