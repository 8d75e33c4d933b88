"""A packed dataset: a folder of tar files, and an index that says where in them each picture is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from verydeep.errors import PictureError, UserError
from verydeep.packs.index import INDEX, Entries, read_index
from verydeep.parts.annotations import FlatObjects, Labels, Objects, ObjectsOf
from verydeep.parts.dataset import Dataset, Part
from verydeep.parts.names import Names
from verydeep.runtime.progress import SILENT, Progress
from verydeep.runtime.threads import in_order

UNFINISHED = "unfinished.verydeep"
"""Name of the folder in a pack that is there until all its pictures are."""


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
    notes = (*_notes(header), *_without_boxes(header, entries))
    return Dataset(str(root), "packed", classes, parts, (), notes, header["fingerprint"])


def _notes(header: dict[str, Any], most: int = 3) -> Iterator[str]:
    """How the pack came about, and what was left out."""
    side = header["about"].side
    yield f"packed from {header['where']}, smaller side {side} pixels at most"
    yield f"parts packed, with their pictures: {counts_of(header)}"
    faults = left_out(header)
    yield from (f"left out when packed: {fault}" for fault in faults[:most])
    if len(faults) > most:
        yield f"left out when packed: {len(faults) - most} more"


def _without_boxes(header: dict[str, Any], entries: Entries) -> Iterator[str]:
    """A line for each part of whose pictures some have boxes, and some none."""
    ends = np.cumsum([*header["counts"].values()])
    for (role, count), end in zip(header["counts"].items(), ends.tolist(), strict=True):
        none = int((entries.box_counts[end - count : end] == 0).sum())
        if role in header["boxes"] and none:
            yield (
                f"pictures in {role} without boxes: {none:,} of {count:,}, of which none were "
                f"told, or some that were difficult or of another class"
            )


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
