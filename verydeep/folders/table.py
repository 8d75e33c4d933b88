"""A table of pictures and their labels, given as a `.csv` or `.tsv` file.

Its columns are found as those of lists beside flat pictures are; pictures lie below its folder. A
column of parts makes these, else all is split here. Rows that cannot be used are counted, by what
is wrong with them, and where they are more than half of all the table is refused. So is one with a
box that is none, for of its picture not all would be told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from verydeep.errors import UserError, one_line
from verydeep.folders.folder import dataset_of
from verydeep.folders.label_lists import JOINED, TAKES_ALL, not_of_one, said
from verydeep.folders.layout import PARTS
from verydeep.folders.list_columns import Columns, columns_of
from verydeep.folders.listing import Listing
from verydeep.folders.marks import Marks, give
from verydeep.folders.table_places import Places
from verydeep.folders.table_rows import Rows, counted, rows_of
from verydeep.folders.tags import Tags, classes_of
from verydeep.parts import splitting
from verydeep.parts.dataset import ROLES, Dataset
from verydeep.parts.entries import some

SUFFIXES = (".csv", ".tsv")
BELOW = "pictures below the table's folder"
EXPECTED = f"expected a line `picture,class` each, {BELOW}"
TWO = "of a picture of another class before"
WORDS = {"train": "train", "validation": "val", "test": "test"}


def is_here(where: str | Path) -> bool:
    """Whether it is called as a table is, and is no folder."""
    path = Path(where)
    return path.suffix.casefold() in SUFFIXES and not path.is_dir()


def open(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of the pictures of one class each, with the boxes or points that are told of.

    Raises UserError where there is no telling.
    """
    table = Table.read(Path(where), several=False)
    listings = {}
    for role, labels in table.labels.items():
        single = {name: of[0] for name, of in labels.items()}
        listings[role] = Listing.of_files(table.path.parent, single, table.called(role))
        give(table.marks, listings[role])
    return dataset_of(table.path, listings, split, table.notes)


def open_several(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of all pictures, with several labels each or none.

    Labels of one picture may stand in one cell, in several rows, or in columns of 0 and 1. Raises
    UserError as `open` does.
    """
    table = Table.read(Path(where), several=True)
    found = {
        role: Tags.of(table.path.parent, said(labels), table.called(role))
        for role, labels in table.labels.items()
    }
    for tags in found.values():
        give(table.marks, tags)
    classes = classes_of(found.values())
    return splitting.dataset_of(table.path, found, classes, split, table.notes)


@dataclass(frozen=True)
class Table:
    """What a table says: labels of pictures, by role and name, boxes or points, how it was read."""

    path: Path
    labels: Mapping[str, Mapping[str, tuple[str, ...]]]
    notes: tuple[str, ...]
    marks: Marks | None

    @classmethod
    def read(cls, path: Path, several: bool) -> Table:
        """That of a file; UserError where it is none, or most of its rows cannot be used."""
        if not path.is_file():
            raise UserError(f"no file {path}; give a folder of pictures, or a table of them")
        rows = rows_of(path)
        if isinstance(rows, str):
            raise UserError(f"{path} cannot be read as a table: {rows}; {EXPECTED}")
        find = Places(path)
        width = len(rows[0][1])
        whole = [row for _, row in rows if len(row) == width]
        columns = columns_of(whole, find, f"{path.parent}/ or a folder in it", several)
        if isinstance(columns, str):
            raise UserError(f"{path} is not read: {columns}; {EXPECTED}")
        return _read(path, rows, columns, find, several)

    def called(self, role: str) -> str:
        """What a part goes by in notes."""
        return f"{self.path.name} ({WORDS[role]})" if len(self.labels) > 1 else self.path.name


@dataclass
class _Taken:
    """What the rows so far say: labels and parts of pictures, and what is the matter with others.

    Faults leave a row out; what is wrong contradicts another one.
    """

    columns: Columns
    several: bool
    marks: Marks | None
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(self, number: int, row: Sequence[str], name: str) -> None:
        """Takes a row that names this picture."""
        part = self.columns.part
        word = "train" if part is None else row[part].strip().casefold()
        if word not in PARTS:
            self.wrong["of no part"].append(f"line {number}, '{word}'")
        role = PARTS.get(word, "train")
        if self.roles.setdefault(name, role) != role:
            self.wrong["of a picture in two parts"].append(f"line {number}, {name}")
        found = self.columns.said(row, self.several)
        before = self.labels.setdefault(name, found)
        if self.marks:
            self.marks.take(number, row, name, found)
        if self.several or self.marks:
            self.labels[name] = tuple(dict.fromkeys((*before, *found)))
        elif before != found:
            self.wrong[TWO].append(f"line {number}, {name}")


def _read(path: Path, rows: Rows, columns: Columns, find: Places, several: bool) -> Table:
    """What the rows say; UserError where most of them cannot be used, or contradict others."""
    marks = Marks(columns.sides) if columns.sides else None
    taken, width = _Taken(columns, several, marks), len(rows[0][1])
    unfit = taken.wrong if marks else taken.faults  # a box that is left out is missed in a picture
    for number, row in rows[columns.headed :]:
        if len(row) != width:
            unfit[f"not of {width} cells"].append(f"line {number}")
        elif (name := find(row[columns.name])) is None:
            cell = row[columns.name].strip()
            taken.faults["that name no picture there"].append(cell or "an empty cell")
        else:
            taken.take(number, row, name)
    wrong = {**taken.wrong, **(marks.wrong if marks else {})}
    expected = f"{marks.expected}, {BELOW}" if marks else EXPECTED
    _refuse(path, len(rows) - columns.headed, taken.faults, wrong, expected)
    kept = {name: of for name, of in taken.labels.items() if several or len(of) == 1}
    left_out = [name for name in taken.labels if name not in kept]
    if marks and left_out and not kept:
        raise UserError(f"{path} has no picture of one class alone; {TAKES_ALL}")
    parts = _by_role(path, kept, taken.roles)
    notes = _notes(path, columns, taken.faults, left_out, several)
    if not several and any(map(columns.joins, kept.values())):
        notes.append(JOINED)
    return Table(path, parts, tuple(notes), marks)


def _refuse(
    path: Path,
    count: int,
    faults: Mapping[str, Sequence[str]],
    wrong: Mapping[str, Sequence[str]],
    expected: str,
) -> None:
    """Raises UserError for rows that contradict others, or cannot be used and are most of all."""
    unusable = sum(map(len, faults.values()))
    if wrong or 2 * unusable > count:
        several = "; --task tag takes several classes a picture" if TWO in wrong else ""
        told = counted({**wrong, **faults})
        raise UserError(
            f"{path} has rows that cannot be used, of {count:,} in all: {told}; {expected}{several}"
        )


def _by_role(
    path: Path, labels: Mapping[str, tuple[str, ...]], roles: Mapping[str, str]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """The labels by the role of their pictures; UserError where there is none to train on."""
    if not any(labels.values()):
        raise UserError(f"no row of {path} gives a picture that is there a class; {EXPECTED}")
    there = {*roles.values()}
    if "train" not in there:
        raise UserError(
            f"no row of {path} is of the part 'train'; those there are of {some([*there])}"
        )
    parts = {role: {n: of for n, of in labels.items() if roles[n] == role} for role in ROLES}
    return {role: of_role for role, of_role in parts.items() if of_role}


def _notes(
    path: Path,
    columns: Columns,
    faults: Mapping[str, Sequence[str]],
    left_out: Sequence[str],
    several: bool,
) -> list[str]:
    """How the table was read."""
    heading = "" if columns.part is None else one_line(columns.headings[columns.part])
    part = "" if columns.part is None else f", parts by '{heading}'" if heading else ", with parts"
    parted = f", labels parted by '{columns.parting}'" if several and columns.parting else ""
    notes = [f"labels by {path.name}{columns.told}{part}{parted}"]
    if faults:
        notes.append(f"left out in {path.name}, rows {counted(faults)}")
    return [*notes, not_of_one(left_out)] if left_out else notes
