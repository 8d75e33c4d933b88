"""The wire format of protocol buffers, which Caffe's and ONNX's files are written in.

In comes a file's content; out go the fields of one message at a time, each with its number, its
kind and its value, a slice where it has a length. Every length is held against what is left before
anything is taken. A message inside a message is read only where a reader asks for it, so how deep
a file nests costs nothing, and how many fields are read of it in all is bounded. Floats are views
of the content.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from verydeep.errors import UserError
from verydeep.limits import FormatError

NUMBER, EIGHT_BYTES, SLICE, FOUR_BYTES = 0, 1, 2, 5
"""Kinds of fields; 3 and 4, the begin and end of a group, are in neither Caffe's nor ONNX's."""

FLOAT, DOUBLE = np.dtype("<f4"), np.dtype("<f8")

MOST_FIELDS = 50_000
"""Fields read of one file; that of net E has a few hundred, a net of a thousand layers 20,000."""
MOST_INTEGERS = 64
"""Integers in one list: shapes, pads and kernels have two to four."""
MOST_TEXT = 1 << 20


def open_content(path: Path) -> memoryview:
    """A file's content, mapped: pages are read when they are looked at, and take no swap.

    The mapping is a private one, so that arrays over it may be written to and the file stays as it
    is; it must not be cut short by others meanwhile. Raises UserError where it cannot be read.
    """
    if not path.is_file():
        raise UserError(f"no file {path}; give the file of weights itself")
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from None


class Budget:
    """The fields that may still be read of a file."""

    def __init__(self, left: int = MOST_FIELDS) -> None:
        self.left = left

    def spend(self) -> None:
        """Counts one field; refuses to go on after the last."""
        self.left -= 1
        if self.left < 0:
            raise FormatError(
                f"it has over {MOST_FIELDS:,} fields", "no net of Table 1 has so many"
            )


class Field:
    """One field of a message; floats that are not packed come as one field for the whole run."""

    __slots__ = ("budget", "kind", "number", "value")

    def __init__(self, number: int, kind: int, value: Any, budget: Budget) -> None:
        self.number = number
        self.kind = kind
        self.value = value
        self.budget = budget

    def integer(self) -> int:
        """The integer, with its sign."""
        self._expect(NUMBER)
        return _signed(self.value)

    def integers(self) -> list[int]:
        """The integers, packed in a list or one by itself."""
        if self.kind == NUMBER:
            return [_signed(self.value)]
        self._expect(SLICE)
        found: list[int] = []
        place = 0
        while place < len(self.value):
            if len(found) == MOST_INTEGERS:
                raise FormatError(f"a list of over {MOST_INTEGERS} integers in field {self.number}")
            integer, place = _varint(self.value, place)
            found.append(_signed(integer))
        return found

    def text(self) -> str:
        """The text; bytes that are none are replaced."""
        self._expect(SLICE)
        if len(self.value) > MOST_TEXT:
            raise FormatError(f"a text of {len(self.value):,} bytes in field {self.number}")
        return bytes(self.value).decode("utf-8", errors="replace")

    def floats(self, dtype: np.dtype[Any]) -> np.ndarray:
        """The floats of that type, packed or not: a view, or a copy of a run."""
        if self.kind == {4: FOUR_BYTES, 8: EIGHT_BYTES}.get(dtype.itemsize):
            return np.ascontiguousarray(self.value).view(dtype)[:, 0]
        return self.packed(dtype)

    def packed(self, dtype: np.dtype[Any]) -> np.ndarray:
        """The floats of that type in a slice: a view."""
        self._expect(SLICE)
        if len(self.value) % dtype.itemsize:
            raise FormatError(
                f"{len(self.value):,} bytes in field {self.number} are no whole number of "
                f"{dtype.itemsize}-byte values"
            )
        return np.frombuffer(self.value, dtype)

    def fields(self) -> Iterator[Field]:
        """The fields of the message inside."""
        self._expect(SLICE)
        return fields(self.value, self.budget)

    def _expect(self, kind: int) -> None:
        if self.kind != kind:
            raise FormatError(
                f"field {self.number} is of kind {self.kind} where {kind} was expected"
            )


def fields(content: memoryview, budget: Budget, cut: bool = False) -> Iterator[Field]:
    """The fields of a message, in order; FormatError where it is out of form.

    One that is cut short is so too, unless `cut`: then what is there of its last field is given.
    """
    place = 0
    while place < len(content):
        budget.spend()
        key, start = _varint(content, place)
        number, kind = key >> 3, key & 7
        value: Any
        if not 0 < number < 1 << 29:
            raise FormatError(f"there is no field {number:,}")
        if kind == NUMBER:
            value, place = _varint(content, start)
        elif kind == SLICE:
            length, start = _varint(content, start)
            left = len(content) - start
            if length > left and not cut:
                raise FormatError(
                    f"field {number} has {length:,} bytes where {left:,} are left",
                    "the file is cut short or damaged, so fetch it again",
                )
            place = start + min(length, left)
            value = content[start:place]
        elif kind in (FOUR_BYTES, EIGHT_BYTES):
            value, place = _run(content, place, start, 4 if kind == FOUR_BYTES else 8)
        else:
            raise FormatError(f"field {number} is of kind {kind}, which such files have not")
        yield Field(number, kind, value, budget)


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """The integer of at most 64 bits at a place, and the place after it."""
    value = 0
    for i, byte in enumerate(content[place : place + 10]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            if value >> 64:
                raise FormatError("an integer of over 64 bits")
            return value, place + i + 1
    raise FormatError("an integer that does not end")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _run(content: memoryview, place: int, start: int, size: int) -> tuple[np.ndarray, int]:
    """The values [n, size], in bytes, of all fields in a row with the key of the first.

    So lists that are not packed, a key before each of their millions of floats, are read at the
    speed of those that are.
    """
    step = start - place + size
    most = (len(content) - place) // step
    if most == 0:
        raise FormatError(f"the content ends within a value of {size} bytes")
    rows = np.frombuffer(content[place : place + most * step], np.uint8).reshape(most, step)
    key, count, chunk = rows[0, :-size], 1, 1
    while count < most:
        same = (rows[count : count + chunk, :-size] == key).all(1)
        if not same.all():
            count += int(same.argmin())
            break
        count += len(same)
        chunk = min(2 * chunk, 1 << 16)
    return rows[:count, -size:], place + count * step


@dataclass(frozen=True)
class Beginning:
    """How messages of a kind begin: kinds of their fields by number, and one that must be there."""

    kinds: dict[int, int]
    needed: int


def begins_like(path: Path, first: Beginning, inner: dict[int, Beginning]) -> bool:
    """Whether a file's fields are as they should be up to a message that is, too; reads a few KB.

    `inner` are the messages by their field's number; the needed field must come before them.
    """
    found = first.needed in inner
    try:
        for i, field in enumerate(fields(open_content(path), Budget(), cut=True)):
            if field.number in inner and field.kind == SLICE:
                return found and _looks_like(field, inner[field.number])
            if first.kinds.get(field.number) != field.kind or i > 64:
                return False
            found = found or field.number == first.needed
    except (FormatError, UserError):
        return False
    return False


def _looks_like(field: Field, beginning: Beginning) -> bool:
    """Whether a message begins so; says so without reading far, and of a file cut short too."""
    found = False
    try:
        for i, part in enumerate(field.fields()):
            if beginning.kinds.get(part.number, part.kind) != part.kind:
                return False
            found = found or part.number == beginning.needed
            if i == 8:
                break
    except FormatError:
        return found
    return found
