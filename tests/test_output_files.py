from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import poseline.output
from poseline.atomic import replacing
from poseline.errors import OutputError
from poseline.log import Counts
from poseline.output import save_image, write_summary

RAMP = np.broadcast_to(np.arange(0, 240, 5, dtype=np.uint8)[:, None, None], (48, 64, 3)).copy()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPG", ".jpeg", ".bmp", ".webp", ".tif"])
def test_a_picture_keeps_its_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"out{suffix}"
    assert save_image(RAMP, path) == path
    back = cv2.imread(str(path))
    assert back is not None
    assert np.abs(back.astype(int) - RAMP).max() <= (0 if suffix in (".png", ".bmp", ".tif") else 20)
    assert path.read_bytes()[:2] == {".png": b"\x89P", ".bmp": b"BM", ".webp": b"RI", ".tif": b"II"}.get(
        suffix, b"\xff\xd8"
    )


@pytest.mark.parametrize("name", ["out", "out.heic", "frame.v2"])
def test_an_unknown_format_becomes_jpeg(name: str, tmp_path: Path) -> None:
    path = save_image(RAMP, tmp_path / name)
    assert path == tmp_path / f"{name}.jpg"
    assert path.read_bytes()[:2] == b"\xff\xd8"


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file: the folder cannot be created"):
        save_image(RAMP, tmp_path / "file" / "out.jpg")
    (tmp_path / "out.jpg").mkdir()
    with pytest.raises(OutputError, match=r"out\.jpg: cannot be written"):
        save_image(RAMP, tmp_path / "out.jpg")
    with pytest.raises(OutputError, match="cannot be encoded"):
        save_image(np.zeros((0, 0, 3), np.uint8), tmp_path / "empty.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out.jpg"]


def test_counts_balance_when_no_frame_is_unaccounted_for() -> None:
    assert Counts(10, 6, 3, 1, 99).balanced
    assert not Counts(10, 6, 3, 0, 99).balanced
    assert not Counts(10, 7, 3, 1, 99).balanced


def test_a_summary_is_json_without_passwords(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text("old")
    numbers = {"fps": np.float32(2.5), "bad": float("nan"), "counts": Counts(1, 1).as_dict()}
    write_summary(path, {"source": "rtsp://me:secret@cam", "files": (Path("a"),), **numbers})
    assert json.loads(path.read_text()) == {
        "source": "rtsp://***@cam",
        "fps": 2.5,
        "bad": None,
        "counts": {"read": 1, "processed": 1, "dropped": 0, "bad": 0, "persons": 0, "corrupt": 0},
        "files": ["a"],
    }
    with pytest.raises(OutputError, match=r"missing/summary\.json"):
        write_summary(tmp_path / "missing" / "summary.json", {})


def half_write(path: Path) -> None:
    path.write_text("ne")
    raise OSError(5, "broken")


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OutputError, match="file: cannot be written: broken"), replacing(path) as temporary:
        half_write(temporary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_public_names_are_sorted_and_there() -> None:
    names = poseline.output.__all__
    assert names == sorted(names)
    assert all(hasattr(poseline.output, name) for name in names)
