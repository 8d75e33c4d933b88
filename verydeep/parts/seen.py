"""Which pictures weights have learnt from, and which are fair to choose them by and to test on.

In comes a dataset; out comes the same with nothing set aside that was learnt, by the weights or by
those that they started from, and what weights are to remember of it. A picture is known by a key of
what is in its file, wherever that lies and whatever it is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from verydeep.errors import PictureError
from verydeep.parts.dataset import ROLES, Dataset, Keys, Part, joined
from verydeep.parts.entries import some
from verydeep.pictures.reading import Source
from verydeep.runtime.progress import SILENT, Progress
from verydeep.runtime.threads import in_order

PIECE = 2**14
"""Bytes of each of the three pieces of a file that are looked at; one of up to three is whole."""
BARE = (b"BM", *(b"P%d" % i for i in range(1, 7)), b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How BMP, Netpbm and TIFF begin, which may hold bare pixels: pictures of one size can then be
alike in all three pieces, so that all of the file is looked at."""
NO_KEY = 0
"""Of a picture that cannot be read."""
UNKNOWN = len(ROLES)
NO_KEYS = np.zeros(0, np.int64)

Roles = Int64[np.ndarray, " N"]
"""For each picture the place of its role in `ROLES`, or `UNKNOWN`."""


@dataclass(frozen=True)
class Memory:
    """Keys of the pictures that weights had to do with, sorted, by what they were for them.

    Eight bytes a picture: 10 MB for the 1.3 million of ILSVRC.
    """

    keys: Mapping[str, Keys] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset) -> Memory:
        """That of weights trained on a dataset whose keys were read."""
        found = {r: part.keys for r, part in dataset.by_role.items() if part.keys is not None}
        return cls({role: _sorted(keys) for role, keys in found.items() if len(keys)})

    def __or__(self, other: Memory) -> Memory:
        """That of weights started from others."""
        pairs = [(r, self.keys.get(r, NO_KEYS), other.keys.get(r, NO_KEYS)) for r in ROLES]
        return Memory(
            {r: _sorted(np.concatenate(both)) for r, *both in pairs if any(map(len, both))}
        )

    def __bool__(self) -> bool:
        return any(map(len, self.keys.values()))

    def roles(self, keys: Keys, own: str = "") -> Roles:
        """What each picture was; of several roles the first counts, for what is learnt stays so.

        The role that is the pictures' `own` in data that was found so counts before the others:
        such data may have copies across its parts, which are said, and are part of it.
        """
        roles = np.full(len(keys), UNKNOWN)
        for role in (*reversed(ROLES), own):
            if role in self.keys:
                roles[np.isin(keys, self.keys[role])] = ROLES.index(role)
        return roles


def _sorted(keys: Keys) -> Int64[np.ndarray, " M"]:
    return np.unique(keys[keys != NO_KEY])


def settled(
    dataset: Dataset,
    memory: Memory,
    whose: str = "",
    *,
    to_test: bool = False,
    threads: int = 2,
    progress: Progress = SILENT,
) -> Dataset:
    """The dataset, its keys read, with nothing set aside that weights of this memory have learnt.

    In parts that were drawn here pictures keep the role that the memory has of them, and copies of
    one picture stay together. From parts that were found what is learnt is left out, and copies in
    several of them are named. `whose` names the weights; where they are only `to_test`, what was
    found to train on is not looked into, and a test stays one. What code draws is never in two
    parts.
    """
    if dataset.kind == "drawn":
        return dataset
    unread = (dataset.roles["train"],) if to_test and not dataset.made else ()
    parts = _looked_into(dataset, threads, progress, unread)
    parts, notes = _redrawn(parts, dataset.made, memory, whose)
    for name in parts:
        role = dataset.role_of(name)
        if role in ("train", *dataset.made):
            continue
        learnt = memory.roles(keys_of(parts[name]), own=role or "") == ROLES.index("train")
        if learnt.any():
            parts[name], gone = (parts[name].only(np.flatnonzero(m)) for m in (~learnt, learnt))
            notes.append(f"left out of {name}, learnt by {whose}: {_count(gone.names)}")
    dataset = replace(dataset, parts=parts)
    if not to_test and not len(dataset.validation) and len(dataset.by_role.get("test", ())):
        parts[dataset.roles["validation"]] = parts.pop(dataset.roles["test"])
        dataset = replace(dataset, parts=parts, made=())
        notes.append("the test part chooses the weights, for the others were all learnt from")
    if not to_test:
        notes += _copies_across(dataset.by_role)
    return replace(dataset, notes=(*dataset.notes, *notes))


def looked_into(dataset: Dataset, threads: int = 2, progress: Progress = SILENT) -> Dataset:
    """The dataset as it is, its keys read; that of drawn pictures, which have none."""
    if dataset.kind == "drawn":
        return dataset
    return replace(dataset, parts=_looked_into(dataset, threads, progress))


def _looked_into(
    dataset: Dataset, threads: int, progress: Progress, unread: Sequence[str] = ()
) -> dict[str, Part]:
    return {
        name: part if name in unread else replace(part, keys=_read_keys(part, threads, progress))
        for name, part in dataset.parts.items()
    }


def _redrawn(
    parts: dict[str, Part], made: Sequence[str], memory: Memory, whose: str
) -> tuple[dict[str, Part], list[str]]:
    """The parts with those drawn here in keeping with the memory, and what that changed.

    Parts that were drawn, and what they were drawn from, are called after their roles.
    """
    if not made:
        return parts, []
    names = ("train", *made)
    whole = joined([parts[name] for name in names])
    drawn = np.repeat([ROLES.index(name) for name in names], [len(parts[name]) for name in names])
    keys = keys_of(whole)
    known = memory.roles(keys)
    known[(known < UNKNOWN) & ~np.isin(known, drawn)] = ROLES.index("validation")
    roles = np.where(known < UNKNOWN, known, drawn)
    first, copy_of = np.unique(keys, return_inverse=True)
    least = np.full(len(first), UNKNOWN)
    np.minimum.at(least, copy_of, roles)
    alike = np.where(keys == NO_KEY, roles, least[copy_of])
    notes = []
    if (known < UNKNOWN).any():
        learnt, held = ((known == 0).sum(), ((known > 0) & (known < UNKNOWN)).sum())
        pictures, stay = ("picture", "stays") if learnt == 1 else ("pictures", "stay")
        apart = f"{held:,} {'stays' if held == 1 else 'stay'} out of it"
        notes.append(f"{learnt:,} {pictures} that {whose} learnt {stay} in train, {apart}")
    if (moved := np.flatnonzero(alike != roles)).size:
        notes.append(f"copies moved to the part of their like: {_count(whole.only(moved).names)}")
    found = {name: whole.only(np.flatnonzero(alike == ROLES.index(name))) for name in names}
    return {**parts, **found}, notes


def _count(names: Sequence[str]) -> str:
    return f"{len(names):,} picture{'' if len(names) == 1 else 's'} ({some([*names])})"


def _copies_across(parts: Mapping[str, Part]) -> Iterator[str]:
    """A line for the pictures of each role that are in an earlier one, too, byte for byte."""
    roles = [*parts]
    for place, role in enumerate(roles[1:], 1):
        part, earlier = parts[role], joined([parts[name] for name in roles[:place]])
        keys, theirs = keys_of(part), keys_of(earlier)
        alike = np.isin(keys, theirs) & (keys != NO_KEY)
        where = {theirs[k]: k for k in np.flatnonzero(np.isin(theirs, keys[alike])).tolist()}
        pairs = [(i, where[keys[i]]) for i in np.flatnonzero(alike).tolist()]
        pairs = [(i, k) for i, k in pairs if is_copy(part.source(i), earlier.source(k))]
        if pairs:
            shown = some([f"{part.names[i]} = {earlier.names[k]}" for i, k in pairs])
            yield (
                f"in the {role} part and in {' or '.join(roles[:place])} as well, byte for byte: "
                f"{len(pairs):,} ({shown}); its error flatters: take them out of one of the two"
            )


def is_copy(first: Source, second: Source) -> bool:
    """Whether two files have the same bytes, where both can be read."""
    with suppress(OSError, PictureError):
        return _bytes_of(first) == _bytes_of(second)
    return False


def _bytes_of(source: Source) -> bytes:
    if isinstance(source, np.ndarray):
        return source.tobytes()
    return source if isinstance(source, bytes) else Path(source).read_bytes()


def _read_keys(part: Part, threads: int, progress: Progress) -> Keys:
    """The key of every picture, read by threads; those of a pack are in its index."""
    if part.keys is not None:
        return part.keys
    keys = np.full(len(part), NO_KEY)

    def read(i: int) -> int:
        with suppress(OSError, PictureError):
            return key_of(part.source(i))
        return NO_KEY

    for i, key in enumerate(in_order(read, range(len(part)), threads, ahead=64 * threads)):
        keys[i] = key
        progress.step("looking for copies", i + 1, len(part))
    return keys


def keys_of(part: Part) -> Keys:
    """The keys of a part's pictures, which `settled` has read."""
    assert part.keys is not None
    return part.keys


def key_of(source: Source) -> int:
    """64 bits that say which picture it is: of its size, beginning, middle and end.

    Of all of it where pixels may lie bare in it. Raises OSError or PictureError where it cannot be
    read.
    """
    if isinstance(source, str | Path):
        file = os.open(source, os.O_RDONLY)
        try:
            size = os.fstat(file).st_size
            pieces = [os.pread(file, PIECE, at) for at in _places(size)]
        finally:
            os.close(file)
        if pieces[0].startswith(BARE):
            pieces = [_bytes_of(source)]
    else:
        data = _bytes_of(source)
        size = len(data)
        whole = isinstance(source, np.ndarray) or data.startswith(BARE)
        pieces = [data] if whole else [data[at : at + PIECE] for at in _places(size)]
    digest = blake2b(b"".join([size.to_bytes(8, "little"), *pieces]), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _places(size: int) -> list[int]:
    """Where the pieces of a file of so many bytes begin."""
    if size <= 3 * PIECE:
        return [0, PIECE, 2 * PIECE]
    return [0, (size - PIECE) // 2, size - PIECE]
