"""The index of a pack: which pictures there are, and where in its tar files each of them is.

A file of ours: its record says classes, shards and what was left out, its arrays are those of
`Entries`. Names stay bytes until they are asked for: a picture takes some 73 bytes of memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
from jaxtyping import Float64, Int64, UInt8, UInt32

from verydeep import schema, tensors_file
from verydeep.errors import one_line
from verydeep.packs import earlier as pack_earlier
from verydeep.parts.dataset import ROLES
from verydeep.schema import Count, Line, Sha256

INDEX = "index.verydeep"
FORMAT = 3
KIND = tensors_file.Kind(
    "verydeep-pack",
    "index of a pack",
    FORMAT,
    if_damaged="copy it again, or pack anew into another folder",
    if_other="pack anew",
)
SHARD = re.compile(r"shard-\d{5,10}\.tar")
LAYOUT = {
    "labels": ("int64", 1), "offsets": ("int64", 1), "sizes": ("uint32", 1),
    "checksums": ("uint32", 1), "keys": ("int64", 1), "name_sizes": ("uint32", 1),
    "box_counts": ("uint32", 1), "boxes": ("float64", 2), "names": ("uint8", 1),
}  # fmt: skip
"""Kind and number of axes of each array of `Entries`."""


@dataclass(frozen=True)
class About:
    """What must be the same for two packs to be."""

    data: Line
    split: Line
    side: Count
    quality: Count
    shard_bytes: Count
    format: Line = ""


class Record(TypedDict):
    """What is known of a shard."""

    name: Line
    bytes: Count
    sha256: Sha256
    first: Count
    next: Count
    pictures: Count
    counts: NotRequired[dict[str, Count]]
    train: NotRequired[Count]
    left_out: list[str]


class Header(TypedDict):
    """What an index says in words."""

    about: About
    where: Line
    classes: list[Line]
    counts: dict[str, Count]
    boxes: list[Line]
    fingerprint: Line
    shards: list[Record]


@dataclass(frozen=True)
class Entries:
    """Where pictures are, an entry for each in every array but the last two.

    `offsets` count from the beginning of the picture's shard; `keys` say which pictures they were
    before they were packed; a name has `name_sizes` bytes of `names`, a picture `box_counts` rows
    of `boxes`.
    """

    labels: Int64[np.ndarray, " N"]
    offsets: Int64[np.ndarray, " N"]
    sizes: UInt32[np.ndarray, " N"]
    checksums: UInt32[np.ndarray, " N"]
    keys: Int64[np.ndarray, " N"]
    name_sizes: UInt32[np.ndarray, " N"]
    box_counts: UInt32[np.ndarray, " N"]
    boxes: Float64[np.ndarray, "R 4"]
    names: UInt8[np.ndarray, " T"]

    def __len__(self) -> int:
        return len(self.labels)

    def cut(self, start: int, end: int) -> Entries:
        """Those from `start` to `end`."""
        (name, name_end), (box, box_end) = (
            (int(sizes[:start].sum()), int(sizes[:end].sum()))
            for sizes in (self.name_sizes, self.box_counts)
        )
        each = {field.name: getattr(self, field.name)[start:end] for field in fields(self)[:-2]}
        return Entries(**each, boxes=self.boxes[box:box_end], names=self.names[name:name_end])

    @classmethod
    def joined(cls, pieces: Sequence[Entries]) -> Entries:
        """Those of all the pieces, one after another."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in names))


def write_index(path: Path, header: Mapping[str, Any], entries: Entries) -> None:
    """Writes an index, or the record of one shard; UserError where it cannot be written."""
    record = {**header, "about": asdict(header["about"])} if "about" in header else header
    tensors_file.write(path, KIND, record, vars(entries))


def read_index(path: Path, kind: type = Header) -> tuple[dict[str, Any], Entries]:
    """What `write_index` was given, of that kind; indexes of formats 1 and 2 are read too.

    Raises UserError where the file cannot be read, or a bit of it is not what was written.
    """
    with tensors_file.refusals(path, KIND):
        if pack_earlier.is_earlier(path):
            said, arrays = pack_earlier.read(path)
        else:
            content = tensors_file.read(path, KIND)
            said, arrays = content.record, content.arrays()
        header = schema.fitting_keys(kind, said)
        entries = _entries(arrays)
        _refuse_misfits(header, entries)
    return header, entries


def _entries(arrays: Mapping[str, np.ndarray]) -> Entries:
    """The arrays of an index; ValueError where they are others."""
    if arrays.keys() != LAYOUT.keys():
        raise ValueError(f"its arrays are {', '.join(map(one_line, sorted(arrays)))}")
    for name, (kind, axes) in LAYOUT.items():
        found = arrays[name]
        if found.dtype != kind or found.ndim != axes:
            raise ValueError(f"its {name} are {found.dtype} of {found.ndim} axes")
        if name not in ("boxes", "names") and len(found) != len(arrays["labels"]):
            raise ValueError(f"its {name} are not of all its pictures")
    if arrays["boxes"].shape[1] != 4:
        raise ValueError(f"its boxes have {arrays['boxes'].shape[1]} numbers")
    return Entries(**arrays)


def _refuse_misfits(header: Mapping[str, Any], entries: Entries) -> None:
    """Raises ValueError where an index's header and arrays are not of one pack."""
    records = header.get("shards", [header])
    for record in records:
        if not SHARD.fullmatch(record["name"]):
            raise ValueError(f"a shard is called {schema.shown(record['name'])}")
    if sum(record["pictures"] for record in records) != len(entries):
        raise ValueError("its pictures are not those of its shards")
    ends = np.repeat([r["bytes"] for r in records], [r["pictures"] for r in records])
    fits = {
        "places": bool(((entries.offsets >= 0) & (entries.offsets <= ends - entries.sizes)).all()),
        "names": int(entries.name_sizes.sum()) == len(entries.names),
        "boxes": int(entries.box_counts.sum()) == len(entries.boxes)
        and bool(np.isfinite(entries.boxes).all()),
        "labels": not (entries.labels < 0).any(),
    }
    if "counts" in header:
        fits["counts"] = sum(header["counts"].values()) == len(entries)
        fits["parts"] = {*header["counts"], *header.get("boxes", ())} <= {*ROLES}
    if "classes" in header:
        fits["classes"] = bool((entries.labels < len(header["classes"])).all())
    for name, right in fits.items():
        if not right:
            raise ValueError(f"its {name} are not those of its shards")
