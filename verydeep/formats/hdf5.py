"""HDF5 files, read by `pyfive` within limits: groups, attributes, numbers and references.

`pyfive` trusts what it reads: a header that goes on with itself makes it read for ever, a sequence
of sequences unfolds without end, and it raises whatever it stumbles on. So it is asked for a
file's structure alone, through a file that gives out so many bytes and no more; attributes are
taken only where they are plain; and numbers are read here, once their size is known to fit. Links
to other places and files, virtual datasets and external storage are never followed. What remains
is a few seconds of work for a file made to cause it; whoever reads files of strangers should still
read them in a process that may be stopped.
"""

from __future__ import annotations

import math
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from pyfive.dataobjects import DataObjects, determine_data_shape
from pyfive.datatype_msg import DatatypeMessage
from pyfive.misc_low_level import GlobalHeap, SuperBlock
from pyfive.p5t import (
    P5FixedStringType,
    P5FloatType,
    P5IntegerType,
    P5ReferenceType,
    P5Type,
    P5VlenStringType,
)

from verydeep.formats.hdf5_bounded import HEADER, BoundedFile
from verydeep.formats.hdf5_chunks import read_chunks
from verydeep.limits import FormatError, memory_limit, reading, start_of

SIGNATURE = b"\x89HDF\r\n\x1a\n"

ATTRIBUTE, ATTRIBUTE_INFO, LAYOUT, EXTERNAL = 0x0C, 0x15, 0x08, 0x07
COMPACT, CONTIGUOUS, CHUNKED = 0, 1, 2
UNDEFINED = (1 << 64) - 1


def signature_at(start: bytes) -> int | None:
    """Where in a file that starts so its HDF5 content begins, or None."""
    for at in (0, 512, 1024, 2048):
        if start[at : at + 8] == SIGNATURE:
            return at
    return None


@contextmanager
def opened(path: Path | str, span: tuple[int, int] | None = None) -> Iterator[File]:
    """A file to read from; what goes wrong within is a UserError that names it.

    `span` is where it begins and ends in another file that holds it.
    """
    base = signature_at(start_of(path)) if span is None else span[0]
    with reading(path), Path(path).open("rb") as file:
        if base is None:
            raise FormatError("it is no HDF5 file")
        end = span[1] if span else os.fstat(file.fileno()).st_size
        _refuse_cut_short(file, base, end - base if span else end)
        yield File(file, base, end)


class File:
    """An HDF5 file, its objects told apart by their addresses."""

    def __init__(self, file: BufferedIOBase, base: int, size: int) -> None:
        self.base, self.size = base, size
        self.memory = memory_limit(size)
        self.bounded = BoundedFile(file, base, size)
        self.heaps: dict[int, Any] = {}
        with self.structure():
            self.root_address: int = SuperBlock(self.bounded, 0).offset_to_dataobjects

    def node(self, address: int) -> Node:
        """The group or dataset at an address; raises FormatError where there is none."""
        with self.structure():
            return Node(self, DataObjects(self.bounded, address))

    @contextmanager
    def structure(self, most: int = HEADER) -> Iterator[None]:
        """Within, `pyfive` may read so many bytes, and all that it raises is FormatError."""
        self.bounded.allow(most)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (FormatError, MemoryError):
            raise
        except Exception as error:
            said = " ".join(f"{type(error).__name__} {error}".split())[:120]
            raise FormatError(f"its structure is damaged ({said})") from None

    @contextmanager
    def index(self, most: int) -> Iterator[None]:
        """The same for the index of a dataset's chunks, counted by itself."""
        self.bounded.add(most)
        with self.structure(most):
            yield

    def room(self, length: int) -> None:
        """Counts memory for numbers; raises FormatError where the file cannot hold so many."""
        self.memory -= length
        if self.memory < 0:
            raise FormatError(f"its arrays say they have {length:,} bytes, which it cannot hold")

    def work(self, length: int) -> None:
        """Raises FormatError where so many bytes of chunks are out of proportion to the file."""
        if length > memory_limit(self.size):
            raise FormatError(f"its chunks say they have {length:,} bytes, which it cannot hold")

    def bytes_at(self, address: int, length: int) -> np.ndarray:
        """So many bytes, in memory of their own."""
        if address < 0 or address + length > self.size - self.base:
            raise FormatError(f"{length:,} bytes at {address:,} lie beyond its end")
        content = np.empty(length, np.uint8)
        self.bounded.fill(address, content.data)
        return content


_END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
"""Where a superblock says where its file ends, by its version."""


def _refuse_cut_short(file: BufferedIOBase, base: int, size: int) -> None:
    """Raises FormatError where the file, of so many bytes, ends before the end that it tells of."""
    file.seek(base)
    start = file.read(64)
    at = _END_AT.get(start[8] if len(start) > 8 else 0, 40)
    end = int.from_bytes(start[at : at + 8], "little")
    if end != UNDEFINED and end > size:
        raise FormatError(f"it is cut short, or damaged: {size:,} of {end:,} bytes are there")


class Node:
    """A group or a dataset."""

    def __init__(self, file: File, objects: Any) -> None:
        self.file, self._objects = file, objects
        self.is_dataset: bool = objects.is_dataset

    def links(self) -> dict[str, int]:
        """Addresses of a group's members by name; links to other places are left out."""
        with self.file.structure():
            return {k: v for k, v in self._objects.get_links().items() if isinstance(v, int)}

    def attribute(self, name: str) -> list[Any]:
        """An attribute's texts or numbers, in order; none where it is missing or is no such."""
        with self.file.structure():
            self._refuse_attributes_elsewhere()
            for message in self._objects.find_msg_type(ATTRIBUTE):
                found, kind, count, at = self._attribute_head(message["offset_to_message"])
                if found == name:
                    return self._plain(kind, count, at)
        return []

    def _refuse_attributes_elsewhere(self) -> None:
        """Raises FormatError where attributes are not in the header, where none would be found."""
        content = self._objects.msg_data
        for message in self._objects.find_msg_type(ATTRIBUTE_INFO):
            at = message["offset_to_message"]
            (heap,) = struct.unpack_from("<Q", content, at + 2 + 2 * (content[at + 1] & 1))
            if heap != UNDEFINED:
                raise FormatError(
                    "it has attributes that are stored in a way that is not read",
                    "write it again with h5py and libver='earliest'",
                )

    def _attribute_head(self, at: int) -> tuple[str, P5Type, int, int]:
        """Name, type and number of an attribute's values, and where they are."""
        content = self._objects.msg_data
        version, _, *sizes = struct.unpack_from("<BBHHH", content, at)
        at += 9 if version == 3 else 8
        pad = 8 if version == 1 else 1
        name_at, type_at, space_at, values_at = (
            at + sum(size + -size % pad for size in sizes[:i]) for i in range(4)
        )
        name = content[name_at : name_at + sizes[0]].rstrip(b"\0").decode()
        kind = DatatypeMessage(content, type_at).ptype
        shape, _ = determine_data_shape(content, space_at)
        return name, kind, 0 if shape is None else math.prod(shape), values_at

    def _plain(self, kind: P5Type, count: int, at: int) -> list[Any]:
        content = self._objects.msg_data
        if not count:
            return []
        if isinstance(kind, P5VlenStringType):
            return [self._heap_text(content, at + 16 * i) for i in range(count)]
        if isinstance(kind, P5FixedStringType | P5IntegerType | P5FloatType):
            values = np.frombuffer(content, kind.dtype, count, at).tolist()
            return [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values]
        return []

    def _heap_text(self, content: bytes, at: int) -> str:
        """A text that an attribute has elsewhere, in the file's heap."""
        length, address, index = struct.unpack_from("<IQI", content, at)
        if not length:
            return ""
        heaps = self.file.heaps
        if address not in heaps:
            heaps[address] = GlobalHeap(self.file.bounded, address)
        text: bytes = heaps[address].objects[index]
        return text[:length].decode("utf-8", "replace")

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """A dataset's shape."""
        with self.file.structure():
            return tuple(self._objects.shape)

    @cached_property
    def _type(self) -> P5Type:
        with self.file.structure():
            return self._objects.ptype

    @property
    def holds_references(self) -> bool:
        """Whether a dataset's values are addresses of others."""
        return isinstance(self._type, P5ReferenceType) and self._type.size == 8

    def references(self) -> list[int]:
        """The addresses that a dataset holds, in order."""
        return [int(v) for v in self._content(np.dtype("<u8")).ravel()]

    def numbers(self) -> np.ndarray:
        """The numbers that a dataset holds, in the file's type and order of axes."""
        if not isinstance(self._type, P5IntegerType | P5FloatType):
            raise FormatError("a dataset holds something else than numbers")
        return self._content(self._type.dtype)

    def _content(self, dtype: np.dtype[Any]) -> np.ndarray:
        """A dataset's values; raises FormatError before memory is taken for more than there is."""
        length = math.prod(self.shape) * dtype.itemsize
        self.file.room(length)
        with self.file.structure():
            if self._objects.find_msg_type(EXTERNAL):
                raise FormatError(
                    "a dataset has its numbers in another file", "store them in this one"
                )
            _, layout, at = self._objects.get_id_storage_params()
            message = self._objects.msg_data
            version = message[self._objects.find_msg_type(LAYOUT)[0]["offset_to_message"]]
        if not length:
            return np.empty(self.shape, dtype)
        if version == 3 and layout == CHUNKED:
            return read_chunks(self.file, self._objects, self.shape, dtype, at)
        if version < 3 or layout not in (COMPACT, CONTIGUOUS):
            raise FormatError(
                f"a dataset is stored in a way that is not read ({layout=}, {version=})",
                "write it again with h5py and libver='earliest'",
            )
        return self._plain_content(message, layout, at, length).view(dtype).reshape(self.shape)

    def _plain_content(self, message: bytes, layout: int, at: int, length: int) -> np.ndarray:
        """The bytes of a dataset that is stored in one piece."""
        form = "<H" if layout == COMPACT else "<QQ"
        if at + struct.calcsize(form) > len(message):
            raise FormatError("a dataset does not say where its numbers are")
        *address, stored = struct.unpack_from(form, message, at)
        if stored != length or address == [UNDEFINED]:
            raise FormatError(f"a dataset of {length:,} bytes has {stored:,} stored")
        if layout == CONTIGUOUS:
            return self.file.bytes_at(address[0], length)
        content = np.frombuffer(message, np.uint8)[at + 2 : at + 2 + length]
        if len(content) != length:
            raise FormatError("a dataset ends before its time")
        return content.copy()
