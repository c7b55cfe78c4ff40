from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from output_worlds import flat
from poseline.errors import OutputError
from poseline.output import ScriptedScreen, Window

PIXELS = np.zeros((4, 6, 3), np.uint8)


@pytest.mark.parametrize("key", ["q", "Q", "\x1b"])
def test_a_key_ends_the_run(key: str) -> None:
    screen = ScriptedScreen([None, "x", key])
    with Window("clip", True, screen) as window:
        assert [window.show(PIXELS) for _ in range(3)] == [True, True, False]
    assert screen.closed
    assert len(screen.shown) == 3


def test_closing_the_window_ends_the_run() -> None:
    window = Window("clip", True, ScriptedScreen(closed_after=2))
    assert [window.show(PIXELS) for _ in range(2)] == [True, False]


def test_space_pauses_a_file_until_space() -> None:
    screen = ScriptedScreen([" ", None, "x", None, " ", None])
    window = Window("clip", True, screen)
    assert window.show(PIXELS)
    assert screen.looks == 5, "it waited for the second space"
    assert window.show(PIXELS)


@pytest.mark.parametrize("ends", ["q", None])
def test_a_pause_can_be_left_for_good(ends: str | None) -> None:
    screen = ScriptedScreen([" ", None, ends], closed_after=None if ends else 4)
    assert not Window("clip", True, screen).show(PIXELS)


def test_the_end_of_the_run_ends_the_pause() -> None:
    class Screen(ScriptedScreen):
        def key(self, milliseconds: int) -> int:
            if self.looks == 5:
                window.resume()
            return super().key(milliseconds)

    screen = Screen([" "] + [None] * 9 + [" "], closed_after=50)
    window = Window("clip", True, screen)
    assert window.show(PIXELS)
    assert screen.looks == 6
    assert [window.show(PIXELS) for _ in range(6)] == [True] * 6
    assert screen.looks == 12, "nor does it pause again"


def test_a_live_picture_does_not_pause() -> None:
    screen = ScriptedScreen([" "])
    assert Window("camera", False, screen).show(PIXELS)
    assert screen.looks == 1


def test_any_key_ends_the_wait_and_so_does_closing_the_window() -> None:
    pressed, closed = ScriptedScreen([None, None, "x"]), ScriptedScreen(closed_after=4)
    for screen in (pressed, closed):
        Window("picture", False, screen).wait()
    assert (pressed.looks, closed.looks) == (3, 4)


def test_a_decoders_picture_is_shown_in_colour() -> None:
    screen = ScriptedScreen()
    Window("clip", True, screen).show(flat(200, (6, 4)))
    assert screen.shown[0].shape == (4, 6, 3)
    assert np.abs(screen.shown[0].astype(int) - 200).max() <= 5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there a machine says whether it has a display")
def test_no_display_is_said_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(OutputError, match=r"--show: this machine has no display.*run without --show"):
        Window.check()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there a display can be named and missing")
def test_a_display_that_does_not_answer_does_not_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":7777")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    opens = "import cv2; cv2.namedWindow('x')"
    died = subprocess.run([sys.executable, "-c", opens], capture_output=True, check=False)
    assert died.returncode != 0, "what the check guards against"
    with pytest.raises(OutputError, match="no window can be opened here"):
        Window.check()
