"""Labels of pictures that lie flat, from a list beside them.

A list is a table with a line for each picture, as Kaggle and Tiny ImageNet hand them out: a column
of names of pictures, with or without their suffix or folder, and a column of classes. That is the
other one of two, or the one that is called so; Tiny ImageNet's has four more, of numbers. Why a
list is not read is kept, to be told where the pictures then have no class.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from verydeep.datasets.dataset import ROLES
from verydeep.datasets.entries import entries_of, is_hidden, is_picture, natural_key, some
from verydeep.datasets.layout import folders_of, has_pictures, holds_pictures, is_kind, role_of
from verydeep.datasets.list_columns import Columns, columns_of, picture_of
from verydeep.datasets.listing import Listing, refuse_no_name
from verydeep.errors import UserError, one_line

ENDS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""Ends of names of lists, and what parts their columns; semicolons may part those of a .csv."""
NO_LABELS = ("sample", "submission")
"""Words in names of lists whose labels are there to be filled in."""
MOST = 2**28
"""Bytes that a list may have: a million pictures take some 40 million."""


@dataclass(frozen=True)
class LabelList:
    """A list, what it says of the pictures in a folder, and by which columns and lines.

    `beside` are the pictures that lists of other parts name in the same folder; None where there
    are no such lists.
    """

    path: Path
    folder: Path
    labels: dict[str, str]
    columns: str
    lines: frozenset[int]
    absent: tuple[str, ...]
    beside: frozenset[str] | None = None

    @property
    def listing(self) -> Listing:
        """The pictures that it names, by class; the others are told of."""
        if self.beside is not None:
            others = "pictures that no list names" if _role(self) == "train" else ""
            listing = Listing.labelled(self.folder, self.labels, self.path.name, others)
            left = [name for name in listing.left_out.pop(others, []) if name not in self.beside]
            listing.left_out |= {others: left} if left else {}
            return listing
        called = "" if self.folder == self.path.parent else f"{self.folder.name}/"
        others = f"pictures that {self.path.name} does not name"
        return Listing.labelled(self.folder, self.labels, called, others)

    @property
    def notes(self) -> tuple[str, ...]:
        """How the pictures came by their classes."""
        note = f"classes of {self.folder.name}/ by {self.path.name}{self.columns}"
        if not self.absent:
            return (note,)
        return (note, f"named by {self.path.name}, but not there: {len(self.absent):,} "
                      f"({some(self.absent)})")  # fmt: skip


@dataclass
class Lists:
    """The lists that were read, by the role of their pictures, and why others were not, by name."""

    by_role: dict[str, LabelList] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def label_lists(root: Path) -> Lists:
    """The lists of pictures that lie flat, by the role of these.

    They lie in the folder itself, or in folders whose names are words for parts and pictures, or in
    folders for pictures in those. Where two could be those of one role, neither is.
    """
    folders = [folder for folder in folders_of(root) if has_pictures(folder)]
    if not folders:
        return lists_of(root, [root])
    found: dict[str, list[LabelList]] = {role: [] for role in ROLES}
    unread: dict[str, str] = {}
    for folder in filter(lambda folder: is_kind(folder.name), folders):
        role = role_of(folder.name)
        for flat in (folder, *folders_of(folder)):
            if is_kind(flat.name) and holds_pictures(flat):
                known = lists_of(flat, [flat, folder, root], role and role[0])
                unread |= known.unread
                for part, one in known.by_role.items():
                    found[part].append(one)
    lists = {role: known[0] for role, known in found.items() if len(known) == 1}
    if "train" in lists and any(not is_kind(folder.name) for folder in folders):
        return Lists()
    train = lists.get("train")
    apart = {
        role: known
        for role, known in lists.items()
        if role == "train" or train is None or not _same_lines(known, train)
    }
    return Lists(apart, unread)


def _same_lines(one: LabelList, other: LabelList) -> bool:
    """Whether the same lines name pictures of two folders, which can be true of one alone."""
    return one.path == other.path and not one.lines.isdisjoint(other.lines)


def lists_of(folder: Path, places: Sequence[Path], role: str | None = None) -> Lists:
    """The list in these places that gives classes to pictures which lie flat in a folder.

    It is that of the role, and to train on where the folder has none; several lists are those of
    the parts that they are called after, where no picture is in two of them. Raises UserError where
    one gives a picture two classes.
    """
    files = [entry.name for entry in entries_of(folder) if is_picture(entry.name)]
    pictures = {name: name for name in files if not is_hidden(name)}
    by_stem = defaultdict[str, list[str]](list)
    for name in pictures:
        by_stem[PurePosixPath(name).stem].append(name)
    pictures |= {stem: names[0] for stem, names in by_stem.items() if len(names) == 1}
    if not pictures:
        return Lists()
    paths = chain.from_iterable(_lists(place) for place in dict.fromkeys(places))
    read = {path: _read(path, folder, pictures) for path in paths}
    found = [known for known in read.values() if isinstance(known, LabelList)]
    unread = {path.name: why for path, why in read.items() if isinstance(why, str)}
    if len(found) < 2:
        return Lists(dict(zip([role or "train"], found, strict=False)), unread)
    if role is None and (parts := _by_role(found)):
        return Lists(parts, unread)
    for one, other in zip(found, (*found[1:], found[0]), strict=True):
        unread[one.path.name] = f"{other.path.name} is of pictures in {folder.name}/ as well"
    return Lists({}, unread)


def _by_role(found: Sequence[LabelList]) -> dict[str, LabelList]:
    """Lists by the parts that they are called after; none where two have a picture or a part."""
    parts = {role: known for known in found if (role := _role(known))}
    named = [name for known in found for name in known.labels]
    if len(parts) < len(found) or "train" not in parts or len({*named}) < len(named):
        return {}
    return {
        role: replace(known, beside=frozenset(named).difference(known.labels))
        for role, known in parts.items()
    }


def _role(known: LabelList) -> str | None:
    """The part that a list is called after."""
    role = role_of(known.path.stem)
    return role and role[0]


def _lists(place: Path) -> list[Path]:
    names = sorted((entry.name for entry in entries_of(place)), key=natural_key)
    known = [name for name in names if Path(name).suffix.casefold() in ENDS]
    return [place / n for n in known if not any(word in n.casefold() for word in NO_LABELS)]


def _read(path: Path, folder: Path, pictures: dict[str, str]) -> LabelList | str:
    """What a file says of the pictures; where it is no list of them, why."""
    if path.stat().st_size > MOST:
        return f"more than {MOST:,} bytes"
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.reader(text.splitlines(), delimiter=_parting(path, text))
        rows = [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError:
        return "not UTF-8"
    except (OSError, csv.Error) as error:
        return one_line(str(error))
    if not rows:
        return "empty"
    for number, row in rows:
        if len(row) != len(rows[0][1]):
            return f"{len(row)} cells in line {number}, {len(rows[0][1])} in the first"
    columns = columns_of([row for _, row in rows], folder, pictures)
    if isinstance(columns, str):
        return columns
    labels, lines, absent = _labels(rows, columns, path, folder, pictures)
    if not labels:
        return "no line gives a picture a class"
    return LabelList(path, folder, labels, columns.told, frozenset(lines), tuple(absent))


def _labels(
    rows: list[tuple[int, list[str]]],
    columns: Columns,
    path: Path,
    folder: Path,
    pictures: dict[str, str],
) -> tuple[dict[str, str], set[int], list[str]]:
    """The classes of pictures, the lines that say so, and names of pictures that are not there."""
    labels: dict[str, str] = {}
    absent, lines = [], set()
    for number, row in rows[columns.headed :]:
        cell, label = row[columns.name], row[columns.label].strip()
        name = picture_of(cell, folder, pictures)
        if name is None:
            absent.append(cell)
            continue
        lines.add(number)
        if label:
            refuse_no_name(label, f"line {number} of {path}")
        if labels.setdefault(name, label) != label:
            raise UserError(
                f"line {number} of {path} gives {name} the class '{one_line(label)}', and an "
                f"earlier one '{one_line(labels[name])}'; a picture has one class here"
            )
    return {name: label for name, label in labels.items() if label}, lines, absent


def _parting(path: Path, text: str) -> str:
    first = text.partition("\n")[0]
    usual = ENDS[path.suffix.casefold()]
    return ";" if usual == "," and first.count(";") > first.count(",") else usual
