from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Told
from poseline.cache import cache_folder
from poseline.capture import read_image
from poseline.errors import SourceError
from poseline.home import expanded
from poseline.settings import CaptureSettings

CLIP = Path(__file__).parents[1] / "samples" / "squat.mp4"


def test_a_tilde_is_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/clip.mp4") == tmp_path / "clip.mp4"


def test_a_user_who_is_not_known_is_an_error_in_words_wherever_a_path_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    assert expanded("~nobody-here/clip.mp4") == Path("~nobody-here/clip.mp4")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="~nobody-here"):
        read_image("~nobody-here/picture.jpg", CaptureSettings().max_pixels)
    code, _, words = told("batch", CLIP, "-m", "~nobody-here/x.pt", "-o", "out")
    assert code == 5
    assert "~nobody-here/x.pt" in words
    monkeypatch.setenv("POSELINE_CACHE", "~nobody-here/cache")
    assert cache_folder() == Path("~nobody-here/cache")
