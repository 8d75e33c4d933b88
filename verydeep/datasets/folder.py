"""A folder of labelled pictures: one folder for each class.

Two layouts are taken: `photos/cat/*.jpg`, which is split here; and `photos/train/cat/*.jpg` beside
`photos/val/cat/*.jpg`, `photos/test/cat/*.jpg` or both, which is split already. Where pictures are
many there is a part to choose the weights by and another to test on; what chose is no test.
Everything that is no picture is named in the notes.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from unicodedata import normalize

import numpy as np
from jaxtyping import UInt32, UInt64

from verydeep import randomness
from verydeep.datasets.annotations import Labels
from verydeep.datasets.dataset import ROLES, Dataset, Part, fingerprint
from verydeep.datasets.entries import (
    UP,
    below,
    entries_of,
    is_hidden,
    leads_up,
    natural_key,
    some,
    why_no_picture,
)
from verydeep.datasets.layout import lists_in, part_folders, refuse_no_classes
from verydeep.datasets.names import Names, joined
from verydeep.errors import UserError, escaped

HELD_OUT = 0.2
"""Share of each class that is set aside where the folder has no split: half of it each to choose
the weights by and to test on where pictures are many, and else all of it to choose by."""
MANY, MANY_A_CLASS = 1000, 100
"""Pictures, in all and of each class, from which on there is a part for both: 10 of each class."""


def is_here(where: str | Path) -> bool:
    """Always: a path that is nothing else is this, or `open` says what is wrong with it."""
    return True


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of a folder with one folder per class, whose names are the classes' names.

    Class names are in natural order ("2" before "10"). A folder without its own split gets one,
    drawn from `split`, a fifth of each class set aside, and one picture at the least. Raises
    UserError where there are no pictures in class folders.
    """
    root = Path(where)
    roots, beside = _layout(root)
    if not roots:
        return _split_here(root, _Listing.of(root), split, ())
    listings = {role: _Listing.of(path) for role, path in roots.items()}
    train = listings["train"]
    listings, left_alone = _labelled(listings)
    if len(listings) == 1:
        note = f"{root} has {train.root.name}/ but no val/ or test/ of class folders beside it"
        return _split_here(root, train, split, (note, *left_alone, *beside))
    return _split_already(root, listings, split, (*left_alone, *beside))


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
    labels = np.concatenate([part.labels for part in dataset.by_role.values()])
    alone = np.flatnonzero(np.bincount(labels) == 1)
    if len(alone):
        raise UserError(
            f"class '{dataset.classes[alone[0]]}' in {dataset.where} has one picture; at least 2 "
            f"are needed, one to train and one to choose by: add pictures or take the folder out"
        )


def _layout(root: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The folders of parts by role where there is one to train on, and what lies beside them."""
    if not root.exists():
        raise UserError(f"no folder {root}; give a folder with one folder of pictures per class")
    if not root.is_dir():
        raise UserError(f"{root} is a file; give a folder with one folder of pictures per class")
    roots = part_folders(root)
    refuse_no_classes(roots.get("train", root))
    if not roots:
        return {}, ()
    taken = {path.relative_to(root).parts[0] for path in roots.values()}
    names = (f"{e.name}/" if e.is_dir() else e.name for e in entries_of(root))
    others = sorted(name for name in names if name.rstrip("/") not in taken)
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


def class_name(folder: str) -> str:
    """The name of a class by its folder's: in NFC, and read as UTF-8 whatever the locale is.

    >>> class_name("Caf\udcc3\udca9"), class_name("Cafe\u0301")
    ('Café', 'Café')
    """
    return normalize("NFC", os.fsencode(folder).decode(errors="surrogateescape"))


@dataclass(frozen=True)
class _Class:
    """The pictures of one class in natural order: names without the class's, and sizes in bytes.

    `folder` is what the class's folder is called on the disk; the class's name is that in NFC.
    """

    folder: str
    names: bytes
    lengths: UInt32[np.ndarray, " N"]
    sizes: UInt64[np.ndarray, " N"]

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
    nested: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, root: Path) -> _Listing:
        """Every file below a folder, sorted into pictures and the rest, by name alone."""
        listing = cls(root)
        for entry in sorted(entries_of(root), key=lambda entry: natural_key(entry.name)):
            if is_hidden(entry.name):
                listing.left_out["hidden"].append(entry.name)
            elif leads_up(entry, root):
                listing.left_out[UP].append(f"{entry.name}/")
            elif entry.is_dir():
                listing._read_class(entry.name)
            else:
                outside = "pictures outside any class folder"
                listing.left_out[why_no_picture(entry.name) or outside].append(entry.name)
        return listing

    def _read_class(self, folder: str) -> None:
        found, there = [], below(self.root / folder, self.root)
        for path, size in there.files:
            if reason := "hidden" if is_hidden(path) else why_no_picture(path):
                self.left_out[reason].append(f"{folder}/{path}")
            else:
                found.append((natural_key(path), path, size))
                if "/" in path:
                    self.nested.add(f"{folder}/{path[: path.index('/')]}")
        for reason, path in there.passed_over:
            reason = "hidden" if is_hidden(path) else reason
            self.left_out[reason].append(f"{folder}/{path}")
        if not found:
            self.left_out["class folders without pictures"].append(f"{folder}/")
            return
        name = class_name(folder)
        if name in self.pictures:
            raise UserError(
                f"{self.root} has the class '{escaped(name)}' twice, its letters written in two "
                f"ways (Unicode NFC and NFD); put the pictures of both folders into one"
            )
        _, paths, sizes = zip(*sorted(found), strict=True)
        text, lengths = joined(paths)
        lengths_, sizes_ = np.array(lengths, np.uint32), np.array(sizes, np.uint64)
        self.pictures[name] = _Class(folder, text, lengths_, sizes_)

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each kind of thing that was left out, and of folders in class folders."""
        out = [
            f"left out in {self.root.name}/, {why}: {len(names)} ({some(names)})"
            for why, names in self.left_out.items()
        ]
        nested = sorted(self.nested, key=natural_key)
        inside = f"folders in class folders, read as part of them: {len(nested)} ({some(nested)})"
        return (*out, inside) if nested else tuple(out)

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
        labels, folders = labels.astype(np.int64), [*classes]
        for label, found in there:
            folders[label] = found.folder
        names, paths = (
            Names(np.frombuffer(text, np.uint8), ends, labels, called)
            for called in (classes, folders)
        )
        return Part(names, labels, lambda i: self.root / paths[i])


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
            f"seed {seed}: {counts['train']} to train, {counts['validation']} to choose by; of "
            f"{MANY:,} pictures, {MANY_A_CLASS} of each class, there would be a test as well"
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
        lists = lists_in(root)
        unread = f" (labels in lists, such as {escaped(lists[0])}, are not read)" if lists else ""
        raise UserError(
            f"{root} has {len(loose)} pictures but no class folders; put those of each class "
            f"into a folder named after it{unread}"
        )
    unread = next(
        (f": {len(n)} {why}" for why, n in listing.left_out.items() if "not read" in why), ""
    )
    raise UserError(f"no pictures in {root}{unread}; expected one folder of pictures per class")
