"""Numbers that an HDF5 file keeps in chunks, compressed or not, put together within limits."""

from __future__ import annotations

import io
import itertools
import math
import struct
from typing import Any

import numpy as np
from pyfive.btree import BTreeV1RawDataChunks

from verydeep.limits import FormatError, Inflater

CHUNKS = 50_000
"""Most chunks of one dataset."""

DEFLATE, SHUFFLE, CHECKSUM = 1, 2, 3


def read_chunks(
    file: Any, objects: Any, shape: tuple[int, ...], dtype: np.dtype[Any], at: int
) -> np.ndarray:
    """An array put together of its chunks, each of which must be there once.

    `at` is where the dataset's header says how it is stored; memory for the array has been
    counted. Raises FormatError where chunks are missing, beyond it, or not what they should be.
    """
    with file.structure():
        rank, address = struct.unpack_from("<BQ", objects.msg_data, at)
        chunk = struct.unpack_from(f"<{rank - 1}I", objects.msg_data, at + 9)
        filters = [each["filter_id"] for each in objects.filter_pipeline or ()]
    if len(chunk) != len(shape) or min(chunk) < 1:
        raise FormatError("a dataset's chunks have another shape than it has")
    starts = [range(0, side, step) for side, step in zip(shape, chunk, strict=True)]
    count = math.prod(len(axis) for axis in starts)
    if count > CHUNKS:
        raise FormatError(f"a dataset is in {count:,} chunks; {CHUNKS:,} are the most")
    if set(filters) - {DEFLATE, SHUFFLE, CHECKSUM} or len(filters) > 3:
        raise FormatError("a dataset is compressed in a way that is not read", "write it with gzip")
    file.work(count * math.prod(chunk) * dtype.itemsize)
    stored = _index(file, address, rank, count)
    result = np.empty(shape, dtype)
    for corner in itertools.product(*starts):
        if corner not in stored:
            raise FormatError("a dataset has chunks missing")
        length, mask, place = stored[corner]
        used = [name for i, name in enumerate(filters) if not mask >> i & 1]
        content = _unfiltered(file.bytes_at(place, length), used, dtype, math.prod(chunk))
        target = result[tuple(slice(a, a + n) for a, n in zip(corner, chunk, strict=True))]
        target[...] = content.reshape(chunk)[tuple(slice(n) for n in target.shape)]
    return result


def _index(
    file: Any, address: int, rank: int, count: int
) -> dict[tuple[int, ...], tuple[int, int, int]]:
    """Length, mask of filters and address of each chunk, by its first corner."""
    with file.index(8192 + 2 * count * (16 + 8 * rank)):
        tree = BTreeV1RawDataChunks(file.bounded, address, rank)
    found = {}
    for node in tree.all_nodes.get(0, []):
        for key, place in zip(node["keys"], node["addresses"], strict=True):
            found[key["chunk_offset"][:-1]] = key["chunk_size"], key["filter_mask"], place
    if sum(length for length, _, _ in found.values()) > file.size:
        raise FormatError("a dataset's chunks are larger than the file")
    return found


def _unfiltered(
    content: np.ndarray, filters: list[int], dtype: np.dtype[Any], count: int
) -> np.ndarray:
    """A chunk's numbers; filters are undone from the last to the first."""
    size = count * dtype.itemsize
    for i, name in reversed(list(enumerate(filters))):
        expected = size + 4 * filters[:i].count(CHECKSUM)
        if name == DEFLATE:
            inflater = Inflater(io.BytesIO(content.data), len(content))
            content = np.empty(expected, np.uint8)
            inflater.fill(content.data)
            inflater.finish()
        elif name == SHUFFLE:
            if len(content) != expected or expected % dtype.itemsize:
                raise FormatError("a chunk has not the size that it should have")
            content = content.reshape(dtype.itemsize, -1).T.ravel()
        else:
            content = content[:-4]
    if len(content) != size:
        raise FormatError("a chunk has not the size that it should have")
    return np.ascontiguousarray(content).view(dtype)
