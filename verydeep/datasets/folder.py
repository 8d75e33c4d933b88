"""A folder of labelled pictures: one folder for each class.

Two layouts are taken: `photos/cat/*.jpg`, which is split here; and `photos/train/cat/*.jpg` beside
`photos/val/cat/*.jpg`, `photos/test/cat/*.jpg` or both, which is split already. Where pictures are
many there is a part to choose the weights by and another to test on; what chose is no test.
Everything that is no picture is named in the notes.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import UInt32, UInt64

from verydeep import randomness
from verydeep.datasets.dataset import ROLES, Dataset, Labels, Part, fingerprint
from verydeep.datasets.names import Names, joined
from verydeep.errors import UserError
from verydeep.pictures import SUFFIXES

PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""What the folders of parts are called, whatever the case of letters."""
SYSTEM = frozenset({"@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN", "System Volume Information"})
"""Folders that storage devices and archives put between the user's."""
HELD_OUT = 0.2
"""Share of each class that is set aside where the folder has no split: half of it each to choose
the weights by and to test on where pictures are many, and else all of it to choose by."""
MANY, MANY_A_CLASS = 1000, 100
"""Pictures, in all and of each class, from which on there is a part for both: 10 of each class."""


def open_folder(root: Path, seed: int = 0) -> Dataset:
    """Dataset of a folder with one folder per class, whose names are the classes' names.

    Class names are in natural order ("2" before "10"). A folder without its own split gets one,
    drawn from `seed`, a fifth of each class set aside, and one picture at the least. Raises
    UserError where there are no pictures in class folders.
    """
    roots, beside = _layout(root)
    if not roots:
        return _split_here(root, _Listing.of(root), seed, ())
    listings = {role: _Listing.of(path) for role, path in roots.items()}
    train = listings["train"]
    listings, left_alone = _labelled(listings)
    if len(listings) == 1:
        note = f"{root} has {train.root.name}/ but no val/ or test/ beside it"
        return _split_here(root, train, seed, (note, *left_alone, *beside))
    return _split_already(root, listings, seed, (*left_alone, *beside))


def refuse_too_small(dataset: Dataset) -> None:
    """Raises UserError for a folder that can be tested on, but not trained on.

    That is one with one class, or with one picture of a class.
    """
    if dataset.kind != "folder":
        return
    if len(dataset.classes) < 2:
        raise UserError(
            f"one class folder only in {dataset.where}: '{dataset.classes[0]}'; at least 2 are "
            f"needed"
        )
    labels = np.concatenate([part.labels for part in dataset.parts.values()])
    alone = np.flatnonzero(np.bincount(labels) == 1)
    if len(alone):
        raise UserError(
            f"class '{dataset.classes[alone[0]]}' in {dataset.where} has one picture; at least 2 "
            f"are needed, one to train and one to choose by: add pictures or take the folder out"
        )


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts "img2" before "img10", and does not mind the case of letters."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts] + [(2, 0, name)]


def _layout(root: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The folders of parts by role where there is one to train on, and what lies beside them."""
    if not root.exists():
        raise UserError(f"no folder {root}; give a folder with one folder of pictures per class")
    if not root.is_dir():
        raise UserError(f"{root} is a file; give a folder with one folder of pictures per class")
    try:
        found = {path.name.casefold(): path for path in root.iterdir() if path.is_dir()}
    except OSError as error:
        raise UserError(f"cannot list {root}: {error.strerror}") from None
    parts = {name: path for name, path in found.items() if not _is_class(path)}
    roots = {
        role: next(parts[name] for name in names if name in parts)
        for role, names in PART_NAMES.items()
        if not parts.keys().isdisjoint(names)
    }
    if "train" not in roots:
        return {}, ()
    others = [f"{p.name}/" for p in root.iterdir() if p not in roots.values()]
    others = sorted(other if (root / other).is_dir() else other[:-1] for other in others)
    beside = (f"left alone beside {roots['train'].name}/: {some(others)}",) if others else ()
    return roots, beside


def _labelled(listings: dict[str, _Listing]) -> tuple[dict[str, _Listing], tuple[str, ...]]:
    """Those that can be used: a test/ beside val/ may be a contest's, whose labels nobody has."""
    if "validation" not in listings or "test" not in listings:
        return listings, ()
    train, test = listings["train"], listings["test"]
    if not test.pictures.keys().isdisjoint(train.pictures):
        return listings, ()
    line = f"left alone: {test.root.name}/, which has none of {train.root.name}/'s class folders"
    return {role: found for role, found in listings.items() if role != "test"}, (line,)


def _is_class(path: Path) -> bool:
    """Whether a folder holds pictures and no folders: then it is a class, be it one of trains."""
    if path.name.casefold() not in chain(*PART_NAMES.values()):
        return True
    seen = [entry for entry in entries_of(path) if not is_hidden(entry.name)]
    folders = any(entry.is_dir() for entry in seen)
    return not folders and any(is_picture(entry.name) for entry in seen)


def is_hidden(path: str) -> bool:
    """Whether a path, relative to the folder that the user named, is not meant to be seen."""
    return any(name.startswith(".") or name in SYSTEM for name in path.split("/"))


def some(names: list[str], most: int = 3) -> str:
    """The names, or the first of them and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


@dataclass(frozen=True)
class _Class:
    """The pictures of one class in natural order: names without the class's, and sizes in bytes."""

    names: bytes
    lengths: UInt32[np.ndarray, N]
    sizes: UInt64[np.ndarray, N]

    def __len__(self) -> int:
        return len(self.sizes)

    def lines(self, folder: str) -> Iterator[str]:
        """What identifies the pictures: name and size of each, by name."""
        ends = np.cumsum(self.lengths, dtype=np.int64)
        found = Names(np.frombuffer(self.names, np.uint8), ends, 0 * ends, (folder,))
        yield from (f"{name} {size}" for name, size in sorted(zip(found, self.sizes, strict=True)))


@dataclass
class _Listing:
    """What lies in a folder of class folders: pictures by class, and what was left out."""

    root: Path
    pictures: dict[str, _Class] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, root: Path) -> _Listing:
        """Every file below a folder, sorted into pictures and the rest, by name alone."""
        listing = cls(root)
        for entry in sorted(entries_of(root), key=lambda entry: natural_key(entry.name)):
            if is_hidden(entry.name):
                listing.left_out["hidden"].append(entry.name)
            elif entry.is_dir():
                listing._read_class(entry.name)
            elif is_picture(entry.name):
                listing.left_out["pictures outside any class folder"].append(entry.name)
            else:
                listing.left_out["no pictures by their names"].append(entry.name)
        return listing

    def _read_class(self, name: str) -> None:
        found = []
        for path, size in _files(self.root / name, "", set()):
            if is_hidden(path):
                self.left_out["hidden"].append(f"{name}/{path}")
            elif not is_picture(path):
                self.left_out["no pictures by their names"].append(f"{name}/{path}")
            elif not size:
                self.left_out["empty files"].append(f"{name}/{path}")
            else:
                found.append((natural_key(path), path, size))
        if found:
            _, paths, sizes = zip(*sorted(found), strict=True)
            text, lengths = joined(paths)
            lengths_, sizes_ = np.array(lengths, np.uint32), np.array(sizes, np.uint64)
            self.pictures[name] = _Class(text, lengths_, sizes_)
        else:
            self.left_out["class folders without pictures"].append(f"{name}/")

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each kind of thing that was left out."""
        return tuple(
            f"left out in {self.root.name}/, {why}: {len(names)} ({some(names)})"
            for why, names in self.left_out.items()
        )

    def lines(self) -> Iterator[str]:
        """What identifies the pictures, by name."""
        for name in sorted(self.pictures, key=lambda name: f"{name}/"):
            yield from self.pictures[name].lines(name)

    def part(self, classes: tuple[str, ...]) -> Part:
        """All the pictures, class by class."""
        there = [(label, self.pictures[c]) for label, c in enumerate(classes) if c in self.pictures]
        labels = np.repeat([label for label, _ in there], [len(found) for _, found in there])
        text = b"".join(found.names for _, found in there)
        ends = np.cumsum(np.concatenate([found.lengths for _, found in there]), dtype=np.int64)
        names = Names(np.frombuffer(text, np.uint8), ends, labels.astype(np.int64), classes)
        return Part(names, labels.astype(np.int64), lambda i: self.root / names[i])


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its suffix."""
    return name[name.rfind(".") :].casefold() in SUFFIXES  # quick: a million are asked about


def entries_of(folder: Path | str) -> list[os.DirEntry[str]]:
    """Everything in a folder, in no order; UserError where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise UserError(f"cannot list {folder}: {error.strerror}") from None


def _files(folder: Path | str, prefix: str, seen: set[tuple[int, int]]) -> list[tuple[str, int]]:
    """(name, bytes) of every file below a folder; links are followed, but never in a circle."""
    status = os.stat(folder)  # noqa: PTH116 - a string, for speed
    if (status.st_dev, status.st_ino) in seen:
        return []
    seen.add((status.st_dev, status.st_ino))
    found = []
    for entry in entries_of(folder):
        if entry.is_dir():
            found += _files(entry.path, f"{prefix}{entry.name}/", seen)
        else:
            found.append((prefix + entry.name, size_of(entry)))
    return found


def size_of(entry: os.DirEntry[str]) -> int:
    """Bytes of a file; 0 for a link that leads nowhere."""
    try:
        return entry.stat().st_size
    except OSError:
        return 0


def _split_here(root: Path, listing: _Listing, seed: int, notes: tuple[str, ...]) -> Dataset:
    """The dataset of one listing, split by the seed of the split."""
    classes = _classes(listing)
    whole = listing.part(classes)
    made = ("validation", "test") if _is_enough(whole.labels) else ("validation",)
    parts = _drawn(whole, seed, HELD_OUT, made)
    counts = {role: f"{len(part):,}" for role, part in parts.items()}
    if "test" in made:
        note = (
            f"{HELD_OUT / 2:.0%} of each class set aside to choose the weights by and "
            f"{HELD_OUT / 2:.0%} to test on, drawn from split seed {seed}: {counts['train']} to "
            f"train, {counts['validation']} to choose by, {counts['test']} to test"
        )
    else:
        note = (
            f"{HELD_OUT:.0%} of each class set aside to choose the weights by, drawn from split "
            f"seed {seed}: {counts['train']} to train, {counts['validation']} to choose by; for a "
            f"test as well there must be {MANY:,} pictures, {MANY_A_CLASS} of each class"
        )
    print_of = fingerprint(chain(classes, listing.lines()))
    notes = (*notes, note, *listing.notes)
    return Dataset(str(root), "folder", classes, parts, made, notes, print_of)


def _is_enough(labels: Labels) -> bool:
    """Whether there are pictures enough for one more part to be set aside."""
    counts = np.bincount(labels)
    return len(labels) >= MANY and bool(counts[counts > 0].min() >= MANY_A_CLASS)


def _drawn(whole: Part, seed: int, share: float, made: tuple[str, ...]) -> dict[str, Part]:
    """The parts of one: of every class the same share set aside, at least one picture.

    The roles that are made take turns with those that are set aside, so that these are the same
    pictures whether one role is made or two.
    """
    turns = np.zeros(len(whole), dtype=np.int64)
    for label in np.unique(whole.labels):
        members = np.flatnonzero(whole.labels == label)
        count = max(1, round(share * len(members)))
        drawn = randomness.generator(seed, "split", sample=int(label)).permutation(members)
        turns[drawn[:count]] = 1 + np.arange(count) % len(made)
    roles = enumerate(("train", *made))
    return {role: whole.only(np.flatnonzero(turns == turn)) for turn, role in roles}


def _split_already(
    root: Path, listings: dict[str, _Listing], seed: int, beside: tuple[str, ...]
) -> Dataset:
    """The dataset of several listings, each a part; one to choose by is made if there is none."""
    train = listings["train"]
    classes = _classes(train)
    notes = [
        line for role in listings if role != "train" for line in _held_out(train, listings[role])
    ]
    parts = {role: listing.part(classes) for role, listing in listings.items()}
    uses = {"train": "to train on", "validation": "to choose the weights by", "test": "to test on"}
    found = [f"{listings[r].root.name}/ ({len(p):,} {uses[r]})" for r, p in parts.items()]
    notes.insert(0, f"parts found, with their pictures: {', '.join(found)}")
    made: tuple[str, ...] = ()
    if "validation" not in parts and _is_enough(parts["train"].labels):
        made = ("validation",)
        parts = {**_drawn(parts["train"], seed, HELD_OUT / 2, made), "test": parts["test"]}
        notes.append(
            f"{HELD_OUT / 2:.0%} of each class of {train.root.name}/ set aside to choose the "
            f"weights by, drawn from split seed {seed}: {len(parts['validation']):,}"
        )
    elif "validation" not in parts:
        name = listings["test"].root.name
        parts["validation"] = parts.pop("test")
        notes.append(
            f"{name}/ chooses the weights, for there is no val/ and {train.root.name}/ has too few "
            f"to make one ({MANY:,} and {MANY_A_CLASS} of each class): its error is a validation "
            f"error, which flatters"
        )
    said = zip(words_of(listings), listings.values(), strict=True)
    lines = chain(classes, *(chain([word], listing.lines()) for word, listing in said))
    notes = [*notes, *beside, *(line for listing in listings.values() for line in listing.notes)]
    return Dataset(str(root), "folder", classes, parts, made, tuple(notes), fingerprint(lines))


def words_of(found: Collection[str]) -> tuple[str, ...]:
    """What the parts that were found go by in the fingerprint; two, as ever, by these."""
    return ("train", "test") if len(found) == 2 else ROLES


def _held_out(train: _Listing, other: _Listing) -> Iterator[str]:
    """A line for classes that a part that is not learnt from lacks; UserError for ones too many."""
    if not other.pictures:
        raise UserError(f"no pictures in the class folders of {other.root}")
    unknown = [name for name in other.pictures if name not in train.pictures]
    if unknown:
        raise UserError(
            f"{other.root} has classes that {train.root} has not: {some(unknown)}; "
            f"both need the same folders"
        )
    absent = [name for name in train.pictures if name not in other.pictures]
    if absent:
        yield f"classes without a picture in {other.root.name}/: {some(absent)}"


def _classes(listing: _Listing) -> tuple[str, ...]:
    """The names of the classes that have pictures.

    Raises UserError where there are none, or they lie in the only one of these folders.
    """
    classes, root = tuple(listing.pictures), listing.root
    if len(classes) > 1:
        return classes
    if classes:
        only = root / classes[0]
        if any(entry.is_dir() and not is_hidden(entry.name) for entry in entries_of(only)):
            raise UserError(
                f"one class folder only in {root}: '{classes[0]}'; its folders are the data: give "
                f"{only}"
            )
        return classes
    loose = listing.left_out.get("pictures outside any class folder", [])
    if loose:
        raise UserError(
            f"{root} has {len(loose)} pictures but no class folders; put those of each class "
            f"into a folder named after it"
        )
    raise UserError(f"no pictures in {root}; expected one folder of pictures per class")
