"""What lies in a folder: pictures by class, from class folders or a list, and what was left out."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

import numpy as np
from jaxtyping import UInt32, UInt64

from verydeep.errors import UserError, escaped, one_line
from verydeep.parts.annotations import ObjectsIn, PointsIn
from verydeep.parts.dataset import Part
from verydeep.parts.entries import (
    UP,
    below,
    entries_of,
    is_folder,
    is_hidden,
    leads_up,
    natural_key,
    some,
    why_empty,
    why_no_picture,
)
from verydeep.parts.names import Names, joined


def class_name(folder: str) -> str:
    """The name of a class by its folder's: in NFC, and read as UTF-8 whatever the locale is.

    >>> class_name("Caf\udcc3\udca9"), class_name("Cafe\u0301")
    ('Café', 'Café')
    """
    return normalize("NFC", os.fsencode(folder).decode(errors="surrogateescape"))


def refuse_no_name(label: str, where: str) -> None:
    """Raises UserError for a label that cannot be a folder's name, as a pack has one for each.

    Such as `../../x`, which would lead out of whatever folder a pack is unpacked in.
    """
    if label in (".", "..") or "/" in label or "\0" in label:
        raise UserError(
            f"{where} has the class '{one_line(label)}', which cannot be a folder's name; write it "
            f"without / and without a zero byte, and not as . or .."
        )


_Picture = tuple[list[tuple[int, int, str]], str, int]
"""A picture's place in the order, its name and its bytes."""


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
class Listing:
    """What lies in a folder: pictures by class, and what was left out.

    `called` is what it goes by in notes, where a list makes it and not the folder. Objects and
    points are in the pictures of names below the folder.
    """

    root: Path
    pictures: dict[str, _Class] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    nested: set[str] = field(default_factory=set)
    called: str = ""
    flat: bool = False
    objects_in: ObjectsIn | None = None
    points_in: PointsIn | None = None

    @classmethod
    def of(cls, root: Path, flat: bool = False) -> Listing:
        """Every file below a folder, sorted into pictures and the rest, by name alone.

        Where it is known to be `flat`, what lies in folders of class folders is left out.
        """
        listing = cls(root, flat=flat)
        for entry in sorted(entries_of(root), key=lambda entry: natural_key(entry.name)):
            if is_hidden(entry.name):
                listing.left_out["hidden"].append(entry.name)
            elif leads_up(entry, root):
                listing.left_out[UP].append(f"{entry.name}/")
            elif is_folder(entry):
                listing._read_class(entry.name)
            else:
                outside = "pictures outside any class folder"
                listing.left_out[why_no_picture(entry.name) or outside].append(entry.name)
        return listing

    @classmethod
    def labelled(
        cls, root: Path, labels: Mapping[str, str], called: str = "", others: str = ""
    ) -> Listing:
        """The pictures that lie flat in a folder, each in the class that `labels` give its name.

        `others` is what pictures without a label are called in a note; without it nothing that
        has none is told.
        """
        listing = cls(root, called=called)
        found: dict[str, list[_Picture]] = defaultdict(list)
        for entry in entries_of(root):
            name = entry.name
            if is_folder(entry):
                continue
            reason = "hidden" if is_hidden(name) else why_no_picture(name) or why_empty(entry)
            if name in labels and not reason:
                key, size = natural_key(name), entry.stat().st_size
                label = class_name(labels[name])
                refuse_no_name(label, f"what is said of {name} in {called or root}")
                found[label].append((key, name, size))
            elif others:
                listing.left_out[reason or others].append(name)
        for name in sorted(found, key=natural_key):
            listing._add(name, ".", found[name])
        for names in listing.left_out.values():
            names.sort(key=natural_key)
        return listing

    @classmethod
    def of_files(cls, root: Path, labels: Mapping[str, str], called: str) -> Listing:
        """The pictures of these names below a folder, each in the class that `labels` give it."""
        listing = cls(root, called=called)
        found: dict[str, list[_Picture]] = defaultdict(list)
        for name in sorted(labels, key=natural_key):
            try:
                size = (root / name).stat().st_size
            except OSError:
                listing.left_out["files that cannot be reached"].append(name)
                continue
            if size:
                found[class_name(labels[name])].append((natural_key(name), name, size))
            else:
                listing.left_out["empty files"].append(name)
        for label in sorted(found, key=natural_key):
            refuse_no_name(label, called)
            listing._add(label, ".", found[label])
        return listing

    def _read_class(self, folder: str) -> None:
        found: list[_Picture] = []
        there = below(self.root / folder, self.root)
        for path, size in there.files:
            if reason := "hidden" if is_hidden(path) else why_no_picture(path):
                self.left_out[reason].append(f"{folder}/{path}")
            elif self.flat and "/" in path:
                self.left_out["in folders in class folders"].append(f"{folder}/{path}")
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
        self._add(name, folder, found)

    def _add(self, name: str, folder: str, found: list[_Picture]) -> None:
        """Takes the pictures of a class, which lie in a folder."""
        _, paths, sizes = zip(*sorted(found), strict=True)
        text, lengths = joined(paths)
        lengths_, sizes_ = np.array(lengths, np.uint32), np.array(sizes, np.uint64)
        self.pictures[name] = _Class(folder, text, lengths_, sizes_)

    @property
    def name(self) -> str:
        """What it goes by in notes."""
        return self.called or f"{self.root.name}/"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that have pictures, in order."""
        return tuple(self.pictures)

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each kind of thing that was left out, and of folders in class folders."""
        out = [
            f"left out in {self.name}, {why}: {len(names)} ({some(names)})"
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
        root, objects_in, points_in = self.root, self.objects_in, self.points_in

        def name(i: int) -> str:
            return paths[i].removeprefix("./")

        return Part(
            names,
            labels,
            lambda i: root / paths[i],
            objects_in and (lambda i: objects_in(name(i), classes)),
            points=points_in and (lambda i: points_in(name(i), classes)),
        )
