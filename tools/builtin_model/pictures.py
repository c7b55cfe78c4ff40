"""The atlas: every training picture, in all its sizes, as one flat tensor in the memory of the training device."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEVELS = 4
"""Each picture is kept whole and halved up to three times, so that showing it small does not alias."""

PEOPLE = 12
"""Most people of a picture whose truth is kept."""

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""
People = NDArray[np.float32]
"""(PEOPLE, 4 + 51) box x1, y1, x2, y2 and x, y, visible of 17 keypoints of each person, pixels; else zeros."""


@dataclass(frozen=True)
class Atlas:
    """All pictures end to end; a canvas pixel finds its texel as ``offsets[p, l] + y * widths[p, l] + x``."""

    texels: Tensor
    """(T,) int32, each the four bytes R, G, B, 0."""
    offsets: Tensor
    """(N, LEVELS) int64, where the picture's level starts in `texels`."""
    widths: Tensor
    """(N, LEVELS) float32, pixels."""
    heights: Tensor
    """(N, LEVELS) float32, pixels."""
    people: Tensor
    """(N, PEOPLE, 4 + 51) float32, as `People`; zeros where nothing is known."""
    groups: tuple[tuple[int, int], ...]
    """First picture and number of pictures of each group, in the order the groups were given."""


def build_atlas(groups: Iterable[Iterable[Picture | tuple[Picture, People]]], device: torch.device) -> Atlas:
    """Pack groups of pictures, with their people where those are known, for `device`.

    An empty group is an error of the caller's: it could not be drawn from.
    """
    texels: list[Tensor] = []
    table: list[list[tuple[int, int, int]]] = []
    people: list[People] = []
    ranges: list[tuple[int, int]] = []
    end = 0
    with ThreadPoolExecutor() as packers:
        for group in groups:
            first = len(table)
            for levels, known in packers.map(_packed, group):
                rows: list[tuple[int, int, int]] = []
                for level in levels:
                    height, width = level.shape
                    rows.append((end, width, height))
                    end += height * width
                    texels.append(level.flatten())
                table.append(rows)
                people.append(known)
            if len(table) == first:
                raise ValueError(f"picture group {len(ranges)} is empty")
            ranges.append((first, len(table) - first))
    places = torch.tensor(table, dtype=torch.int64, device=device)
    return Atlas(
        texels=torch.cat(texels).to(device),
        offsets=places[..., 0].contiguous(),
        widths=places[..., 1].float(),
        heights=places[..., 2].float(),
        people=torch.from_numpy(np.stack(people)).to(device),
        groups=tuple(ranges),
    )


def _packed(given: Picture | tuple[Picture, People]) -> tuple[list[Tensor], People]:
    picture, people = given if isinstance(given, tuple) else (given, np.zeros((PEOPLE, 55), np.float32))
    return _levels(picture), people


def _levels(picture: Picture) -> list[Tensor]:
    """The picture, then its halves by area averaging, as packed texels; a side under 16 pixels is halved no more."""
    levels: list[Tensor] = []
    for _ in range(LEVELS):
        height, width = picture.shape[:2]
        padded = np.concatenate([picture, np.zeros((height, width, 1), np.uint8)], axis=2)
        levels.append(torch.from_numpy(padded).view(torch.int32)[..., 0])
        if min(height, width) >= 16:
            picture = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return levels


def pictures_in_tar(path: Path, limit: int | None = None) -> Iterator[Picture]:
    """Decode the pictures of a tar archive, in the archive's order, on all cores."""
    with tarfile.open(path) as archive:
        members = [member for member in archive if member.isfile()][:limit]
        encoded = (archive.extractfile(member) for member in members)
        data = [file.read() for file in encoded if file is not None]
    with ThreadPoolExecutor() as decoders:
        yield from decoders.map(_decoded, data)


def _decoded(data: bytes) -> Picture:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("a member of the archive is not a picture")
    return np.ascontiguousarray(picture[:, :, ::-1], dtype=np.uint8)
