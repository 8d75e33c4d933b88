"""A packed dataset: a folder of tar files, and an index that says where in them each picture is.

The index is a line with the format's name and the sha256 of all after it; a line of JSON padded to
a multiple of eight bytes: classes, shards, what was left out; and then the arrays of `Entries`.
Names stay bytes until they are asked for: a picture takes some 73 bytes of memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from math import prod
from pathlib import Path
from typing import Any, NotRequired, TypedDict
from zlib import crc32

import numpy as np
from jaxtyping import Float64, Int64, UInt8, UInt32

from verydeep import schema
from verydeep.datasets.annotations import FlatObjects, Labels, Objects, ObjectsOf
from verydeep.datasets.dataset import ROLES, Dataset, Part
from verydeep.datasets.names import Names
from verydeep.datasets.seen import NO_KEY
from verydeep.errors import PictureError, UserError, one_line
from verydeep.runtime.progress import SILENT, Progress
from verydeep.runtime.threads import in_order
from verydeep.schema import Count, Line, Sha256

INDEX = "index.verydeep"
UNFINISHED = "unfinished.verydeep"
"""Name of the folder in a pack that is there until all its pictures are."""
FORMAT = b"verydeep pack 2 "
EARLIER = b"verydeep pack 1 "
"""Of two parts, the second of which was called test and chose the weights; without keys."""
FIRST_LINE = len(FORMAT) + 64 + 1


SHARD = re.compile(r"shard-\d{5,10}\.tar")
LAYOUT = (
    ("<i8", 1), ("<i8", 1), ("<u4", 1), ("<u4", 1), ("<i8", 1), ("<u4", 1), ("<u4", 1), ("<f8", 2),
    ("|u1", 1),
)  # fmt: skip
"""Kind and number of axes of each array of `Entries`."""
KEYS = 4
"""Place of the keys among them."""


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


class About(TypedDict):
    """What must be the same for two packs to be."""

    format: NotRequired[Line]
    data: Line
    split: Line
    side: Count
    quality: Count
    shard_bytes: Count


class Header(TypedDict):
    """What an index says in words."""

    about: About
    where: Line
    classes: list[Line]
    counts: dict[str, Count]
    boxes: list[Line]
    fingerprint: Line
    shards: list[Record]


class _Arrays(TypedDict):
    arrays: list[tuple[Line, list[Count]]]


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


def to_bytes(header: dict[str, Any], entries: Entries) -> bytes:
    """An index, or the record of one shard, as a file."""
    arrays = [getattr(entries, field.name) for field in fields(Entries)]
    layout = [[array.dtype.newbyteorder("<").str, list(array.shape)] for array in arrays]
    text = json.dumps({**header, "arrays": layout}).encode()
    text += b" " * (-(FIRST_LINE + len(text) + 1) % 8) + b"\n"
    parts = [text, *(a.astype(a.dtype.newbyteorder("<"), copy=False).tobytes() for a in arrays)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return b"".join([FORMAT, digest.hexdigest().encode(), b"\n", *parts])


def read_index(path: Path, kind: type = Header) -> tuple[dict[str, Any], Entries]:
    """What `to_bytes` was given, of that kind; the arrays are views of the file's bytes, read only.

    Raises UserError where the file cannot be read, or a bit of it is not what was written.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if not data.startswith((FORMAT, EARLIER)):
        raise UserError(f"{path} is no index of a pack that this verydeep reads; pack anew")
    digest = hashlib.sha256(memoryview(data)[FIRST_LINE:]).hexdigest()
    if data[len(FORMAT) : FIRST_LINE] != f"{digest}\n".encode():
        raise UserError(
            f"{path} is damaged: its sha256 is not the one it was written with; copy it again, or "
            f"pack anew into another folder"
        )
    try:
        at = data.find(b"\n", FIRST_LINE) + 1
        said = schema.of_json(data[FIRST_LINE:at])
        if data.startswith(EARLIER):
            _rename_second(said)
        header = schema.fitting_keys(kind, said, beside=("arrays",))
        layout = schema.fitting_keys(_Arrays, said, beside=header)["arrays"]
        arrays = [*_arrays(data, at, layout, _layout_of(data))]
        if data.startswith(EARLIER):
            arrays.insert(KEYS, np.full(layout[0][1], NO_KEY))
        entries = Entries(*arrays)
        _refuse_misfits(header, entries)
    except ValueError as error:
        raise UserError(f"{path} tells of no pack: {one_line(error)}; pack anew") from None
    return header, entries


def _rename_second(said: Any) -> None:
    """Calls the second part of a pack of the earlier format what it was: that of validation."""
    if isinstance(said, dict) and isinstance(counts := said.get("counts"), dict):
        said["counts"] = dict(zip(("train", "validation"), counts.values(), strict=False))
        if isinstance(boxes := said.get("boxes"), list):
            said["boxes"] = ["validation" if name == "test" else name for name in boxes]


def _layout_of(data: bytes) -> tuple[tuple[str, int], ...]:
    """Kinds and axes of the arrays of an index, by its format."""
    return LAYOUT[:KEYS] + LAYOUT[KEYS + 1 :] if data.startswith(EARLIER) else LAYOUT


def _arrays(
    data: bytes, at: int, layout: list[tuple[str, list[int]]], expected: Sequence[tuple[str, int]]
) -> Iterator[np.ndarray]:
    """The arrays of `Entries` as they lie in an index; ValueError where they are others."""
    pictures = layout[0][1] if layout else []
    for (kind, axes), (said, shape) in zip(expected, layout, strict=True):
        if said != kind or len(shape) != axes or (axes == 2 and shape[1] != 4):
            raise ValueError(f"an array is {said} of {len(shape)} axes, not {kind} of {axes}")
        array = np.frombuffer(data, kind, prod(shape), at).reshape(shape)
        yield array
        at += array.nbytes
    if at != len(data) or any(shape != pictures for _, shape in layout[:-2]):
        raise ValueError("its arrays are not of one number of pictures, or are not all of it")


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


def picture_names(entries: Entries, classes: Sequence[str]) -> Names:
    """Their names, in folders by class."""
    ends = np.cumsum(entries.name_sizes, dtype=np.int64)
    return Names(entries.names, ends, entries.labels, classes)


def is_here(where: str | Path) -> bool:
    """Whether a folder is a pack, finished or not."""
    with suppress(OSError, ValueError):  # which the listing of the folder will name
        return (Path(where) / INDEX).is_file() or (Path(where) / UNFINISHED).is_dir()
    return False


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of a packed folder: what `open_dataset` gives of its shards unpacked, and objects.

    It is split already. Reads the index alone. Raises UserError where it is damaged, or a shard is
    missing or cut short.
    """
    root = Path(where)
    if not is_here(root):
        raise UserError(f"no pack in {root}; `verydeep pack` writes one, with an {INDEX}")
    if not (root / INDEX).is_file():
        raise UserError(f"{root} is a pack that is not finished; run its `verydeep pack` again")
    header, entries = read_index(root / INDEX)
    _check_sizes(root, header["shards"])
    used = np.bincount(entries.labels, minlength=len(header["classes"])) > 0
    classes = tuple(name for name, there in zip(header["classes"], used, strict=True) if there)
    labels = entries.labels if used.all() else (np.cumsum(used) - 1)[entries.labels]
    ends = np.cumsum([*header["counts"].values()]).tolist()
    spans = zip(header["counts"], [0, *ends], ends, strict=False)
    parts = {
        role: _part(root, header, entries, classes, labels, role, *span) for role, *span in spans
    }
    notes = tuple(_notes(header))
    return Dataset(str(root), "packed", classes, parts, (), notes, header["fingerprint"])


def _notes(header: dict[str, Any], most: int = 3) -> Iterator[str]:
    """How the pack came about, and what was left out."""
    side = header["about"]["side"]
    yield f"packed from {header['where']}, smaller side {side} pixels at most"
    yield f"parts packed, with their pictures: {counts_of(header)}"
    faults = left_out(header)
    yield from (f"left out when packed: {fault}" for fault in faults[:most])
    if len(faults) > most:
        yield f"left out when packed: {len(faults) - most} more"


def counts_of(header: dict[str, Any]) -> str:
    """How many pictures each part has, in words."""
    return ", ".join(f"{count:,} {role}" for role, count in header["counts"].items())


def left_out(header: dict[str, Any]) -> list[str]:
    """A line for each picture that is not in the pack: its name and the reason."""
    return [line for shard in header["shards"] for line in shard["left_out"]]


def _check_sizes(root: Path, shards: list[dict[str, Any]]) -> None:
    """Refuses a pack whose shards are not all there, whole."""
    for shard in shards:
        path = root / shard["name"]
        try:
            found = path.stat().st_size
        except OSError as error:
            raise UserError(f"{path} of {len(shards)} shards: {error.strerror}") from None
        if found != shard["bytes"]:
            raise UserError(
                f"{path} has {found:,} bytes where {shard['bytes']:,} were written: cut short or "
                f"overwritten; copy it again, or run `verydeep pack` again"
            )


def _part(
    root: Path,
    header: dict[str, Any],
    entries: Entries,
    classes: tuple[str, ...],
    labels: Labels,
    part: str,
    start: int,
    end: int,
) -> Part:
    """The pictures from `start` to `end`, each read from its shard when it is asked for."""
    shards = header["shards"]
    firsts = np.cumsum([0] + [shard["pictures"] for shard in shards])
    here, ours = entries.cut(start, end), labels[start:end]
    names = picture_names(replace(here, labels=ours), classes)

    def source(i: int) -> bytes:
        i = range(len(ours))[i]
        shard = shards[int(np.searchsorted(firsts, start + i, side="right")) - 1]
        place = int(here.offsets[i]), int(here.sizes[i]), int(here.checksums[i])
        return read_member(root / shard["name"], f"{part}/{names[i]}", *place)

    objects = _objects(here, ours) if part in header["boxes"] else None
    keys = here.keys if here.keys.any() else None  # of an earlier format
    return Part(names, ours, source, objects, keys=keys)


def _objects(here: Entries, labels: Labels) -> ObjectsOf:
    """Those of pictures that have boxes, each of its picture's own class."""
    ends = np.cumsum(here.box_counts, dtype=np.int64)
    classes = np.repeat(labels, here.box_counts)
    found = FlatObjects(Objects(here.boxes, classes, np.zeros(len(classes), bool)), ends)
    return lambda i: found(i) if here.box_counts[i] else None


def read_member(shard: Path, name: str, offset: int, size: int, checksum: int) -> bytes:
    """The bytes of one member; raises PictureError where they are not those that were written."""
    try:
        file = os.open(shard, os.O_RDONLY)
        try:
            data = os.pread(file, size, offset)
        finally:
            os.close(file)
    except OSError as error:
        raise PictureError(f"{name} in {shard}: {error.strerror}") from None
    if len(data) < size or crc32(data) != checksum:
        why = "cut short" if len(data) < size else "its checksum is not the one it was written with"
        raise PictureError(f"{name} in {shard}: damaged, {why}; see `verydeep pack --verify`")
    return data


def sha256_of(path: Path) -> str:
    """The sha256 of a file; of none, where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def verify(root: Path, threads: int = 2, progress: Progress = SILENT) -> dict[str, Any]:
    """The header of a pack of which every byte is as it was written; else raises UserError."""
    dataset = open(root)
    header, _ = read_index(root / INDEX)
    shards = header["shards"]
    paths = [root / shard["name"] for shard in shards]
    damaged = []
    for i, found in enumerate(in_order(sha256_of, paths, threads, ahead=threads)):
        progress.step("verifying shards", i + 1, len(shards))
        if found != shards[i]["sha256"]:
            damaged.append(shards[i]["name"])
    if not damaged:
        return header
    faults = list(_faults(dataset))
    first = f"; {len(faults)} pictures, the first {faults[0]}" if faults else ""
    raise UserError(
        f"{root} is damaged: the sha256 of {', '.join(damaged)} is not the one written{first}; run "
        f"`verydeep pack` with the same data again to mend it"
    )


def _faults(dataset: Dataset) -> Iterator[str]:
    """The names of the pictures that are not what was written."""
    for part_name, part in dataset.parts.items():
        for i in range(len(part)):
            try:
                part.source(i)
            except PictureError:
                yield f"{part_name}/{part.names[i]}"
