"""A folder of labelled pictures: one folder for each class.

Two layouts are taken: `photos/cat/*.jpg`, which is split into a part to train on and a part to
test on; and `photos/train/cat/*.jpg` beside `photos/val/cat/*.jpg` (or `test/`), which is split
already. Everything that is no picture is named in the notes.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import UInt32, UInt64

from verydeep import randomness
from verydeep.datasets.dataset import Dataset, Labels, Part, fingerprint
from verydeep.datasets.names import Names, joined
from verydeep.errors import UserError
from verydeep.pictures import SUFFIXES

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("val", "valid", "validation", "test", "testing")
SYSTEM = frozenset({"@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN", "System Volume Information"})
"""Folders that storage devices and archives put between the user's."""
TEST_SHARE = 0.2
"""Share of each class that is set aside for testing where the folder has no split."""


def open_folder(root: Path, seed: int = 0) -> Dataset:
    """Dataset of a folder with one folder per class, whose names are the classes' names.

    Class names are in natural order ("2" before "10"). A folder without its own split gets one,
    drawn from `seed`, a fifth of each class to test on, and one picture at the least. Raises
    UserError where there are no pictures in class folders.
    """
    train_root, test_root, beside = _layout(root)
    if train_root is None:
        return _split_here(root, _Listing.of(root), seed, ())
    train = _Listing.of(train_root)
    if test_root is None:
        note = f"{root} has {train_root.name}/ but no val/ or test/ beside it"
        return _split_here(root, train, seed, (note, *beside), train_root)
    return _split_already(root, train_root, test_root, train, _Listing.of(test_root), beside)


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
            f"are needed, one to train and one to test on: add pictures or take the folder out"
        )


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts "img2" before "img10", and does not mind the case of letters."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts] + [(2, 0, name)]


def _layout(root: Path) -> tuple[Path | None, Path | None, tuple[str, ...]]:
    """The folder to train on and to test on where the layout has them, and what lies beside."""
    if not root.exists():
        raise UserError(f"no folder {root}; give a folder with one folder of pictures per class")
    if not root.is_dir():
        raise UserError(f"{root} is a file; give a folder with one folder of pictures per class")
    try:
        found = {path.name.casefold(): path for path in root.iterdir() if path.is_dir()}
    except OSError as error:
        raise UserError(f"cannot list {root}: {error.strerror}") from None
    parts = {name: path for name, path in found.items() if not _is_class(path)}
    train = next((parts[name] for name in TRAIN_NAMES if name in parts), None)
    test = next((parts[name] for name in TEST_NAMES if name in parts), None)
    if train is None:
        return None, None, ()
    others = [f"{p.name}/" for p in root.iterdir() if p not in (train, test)]
    others = sorted(other if (root / other).is_dir() else other[:-1] for other in others)
    beside = (f"left alone beside {train.name}/: {some(others)}",) if others else ()
    return train, test, beside


def _is_class(path: Path) -> bool:
    """Whether a folder holds pictures and no folders: then it is a class, be it one of trains."""
    if path.name.casefold() not in (*TRAIN_NAMES, *TEST_NAMES):
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


def _split_here(
    root: Path,
    listing: _Listing,
    seed: int,
    notes: tuple[str, ...],
    pictures_root: Path | None = None,
) -> Dataset:
    """The dataset of one listing, split by the seed."""
    classes = _classes(listing)
    whole = listing.part(classes)
    test = _set_aside(whole.labels, seed)
    parts = whole.only(np.flatnonzero(~test)), whole.only(np.flatnonzero(test))
    made = (
        f"{TEST_SHARE:.0%} of each class set aside to test on, drawn from seed {seed}: "
        f"{len(parts[0]):,} to train, {len(parts[1]):,} to test"
    )
    print_of = fingerprint(chain(classes, listing.lines()))
    return Dataset(
        str(root), "folder", classes, *parts, True, (*notes, made, *listing.notes), print_of
    )


def _set_aside(labels: Labels, seed: int) -> np.ndarray:
    """Which pictures are for testing: of every class the same share, at least one."""
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, round(TEST_SHARE * len(members)))
        drawn = randomness.generator(seed, "split", sample=int(label)).permutation(members)
        test[drawn[:count]] = True
    return test


def _split_already(
    root: Path,
    train_root: Path,
    test_root: Path,
    train: _Listing,
    test: _Listing,
    beside: tuple[str, ...],
) -> Dataset:
    """The dataset of two listings, each a part."""
    classes = _classes(train)
    if not test.pictures:
        raise UserError(f"no pictures in the class folders of {test_root}")
    unknown = [name for name in test.pictures if name not in classes]
    if unknown:
        raise UserError(
            f"{test_root} has classes that {train_root} has not: {some(unknown)}; "
            f"both need the same folders"
        )
    absent = [c for c in classes if c not in test.pictures]
    missing = (f"classes without a picture to test on: {some(absent)}",) if absent else ()
    parts = train.part(classes), test.part(classes)
    found = (
        f"parts found: {train_root.name}/ ({len(parts[0]):,} pictures to train) and "
        f"{test_root.name}/ ({len(parts[1]):,} to test)"
    )
    notes = (found, *missing, *beside, *train.notes, *test.notes)
    lines = chain(classes, ["train"], train.lines(), ["test"], test.lines())
    return Dataset(str(root), "folder", classes, *parts, False, notes, fingerprint(lines))


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
