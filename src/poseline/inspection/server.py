"""Server: the page on which a run is looked at and corrected, and its API."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
from aiohttp import web

from poseline import serve
from poseline.errors import OutputError, PoselineError, SettingsError, SourceError
from poseline.inspection import wire
from poseline.inspection.inspected import InspectedRun, LogReplaced, State
from poseline.inspection.pictures import Pictures, PictureThread, open_pictures
from poseline.serve.address import Address
from poseline.serve.page_server import PageServer, add_files, cancel, static_file

T = TypeVar("T")

PAGE = Path(__file__).parent / "page"
SHARED = Path(serve.__file__).parent / "page"
"""Of the live page, whose style and drawing are used here too."""
PORT = 8200
MOST_PAGES = 16
"""Pages open at once."""
_MOST_BODY = 256 << 10
"""Bytes of an act."""
_MOST_FRAMES = 4096
"""Frames whose poses come in one answer."""
_LOOK_SECONDS = 1.0
"""How often the log and the corrections are looked at, whether another program has changed them."""
_HEARTBEAT = 15.0
_BINARY = "application/octet-stream"


@dataclass(frozen=True)
class InspectAddress(Address):
    """Where the page is, as `poseline inspect` is told."""

    port: int = PORT

    def typed(self) -> str:
        """The options that ask for it, as they are typed."""
        return f"--host {self.host} --port {self.port}"


class InspectServer(PageServer):
    """Serves one run.

    Args:
        address: where.
        run: the run.
        source: the clip, or the folder of pictures; None: where the log says that they are.
        token: what a visitor must know; None: one is made up where others than this computer can connect.

    Raises:
        OutputError: nothing can listen at the address.
        SourceError: the `source` that was given is not there, or is not that of the run.
    """

    def __init__(
        self, address: Address, run: InspectedRun, source: Path | None = None, token: str | None = None
    ) -> None:
        pictures, self.no_pictures = _pictures(run, source)
        try:
            super().__init__(address, token, _MOST_BODY)
        except OutputError:
            if pictures is not None:
                pictures.close()
            raise
        self.run = run
        self._pictures = PictureThread(pictures, self._loop) if pictures is not None else None
        self._pages: set[web.WebSocketResponse] = set()
        # One thread changes the run, so that acts are made one after another; long looks at it are taken on others.
        self._writer = ThreadPoolExecutor(1, "corrections")
        self._readers = ThreadPoolExecutor(2, "inspect")

    def add_routes(self, app: web.Application) -> None:
        """The page and its API."""
        add_files(app, PAGE)
        for name in ("style.css", "overlay.js", "icon.svg"):
            app.router.add_get(f"/{name}", static_file(SHARED / name))
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/api/run", self._run)
        app.router.add_get("/api/frames", self._frames)
        app.router.add_get("/api/poses", self._poses)
        app.router.add_get("/api/picture/{place}", self._picture)
        app.router.add_get("/api/marks", self._marks)
        app.router.add_get("/api/angles", self._angles)
        app.router.add_get("/api/corrections", self._corrections)
        app.router.add_post("/api/act", self._act)
        app.router.add_post("/api/undo", self._undo)
        app.router.add_post("/api/redo", self._redo)
        app.cleanup_ctx.append(self._looking)

    def close(self) -> None:
        """End its threads; an act that is being written is written."""
        if self._pictures is not None:
            self._pictures.close()
        self._writer.shutdown()
        self._readers.shutdown(cancel_futures=True)

    async def _health(self, request: web.Request) -> web.Response:
        del request
        return _json({"status": "ok"})

    async def _run(self, request: web.Request) -> web.Response:
        del request
        state, name = self.run.state, self.run.log.resolve().parent.name
        return _json(await self._read(lambda: wire.run(state, name, self.no_pictures)))

    async def _frames(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=wire.frames(self.run.state), content_type=_BINARY)

    async def _poses(self, request: web.Request) -> web.Response:
        first, last = _whole(request, "from"), _whole(request, "to")
        if not first <= last < first + _MOST_FRAMES:
            raise web.HTTPBadRequest(text=f"from, to: places in the log, at most {_MOST_FRAMES} of them.\n")
        state = self.run.state
        return web.Response(body=await self._read(lambda: wire.poses(state, first, last + 1)), content_type=_BINARY)

    async def _picture(self, request: web.Request) -> web.Response:
        place = _number("place", request.match_info["place"])
        if self._pictures is None:
            raise web.HTTPNotFound(text=f"{self.no_pictures}\n")
        if place >= len(self.run.state.raw):
            raise web.HTTPNotFound(text="The log has no such frame.\n")
        try:
            found = await self._pictures.get(place)
        except SourceError as error:
            raise web.HTTPNotFound(text=f"{error}\n") from None
        if found is None:
            raise web.HTTPNotFound(text="This frame of the log is not in the clip.\n")
        return web.Response(body=found, content_type="image/jpeg")

    async def _marks(self, request: web.Request) -> web.Response:
        del request

        def found() -> dict[str, Any]:
            tracks = self.run.state.tracks
            return wire.marks(*self.run.marks(), tracks)

        try:
            return _json(await self._read(found))
        except PoselineError as error:  # of separate pictures, or with nobody to judge
            raise web.HTTPConflict(text=f"{error}\n") from None

    async def _angles(self, request: web.Request) -> web.Response:
        person = _whole(request, "person")
        try:
            return _json(await self._read(lambda: self.run.angles(person)))
        except PoselineError as error:
            raise web.HTTPConflict(text=f"{error}\n") from None

    async def _corrections(self, request: web.Request) -> web.Response:
        del request
        return _json(self._told(self.run.state))

    async def _act(self, request: web.Request) -> web.Response:
        record = await _record(request)
        return await self._change(lambda: self.run.act(record))

    async def _undo(self, request: web.Request) -> web.Response:
        act = _act_id(await _record(request))
        return await self._change(lambda: self.run.undo(act))

    async def _redo(self, request: web.Request) -> web.Response:
        act = _act_id(await _record(request))
        return await self._change(lambda: self.run.redo(act))

    async def _change(self, work: Callable[[], State]) -> web.Response:
        """Change the run, answer what is so now, and tell all pages. It is done also when who asked is gone."""
        try:
            state = await asyncio.shield(asyncio.ensure_future(self._changed(work)))
        except SettingsError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        except LogReplaced as error:
            raise web.HTTPConflict(text=f"{error}\n") from None
        except (OutputError, SourceError) as error:
            raise web.HTTPInsufficientStorage(text=f"{error}\n") from None
        return _json(self._told(state))

    async def _changed(self, work: Callable[[], State]) -> State:
        before = self.run.state.revision
        state = await asyncio.get_running_loop().run_in_executor(self._writer, work)
        if state.revision != before:
            await self._tell()
        return state

    def _told(self, state: State) -> dict[str, Any]:
        return {"revision": state.revision, **wire.history(state)}

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        """Tells a page of each change. What a page says is not heard."""
        if len(self._pages) >= MOST_PAGES:
            raise web.HTTPServiceUnavailable(text=f"{MOST_PAGES} pages are open already.\n")
        connection = web.WebSocketResponse(compress=False, max_msg_size=1024, heartbeat=_HEARTBEAT, timeout=1.0)
        await connection.prepare(request)
        self._pages.add(connection)
        ending = asyncio.ensure_future(self._ending.wait())
        receiving = asyncio.ensure_future(connection.receive())
        try:
            await connection.send_str(self._news())
            await asyncio.wait((ending, receiving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._pages.discard(connection)
            await cancel(ending, receiving)
            await connection.close(code=1001 if self._ending.is_set() else 1000)
        return connection

    def _news(self) -> str:
        state = self.run.state
        return orjson.dumps({"type": "changed", "revision": state.revision, "frames": len(state.raw)}).decode()

    async def _tell(self, news: str | None = None) -> None:
        news = news or self._news()
        for page in tuple(self._pages):
            with contextlib.suppress(ConnectionError, RuntimeError):  # it leaves
                await page.send_str(news)

    async def _looking(self, app: web.Application) -> Any:
        """Look from time to time whether another program has changed something."""
        del app
        looking = asyncio.ensure_future(self._look())
        yield
        await cancel(looking)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            before = self.run.state.raw
            try:
                changed = await asyncio.get_running_loop().run_in_executor(self._writer, self.run.refresh)
            except LogReplaced as error:  # again and again, for pages that are opened later
                await self._tell(orjson.dumps({"type": "replaced", "why": str(error)}).decode())
                continue
            except PoselineError:
                continue  # a file that is being replaced, or was taken away; what was read before stays
            if changed:
                if self._pictures is not None and self.run.state.raw is not before:
                    self._pictures.do(lambda pictures: pictures.follow(self.run.state.raw))
                await self._tell()


def _pictures(run: InspectedRun, source: Path | None) -> tuple[Pictures | None, str]:
    """The run's pictures; or, where nobody said where they are, None and why there are none."""
    try:
        return open_pictures(run.log, run.state.raw, source), ""
    except SourceError as error:
        if source is not None:
            raise
        return None, str(error).replace("--clip", "--source")


def _json(content: Any) -> web.Response:
    return web.Response(body=orjson.dumps(content), content_type="application/json")


def _whole(request: web.Request, name: str) -> int:
    return _number(name, request.query.get(name, ""))


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise web.HTTPBadRequest(text=f"{name}: a whole number from 0.\n")
    return int(text)


async def _record(request: web.Request) -> dict[str, Any]:
    """The JSON object that a page posts."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Only application/json is understood.\n")
    try:
        found = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise web.HTTPBadRequest(text="That is no JSON.\n") from None
    if not isinstance(found, dict):
        raise web.HTTPBadRequest(text="An act is a JSON object.\n")
    return found


def _act_id(record: dict[str, Any]) -> str:
    act = record.get("act")
    if not isinstance(act, str) or not act:
        raise web.HTTPBadRequest(text="act: the id of an act.\n")
    return act
