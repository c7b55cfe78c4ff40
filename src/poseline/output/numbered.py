"""Numbered files: what the second and later ones of one name are called."""

from __future__ import annotations

from pathlib import Path


def numbered(path: Path, number: int) -> Path:
    """`path` for the first, 1, then with the number behind its stem: clip.mp4, clip-2.mp4, clip-3.mp4 ..."""
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")
