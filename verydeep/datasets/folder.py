"""A folder of labelled pictures: one folder for each class.

Two layouts are taken: `photos/cat/*.jpg`, which is split into a part to train on and a part to
test on; and `photos/train/cat/*.jpg` beside `photos/val/cat/*.jpg` (or `test/`), which is split
already. Everything that is no picture is named in the notes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from unicodedata import normalize

import numpy as np
from jaxtyping import UInt32, UInt64

from verydeep import randomness
from verydeep.datasets.dataset import Dataset, Labels, Part, fingerprint
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
        note = f"{root} has {train_root.name}/ but no val/ or test/ of class folders beside it"
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


def _layout(root: Path) -> tuple[Path | None, Path | None, tuple[str, ...]]:
    """The folder to train on and to test on where the layout has them, and what lies beside."""
    if not root.exists():
        raise UserError(f"no folder {root}; give a folder with one folder of pictures per class")
    if not root.is_dir():
        raise UserError(f"{root} is a file; give a folder with one folder of pictures per class")
    parts = part_folders(root)
    train, test = parts.get("train"), parts.get("validation", parts.get("test"))
    refuse_no_classes(train or root)
    if train is None:
        return None, None, ()
    taken = {path.relative_to(root).parts[0] for path in (train, test) if path}
    names = (f"{e.name}/" if e.is_dir() else e.name for e in entries_of(root))
    others = sorted(name for name in names if name.rstrip("/") not in taken)
    beside = (f"left alone beside {train.name}/: {some(others)}",) if others else ()
    return train, test, beside


@dataclass(frozen=True)
class _Class:
    """The pictures of one class in natural order: names without the class's, and sizes in bytes.

    `folder` is what the class's folder is called on the disk; the class's name is that in NFC.
    """

    folder: str
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
        name = normalize("NFC", folder)
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
