"""Cameras: the sources of a command side by side in one process, on one network, behind one page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from poseline.errors import SettingsError, SourceError, exit_code_of
from poseline.interruption import INTERRUPTED, Interruption
from poseline.serve.address import OPTION, Address
from poseline.serve.keep import Recordings

if TYPE_CHECKING:
    from pathlib import Path

    from poseline.capture import Source
    from poseline.inference import PoseEstimator, Turns
    from poseline.pipeline import RunReport
    from poseline.request import RunRequest
    from poseline.serve.feed import Feed
    from poseline.serve.server import Server
    from poseline.session import Models

log = logging.getLogger("poseline")

_TICK = 0.2
"""Seconds after which the main thread looks whether all have ended: a wait without end would not notice Ctrl-C."""


def run_served(
    requests: Sequence[RunRequest], address: str, jobs: int, run_one: Callable[..., RunReport],
    models: Models, interruption: Interruption, recordings: Recordings | None = None,
) -> int:  # fmt: skip
    """Run each source on threads of its own, with one network for all, and show them on a page.

    Args:
        requests: each source with its settings.
        address: where the page is, as typed.
        jobs: as typed; more than one is refused.
        run_one: runs one source to its end; `batch.run_source`.
        models: where the network comes from.
        interruption: receives the user's signals.
        recordings: how they are made and kept.

    Returns:
        The exit code of the first source that failed, in the order of `requests`.
    """
    server = _server(address, requests, jobs)
    from poseline.inference import Turns

    feeds = [server.hub.add(request.source.name) for request in requests]  # before the first page can ask for them
    server.start()
    try:
        _show_addresses(server)
        several = len(requests) > 1
        turns = Turns() if several else None
        common = run_one, _OneAtATime(models), turns, several, recordings or Recordings()
        cameras = [_Camera(feed, _in_memory(request), *common) for feed, request in zip(feeds, requests, strict=True)]
        _show_sockets(server, requests)

        def stop() -> None:
            for camera in cameras:
                camera.stop()

        with interruption.stopping(stop), interruption.shielded():
            for camera in cameras:
                camera.start()
            while any(camera.is_alive() for camera in cameras):
                for camera in cameras:
                    camera.join(_TICK)
    finally:
        server.stop()
    if interruption.signal_count:
        return INTERRUPTED
    return next((camera.code for camera in cameras if camera.code), 0)


class _Camera(threading.Thread):
    """One source's run."""

    def __init__(
        self, feed: Feed, request: RunRequest, run_one: Callable[..., RunReport], models: Any,
        turns: Turns | None, several: bool, recordings: Recordings,
    ) -> None:  # fmt: skip
        super().__init__(name=request.source.name, daemon=True)
        self.code = 0
        self._feed, self._request, self._run_one = feed, request, run_one
        self._models, self._turns, self._several, self._recordings = models, turns, several, recordings
        self._stopped = threading.Event()
        self._interruption = _ThreadInterruption()

    def stop(self) -> None:
        """End it in good order; from a signal's handler."""
        self._stopped.set()
        self._interruption()

    def run(self) -> None:
        """Run the source to its end, and say how it ended."""
        from poseline.terminal import show_error

        error: BaseException | None = None
        try:
            report = self._report()
            if report is not None:
                error, self.code = report.error, report.exit_code
        except Exception as raised:  # noqa: BLE001 # shown here, and the other cameras go on
            error, self.code = raised, exit_code_of(raised)
            show_error(raised)
        self._feed.end(None if error is None or isinstance(error, KeyboardInterrupt) else str(error))

    def _report(self) -> RunReport | None:
        """The run's report; None where the user ended it before the source could be opened.

        Where several are served, a source that cannot be opened is tried again as one that broke off is.
        """
        try:
            return self._attempt()
        except SourceError as error:
            if not self._several:
                raise
            log.warning("%s; it is tried again", error)
            reason = str(error)
        from poseline.capture import Outage

        outage = Outage(self._request.source.name, self._request.settings.capture.max_outage, self._stopped)
        self._feed.trouble(reason, outage)
        return outage.until(self._attempt)

    def _attempt(self) -> RunReport:
        from poseline.serve.sink import LiveSink

        return self._run_one(
            self._request, self._models, self._interruption, _show_nothing if self._several else None,
            sinks=[LiveSink(self._feed)], turns=self._turns, on_open=self._on_open,
        )  # fmt: skip

    def _on_open(self, source: Source, folder: Path) -> None:
        from poseline.serve.recorder import Recorder

        feed = self._feed
        feed.outage = getattr(source, "outage", None)  # files have none
        feed.recorder = Recorder(
            feed.name, folder / "recordings", self._recordings, feed.run_record, feed.note_recording
        )


class _ThreadInterruption(Interruption):
    """The user's wish to end, for a thread: it aborts nothing, since that would strike the main thread."""

    def _abort(self) -> None:
        return


class _OneAtATime:
    """Models that several threads ask for: the first to come has it loaded, the others wait."""

    def __init__(self, models: Models) -> None:
        self._models, self._lock = models, threading.Lock()

    def get(self, *arguments: Any, **options: Any) -> PoseEstimator:
        """As `Models.get`."""
        with self._lock:
            return self._models.get(*arguments, **options)


def _server(address: str, requests: Sequence[RunRequest], jobs: int) -> Server:
    """A server that listens; what cannot be served or is not installed is reported before anything is loaded."""
    where = Address.parse(address)
    for request in requests:
        if request.source.pictures:
            raise SettingsError(
                f"{OPTION} shows cameras and videos, not pictures such as {request.source.name}; leave it out"
            )
        if request.settings.output.show and len(requests) > 1:
            raise SettingsError(f"--show shows one source at a time; leave it out: {OPTION} shows them all")
    if jobs > 1:
        raise SettingsError(f"--jobs runs each source in a process of its own, {OPTION} all in one; leave --jobs out")
    try:
        from poseline.serve.server import Server
    except ModuleNotFoundError as error:
        raise SettingsError(f"{OPTION} needs {error.name}; install it with: pip install 'poseline[serve]'") from error
    return Server(where)


def _in_memory(request: RunRequest) -> RunRequest:
    """With pictures in this computer's memory, where they can be encoded for the page."""
    settings = request.settings
    if settings.capture.decoder != "auto":
        return request
    capture = settings.capture.model_copy(update={"decoder": "cpu"})
    return replace(request, settings=settings.model_copy(update={"capture": capture}))


def _show_addresses(server: Server) -> None:
    from poseline.terminal import console

    for url in server.urls():
        console.print(f"page: {url}", soft_wrap=True, markup=False)


def _show_sockets(server: Server, requests: Sequence[RunRequest]) -> None:
    """Where the WebSocket of each source is that sends keypoints by it."""
    from poseline.send import WEBSOCKET
    from poseline.terminal import console

    for request in requests:
        if WEBSOCKET in request.settings.output.send:
            console.print(f"keypoints: {server.keypoints_url(request.source.name)}", soft_wrap=True, markup=False)


def _show_nothing(*_: object) -> None:
    """Several progress lines would overwrite each other."""
