"""Packing: any dataset in, a folder of tar files and their index out.

Shards are written one after another, each beside its place and then moved there whole, with a
record of what is in it under `unfinished.verydeep/`; the index is made of the records at the end.
So a pack that was cut short goes on where it was, and its bytes are those of one that never was.
They hold no date and no owner.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from verydeep import schema
from verydeep.errors import PictureError, UserError
from verydeep.files import atomic_file, folder_lock, write_atomic
from verydeep.folders.folder import refuse_too_small
from verydeep.packs.index import (
    FORMAT,
    INDEX,
    About,
    Entries,
    Record,
    read_index,
    write_index,
)
from verydeep.packs.members import QUALITY, Member, Recoded, class_names, members, recoded
from verydeep.packs.pack import UNFINISHED, picture_names, sha256_of
from verydeep.packs.shard import Shard, Tar
from verydeep.parts.dataset import Dataset, fingerprint
from verydeep.parts.seen import Memory, settled
from verydeep.parts.splitting import words_of
from verydeep.runtime.progress import SILENT, Progress
from verydeep.runtime.threads import in_order

SIDE = 512
"""Pixels of the smaller side: S of 512 is the largest that the paper trains at (Sect. 3.1)."""
SHARD_BYTES = 2**28
OURS = re.compile(
    rf"(shard-\d{{5,}}\.tar|{INDEX}|{UNFINISHED}/(shard-\d{{5,}}|about\.json))(\.[0-9a-f]+-\d+\.part)?"
)
"""What may lie in a pack, finished or not."""

RecodedMember = tuple[Member, Recoded | str]
"""A picture, or why there is none."""


def pack(
    dataset: Dataset,
    out: Path,
    side: int = SIDE,
    threads: int = 2,
    progress: Progress = SILENT,
    shard_bytes: int = SHARD_BYTES,
) -> dict[str, Any]:
    """Packs a dataset into a folder and gives the header of its index, with `kept` shards.

    Copies of a picture go into one part, as they do before a training, where the parts were drawn.
    What is finished there of the same pack is kept where its sha256 still holds. Raises UserError
    where the folder holds anything else, or cannot be written.
    """
    if side < 1:
        raise UserError(f"a smaller side of {side} pixels; at least 1 is needed")
    refuse_too_small(dataset)
    if not len(dataset.train):
        raise UserError(
            f"{dataset.where} has pictures to test on only, and a pack needs some to train on; the "
            f"other verbs take that folder as it is"
        )
    for what in ("masks", "points"):
        if any(getattr(part, what) for part in dataset.by_role.values()):
            raise UserError(
                f"{dataset.where} has {what}, which a pack does not keep; use it as it is"
            )
    said = len(dataset.notes)
    dataset = settled(dataset, Memory(), threads=threads, progress=progress)
    for note in dataset.notes[said:]:
        progress.say(note)
    about = _about(dataset, side, shard_bytes)
    with _claimed(out, about, dataset.where):
        shards, kept = _shards(dataset, out, about, threads, progress)
        header = _finish(dataset, out, about, shards)
    return {**header, "kept": kept}


def _about(dataset: Dataset, side: int, shard_bytes: int) -> About:
    """What must be the same for two packs to be."""
    apart = fingerprint(
        f"{role} {name}"
        for role, part in dataset.by_role.items()
        if role != "train"
        for name in part.names
    )
    data = dataset.fingerprint
    return About(data, apart, side, QUALITY, shard_bytes, f"verydeep pack {FORMAT}")


@contextmanager
def _claimed(out: Path, about: About, where: str) -> Iterator[None]:
    """The folder while it is ours to write, with a record in it of each shard that is finished."""
    journal, settings = out / UNFINISHED, out / UNFINISHED / "about.json"
    _refuse_strangers(out)
    finished = read_index(out / INDEX) if (out / INDEX).is_file() else None
    if finished:
        _refuse_other(out, finished[0]["about"], about, where)
    elif settings.exists():
        _refuse_other(out, _read_about(settings), about, where)
    try:
        journal.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot pack into {out}: {error.strerror}") from None
    with folder_lock(out):
        write_atomic(settings, json.dumps(asdict(about)).encode())
        if finished:
            _unfold(*finished, journal)
        yield


def _read_about(settings: Path) -> About:
    try:
        about: About = schema.fitting(About, schema.of_json(settings.read_bytes()))
    except (OSError, ValueError):
        raise UserError(f"cannot read {settings}; pack anew into another folder") from None
    return about


def _refuse_strangers(out: Path) -> None:
    """Refuses a folder that holds anything but a pack."""
    try:
        found = [*out.iterdir()] if out.exists() else []
        if (out / UNFINISHED).is_dir():
            found = [*(out / UNFINISHED).iterdir(), *found]
            found.remove(out / UNFINISHED)
        elif not (out / INDEX).is_file() and found:
            raise _strange(out, found[0])
    except OSError as error:
        raise UserError(f"cannot pack into {out}: {error.strerror}") from None
    for path in sorted(found):
        if not OURS.fullmatch(str(path.relative_to(out))):
            raise _strange(out, path)


def _strange(out: Path, path: Path) -> UserError:
    return UserError(
        f"{out} holds something already ({path.name}); give a folder that is empty or not there"
    )


def _refuse_other(out: Path, there: About, about: About, where: str) -> None:
    """Refuses to go on with the pack of other pictures, or with other settings."""
    for name in ("format", "data", "split", "side", "quality", "shard_bytes"):
        if (found := getattr(there, name)) != getattr(about, name):
            what = {
                "format": "an earlier format, which can be read but not gone on with",
                "data": f"other pictures than {where} has now",
                "split": "the same pictures split otherwise, from another seed",
                "side": f"these pictures at --side {found}",
            }.get(name, f"these pictures with {name} {found}")
            raise UserError(f"{out} is a pack of {what}; give another folder")


def _unfold(header: dict[str, Any], entries: Entries, journal: Path) -> None:
    """A record for each shard of a finished pack, as if it was not finished."""
    start = 0
    for number, record in enumerate(header["shards"]):
        end = start + record["pictures"]
        write_index(_record_path(journal, number), record, entries.cut(start, end))
        start = end


def _record_path(journal: Path, number: int) -> Path:
    return journal / f"shard-{number:05}"


def _shards(
    dataset: Dataset, out: Path, about: About, threads: int, progress: Progress
) -> tuple[list[Shard], int]:
    """Every shard of the dataset, and how many of them were there already."""
    total, place, kept = len(dataset.everything), 0, 0
    shards: list[Shard] = []
    found: Iterator[RecodedMember] | None = None
    trained: set[int] = set()
    while place < total:
        shard = _kept(out, len(shards), place)
        if shard is None:
            found = found or _found(dataset, about.side, place, threads, progress)
            shard = _write(out, len(shards), place, found, about.shard_bytes, trained)
        else:
            kept, found = kept + 1, None
            trained.update(shard.entries.labels[: shard.record["counts"].get("train", 0)].tolist())
            progress.step("checking what is packed", shard.record["next"], total)
        for line in shard.record["left_out"]:
            progress.say(f"left out: {line}")
        shards.append(shard)
        place = shard.record["next"]
    return shards, kept


def _kept(out: Path, number: int, place: int) -> Shard | None:
    """The shard that begins at this place, if it is there and every byte of it is as written."""
    with suppress(UserError):
        record, entries = read_index(_record_path(out / UNFINISHED, number), Record)
        if record["first"] == place and sha256_of(out / record["name"]) == record["sha256"]:
            return Shard(record, entries)
    return None


def _found(
    dataset: Dataset, side: int, place: int, threads: int, progress: Progress
) -> Iterator[RecodedMember]:
    """The pictures from a place on, recoded by threads, in order."""
    parts, total = dataset.by_role, len(dataset.everything)

    def work(member: Member) -> RecodedMember:
        try:
            return member, recoded(parts[member.part], member.index, side)
        except PictureError as error:
            return member, str(error).partition(f"{member.original}: ")[2] or str(error)

    waiting = islice(members(dataset), place, None)
    for done, found in enumerate(in_order(work, waiting, threads, ahead=4 * threads), place + 1):
        progress.step("packing", done, total)
        yield found


def _write(
    out: Path, number: int, place: int, found: Iterator[RecodedMember], most: int, trained: set[int]
) -> Shard:
    """Writes one shard from the pictures that come, until it is full, and its record.

    `trained` are the classes that have a picture to train on, and grows with them; a folder whose
    other parts have classes that it lacks could not be opened.
    """
    path, first = out / f"shard-{number:05}.tar", place
    try:
        with atomic_file(path) as file:
            (out / INDEX).unlink(missing_ok=True)  # it would tell of what is about to be replaced
            tar = Tar(file)
            while tar.bytes < most and (pair := next(found, None)):
                place += 1
                _add(tar, *pair, trained)
            tar.end()
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; what is finished stays, and the same command "
            f"goes on from there"
        ) from None
    shard = tar.shard(path.name, first, place)
    write_index(_record_path(out / UNFINISHED, number), shard.record, shard.entries)
    return shard


def _add(tar: Tar, member: Member, picture: Recoded | str, trained: set[int]) -> None:
    """Writes a picture, or takes note of why it is left out."""
    if member.part != "train" and member.label not in trained:
        picture = "no picture of its class to train on can be read"
    if isinstance(picture, str):
        tar.left_out.append(f"{member.part}/{member.original}: {picture}")
    else:
        tar.add(member, picture)
        trained.add(member.label)


def _finish(dataset: Dataset, out: Path, about: About, shards: list[Shard]) -> dict[str, Any]:
    """Writes the index, takes away what is not needed any more, and gives the index's header."""
    entries = Entries.joined([shard.entries for shard in shards])
    of_shards = [shard.record["counts"] for shard in shards]
    counts = {role: sum(found.get(role, 0) for found in of_shards) for role in dataset.by_role}
    classes = class_names(dataset)
    _refuse_too_few(out, entries, counts, classes)
    header = {
        "about": about,
        "where": Path(dataset.where).name,
        "classes": classes,
        "counts": counts,
        "boxes": [role for role, part in dataset.by_role.items() if part.objects is not None],
        "fingerprint": _fingerprint(entries, classes, counts),
        "shards": [shard.record for shard in shards],
    }
    write_index(out / INDEX, header, entries)
    keep = {INDEX, *(shard.record["name"] for shard in shards)}
    for path in out.iterdir():
        if OURS.fullmatch(path.name) and path.name not in keep:
            path.unlink()
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)
    return header


def _refuse_too_few(
    out: Path, entries: Entries, counts: Mapping[str, int], classes: list[str]
) -> None:
    """Refuses what nobody could train on and test."""
    by_class = np.bincount(entries.labels)
    there, alone = np.flatnonzero(by_class), np.flatnonzero(by_class == 1)
    if len(there) < 2:
        what = f"class '{classes[there[0]]}' alone has any" if len(there) else "there are none"
    elif len(alone):
        what = f"class '{classes[alone[0]]}' has one"
    elif empty := [role for role, count in counts.items() if not count]:
        what = f"the {empty[0]} part has none"
    else:
        return
    raise UserError(
        f"too few readable pictures to finish {out}: {what}; a dataset needs 2 classes, each with "
        f"2 pictures, one to train and one to choose by"
    )


def _fingerprint(entries: Entries, classes: list[str], counts: Mapping[str, int]) -> str:
    """The fingerprint that `folder.open` gives of the shards unpacked."""
    used = [name for label, name in enumerate(classes) if (entries.labels == label).any()]
    lines, start = [*used], 0
    for word, count in zip(words_of(counts), counts.values(), strict=True):
        here = entries.cut(start, start := start + count)
        names = picture_names(here, classes)
        found = sorted(zip(names, here.sizes.tolist(), strict=True))
        lines += [word, *(f"{name} {size}" for name, size in found)]
    return fingerprint(lines)
