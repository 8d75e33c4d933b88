"""Files of ours: arrays by name and one record, in one safetensors file, checked whole.

The layout is that of safetensors, so that any program reads them: eight bytes that say how long
the header is, the header as JSON, and the arrays' bytes, those of larger elements first and then
by name. They are written from where the arrays lie in memory, without a copy.

The metadata begins with two sums. `data_sha256` is that of all bytes after the header. `sha256` is
that of the eight bytes and the header but for its own 64 digits, which stand at the same place in
every file. So a bit turned anywhere is found: in the data by the one; in the header, the digits of
the data's sum among it, by the other; in the digits of that because they are then no longer the
sum. The header can be read alone, and is known to be whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from verydeep import schema
from verydeep.errors import UserError, one_line
from verydeep.files import atomic_file
from verydeep.safetensors_layout import KINDS, header, pieces
from verydeep.schema import Count, Line, MisfitError

if TYPE_CHECKING:  # what looks at a header alone is not to wait for PyTorch
    from torch import Tensor

OPENING = b'{"__metadata__":{"sha256":"'
BETWEEN = b'","data_sha256":"'
START = 8 + len(OPENING)
"""Where the digits of the header's sum begin."""
DIGITS = 64
DATA_START = START + DIGITS + len(BETWEEN)
"""Where those of the data's sum begin."""
LARGEST = 100_000_000
"""Bytes, by the format; that of a test of ILSVRC's 50,000 pictures has 2 MB."""


@dataclass(frozen=True)
class Kind:
    """A kind of file of ours: its key in the metadata, what it is called, the number of its format.

    `remedy` is what to do where one cannot be used.
    """

    key: str
    words: str
    format: int
    remedy: str


class DamagedError(UserError):
    """A file that is no whole one of its kind: its name, what is wrong, and what to do."""


class _Told(TypedDict):
    """What a header says of an array."""

    dtype: Line
    shape: list[Count]
    data_offsets: tuple[Count, Count]


@dataclass(frozen=True)
class Place:
    """Where an array lies in a file, from its beginning, and what it is of."""

    kind: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Head:
    """What the header of a file says: its record, where its arrays lie, and the sum of the data."""

    record: dict[str, Any]
    places: Mapping[str, Place]
    data_sha256: str
    end: int


@dataclass(frozen=True)
class Content:
    """A whole file, found to be what was written."""

    head: Head
    data: memoryview

    @property
    def record(self) -> dict[str, Any]:
        """What it says in words, as JSON has it."""
        return self.head.record

    def arrays(self) -> dict[str, np.ndarray]:
        """Its arrays by name, as views of it; bfloat16 is two bytes of no meaning."""
        return {
            name: np.frombuffer(self.data[at.start : at.end], _dtype(at.kind)).reshape(at.shape)
            for name, at in self.head.places.items()
        }

    def tensors(self) -> dict[str, Tensor]:
        """Its arrays as PyTorch's, which lie in the file's own memory."""
        import torch

        found = {}
        for name, at in self.head.places.items():
            kind = getattr(torch, KINDS[at.kind])
            raw = np.frombuffer(self.data[at.start : at.end], np.uint8)
            found[name] = torch.from_numpy(raw).view(kind).view(at.shape)
        return found


def _dtype(kind: str) -> np.dtype[Any]:
    return np.dtype("V2" if kind == "BF16" else KINDS[kind]).newbyteorder("<")


# --- writing


def write(
    path: Path, kind: Kind, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray | Tensor]
) -> None:
    """Writes a file, whole or not at all; `record` is plain data, to which the format is added.

    Raises UserError, with what was there before untouched, where it cannot.
    """
    text = json.dumps({"format": kind.format, **record})
    blank = {"sha256": "0" * DIGITS, "data_sha256": "0" * DIGITS, kind.key: text}
    head, *data = pieces(arrays, blank)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(1) as pool, atomic_file(path) as file:
            digest = pool.submit(_sha256, data)  # while the disk writes
            file.write(head)
            file.writelines(data)
            file.seek(0)
            file.write(_signed(bytes(head), digest.result()))
    except OSError as error:
        size = sum(len(piece) for piece in (head, *data))
        raise UserError(f"cannot write {path} ({size:,} bytes): {error.strerror}") from None


def _signed(head: bytes, data_sha256: str) -> bytes:
    """A header with both sums in their places."""
    rest = head[START + DIGITS : DATA_START] + data_sha256.encode() + head[DATA_START + DIGITS :]
    return head[:START] + _sha256([head[:START], rest]).encode() + rest


def _sha256(content: Sequence[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()


# --- reading


def read(path: Path, kind: Kind) -> Content:
    """A file's content, every bit of it as it was written.

    Raises DamagedError where it is not there, not whole or of another kind, and UserError where it
    is of another format.
    """
    with refusals(path, kind):
        data = np.fromfile(path, np.uint8)
    return parsed(data.data, path, kind)


def parsed(data: bytes | memoryview, path: Path, kind: Kind) -> Content:
    """The same of a file whose bytes are in memory already."""
    view = memoryview(data)
    with refusals(path, kind):
        head = _head(view, len(view), kind)
        if _sha256([view[head.end :]]) != head.data_sha256:
            raise MisfitError("its sha256 is not the one that it was written with")
    return Content(head, view)


def read_head(path: Path, kind: Kind) -> Head:
    """What the header of a file says, known to be whole, without a look at the rest.

    Raises as `read` does.
    """
    with refusals(path, kind), path.open("rb") as file:
        start = file.read(8)
        size = int.from_bytes(start, "little")
        text = file.read(size) if size <= LARGEST else b""
        return _head(memoryview(start + text), path.stat().st_size, kind)


@contextmanager
def refusals(path: Path, kind: Kind) -> Iterator[None]:
    """Within, what is wrong with a file of that kind becomes a DamagedError that names it."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise DamagedError(f"{path} is not there; {kind.remedy}") from None
    except OSError as error:
        line = error.strerror or one_line(error)
        raise DamagedError(f"{path} cannot be read: {line}; {kind.remedy}") from None
    except _OtherFormatError as error:
        raise UserError(
            f"{path} is a {kind.words} of format {error}, and this verydeep reads format "
            f"{kind.format}; {kind.remedy}"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(
            f"{path} is no whole {kind.words} of verydeep: {one_line(error)}; {kind.remedy}"
        ) from None


class _OtherFormatError(MisfitError):
    """The number of a format that is not read, in a few words."""


def _head(view: memoryview, size: int, kind: Kind) -> Head:
    """What a header says, of a file of so many bytes; MisfitError where it is none, or not whole.

    The view may be the file or its beginning, up to the end of the header at the least.
    """
    end = 8 + int.from_bytes(view[:8], "little")
    if view[8:START] != OPENING:
        _refuse_earlier(view[8:end], kind)
        raise MisfitError("it does not begin as one")
    if not DATA_START + DIGITS <= end <= min(len(view), size):
        raise MisfitError("it is cut short, or its first bytes are damaged")
    found = _sha256([view[:START], view[START + DIGITS : end]])
    if view[START : START + DIGITS] != found.encode():
        raise MisfitError("the sha256 of its header is not the one that it was written with")
    said = schema.of_json(bytes(view[8:end]))
    metadata = said.pop("__metadata__")
    if kind.key not in metadata:
        raise MisfitError(f"it has no '{kind.key}', but {', '.join(map(one_line, metadata))}")
    record = _record(metadata[kind.key], kind)
    places = {name: _place(told, end, size, name) for name, told in said.items()}
    return Head(record, places, metadata["data_sha256"], end)


def _record(text: str, kind: Kind) -> dict[str, Any]:
    """What a file says in words, less the number of its format, which is the one that is read."""
    record = schema.of_json(text)
    if not isinstance(record, dict):
        raise MisfitError(f"under '{kind.key}' it has {schema.shown(record)}")
    number = record.pop("format", None)
    if number != kind.format or type(number) is not int:
        raise _OtherFormatError(schema.shown(number))
    return record


def _refuse_earlier(text: memoryview, kind: Kind) -> None:
    """Names the format of a file that was written before there were sums."""
    try:
        record = schema.of_json(schema.of_json(bytes(text))["__metadata__"][kind.key])
        number = record["format"]
    except (ValueError, KeyError, TypeError):
        return
    if type(number) is int and number < kind.format:
        raise _OtherFormatError(schema.shown(number))


def _place(told: Any, data: int, size: int, name: str) -> Place:
    """Where an array lies that a header tells of; MisfitError where it cannot lie there."""
    said: _Told = schema.fitting(_Told, told, one_line(name))
    kind, shape, (start, end) = said["dtype"], tuple(said["shape"]), said["data_offsets"]
    if kind not in KINDS:
        raise MisfitError(f"{one_line(name)} is in {one_line(kind)}; known are {', '.join(KINDS)}")
    if prod(shape) * _dtype(kind).itemsize != end - start or data + end > size:
        raise MisfitError(f"{one_line(name)} does not lie where its header says")
    return Place(kind, shape, data + start, data + end)


def says(path: Path, kind: Kind) -> bool:
    """Whether a file says of itself that it is of that kind, of whichever format."""
    said = (header(path, LARGEST) or {}).get("__metadata__")
    return isinstance(said, dict) and kind.key in said
