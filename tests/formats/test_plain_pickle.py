"""Pickles of CIFAR's kind, written by hand, against Python's own reader; and hostile ones."""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.given_files import array_of, list_of, pickled, text
from verydeep.formats.plain_pickle import read
from verydeep.limits import FormatError

VALUES = np.random.default_rng(0).integers(0, 256, (300, 16), np.uint8)
FILE = pickled(
    {"batch_label": text("batch 1 of 5"), "labels": list_of([6, 9, 255]), "data": array_of(VALUES)}
)


def read_bytes(data: bytes) -> object:
    return read(np.frombuffer(data, np.uint8))


def test_a_file_is_what_pythons_own_reader_makes_of_it() -> None:
    theirs = pickle.loads(FILE, encoding="latin1")  # of bytes that stand above
    ours = read_bytes(FILE)
    assert isinstance(ours, dict)
    assert list(ours) == list(theirs) == ["batch_label", "labels", "data"]
    assert ours["batch_label"] == theirs["batch_label"] == "batch 1 of 5"
    assert ours["labels"] == theirs["labels"] == [6, 9, 255]
    assert np.array_equal(ours["data"], theirs["data"])
    assert np.array_equal(ours["data"], VALUES)


def test_values_of_an_array_are_not_copied() -> None:
    data = np.frombuffer(FILE, np.uint8)
    found = read(data)
    assert np.shares_memory(found["data"], data)


def test_values_that_repeat_come_from_what_is_remembered() -> None:
    data = b"\x80\x02}(U\x01aU\x02xyq\x05U\x01bh\x05U\x01cj\x05\0\0\0U\x01d(K\x01M\x02\x01Ntu."
    assert pickle.loads(data) == read_bytes(data)
    assert read_bytes(data) == {"a": "xy", "b": "xy", "c": "xy", "d": (1, 258, None)}


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("made",)


PROGRAMS = {
    "asks for 'posix.mkdir'": pickle.dumps(Hostile(), 2),
    "asks for 'posix.system'": b"\x80\x02cposix\nsystem\n(U\x02lstR.",
    "asks for 'numpy.load'": b"\x80\x02cnumpy\nload\nU\x01x\x85R.",
    "pickle of another protocol than 2": pickle.dumps({}, 4),
    "instruction 'i'": b"\x80\x02(U\x02lsios\nsystem\n.",
    r"instruction '\\x81'": b"\x80\x02cnumpy\nndarray\n)\x81.".replace(b")", b"(t"),
    "makes other things": b"\x80\x02cnumpy\nndarray\nK\x05\x85R.",
    "other numbers than bytes": b"\x80\x02cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.",
    "name that is too long": b"\x80\x02c" + b"x" * 300,
}


@pytest.mark.parametrize("said", PROGRAMS)
def test_what_would_have_to_be_run_is_refused(said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read_bytes(PROGRAMS[said])
    assert not Path("made").exists()


BROKEN = [
    b"", b".", b"\x80\x02", b"\x80\x02u.", b"\x80\x02e.", b"\x80\x02(", b"\x80\x02(.",
    b"\x80\x02h\x07.", b"\x80\x02T\xff\xff\xff\xff.", b"\x80\x02T\xff\xff\xff\x7f.",
    b"\x80\x02}(K\x01K\x02u.",
    b"\x80\x02}(U\x01au.", b"\x80\x02]K\x01R.", b"\x80\x02K\x01K\x02b.", b"\x80\x02K\x01K\x02R.",
    b"\x80\x02}K\x01s.", b"\x80\x02K\x01K\x02a.", b"\x80\x02\x87.", b"\x80\x02(q\x01.",
]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN)
def test_nonsense_is_refused_and_nothing_else_is_raised(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_bytes(data)


def test_a_file_cut_or_changed_anywhere_is_read_or_refused() -> None:
    whole = pickled({"labels": list_of([1, 2]), "data": array_of(VALUES[:2])})
    for end in range(len(whole)):
        with pytest.raises(FormatError):
            read_bytes(whole[:end])
    random = np.random.default_rng(2)
    for place in range(len(whole)):
        turned = bytearray(whole)
        turned[place] ^= int(random.integers(1, 256))
        with suppress(FormatError):
            read_bytes(bytes(turned))


def test_an_array_of_another_shape_than_its_bytes_is_refused() -> None:
    file = FILE.replace(b"M\x2c\x01M\x10\x00", b"M\x2c\x01M\x11\x00")
    assert file != FILE
    with pytest.raises(FormatError, match="whose 4,800 bytes are not of its shape"):
        read_bytes(file)


def test_a_file_may_not_go_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verydeep.formats.plain_pickle.MOST_INSTRUCTIONS", 5)
    assert read_bytes(b"\x80\x02K\x01K\x02\x86.") == (1, 2)
    with pytest.raises(FormatError, match="more than 5 instructions"):
        read_bytes(b"\x80\x02K\x01K\x02\x86K\x03\x86.")
