"""No password in any output: addresses as users write them, against all that writes an address down."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from rich.console import Console

from conftest import Told
from output_worlds import header, poses, seen
from poseline import cli, progress, terminal
from poseline.capture import Location, SourceInfo, locate, open_source
from poseline.commands.batch_status import show_status
from poseline.errors import ModelError, OutputError, PoselineError, SettingsError, SourceError, redact
from poseline.frame import Gap
from poseline.log import Counts, Records
from poseline.manifest import FAILED, Manifest
from poseline.output import write_summary
from poseline.pipeline import RunReport
from poseline.request import RunRequest
from poseline.send.destination import parse
from poseline.settings import CaptureSettings, OutputSettings, Settings, checked, load
from poseline.workers import Context
from poseline.workers.worker import Worker

PASSWORD = "hunter2"  # noqa: S105 # nobody's
ADDRESSES = [
    "rtsp://admin:hunter2@127.0.0.1:1/x",
    "RTSP://admin:hunter2@127.0.0.1:1/x",
    "rtsps://admin:hunter2@[::1]:1/x",
    "http://admin:hunter2@127.0.0.1:1/x",
    "https://admin:hunter2@127.0.0.1:1/x.m3u8?quality=1",
    "http://admin:hunter2@127.0.0.1:1/x.jpg",
    "rtmp://admin:hunter2@127.0.0.1:1/live/x",
    "rtmps://admin:hunter2@127.0.0.1:1/live/x",
    "srt://127.0.0.1:1?passphrase=hunter2&mode=caller",
    "tcp://admin:hunter2@127.0.0.1:1",
    "mqtt://admin:hunter2@127.0.0.1:1/gym",
    "mqtts://admin:hunter2@127.0.0.1/gym?rate=5",
    "ws://admin:hunter2@127.0.0.1:1",
    "osc://admin:hunter2@127.0.0.1:1?pixels",
    "rtsp://hunter2@127.0.0.1:1/x",
    "rtsp://:hunter2@127.0.0.1:1/x",
    "rtsp://admin:hunter2%40home%2Fx@127.0.0.1:1/x",
    "rtsp://admin:p@hunter2@127.0.0.1:1/x",
    "rtsp://admin:a/hunter2@127.0.0.1:1/x",
    "rtsp://admin:a/hunter2.jpg@127.0.0.1:1/x",
    "rtsp://admin:a#hunter2@127.0.0.1:1/x",
    "rtsp://admin:a?hunter2@127.0.0.1:1/x",
    "rtsp://admin:[hunter2]@127.0.0.1:1/x",
    "rtsp://admin:hunter2" + 300 * "x" + "@127.0.0.1:1/x",
    "http://127.0.0.1:1/x?token=hunter2",
    "http://127.0.0.1:1/x.mjpg?user=admin&password=hunter2",
    "http://127.0.0.1:1/x?loginuse=admin&loginpas=hunter2#top",
    "http://127.0.0.1:1/x?a=1;pwd=hunter2",
    "http://127.0.0.1:1/x?token=a;hunter2&b=1",
    "http://127.0.0.1:1/x?token=a'hunter2",
    "http://127.0.0.1:1/x?pwd=a@hunter2",
    "http://127.0.0.1:1/x?user=me@home&pwd=hunter2",
    "http://127.0.0.1:1/x?X-Amz-Signature=hunter2&api_key=hunter2",
    "http://127.0.0.1:1/x?user[password]=hunter2&auth.token=hunter2",
    "http://127.0.0.1:1/x#access_token=hunter2",
    "rtsp://127.0.0.1:1/user=admin&password=hunter2&channel=1",
    "rtsp://127.0.0.1:1/user=admin_password=hunter2_channel=1_stream=0.sdp?real_stream",
    "rtsp://admin:hunter2@127.0.0.1:1/x?token=hunter2",
    "rtsp:/admin:hunter2@127.0.0.1:1/x",
    "ray://admin:hunter2@127.0.0.1:1",
]
HOSTLESS = ["http://127.0.0.1:1/x?pwd=a@hunter2", "http://127.0.0.1:1/x?user=me@home&pwd=hunter2"]
"""Of which the host is hidden too: it could be a part of a password before the last @."""
TEXTS = {
    "two: rtsp://a:hunter2@h/1, rtsp://b:hunter2@h/2": ["two: rtsp://", "@h/1, rtsp://", "@h/2"],
    "'rtsp://a:hunter2@h/1' returned 5": ["'rtsp://", "@h/1' returned 5"],
    '{"source":"rtsp://a:hunter2@h/1","url":"http://h/x?token=hunter2","n":1}': [
        '{"source":"rtsp://', '@h/1","url":"http://h/x?token=', '","n":1}'
    ],
    "[Errno 5] Input/output error: 'http://a:hunter2@h/x' (http: rtsp://a:hunter2@h)": [
        "[Errno 5] Input/output error: 'http://", "@h/x' (http: rtsp://", "@h)"
    ],
    "GET /x?access_token=hunter2 HTTP/1.1": ["GET /x?access_token=", " HTTP/1.1"],
    "Authorization: Basic hunter2": ["Authorization:"],
    "{'Authorization': 'Bearer hunter2', 'a': 1}": ["{'Authorization':"],
    "request failed\nCookie: id=hunter2; path=/\nAccept: */*": ["request failed\nCookie:", "\nAccept: */*"],
    "proxy-authorization=Digest hunter2": ["proxy-authorization="],
    "X-Api-Key: hunter2": ["X-Api-Key:"],
}  # fmt: skip
"""Texts, and what stays of each, in order."""


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    logger = logging.getLogger("poseline")
    handlers = list(logger.handlers)
    yield
    logger.handlers = handlers


def located(address: str) -> list[Location]:
    """The source of an address; none where it is of `--send` alone."""
    with suppress(PoselineError):
        return locate([address])
    return []


# What writes an address down: each takes one, and gives all that came out.


def errors(address: str, folder: Path) -> str:
    del folder
    kinds = (PoselineError, SettingsError, SourceError, OutputError, ModelError)
    return "".join(f"{each(address)} {each(address)!r} {each(address).args}" for each in kinds)


def refused_settings(address: str, folder: Path) -> str:
    config = folder / "config.yaml"
    contents = (
        {"output": {"send": {"to": address}}}, {"capture": {"fourcc": address}}, {"capture": {address: 1}},
        {address: 1}, {"inference": {"device": address}},
    )  # fmt: skip
    said = []
    for content in contents:
        config.write_bytes(orjson.dumps(content))
        with pytest.raises(SettingsError) as told:
            load(config)
        said.append("".join(traceback.format_exception(told.value)))
    for text in (f"send: {address} [\n", f"[{address}: {{", f"\t- '{address}"):
        config.write_text(text)
        with pytest.raises(SettingsError) as told:
            load(config)
        said.append(f"{told.value} {told.value.__cause__}")
    for key in ("fourcc", "cam_size"):
        with pytest.raises(SettingsError) as told:
            checked(CaptureSettings, {key: address})
        said.append(str(told.value))
    cameras = folder / "cameras.yaml"
    for entry in (
        {"source": address, "cam_fps": address},
        {"source": address, "name": address + "?"},
        {"url": address},
    ):
        cameras.write_bytes(orjson.dumps([entry]))
        with pytest.raises(SettingsError) as told:
            locate([str(cameras)])
        said.append(str(told.value))
    return "".join(said)


def representations(address: str, folder: Path) -> str:
    del folder
    settings = Settings(output=OutputSettings(send=(address,)))
    things: list[object] = [settings, settings.output, header(source=address, settings={"send": address})]
    things += [RunRequest(location, settings) for location in located(address)]
    things.append(RunReport(address, notes=[address]))
    try:
        things.append(parse(address))
    except SettingsError as error:
        things.append("".join(traceback.format_exception(error)))
    return "".join(f"{thing} {thing!r}" for thing in things)


def names(address: str, folder: Path) -> str:
    del folder
    return "".join(location.name for location in located(address))


def log(address: str, folder: Path) -> str:
    del folder
    settings = {"output": {"send": [address]}, "capture": {"of": {address: address}}}
    records = Records(header(source=address, settings=settings, model={"name": address}))
    found = [records.run, records.lines(seen(0, poses(1), source=address + " ", gap=Gap(0.0, 1.0, address)))]
    return b"".join([*found, records.end(Counts(), 1.0, 1.0, f"it was {address}", "failed")]).decode()


def summary(address: str, folder: Path) -> str:
    write_summary(folder / "summary.json", {"source": address, "notes": [address], "settings": {address: (address,)}})
    return (folder / "summary.json").read_text()


def batch(address: str, folder: Path) -> str:
    for location in located(address):
        with Manifest(folder / "batch") as manifest:
            [planned] = manifest.plan([location], Settings(output=OutputSettings(directory=folder / "batch")))
            manifest.record(planned, FAILED, code=3, error=f"it was {address}")
        show_status([str(folder / "batch")])
        return (folder / "batch" / "batch.jsonl").read_text()
    return ""


def said(address: str, folder: Path) -> str:
    del folder
    terminal.show_message(f"it was {address}")
    terminal.show_printed(f"it was {address}\n")
    terminal.show_error(OSError(5, "cannot be read", address))
    terminal.show_report(RunReport(f"{address}", notes=[address], files=[Path(address)]))
    return ""


def crash(address: str, folder: Path) -> str:
    del folder
    try:
        try:
            raise OSError(5, "cannot be read", address)
        except OSError as error:
            raise RuntimeError(f"it was {address}") from error
    except RuntimeError as error:
        cli._show(error)
    return ""


def moving(address: str, folder: Path) -> str:
    del folder
    shown = [location.name for location in located(address)]
    screen = Console(file=StringIO(), force_terminal=True, width=200)
    for several in (progress.progress_of_several, progress.progress_of_many):
        with several(shown, screen) as show:
            for index in range(len(shown)):
                show(index, 1, 2)
    return cast(StringIO, screen.file).getvalue()


def page(address: str, folder: Path) -> str:
    pytest.importorskip("aiohttp", reason="needs poseline[serve]")
    pytest.importorskip("simplejpeg", reason="needs poseline[serve]")
    from poseline.serve.feed import Feed
    from poseline.serve.metrics import text

    del folder
    found = []
    for location in located(address):
        feed = Feed(location.name, lambda: None)
        feed.trouble(f"it was {address}", SimpleNamespace(retry_at=None, cause=""))
        found.append(f"{feed.status()} {feed.state}")
        feed.begin(header(source=address), SourceInfo(address, live=True, width=64, height=48))
        feed.put(seen(0, poses(1), source=address, gap=Gap(0.0, 1.0, address)))
        feed.end(f"it was {address}")
        assert feed.newest is not None
        found += [
            str(feed.status()),
            str(feed.description()),
            str(feed.run_record()),
            feed.record(feed.newest).decode(),
        ]
        found.append(text(cast(Any, SimpleNamespace(feeds=[feed], viewers=()))))
    return "".join(found)


OUTPUTS: list[Callable[[str, Path], str]] = [
    errors, refused_settings, representations, names, log, summary, batch, said, crash, moving, page,
]  # fmt: skip


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.__name__)
def test_no_address_gives_its_password_away(
    output: Callable[[str, Path], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, address in enumerate(ADDRESSES):
        folder = tmp_path / str(number)
        folder.mkdir()
        with_all = output(address, folder) + "".join(capsys.readouterr()) + " ".join(map(str, folder.rglob("*")))
        assert PASSWORD not in with_all, f"{address}: {with_all[max(0, with_all.index(PASSWORD) - 200) :][:400]}"


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_is_hidden_in_any_address_and_the_host_stays(address: str) -> None:
    hidden = redact(f"it was {address}")
    host = "[::1]" if "[::1]" in address else "127.0.0.1"
    assert PASSWORD not in hidden
    assert "***" in hidden
    assert hidden.startswith(f"it was {address.partition('/')[0]}")
    assert (host in hidden) is (address not in HOSTLESS)
    assert redact(hidden) == hidden


@pytest.mark.parametrize(("text", "stays"), TEXTS.items(), ids=range(len(TEXTS)))
def test_it_is_hidden_in_any_text_and_the_rest_stays(text: str, stays: list[str]) -> None:
    hidden = redact(f"it was {text}")
    assert PASSWORD not in hidden
    assert re.fullmatch(".*".join(map(re.escape, [f"it was {stays[0]}", *stays[1:]])) + ".*", hidden, re.DOTALL)
    assert hidden.count("***") >= max(1, len(stays) - 1)
    assert redact(hidden) == hidden


@pytest.mark.parametrize("address", [each for each in ADDRESSES if each.startswith(("http://", "rtsp://", "rtmp://"))])
def test_a_source_that_cannot_be_opened_hides_it_in_all_causes(address: str) -> None:
    quick = CaptureSettings(open_timeout=5, rtsp_transport="tcp")
    with pytest.raises(SourceError) as told:
        open_source(address, quick)
    assert PASSWORD not in "".join(traceback.format_exception(told.value))
    error: BaseException | None = told.value
    while error is not None:
        assert PASSWORD not in f"{error} {error!r}"
        error = error.__cause__


def crashing(address: str, context: Context) -> None:
    """What a worker runs."""
    context.report_progress("begun")
    raise RuntimeError(f"it was {address}") from OSError(5, "cannot be read", address)


def test_what_a_worker_raises_and_writes_hides_it() -> None:
    with Worker(crashing) as worker:
        for address in ADDRESSES:
            worker.send(address)
            assert worker.events.get(timeout=60)[1] == "begun"
            outcome = worker.events.get(timeout=60)[1]
            assert "RuntimeError" in outcome.traceback
            assert PASSWORD not in f"{outcome} {outcome.error!r}"


@pytest.mark.parametrize(
    "words",
    [
        "run {}", "batch {}", "bench {}", "verify {} {}", "verify builtin {}", "analyze {}", "render {}",
        "render . --source {}", "export {} --to coco", "import {} --from coco", "inspect {}", "compare {} {}",
        "evaluate {}", "corrections {}", "recover {}", "skeleton -m {}", "run x -c {}", "run x -m {}", "run x --on {}",
    ],
)  # fmt: skip
def test_no_command_repeats_it(words: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    address = "rtsp://admin:hunter2@127.0.0.1:1/x"
    code, out, complaint = told(*(word.replace("{}", address) for word in words.split()))
    assert code in (2, 3, 5)
    assert complaint or out
    assert PASSWORD not in out + complaint
    assert PASSWORD not in " ".join(map(str, tmp_path.rglob("*")))


@pytest.mark.parametrize(
    "typed", ["admin:hunter2@127.0.0.1/x", "rtsp:admin:hunter2@127.0.0.1/x", "me:hunter2@cam.local"]
)
def test_an_address_without_a_scheme_is_told_so_without_its_password(typed: str) -> None:
    with pytest.raises(SourceError, match="an address begins with its scheme") as told:
        locate([typed])
    assert PASSWORD not in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        "C:/clips/me@home.mp4", "'C:/clips/me@home.mp4': no such file", "clips/pass=3.mp4", "clips/a;b=c.mp4",
        "me@home.org", "12:30@gym.mp4", "design=1", "1:2/3@4", "http://h/x?monkey=1&keyboard=2", "rtsp://h/user=me_channel=1",
        "--token=abc is no option", "the cookie jar", "author: me",
    ],
)  # fmt: skip
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert redact(text) == text
