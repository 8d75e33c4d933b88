"""MATLAB's level 5 files ("-v6"), written: variables as pieces, to be put one after another.

Values are those that `mat5.py` reads: arrays of float32 and float64, str, a cell array as a list, a
struct array as a tuple with a dict for each element, all of one row.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from verydeep.formats.mat5 import CELL, CHAR, MATRIX, STRUCT, Value
from verydeep.formats.protobuf_writer import Parts, size_of

HEADER = b"MATLAB 5.0 MAT-file, written by verydeep".ljust(116) + bytes(8) + b"\x00\x01IM"
MOST_BYTES = (1 << 31) - (1 << 20)
"""What MATLAB takes in one variable of such a file, less what is no numbers."""
_INT8, _UINT16, _INT32, _UINT32 = 1, 4, 5, 6
_NUMBERS = {"f4": (7, 7), "f8": (6, 9)}
"""Class and kind of an array's numbers."""
_NAME = 32
"""Bytes of a field's name, and a zero among them."""


def variable(name: str, value: Value) -> Parts:
    """A variable of a file, or with an empty name a value within one."""
    kind, shape, content = _parts(value)
    head = _element(_UINT32, [struct.pack("<II", kind, 0)])
    head += _element(_INT32, [struct.pack(f"<{len(shape)}i", *shape)])
    head += _element(_INT8, [name.encode("ascii")])
    return _element(MATRIX, head + content)


def _parts(value: Value) -> tuple[int, tuple[int, ...], Parts]:
    """Class, shape, and what follows an array's head."""
    if isinstance(value, str):
        units = value.encode("utf-16-le")
        return CHAR, _row(len(units) // 2), _element(_UINT16, [units])
    if isinstance(value, list):
        return CELL, _row(len(value)), _each(value)
    if isinstance(value, tuple):
        fields = [*value[0]] if value else []
        names = b"".join(field.encode("ascii").ljust(_NAME, b"\0") for field in fields)
        head = _element(_INT32, [struct.pack("<i", _NAME)]) + _element(_INT8, [names])
        return STRUCT, _row(len(value)), head + _each([e[f] for e in value for f in fields])
    kind, stored = _NUMBERS[value.dtype.str[1:]]
    shape = list(value.shape)
    while len(shape) > 2 and shape[-1] == 1:  # which MATLAB has none of
        shape.pop()
    columns = np.ascontiguousarray(value.T, f"<{value.dtype.str[1:]}").reshape(-1)
    return kind, tuple(shape), _element(stored, [columns.view(np.uint8).data])


def _row(count: int) -> tuple[int, int]:
    return (1 if count else 0), count


def _each(values: Sequence[Value]) -> Parts:
    return [part for value in values for part in variable("", value)]


def _element(kind: int, content: Parts) -> Parts:
    """An element: in eight bytes where that is enough, else filled up to a multiple of eight."""
    size = size_of(content)
    if 0 < size <= 4:
        return [struct.pack("<HH", kind, size), *content, bytes(4 - size)]
    return [struct.pack("<II", kind, size), *content, bytes(-size % 8)]
