"""Files of ours: arrays by name and one record, in one safetensors file, checked whole.

The layout is that of safetensors, so that any program reads them: eight bytes that say how long
the header is, the header as JSON, and the arrays' bytes, those of larger elements first and then
by name. They are written from where the arrays lie in memory, without a copy.

The metadata has the sha256 of each array's bytes, and begins with `sha256`, that of the eight bytes
and the header but for its own 64 digits, which stand at the same place in every file. Header and
arrays are all that a file has. So a bit turned anywhere is found: in an array by its sum; in the
header, the arrays' sums among it, by the header's; in the digits of that because they are then no
longer the sum. A header, or some of the arrays, can be read alone, and are known to be whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from verydeep import schema
from verydeep.errors import UserError, one_line
from verydeep.files import atomic_file
from verydeep.safetensors_layout import (
    BYTES,
    KINDS,
    LARGEST_OF_OURS,
    Arrays,
    bytes_of,
    head,
    header,
    order,
)
from verydeep.schema import Count, Line, MisfitError, Shape

if TYPE_CHECKING:  # what looks at a header alone is not to wait for PyTorch
    from torch import Tensor

Wanted = Callable[[str], bool]
OPENING = b'{"__metadata__":{"sha256":"'
START = 8 + len(OPENING)
"""Where the digits of the header's sum begin."""
END = START + 64
SUMS = "arrays_sha256"
_WRITTEN = "the one that it was written with"


@dataclass(frozen=True)
class Kind:
    """A kind of file of ours: its key in the metadata, what it is called, the number of its format.

    `if_damaged` and `if_other` are what to do where one is, or is of another format; files of
    formats `as_well` say the same in the same words, and are read as those of this one.
    """

    key: str
    words: str
    format: int
    if_damaged: str
    if_other: str
    as_well: tuple[int, ...] = ()


class DamagedError(UserError):
    """A file that is no whole one of its kind: its name, what is wrong, and what to do."""


class _Told(TypedDict):
    """What a header says of an array."""

    dtype: Line
    shape: Shape
    data_offsets: tuple[Count, Count]


@dataclass(frozen=True)
class Place:
    """Where an array lies in a file, from its beginning, what it is of, and its sum."""

    kind: str
    shape: tuple[int, ...]
    start: int
    end: int
    sha256: str


@dataclass(frozen=True)
class Head:
    """What the header of a file says: its record, and where its arrays lie."""

    record: dict[str, Any]
    places: Mapping[str, Place]


@dataclass(frozen=True)
class Content:
    """What a file says, and of its arrays those that were read, found to be what was written."""

    head: Head
    raw: Mapping[str, memoryview]

    @property
    def record(self) -> dict[str, Any]:
        """What it says in words, as JSON has it."""
        return self.head.record

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, in the memory that they were read into; bfloat16 is mere bytes."""
        return {name: self._array(name) for name in self.raw}

    def _array(self, name: str) -> np.ndarray:
        at = self.head.places[name]
        kind = np.dtype("V2") if at.kind == "BF16" else np.dtype(KINDS[at.kind])
        return np.frombuffer(self.raw[name], kind).reshape(at.shape)

    def tensors(self) -> dict[str, Tensor]:
        """The same as PyTorch's."""
        return {name: self._tensor(name) for name in self.raw}

    def _tensor(self, name: str) -> Tensor:
        import torch

        at = self.head.places[name]
        bare = torch.from_numpy(np.frombuffer(self.raw[name], np.uint8))
        return bare.view(getattr(torch, KINDS[at.kind])).view(at.shape)


# --- writing


def write(path: Path, kind: Kind, record: Mapping[str, Any], arrays: Arrays) -> None:
    """Writes a file, whole or not at all; `record` is plain data, to which the format is added.

    Raises UserError, with what was there before untouched, where it cannot, or where the header
    would be longer than one that is read.
    """
    data = {name: bytes_of(arrays[name]) for name in order(arrays)}
    text = _in_json({"format": kind.format, **record})
    blank = _signed(arrays, dict.fromkeys(data, _sha256([])), kind, text)
    if len(blank) > LARGEST_OF_OURS:
        raise UserError(
            f"cannot write {path}: what it says of itself takes {len(blank):,} bytes, and "
            f"{LARGEST_OF_OURS:,} are read; make it of fewer pictures or shorter names"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(1) as pool, atomic_file(path) as file:
            sums = pool.submit(_sums, data)  # while the disk writes
            file.write(blank)
            file.writelines(data.values())
            file.seek(0)
            file.write(_signed(arrays, sums.result(), kind, text))
    except OSError as error:
        size = len(blank) + sum(map(len, data.values()))
        raise UserError(f"cannot write {path} ({size:,} bytes): {error.strerror}") from None


def _in_json(record: Mapping[str, Any]) -> str:
    """A record as a text, its letters as they are where UTF-8 has them all."""
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # surrogates, which names of files may hold
        return json.dumps(record)
    return text


def _signed(arrays: Arrays, sums: Mapping[str, str], kind: Kind, text: str) -> bytes:
    """The header of a file with all sums in it, as long whatever they are."""
    metadata = {"sha256": _sha256([]), SUMS: json.dumps(sums), kind.key: text}
    blank = head(arrays, metadata)
    return blank[:START] + _sha256([blank[:START], blank[END:]]).encode() + blank[END:]


def _sums(data: Mapping[str, memoryview]) -> dict[str, str]:
    return {name: _sha256([content]) for name, content in data.items()}


def _sha256(content: Sequence[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()


# --- reading


def read(path: Path, kind: Kind, wanted: Wanted = lambda name: True) -> Content:
    """What a file says, and its arrays, or those that are wanted by their names.

    Raises DamagedError where it is not there, is of another kind, or a bit of what is read is not
    what was written; UserError where it is of another format.
    """
    with refusals(path, kind), path.open("rb") as file:
        return _read(file, kind, wanted)


def parsed(data: bytes, path: Path, kind: Kind, wanted: Wanted = lambda name: True) -> Content:
    """The same of a file whose bytes are in memory already."""
    with refusals(path, kind):
        return _read(BytesIO(data), kind, wanted)


def _read(file: BufferedIOBase, kind: Kind, wanted: Wanted) -> Content:
    head = _head(file, kind)
    raw = {}
    for name, at in head.places.items():
        if wanted(name):
            data = np.empty(at.end - at.start, np.uint8).data
            file.seek(at.start)
            if file.readinto(data) < len(data) or _sha256([data]) != at.sha256:
                raise MisfitError(f"the sha256 of its {one_line(name)} is not {_WRITTEN}")
            raw[name] = data
    return Content(head, raw)


def read_head(path: Path, kind: Kind) -> Head:
    """What the header of a file says, known to be whole, without a look at the rest.

    Raises as `read` does.
    """
    with refusals(path, kind), path.open("rb") as file:
        return _head(file, kind)


@contextmanager
def refusals(path: Path, kind: Kind) -> Iterator[None]:
    """Within, what is wrong with a file of that kind becomes a DamagedError that names it."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise DamagedError(f"{path} is not there; {kind.if_damaged}") from None
    except OSError as error:
        line = error.strerror or one_line(error)
        raise DamagedError(f"{path} cannot be read: {line}; {kind.if_damaged}") from None
    except _OtherFormatError as error:
        raise UserError(
            f"{path} is a {kind.words} of format {error}, and this verydeep reads format "
            f"{kind.format}; {kind.if_other}"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(
            f"{path} is no whole {kind.words} of verydeep: {one_line(error)}; {kind.if_damaged}"
        ) from None


class _OtherFormatError(MisfitError):
    """The number of a format that is not read, in a few words."""


def _head(file: BufferedIOBase, kind: Kind) -> Head:
    """What a file's header says; MisfitError where it is none, or not whole."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(8)
    end = 8 + int.from_bytes(start, "little")
    text = start + file.read(max(0, min(end, size, LARGEST_OF_OURS) - 8))
    if text[8:START] != OPENING:
        _refuse_earlier(text[8:], kind)
        raise MisfitError("it does not begin as one")
    if not END <= end <= len(text):
        raise MisfitError("it is cut short, or its first bytes are damaged")
    if text[START:END] != _sha256([text[:START], text[END:]]).encode():
        raise MisfitError(f"the sha256 of its header is not {_WRITTEN}")
    said = schema.of_json(text[8:])
    metadata = said.pop("__metadata__")
    if kind.key not in metadata:
        raise MisfitError(f"it has no '{kind.key}', but {', '.join(map(one_line, metadata))}")
    record, sums = _record(metadata[kind.key], kind), schema.of_json(metadata[SUMS])
    places = {name: _place(told, end, sums[name], name) for name, told in said.items()}
    for place in sorted(places.values(), key=lambda at: (at.start, at.end)):
        if place.start != end:
            raise MisfitError("its arrays do not lie one after another")
        end = place.end
    if end != size:
        raise MisfitError(f"it has {size:,} bytes, and {end:,} were written")
    return Head(record, places)


def _record(text: str, kind: Kind) -> dict[str, Any]:
    """What a file says in words, less the number of its format, which is the one that is read."""
    record = schema.of_json(text)
    if not isinstance(record, dict):
        raise MisfitError(f"under '{kind.key}' it has {schema.shown(record)}")
    number = record.pop("format", None)
    if type(number) is not int or number not in (kind.format, *kind.as_well):
        raise _OtherFormatError(schema.shown(number))
    return record


def _refuse_earlier(text: bytes, kind: Kind) -> None:
    """Names the format of a file that was written before there were sums."""
    try:
        record = schema.of_json(schema.of_json(text)["__metadata__"][kind.key])
        number = record["format"]
    except (ValueError, KeyError, TypeError):
        return
    if type(number) is int and number < kind.format:
        raise _OtherFormatError(schema.shown(number))


def _place(told: Any, data: int, sha256: str, name: str) -> Place:
    """Where an array lies that a header tells of; MisfitError where it cannot lie there."""
    said: _Told = schema.fitting(_Told, told, one_line(name))
    kind, shape, (start, end) = said["dtype"], tuple(said["shape"]), said["data_offsets"]
    if kind not in KINDS:
        raise MisfitError(f"{one_line(name)} is in {one_line(kind)}; known are {', '.join(KINDS)}")
    if schema.values_of(shape, name) * BYTES[kind] != end - start:
        raise MisfitError(f"{one_line(name)} has not the bytes that its shape takes")
    return Place(kind, shape, data + start, data + end, sha256)


def has_sums(path: Path) -> bool:
    """Whether a file begins as those do that are written here; UserError where it is unreadable.

    One of another program, whose own sum comes first, has none of its arrays; of a header that
    cannot be read nothing is known, and it is taken for a damaged one of ours.
    """
    try:
        with path.open("rb") as file:
            begins = file.read(START)[8:] == OPENING
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if not begins:
        return False
    said = _metadata(path)
    return said is None or SUMS in said


def says(path: Path, kind: Kind) -> bool:
    """Whether a file says of itself that it is of that kind, of whichever format."""
    return kind.key in (_metadata(path) or ())


def _metadata(path: Path) -> dict[str, Any] | None:
    """What a file says beside its arrays; None where it says nothing that can be read."""
    said = (header(path, LARGEST_OF_OURS) or {}).get("__metadata__")
    return said if isinstance(said, dict) else None
