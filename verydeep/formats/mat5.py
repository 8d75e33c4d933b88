"""MATLAB's level 5 files ("-v6" and "-v7"): bytes in, variables by name out.

Numbers are arrays of MATLAB's shape, views into one buffer for each variable, in the type they are
stored in (MATLAB keeps whole numbers in fewer bytes than their class has); characters are str, a
cell array is a list in MATLAB's order, a struct array a tuple with a dict for each element.
Objects, function handles, sparse and complex matrices are passed over: `Unread` stands for them.
Every length is held against what there is before memory is taken.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from verydeep.limits import NESTING, FormatError, Inflater, memory_limit, reading

Value: TypeAlias = Any
"""np.ndarray, str, list of values (cells), tuple of dict by field (structs), or Unread."""

HEADER = 128
ARRAYS = 100_000
"""Most arrays in a file, each cell and field counted; MatConvNet's files have some 4,000,
ILSVRC's `meta.mat` 15,000."""

MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, CHAR, OPAQUE = 1, 2, 4, 17
UNREAD = {3: "object", 5: "sparse matrix", 16: "function handle", 17: "object"}
NUMERIC = range(6, 16)
COMPLEX = 0x08
NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}


@dataclass(frozen=True)
class Unread:
    """A value that is not read, and what it is."""

    kind: str


def is_mat5(start: bytes) -> bool:
    """Whether a file that starts so is a level 5 file."""
    return start[124:128] in (b"\x00\x01IM", b"\x01\x00MI")


def read(path: Path | str) -> dict[str, Value]:
    """The variables of a file, by name; raises UserError where it is damaged or none."""
    with reading(path), Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(HEADER)
        if not is_mat5(start):
            raise FormatError("it is no MATLAB file of level 5", "save it again with '-v7'")
        order = "<" if start[126:128] == b"IM" else ">"
        limit, found, budget = memory_limit(size), {}, _Budget(ARRAYS)
        while (at := file.tell()) < size:
            buffer = _variable(file, size - at, order, limit)
            limit -= len(buffer)
            name, value = _Parser(buffer, order, budget).matrix(0, len(buffer), 0)
            found[name] = value
        return found


class _Budget:
    """How many arrays may still come, over all of a file."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise FormatError(f"it holds over {ARRAYS:,} arrays", "no file read here has so many")


def _variable(file: BufferedIOBase, left: int, order: str, limit: int) -> memoryview:
    """The bytes of the next variable, in memory of its own, without its tag."""
    kind, length = _tag(file.read(8), order)
    if length > left - 8:
        raise FormatError(f"it is cut short, {length - left + 8:,} bytes before its end")
    if kind == MATRIX:
        buffer = _memory(length, limit)
        if file.readinto(buffer) != length:
            raise FormatError("it is cut short")
        return buffer
    if kind != COMPRESSED:
        raise FormatError(f"a variable is of an unknown kind, {kind}")
    end = file.tell() + length
    inflater = Inflater(file, length)
    head = bytearray(8)
    inflater.fill(memoryview(head))
    kind, length = _tag(bytes(head), order)
    if kind != MATRIX:
        raise FormatError(f"a compressed variable is of an unknown kind, {kind}")
    buffer = _memory(length, limit)
    inflater.fill(buffer)
    inflater.finish()
    file.seek(end)
    return buffer


def _tag(head: bytes, order: str) -> tuple[int, int]:
    """Kind and length of an element that is not written in the short form."""
    if len(head) < 8:
        raise FormatError("it is cut short")
    kind, length = struct.unpack(order + "II", head)
    return kind, length


def _memory(length: int, limit: int) -> memoryview:
    """Memory for so many bytes, aligned for any number; pages are taken as they are filled."""
    if length > limit:
        raise FormatError(f"a variable says it has {length:,} bytes, which the file cannot hold")
    return np.empty(length, np.uint8).data


class _Parser:
    """Reads the values within the bytes of one variable."""

    def __init__(self, buffer: memoryview, order: str, budget: _Budget) -> None:
        self.buffer, self.order, self.budget = buffer, order, budget

    def matrix(self, at: int, end: int, depth: int) -> tuple[str, Value]:
        """Name and value of an array whose parts lie from `at` to `end`."""
        self.budget.take(1)
        if depth > NESTING:
            raise FormatError(f"its values are nested over {NESTING} deep", "no net of ours is so")
        if at == end:
            return "", np.empty((0, 0))
        (word, _), at = self._integers(at, end, "I", 2)
        kind, complex_ = word & 0xFF, word >> 8 & COMPLEX
        if kind == OPAQUE:
            return "", Unread(UNREAD[kind])
        dims, at = self._integers(at, end, "i")
        name, at = self._text(at, end)
        if min(dims, default=-1) < 0 or len(dims) > NESTING:
            raise FormatError(f"array '{name[:40]}' has a shape that is none")
        if kind in UNREAD or complex_:
            return name, Unread(UNREAD.get(kind, "complex matrix"))
        if kind == CELL:
            return name, self._values(at, end, math.prod(dims), depth)
        if kind == STRUCT:
            return name, self._structs(at, end, math.prod(dims), depth)
        if kind == CHAR:
            return name, self._characters(at, end, dims)
        if kind in NUMERIC:
            return name, self._numbers(at, end, dims)
        raise FormatError(f"array '{name[:40]}' is of an unknown class, {kind}")

    def _element(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Kind of an element, where its content starts and stops, and where the next one is."""
        if at + 8 > end:
            raise FormatError("an array ends before its time")
        word, length = struct.unpack_from(self.order + "II", self.buffer, at)
        if word >> 16:  # the short form: kind, length and content in eight bytes
            kind, length, start, following = word & 0xFFFF, word >> 16, at + 4, at + 8
        else:
            kind, start = word, at + 8
            following = start + length + -length % 8
        stop = start + length
        if stop > min(following, end):
            raise FormatError(f"an array's part of {length:,} bytes does not fit into it")
        return kind, start, stop, min(following, end)

    def _integers(
        self, at: int, end: int, form: str, count: int | None = None
    ) -> tuple[tuple[int, ...], int]:
        """The integers of a short element, as many as are asked for, and where the next one is."""
        _, start, stop, at = self._element(at, end)
        found = (stop - start) // 4
        if (stop - start) % 4 or found > 2 * NESTING or count not in (None, found):
            raise FormatError("an array's head is damaged")
        return struct.unpack_from(f"{self.order}{found}{form}", self.buffer, start), at

    def _text(self, at: int, end: int) -> tuple[str, int]:
        _, start, stop, at = self._element(at, end)
        if stop - start > 1 << 16:
            raise FormatError("a name is over 65,536 characters long")
        return bytes(self.buffer[start:stop]).decode("latin-1"), at

    def _values(self, at: int, end: int, count: int, depth: int) -> list[Value]:
        """So many arrays, one after another, each at least eight bytes long."""
        if count > (end - at) // 8:
            raise FormatError(f"an array of {count:,} values has no room for them")
        values = []
        for _ in range(count):
            kind, start, stop, at = self._element(at, end)
            if kind != MATRIX:
                raise FormatError("a cell or a field holds no array")
            values.append(self.matrix(start, stop, depth + 1)[1])
        return values

    def _structs(self, at: int, end: int, count: int, depth: int) -> tuple[dict[str, Value], ...]:
        (width,), at = self._integers(at, end, "i", 1)
        names, at = self._text(at, end)
        if width < 1 or len(names) % width:
            raise FormatError("a struct's fields have no names")
        fields = [names[i : i + width].partition("\0")[0] for i in range(0, len(names), width)]
        if not fields:
            return ()
        values = self._values(at, end, count * len(fields), depth)
        step = len(fields)
        return tuple(
            dict(zip(fields, values[i : i + step], strict=True))
            for i in range(0, len(values), step)
        )

    def _numbers(self, at: int, end: int, dims: tuple[int, ...]) -> np.ndarray:
        kind, start, stop, _ = self._element(at, end)
        if kind not in NUMBERS:
            raise FormatError(f"numbers are stored as an unknown kind, {kind}")
        dtype = np.dtype(self.order + NUMBERS[kind])
        if math.prod(dims) * dtype.itemsize != stop - start:
            shape = " x ".join(map(str, dims))
            raise FormatError(f"an array of {shape} numbers has {stop - start:,} bytes")
        numbers = np.frombuffer(self.buffer[start:stop], dtype)
        numbers = numbers if numbers.flags.aligned else numbers.copy()
        return numbers.reshape(dims, order="F")

    def _characters(self, at: int, end: int, dims: tuple[int, ...]) -> str:
        """The text of an array of characters; its rows, if several, as lines."""
        kind, start, stop, _ = self._element(at, end)
        if kind not in ENCODINGS:
            raise FormatError(f"characters are stored as an unknown kind, {kind}")
        ending = {"<": "-le", ">": "-be"}[self.order]
        encoding = ENCODINGS[kind] + (ending if kind in (4, 17, 18) else "")
        text = bytes(self.buffer[start:stop]).decode(encoding, "replace")
        rows = dims[0] if text else 1
        if rows == 1:
            return text
        if math.prod(dims) != len(text):
            raise FormatError(f"{len(text):,} characters do not fill an array of them")
        return "\n".join(text[row::rows] for row in range(rows))
