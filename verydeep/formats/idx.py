"""IDX files, in which MNIST comes: an array of bytes, gzipped or not, as it is.

Four bytes say what it holds and how many axes it has, then comes the length of each, large end
first. How much there is to be is known before memory is taken, and there is to be no more and no
less.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from verydeep.limits import FormatError, memory_limit, reading, start_of

GZIP = b"\x1f\x8b"
BYTES = 8
"""What stands for unsigned bytes in an IDX file; MNIST and its likes have nothing else."""
MOST_AXES = 4


def read(path: Path | str, axes: int) -> np.ndarray:
    """The uint8 array of an IDX file with so many axes; UserError where it is damaged or none."""
    with reading(path, "IDX"):
        size = Path(path).stat().st_size
        opened = gzip.open if start_of(path, 2) == GZIP else open
        try:
            with opened(path, "rb") as file:
                shape = _shape(file.read(4 + 4 * axes), axes)
                count = math.prod(shape)
                if count > memory_limit(size):
                    raise FormatError(f"it is said to hold {count:,} bytes, and has {size:,}")
                data = file.read(count)
                more = file.read(1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(f"its compressed bytes are damaged or cut short ({error})") from None
        if len(data) < count:
            raise FormatError(f"it is cut short: {len(data):,} of {count:,} bytes are there")
        if more:
            raise FormatError(f"more follows after the {count:,} bytes that it is said to hold")
        return np.frombuffer(data, np.uint8).reshape(shape)


def _shape(header: bytes, axes: int) -> tuple[int, ...]:
    """The length of each axis; FormatError for another file, or other numbers of axes."""
    if header[:2] != b"\0\0" or len(header) < 4 or not 0 < header[3] <= MOST_AXES:
        raise FormatError("it does not begin as an IDX file does")
    if header[2] != BYTES:
        raise FormatError(f"it holds numbers of kind {header[2]:#04x}, not bytes (0x08)")
    if header[3] != axes:
        raise FormatError(f"it has {header[3]} axes where {axes} are expected")
    if len(header) < 4 + 4 * axes:
        raise FormatError("it is cut short in its header")
    return tuple(int(n) for n in np.frombuffer(header, ">u4", axes, 4))
