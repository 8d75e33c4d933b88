"""The wire format of protocol buffers, written: fields as pieces, to be put one after another."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from verydeep.formats.protobuf import FLOAT, FOUR_BYTES, NUMBER, SLICE

Parts = list[bytes | memoryview]
"""Content in pieces, to be written one after another; floats are views of arrays."""

MOST_BYTES = (1 << 31) - (1 << 20)
"""What readers of the format take in one file, less what is no weights."""


def number_field(number: int, value: int) -> Parts:
    """A field with an integer that is not negative."""
    return [_key(number, NUMBER) + _to_varint(value)]


def float_field(number: int, value: float) -> Parts:
    """A field with one float, in four bytes."""
    return [_key(number, FOUR_BYTES) + struct.pack("<f", value)]


def text_field(number: int, text: str) -> Parts:
    """A field with a text."""
    return message_field(number, [text.encode()])


def floats_field(number: int, values: np.ndarray) -> Parts:
    """A field with packed floats, in four bytes each."""
    content = np.ascontiguousarray(values, FLOAT).reshape(-1)
    return message_field(number, [content.view(np.uint8).data])


def integers_field(number: int, values: Sequence[int]) -> Parts:
    """A field with packed integers that are not negative."""
    return message_field(number, [b"".join(_to_varint(value) for value in values)])


def message_field(number: int, parts: Parts) -> Parts:
    """A field with a message, or whatever has a length."""
    return [_key(number, SLICE) + _to_varint(size_of(parts)), *parts]


def size_of(parts: Parts) -> int:
    """Bytes in all the pieces."""
    return sum(len(part) for part in parts)


def _key(number: int, kind: int) -> bytes:
    return _to_varint(number << 3 | kind)


def _to_varint(value: int) -> bytes:
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([group | 128 for group in groups[:-1]] + groups[-1:])
