"""Weights read as data: a file that asks for more is refused, nothing in it runs, and none takes long."""

from __future__ import annotations

import os
import pickle
import random
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poseline.errors import ModelError
from poseline.inference.network.build import build_network
from poseline.inference.network.module import UnknownNetworkError
from poseline.inference.unpickler import NotData, Record, Unpickler
from poseline.inference.weights_file import Tensor, WeightsFile


def zipped(path: Path, content: bytes, **entries: bytes) -> Path:
    """A zip as torch writes it, around a pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for name, numbers in entries.items():
            archive.writestr(f"archive/data/{name}", numbers)
    return path


def read(path: Path) -> Any:
    with WeightsFile(path) as file:
        return file.content


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("function", [os.getcwd, eval, open, sys.exit, pickle.loads, __import__])
def test_a_call_is_refused_by_name_and_not_made(function: Callable[..., Any], protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    arguments = {open: (str(marker), "w"), eval: (f"open({str(marker)!r}, 'w')",)}.get(function, ())
    path = zipped(tmp_path / "evil.pt", pickle.dumps({"model": Calls(function, *arguments)}, protocol))
    with pytest.raises(ModelError, match=r"evil\.pt: refused: it would run code of its own \((posix|nt|\w+)\."):
        read(path)
    assert not marker.exists()


ALLOWED = [b"ctorch\nload\n", b"cultralytics.utils\ndownload\n", b"c__builtin__\ngetattr\n", b"cpathlib\nPath\n"]


@pytest.mark.parametrize("name", ALLOWED)
def test_what_may_be_named_is_not_imported_or_called(name: bytes, tmp_path: Path) -> None:
    before = set(sys.modules)
    call = read(zipped(tmp_path / "call.pt", b"\x80\x02" + name + b"X\x04\x00\x00\x00evil\x85R."))
    assert isinstance(call, Record)
    assert call.arguments == ("evil",)
    assert call.path == name[1:-1].decode().replace("\n", ".")
    assert not {"torch", "ultralytics"} & (set(sys.modules) - before)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


TUPLES = b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(200))
"""Each holds the one before it twice: to hash the last would take longer than the world is old."""
SLOW = {
    "nested tuples as a key": b"\x80\x02)q\x00" + TUPLES + b"}h\xc8Ns.",
    "nested tuples in a set": b"\x80\x04)q\x00" + TUPLES + b"\x8f(h\xc8\x90.",
    "nested tuples in a frozenset": b"\x80\x04)q\x00" + TUPLES + b"(h\xc8\x91.",
    "numbers that collide": b"\x80\x02}(" + b"".join(
        b"\x8a\x0a" + (n * (2**61 - 1)).to_bytes(10, "little") + b"N" for n in range(1, 60_000)
    ) + b"u.",
    "a set of a long list, again and again": b"\x80\x02](" + b"K\x01" * 100_000 + b"eq\x00"
    + b"c__builtin__\nset\nh\x00\x85R" * 5000 + b".",
    "a size of a long tuple, again and again": b"\x80\x02(" + b"K\x01" * 100_000 + b"tq\x00"
    + b"ctorch\nSize\nh\x00\x85R" * 5000 + b".",
    "many arguments": b"\x80\x02(" + b"K\x01" * 100_000 + b"tq\x00"
    + b"ctorch._utils\n_rebuild_parameter\nh\x00R" * 5000,
    "a long name, again and again": b"\x80\x04" + text("a" * 1_000_000) + b"q\x00h\x00"
    + b"h\x00h\x00\x93" * 5000,
    "objects without end": b"\x80\x04" + b"\x8f" * 3_000_000 + b".",
    "a pickle without end": b"\x80\x04" + b"N" * 20_000_000,
    "a text longer than the file": b"\x80\x02X\xff\xff\xff\xff",
    "a memo of a large number": b"\x80\x02Nr\xff\xff\x7f\x00.",
    "a frame of a huge size": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.",
}  # fmt: skip


@pytest.mark.parametrize("kind", SLOW)
def test_no_pickle_takes_long(kind: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "slow.pt", SLOW[kind])
    began = time.process_time()
    try:
        read(path)
    except ModelError as error:
        assert "slow.pt: " in str(error)  # noqa: PT017 # some are short enough to be read
    assert time.process_time() - began < 8


WRONG = {
    "nothing": b"",
    "no stop": b"\x80\x02N",
    "an empty stack": b"\x80\x02.",
    "a mark that is not there": b"\x80\x02t.",
    "a memo that is not there": b"\x80\x02h\x07.",
    "a tuple of too few": b"\x80\x02N\x87.",
    "an append to nothing": b"\x80\x02NNa.",
    "odd items": b"\x80\x02}(NNNu.",
    "a call of no function": b"\x80\x02N)R.",
    "a call with no arguments": b"\x80\x02ctorch\nSize\nNR.",
    "state of a number": b"\x80\x02K\x01}b.",
    "state of a function": b"\x80\x02ctorch\nSize\n}b.",
    "a name that is no text": b"\x80\x04K\x01K\x02\x93.",
    "an operation of another kind": b"\x80\x02I1\n.",
    "an instance of another kind": b"\x80\x02(ios\ngetcwd\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "text that is none": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "a reference of another kind": b"\x80\x02K\x01Q.",
    "a tensor without numbers": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00)))tR.",
    "a key of a list": b"\x80\x02}]Ns.",
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_damaged_pickle_is_a_clear_error(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"wrong\.pt: "):
        read(zipped(tmp_path / "wrong.pt", WRONG[kind]))


def tensor(shape: str, strides: str, count: int = 6, key: str = "0", offset: int = 0) -> bytes:
    """The pickle of a tensor: shape and strides as the operations for their numbers."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + b"K%ctQ" % count
    sizes = b"(" + bytes.fromhex(shape) + b"t(" + bytes.fromhex(strides) + b"t"
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K%c" % offset + sizes + b"\x89}tR."


NUMBERS = np.arange(6, dtype=np.float32)


def test_a_tensor_is_read_with_its_strides(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.pt", tensor("4b02 4b03".replace(" ", ""), "4b014b02"), **{"0": NUMBERS.tobytes()})
    with WeightsFile(path) as file:
        found = file.content
        assert isinstance(found, Tensor)
        np.testing.assert_array_equal(found.array(), NUMBERS.reshape(3, 2).T)


BEYOND = {
    "beyond the end": tensor("4b024b03", "4b034b02"),
    "larger than its numbers": tensor("4b0a4b0a", "4b004b00"),
    "a negative size": tensor("4affffffff4b03", "4b034b01"),
    "a negative stride": tensor("4b024b03", "4b034affffffff"),
    "another number of strides": tensor("4b024b03", "4b01"),
    "a key of another folder": tensor("4b06", "4b01", key="../0"),
    "behind an offset": tensor("4b06", "4b01", offset=1),
}


@pytest.mark.parametrize("kind", BEYOND)
def test_a_tensor_stays_within_its_numbers(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"t\.pt: a (tensor|storage)"):
        read(zipped(tmp_path / "t.pt", BEYOND[kind], **{"0": NUMBERS.tobytes()}))


def test_numbers_that_are_missing_are_told(tmp_path: Path) -> None:
    for entries in ({}, {"0": NUMBERS[:3].tobytes()}):
        with WeightsFile(zipped(tmp_path / "t.pt", tensor("4b06", "4b01"), **entries)) as file:
            content = file.content
            with pytest.raises(NotData, match="damaged or incomplete"):
                content.array()


def test_the_same_numbers_cannot_be_read_again_and_again(tmp_path: Path) -> None:
    names = {str(n): bytes(400_000) for n in range(2)}
    path = zipped(tmp_path / "t.pt", b"\x80\x02N.", **names)
    with WeightsFile(path) as file, pytest.raises(NotData, match="again and again"):
        for n in range(100):
            file.numbers(str(n % 2), "f4", 100_000)


def test_other_zips_are_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(ModelError, match=r"other\.pt: is a zip, but not PyTorch weights: no data\.pkl"):
        read(tmp_path / "other.pt")
    with zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
    with pytest.raises(ModelError, match=r"packed\.pt: is a compressed zip"):
        read(tmp_path / "packed.pt")


def test_a_zip_of_too_many_entries_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "many.pt", b"\x80\x02N.", **{str(n): b"" for n in range(50)})
    assert read(path) is None
    monkeypatch.setattr("poseline.inference.weights_file._MOST_DIRECTORY", 1000)
    with pytest.raises(ModelError, match=r"many\.pt: is a zip of more entries than any network has"):
        read(path)


def test_files_cut_off_anywhere_are_told(builtin: Path, tmp_path: Path) -> None:
    whole = builtin.read_bytes()
    for count in (4, 100, 5000, len(whole) // 2, len(whole) - 10):
        (tmp_path / "cut.pt").write_bytes(whole[:count])
        with pytest.raises(ModelError, match=r"cut\.pt: the file is damaged or incomplete"):
            read(tmp_path / "cut.pt")


def test_damage_anywhere_is_an_error_or_a_network(builtin: Path, tmp_path: Path) -> None:
    """Bytes of the real pickle, changed at random: no traceback, no hang, and nothing imported."""
    with zipfile.ZipFile(builtin) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    [name] = [name for name in entries if name.endswith("data.pkl")]
    dice, before, ends = random.Random(7), set(sys.modules), set[str]()  # noqa: S311 # of a test
    for _ in range(100):
        damaged = bytearray(entries[name])
        for _ in range(dice.randint(1, 20)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            Unpickler(bytes(damaged), {}, lambda given: given, lambda *_: True).load()
            ends.add("read")
        except NotData:
            ends.add("refused")
    for _ in range(5):
        damaged = bytearray(entries[name])
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        with zipfile.ZipFile(tmp_path / "damaged.pt", "w") as archive:
            for entry, content in entries.items():
                archive.writestr(entry, bytes(damaged) if entry == name else content)
        try:
            build_network(tmp_path / "damaged.pt")
        except (ModelError, UnknownNetworkError):
            ends.add("not built")
    assert ends >= {"refused", "not built"}
    assert not {"torch", "ultralytics"} & (set(sys.modules) - before)
