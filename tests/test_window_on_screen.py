"""The real window on a real display: what stands in it, its keys, its end, and what its troubles do to a run."""

from __future__ import annotations

import ctypes.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from display import Display
from media_worlds import WAIT, number_in, over, picture, until, write_clip
from output_worlds import decoded, lines
from poseline import doctor
from poseline.errors import OutputError
from poseline.output import Window, screen
from poseline.output.screen import WindowProcess

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs an X server"),
]
SIZE = 192, 144


@pytest.fixture(scope="module")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    shown = Display(tmp_path_factory.mktemp("screen"))
    yield shown
    shown.close()


@pytest.fixture
def on_it(display: Display, monkeypatch: pytest.MonkeyPatch) -> Display:
    """The display, as that of this process."""
    monkeypatch.setenv("DISPLAY", display.name)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return display


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute and a half of pictures that show their number, modulo 256."""
    folder = tmp_path_factory.mktemp("film")
    return write_clip(folder / "film.mp4", range(2700), size=SIZE, options={"preset": "ultrafast", "qp": "10"})


class Shown:
    """A run with a window, in a process of its own."""

    def __init__(self, display: Display, film: Path, folder: Path, *options: str) -> None:
        self.folder, self.journal = folder, folder / "keypoints.jsonl"
        command = [sys.executable, "-m", "poseline", "run", str(film), "-m", "builtin", "--show"]
        self.process = subprocess.Popen(
            [*command, "-o", str(folder), *options], env=display.environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        self._display = display
        assert until(lambda: self.frames() > 3, WAIT), "no frame is logged"
        self.window = display.wait_for_window(str(film), WAIT)
        assert until(lambda: self.number() > 0, WAIT), "the screen stays black"

    def frames(self) -> int:
        """Frames in the journal so far."""
        return self.journal.read_bytes().count(b"\n") - 1 if self.journal.exists() else 0

    def number(self) -> int:
        """The number that the picture in the window shows."""
        return number_in(self._display.pixels()[: SIZE[1], : SIZE[0]])

    def goes_on(self) -> bool:
        """Whether frames are added."""
        before = self.frames()
        return until(lambda: self.frames() > before + 5, WAIT)

    def is_open(self) -> bool:
        """Whether the window's process has said that it is open, as it does before it shows a second picture.

        Five numbers are waited for: the first may be what an earlier window left on the screen, and one may be read
        while it is drawn.
        """
        shown: set[int] = set()

        def five() -> bool:
            shown.add(self.number())
            return len(shown) >= 5

        return until(five, WAIT) and self.goes_on()

    def stands(self) -> bool:
        """Whether no frame is added for a second."""
        before = self.frames()
        time.sleep(1)
        return self.frames() == before

    def press(self, key: str) -> None:
        self._display.press(self.window, key)

    def close_window(self) -> None:
        self._display.close_window(self.window)

    def end(self) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        said, told = self.process.communicate(timeout=WAIT)
        return self.process.returncode, said, told

    def whole(self) -> bool:
        """Whether the journal has its end and the video each of its frames."""
        records = lines(self.journal)
        frames = sum(record["type"] == "frame" for record in records)
        whole = records[-1]["type"] == "end" and decoded(self.folder / "annotated.mp4") == frames
        return whole and not list(self.folder.glob("*.part"))


@pytest.fixture
def run_of(display: Display, film: Path, tmp_path: Path) -> Iterator[Callable[..., Shown]]:
    """A run of the film with these options, on the display; however the test ends, it is not left behind."""
    runs: list[Shown] = []

    def run(*options: str) -> Shown:
        runs.append(Shown(display, film, tmp_path / "out", *options))
        return runs[-1]

    yield run
    for shown in runs:
        shown.process.kill()
        shown.process.communicate()


def family(run: Shown) -> list[psutil.Process]:
    """The processes that the run has started."""
    return psutil.Process(run.process.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    return until(lambda: all(map(over, processes)), WAIT)


def test_a_file_is_shown_pauses_at_space_and_ends_at_q(run_of: Callable[..., Shown], display: Display) -> None:
    run = run_of()
    run.press("Left")  # is no Q
    run.press("space")
    seen = until(lambda: run.stands() and run.number() == (run.frames() - 1) % 256, WAIT)
    assert seen, "the frame that it paused at is not the one on the screen"
    background = display.pixels()[40 : SIZE[1], : SIZE[0]]
    assert np.abs(background.astype(int) - 60).max() < 12, "the picture is not whole"
    assert run.stands(), "space does not pause"
    run.press("space")
    assert run.goes_on()
    run.press("q")
    assert run.end()[::2] == (130, "")
    assert run.whole()
    assert until(lambda: display.window("film.mp4") is None, WAIT)


def test_a_live_source_does_not_pause_and_closing_the_window_ends_it(run_of: Callable[..., Shown]) -> None:
    run = run_of("--live")
    run.press("space")
    assert run.goes_on()
    assert run.goes_on()
    run.close_window()
    assert run.end()[::2] == (130, "")
    assert run.whole()


@pytest.mark.parametrize("way", ["windowclose", "windowkill"])
def test_a_window_that_another_program_takes_away_ends_the_run_as_its_button_does(
    way: str, run_of: Callable[..., Shown], display: Display
) -> None:
    """By XDestroyWindow, or by XKillClient as xkill does, after which the toolkit ends the window's process."""
    run = run_of()
    assert run.is_open()
    display.take_away(run.window, way)
    code, said, told = run.end()
    assert (code, told) == (130, "")
    assert "went away" not in said
    assert run.whole()


def test_a_run_goes_on_without_a_display_that_has_gone(film: Path, tmp_path: Path) -> None:
    display = Display(tmp_path)
    run = Shown(display, film, tmp_path / "out")
    try:
        assert run.is_open()
        display.close()
        assert run.goes_on()
        run.process.send_signal(signal.SIGINT)
        code, said, told = run.end()
    finally:
        run.process.kill()
        run.process.communicate()
    assert (code, told) == (130, "")
    assert "the window went away: its process ended with 1: " in said
    assert "; the run goes on without it" in said
    assert run.whole()


@pytest.mark.parametrize("title", ["plain", "Übung → 1.mp4", "x" * 300])
def test_only_ones_own_window_counts_as_destroyed(title: str, on_it: Display) -> None:
    first, second = WindowProcess(title), WindowProcess(title)
    try:
        first.show(picture(1, SIZE))
        assert first.opens(WAIT)
        window = on_it.wait_for_window(title, WAIT)
        second.show(picture(2, SIZE))
        assert second.opens(WAIT)
        time.sleep(2)  # both are watched
        on_it.take_away(window, "windowclose")
        assert until(lambda: not first.is_open(), WAIT)
        time.sleep(0.3)
        assert second.is_open()
    finally:
        first.close()
        second.close()


def test_a_run_goes_on_without_a_window_that_crashed(run_of: Callable[..., Shown]) -> None:
    run = run_of()
    assert run.is_open()
    [window] = [child for child in family(run) if "poseline.window_process" in child.cmdline()]
    window.kill()
    assert run.goes_on()
    run.process.send_signal(signal.SIGINT)
    code, said, told = run.end()
    assert (code, told) == (130, "")
    assert "the window went away: its process ended with -9: without a word; the run goes on without it" in said
    assert run.whole()
    assert "the window went away" in "".join(json.loads((run.folder / "summary.json").read_text())["notes"])


def test_a_paused_run_can_be_interrupted_and_leaves_no_process(run_of: Callable[..., Shown]) -> None:
    run = run_of()
    processes = family(run)
    run.press("space")
    assert until(run.stands, WAIT)
    run.process.send_signal(signal.SIGTERM)
    assert run.end()[::2] == (130, "")
    assert run.whole()
    assert gone(processes)


def test_the_window_ends_with_a_run_that_is_killed(run_of: Callable[..., Shown]) -> None:
    run = run_of()
    processes = family(run)
    assert processes
    run.process.kill()
    run.end()
    assert gone(processes)


PLOT = """
import av, sys
import numpy as np
from poseline import PoseModel
av.library_versions
picture = np.full((144, 192, 3), 60, np.uint8)
PoseModel("builtin", imgsz=160)(picture, verbose=False)[0].plot(show=True)
print("back")
"""


def test_a_result_is_shown_though_pyav_was_imported_first(display: Display) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PLOT], env=display.environment, text=True, stdout=subprocess.PIPE
    ) as plot:
        window = display.wait_for_window("image0.jpg", WAIT)
        assert until(lambda: bool((display.pixels()[:144, :192] == 60).all()), WAIT)
        display.press(window, "a")
        assert plot.communicate(timeout=WAIT)[0] == "back\n"


def test_pixels_that_are_not_square_are_stretched(on_it: Display) -> None:
    from fractions import Fraction

    with Window("stretched", True, pixel_aspect=Fraction(2)) as window:
        window.show(np.full((100, 160, 3), 200, np.uint8))
        on_it.wait_for_window("stretched", WAIT)
        assert until(lambda: bool((on_it.pixels()[:100, :320] == 200).all()), WAIT)
        assert not on_it.pixels()[:100, 330:].any()


def test_the_check_finds_what_a_run_would(on_it: Display) -> None:
    Window.check()
    assert until(lambda: on_it.window("poseline") is None, WAIT), "it does not go again"


@pytest.mark.usefixtures("on_it")
@pytest.mark.skipif(ctypes.util.find_library("X11-xcb") is None, reason="libX11-xcb is not installed")
def test_the_window_takes_the_systems_own_way_to_the_display() -> None:
    shown = WindowProcess("maps")
    shown.show(picture(1, SIZE))
    assert shown.opens(WAIT)
    libraries = Path(f"/proc/{shown._process.pid}/maps").read_text()
    shown.close()
    assert "/libX11-xcb.so.1" in libraries, "OpenCV's own loses events"
    assert "av.libs" not in libraries, "PyAV's libraries make the window wait for ever"


@pytest.mark.usefixtures("on_it")
def test_a_window_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "_STALL_TIMEOUT", 0.2)  # it speaks once a second: what is old is looked at twice
    monkeypatch.setattr(screen, "_RECHECK_SECONDS", 4.0)
    shown = WindowProcess("hangs")
    shown.show(picture(1, SIZE))
    assert shown.opens(WAIT)
    time.sleep(0.5)
    assert shown.is_open()
    os.kill(shown._process.pid, signal.SIGSTOP)
    deadline = time.monotonic() + WAIT
    with pytest.raises(OutputError, match="the window went away: it hangs"):
        while time.monotonic() < deadline:
            shown.is_open()
    shown.close()


def test_a_display_that_never_answers_is_said_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1] - 6000
        monkeypatch.setenv("DISPLAY", f"127.0.0.1:{number}")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setattr("poseline.output.window._PROBE_SECONDS", 1.5)
        began = time.monotonic()
        with pytest.raises(OutputError, match="--show: no window came up within 1.5 s; run without --show"):
            Window.check()
        assert time.monotonic() - began < WAIT


@pytest.mark.usefixtures("on_it")
def test_opencv_without_windows_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cv2.py").write_text(
        "WINDOW_NORMAL = WINDOW_KEEPRATIO = WINDOW_GUI_NORMAL = 0\n"
        "def namedWindow(*_): raise RuntimeError('The function is not implemented. Rebuild the library')\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(OutputError, match="OpenCV was built without windows"):
        Window.check()


@pytest.mark.usefixtures("on_it")
def test_doctor_sees_the_display_as_a_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.text for finding in doctor._display()] == ["yes, a window opens"]
    monkeypatch.setenv("DISPLAY", ":7777")
    [finding] = doctor._display()
    assert (finding.topic, finding.text) == ("display", "none")
    assert "no window can be opened here: " in finding.missing
