"""Labels of pictures that lie flat, from a list beside them.

A list is a table with a line for each picture, as Kaggle and Tiny ImageNet hand them out: a column
of names of pictures, with or without their suffix or folder, and a column of classes. That is the
other one of two, or the one that is called so; Tiny ImageNet's has four more, of numbers. Or each
class has a column of 0 and 1. Why a list is not read is kept, to be told where the pictures then
have no class.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from verydeep.errors import UserError, one_line
from verydeep.folders.layout import folders_of, has_pictures, holds_pictures, is_kind, role_of
from verydeep.folders.list_columns import Columns, Find, columns_of
from verydeep.folders.listing import Listing, refuse_no_name
from verydeep.folders.marks import Marks, give
from verydeep.folders.table_rows import ENDS, Rows, rows_of
from verydeep.folders.tags import Said, Tags
from verydeep.parts.dataset import ROLES
from verydeep.parts.entries import entries_of, is_hidden, is_picture, natural_key, some

NO_CLASS = "no line gives a picture a class"
NO_LABELS = ("sample", "submission")
"""Words in names of lists whose labels are there to be filled in."""


@dataclass(frozen=True)
class LabelList:
    """A list, what it says of the pictures in a folder, and by which columns and lines.

    `labels` are those of each picture, of one each where several were not asked for; `marks` are
    boxes or points, where it tells of them. `beside` are the pictures that lists of other parts
    name in the same folder; None where there are no such lists.
    """

    path: Path
    folder: Path
    labels: dict[str, tuple[str, ...]]
    columns: Columns
    lines: frozenset[int]
    absent: tuple[str, ...]
    left_out: tuple[str, ...]
    marks: Marks | None = None
    beside: frozenset[str] | None = None

    @property
    def listing(self) -> Listing:
        """The pictures that it names, by class; the others are told of."""
        listing = self._listed()
        give(self.marks, listing)
        return listing

    def _listed(self) -> Listing:
        single = {name: labels[0] for name, labels in self.labels.items()}
        if self.beside is not None:
            others = "pictures that no list names" if _role(self) == "train" else ""
            listing = Listing.labelled(self.folder, single, self.path.name, others)
            left = [name for name in listing.left_out.pop(others, []) if name not in self.beside]
            listing.left_out |= {others: left} if left else {}
            return listing
        called = "" if self.folder == self.path.parent else f"{self.folder.name}/"
        others = f"pictures that {self.path.name} does not name"
        return Listing.labelled(self.folder, single, called, others)

    @property
    def tags(self) -> Tags:
        """The pictures that it names, with all their labels."""
        called = self.path.name if self.beside is not None else f"{self.folder.name}/"
        tags = Tags.of(self.folder, said(self.labels), called)
        give(self.marks, tags)
        return tags

    @property
    def notes(self) -> tuple[str, ...]:
        """How the pictures came by their classes."""
        notes = [f"classes of {self.folder.name}/ by {self.path.name}{self.columns.told}"]
        if self.absent:
            more = f"{len(self.absent):,} ({some(self.absent)})"
            notes.append(f"named by {self.path.name}, but not there: {more}")
        if self.left_out:
            notes.append(not_of_one(self.left_out))
        if self.columns.part is not None:
            heading = one_line(self.columns.headings[self.columns.part])
            notes.append(f"not read: parts by the column '{heading}'; give {self.path} for them")
        if any(map(self.columns.joins, self.labels.values())):
            notes.append(JOINED)
        return tuple(notes)


JOINED = "several labels in a cell are one class together here; --task tag takes them one by one"
TAKES_ALL = "--task tag takes them all"


def said(labels: Mapping[str, Sequence[str]]) -> dict[str, Said]:
    """The same labels, all of them certain."""
    return {name: dict.fromkeys(of_one, True) for name, of_one in labels.items()}


def not_of_one(names: Sequence[str]) -> str:
    """A note of pictures that are left out because not one class alone is theirs."""
    return (
        f"left out, pictures of several classes, or of none: {len(names):,} ({some(names)}); "
        f"{TAKES_ALL}"
    )


@dataclass
class Lists:
    """The lists that were read, by the role of their pictures, and why others were not, by name."""

    by_role: dict[str, LabelList] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def label_lists(root: Path, several: bool = False) -> Lists:
    """The lists of pictures that lie flat, by the role of these, of one class each or of several.

    They lie in the folder itself, or in folders whose names are words for parts and pictures, or in
    folders for pictures in those. Where two could be those of one role, neither is.
    """
    folders = [folder for folder in folders_of(root) if has_pictures(folder)]
    if not folders:
        return lists_of(root, [root], several=several)
    found: dict[str, list[LabelList]] = {role: [] for role in ROLES}
    unread: dict[str, str] = {}
    for folder in filter(lambda folder: is_kind(folder.name), folders):
        role = role_of(folder.name)
        for flat in (folder, *folders_of(folder)):
            if is_kind(flat.name) and holds_pictures(flat):
                known = lists_of(flat, [flat, folder, root], role and role[0], several)
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


def lists_of(
    folder: Path, places: Sequence[Path], role: str | None = None, several: bool = False
) -> Lists:
    """The list in these places that gives classes to pictures which lie flat in a folder.

    It is that of the role, and to train on where the folder has none; several lists are those of
    the parts that they are called after, where no picture is in two of them. One with a column for
    each class counts where there is no other. Raises UserError where one gives a picture two
    classes, unless `several` are asked for.
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
    read = {path: _read(path, folder, pictures, several) for path in paths}
    lists = [known for known in read.values() if isinstance(known, LabelList)]
    found = [known for known in lists if not known.columns.one_hot] or lists
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


def _read(path: Path, folder: Path, pictures: dict[str, str], several: bool) -> LabelList | str:
    """What a file says of the pictures; where it is no list of them, why."""

    def find(cell: str) -> str | None:
        named = PurePosixPath(cell.strip().replace("\\", "/"))
        return pictures.get(named.name) if named.parent.name in ("", folder.name) else None

    rows = rows_of(path)
    if isinstance(rows, str):
        return rows
    for number, row in rows:
        if len(row) != len(rows[0][1]):
            return f"{len(row)} cells in line {number}, {len(rows[0][1])} in the first"
    where = f"{one_line(folder.name)}/"
    columns = columns_of([row for _, row in rows], find, where, several)
    if isinstance(columns, str):
        return columns
    marks = Marks(columns.sides) if columns.sides else None
    labels, lines, absent = _labels(rows, columns, path, find, several, marks)
    left_out = () if several else tuple(n for n, of_one in labels.items() if len(of_one) != 1)
    if not columns.one_hot and not marks:  # an empty cell says nothing of a picture
        left_out = ()
        labels = labels if several else {name: of for name, of in labels.items() if of}
    known = {name: of_one for name, of_one in labels.items() if name not in {*left_out}}
    if not any(known.values()):
        return f"no picture of one class alone; {TAKES_ALL}" if left_out else NO_CLASS
    return LabelList(path, folder, known, columns, frozenset(lines), tuple(absent), left_out, marks)


def _labels(
    rows: Rows, columns: Columns, path: Path, find: Find, several: bool, marks: Marks | None
) -> tuple[dict[str, tuple[str, ...]], set[int], list[str]]:
    """The classes of pictures, the lines that say so, and names of pictures that are not there.

    Boxes and points go into the `marks`. Raises UserError for what cannot be so.
    """
    labels: dict[str, tuple[str, ...]] = {}
    absent, lines = [], set()
    for number, row in rows[columns.headed :]:
        cell = row[columns.name]
        name = find(cell)
        if name is None:
            absent.append(cell)
            continue
        lines.add(number)
        found = columns.said(row, several)
        for label in found if not several else ():
            refuse_no_name(label, f"line {number} of {path}")
        before = labels.setdefault(name, found)
        if marks:
            marks.take(number, row, name, found)
        if several or marks:
            labels[name] = tuple(dict.fromkeys((*before, *found)))
        elif before != found:
            raise UserError(
                f"line {number} of {path} gives {name} the class '{one_line(', '.join(found))}', "
                f"and an earlier one '{one_line(', '.join(before))}'; a picture has one class here"
            )
    if marks:
        marks.refuse_wrong(path)
    return labels, lines, absent
