"""Netpbm's pictures (.pbm, .pgm, .ppm), as their manual pages define them.

Comes in: the bytes of a file. Goes out: pixels of 8 bits, grey or RGB, whatever the largest value
of the file is. The first picture is read where a file holds several.
"""

import re

import numpy as np
from jaxtyping import UInt8

from verydeep.errors import PictureError

MAGIC = re.compile(rb"P[1-6][\s#]")
_NUMBER = rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})"
_BITMAP = re.compile(rb"P[14]" + _NUMBER * 2 + rb"\s")
_VALUES = re.compile(rb"P[2356]" + _NUMBER * 3 + rb"\s")
HEADER = 4096
"""Bytes in which a header with its comments ends."""


def header(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, the largest value, and where the pixels begin; PictureError where none is."""
    found = (_BITMAP if data[1:2] in b"14" else _VALUES).match(data[:HEADER])
    if found is None:
        raise PictureError(f"Netpbm with a damaged header, {data[:16]!r}; save it as PNG")
    width, height, *most = map(int, found.groups())
    largest = most[0] if most else 1
    if not (width and height and 0 < largest < 65536):
        raise PictureError(f"Netpbm of {width} x {height}, values to {largest}; save it as PNG")
    return width, height, largest, found.end()


def pixels(data: bytes) -> UInt8[np.ndarray, "H W C"]:
    """Its pixels, one or three of a colour, scaled to 255; ask `header` for the size before.

    Raises PictureError where the file is cut short or has a value above its largest.
    """
    width, height, largest, begin = header(data)
    kind = data[1:2]
    shape = (height, width, 3 if kind in b"36" else 1)
    count = height * width * shape[2]
    if kind == b"4":
        rows = _cut(np.frombuffer(data, np.uint8, offset=begin), height * -(-width // 8))
        bits = np.unpackbits(rows.reshape(height, -1), axis=1, count=width)
        return np.where(bits, np.uint8(0), np.uint8(255)).reshape(shape)  # ink is one
    if kind in b"56":
        wide = np.dtype(">u2" if largest > 255 else np.uint8)
        there = min(count, (len(data) - begin) // wide.itemsize)
        values = _cut(np.frombuffer(data, wide, there, begin), count)
    else:
        values = _cut(_plain(data[begin:], bits=kind == b"1"), count)
    if values.max() > largest:
        raise PictureError(f"Netpbm with a value of {values.max()}, above its largest, {largest}")
    if kind == b"1":
        values = 1 - values
    if largest != 255:
        values = (values.astype(np.uint32) * 255 + largest // 2) // largest
    return values.astype(np.uint8).reshape(shape)


def _plain(text: bytes, bits: bool) -> np.ndarray:
    """The numbers of a text; those of a bitmap may stand without blanks between them."""
    text = re.sub(rb"#[^\r\n]*", b"", text) if b"#" in text else text
    if bits:
        return np.frombuffer(text.translate(None, b" \t\r\n\v\f"), np.uint8) - 48
    if text.translate(None, b"0123456789 \t\r\n\v\f"):
        raise PictureError("Netpbm in plain text with something that is no number in it")
    return np.fromstring(text, np.int64, sep=" ")


def _cut(values: np.ndarray, count: int) -> np.ndarray:
    if len(values) < count:
        raise PictureError(f"Netpbm that is truncated: {len(values):,} values of {count:,}")
    return values[:count]
