"""Labels of pictures that lie flat, from a list beside them.

A list is a table with a line for each picture, as Kaggle and Tiny ImageNet hand them out: a column
of names of pictures, with or without their suffix or folder, and a column of classes. That is the
other one of two, or the one that is called so; Tiny ImageNet's has four more, of numbers.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from verydeep.datasets.dataset import ROLES
from verydeep.datasets.entries import entries_of, is_hidden, is_picture, natural_key, some
from verydeep.datasets.layout import folders_of, has_pictures, holds_pictures, is_kind, role_of
from verydeep.datasets.listing import Listing
from verydeep.errors import UserError, one_line

ENDS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""Ends of names of lists, and what parts their columns; semicolons may part those of a .csv."""
CLASS = frozenset("class label category classname labelname wnid".split())  # noqa: SIM905
"""What a column of classes is called, where there are more than two columns."""
NO_LABELS = ("sample", "submission")
"""Words in names of lists whose labels are there to be filled in."""
MOST = 2**28
"""Bytes that a list may have: a million pictures take some 40 million."""


@dataclass(frozen=True)
class LabelList:
    """A list, what it says of the pictures in a folder, and by which columns and lines."""

    path: Path
    folder: Path
    labels: dict[str, str]
    columns: str
    lines: frozenset[int]
    absent: tuple[str, ...]

    @property
    def listing(self) -> Listing:
        """The pictures that it names, by class; the others are told of."""
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


def label_lists(root: Path) -> dict[str, LabelList]:
    """The lists of pictures that lie flat, by the role of these.

    They lie in the folder itself, or in folders whose names are words for parts and pictures, or in
    folders for pictures in those. Where two could be those of one role, neither is.
    """
    folders = [folder for folder in folders_of(root) if has_pictures(folder)]
    if not folders:
        own = label_list(root, [root])
        return {"train": own} if own else {}
    found: dict[str, list[LabelList]] = {role: [] for role in ROLES}
    for folder in filter(lambda folder: is_kind(folder.name), folders):
        role = role_of(folder.name)
        for flat in (folder, *folders_of(folder)):
            if is_kind(flat.name) and holds_pictures(flat):
                known = label_list(flat, [flat, folder, root])
                found[role[0] if role else "train"] += [known] if known else []
    lists = {role: known[0] for role, known in found.items() if len(known) == 1}
    if "train" in lists and any(not is_kind(folder.name) for folder in folders):
        return {}
    train = lists.get("train")
    return {
        role: known
        for role, known in lists.items()
        if role == "train" or train is None or not _same_lines(known, train)
    }


def _same_lines(one: LabelList, other: LabelList) -> bool:
    """Whether the same lines name pictures of two folders, which can be true of one alone."""
    return one.path == other.path and not one.lines.isdisjoint(other.lines)


def label_list(folder: Path, places: Sequence[Path]) -> LabelList | None:
    """The one list in these places that gives classes to pictures which lie flat in a folder.

    None where there is none, or there are several. Raises UserError where it gives a picture two.
    """
    files = [entry.name for entry in entries_of(folder) if is_picture(entry.name)]
    pictures = {name: name for name in files if not is_hidden(name)}
    by_stem = defaultdict[str, list[str]](list)
    for name in pictures:
        by_stem[PurePosixPath(name).stem].append(name)
    pictures |= {stem: names[0] for stem, names in by_stem.items() if len(names) == 1}
    if not pictures:
        return None
    paths = chain.from_iterable(_lists(place) for place in dict.fromkeys(places))
    found = [known for path in paths if (known := _read(path, folder, pictures))]
    return found[0] if len(found) == 1 else None


def _lists(place: Path) -> list[Path]:
    names = sorted((entry.name for entry in entries_of(place)), key=natural_key)
    known = [name for name in names if Path(name).suffix.casefold() in ENDS]
    return [place / n for n in known if not any(word in n.casefold() for word in NO_LABELS)]


def _read(path: Path, folder: Path, pictures: dict[str, str]) -> LabelList | None:
    """What a file says of the pictures; None where it is no list of them."""
    if path.stat().st_size > MOST:
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = [row for row in csv.reader(text.splitlines(), delimiter=_parting(path, text)) if row]
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    if not rows or len({*map(len, rows)}) != 1:
        return None
    columns = _columns(rows, folder, pictures)
    if columns is None:
        return None
    name_at, class_at, headed = columns
    labels: dict[str, str] = {}
    absent, lines = [], set()
    for number, row in enumerate(rows[headed:], 1 + headed):
        name, label = _picture(row[name_at], folder, pictures), row[class_at].strip()
        if name is None:
            absent.append(row[name_at])
            continue
        lines.add(number)
        if labels.setdefault(name, label) != label:
            raise UserError(
                f"line {number} of {path} gives {name} the class '{one_line(label)}', and an "
                f"earlier one '{one_line(labels[name])}'; a picture has one class here"
            )
    labels = {name: label for name, label in labels.items() if label}
    if not labels:
        return None
    told = f", columns '{rows[0][name_at]}' and '{rows[0][class_at]}'" if headed else ""
    return LabelList(path, folder, labels, told, frozenset(lines), tuple(absent))


def _parting(path: Path, text: str) -> str:
    first = text.partition("\n")[0]
    usual = ENDS[path.suffix.casefold()]
    return ";" if usual == "," and first.count(";") > first.count(",") else usual


def _columns(
    rows: list[list[str]], folder: Path, pictures: dict[str, str]
) -> tuple[int, int, int] | None:
    """Where names and classes are, and how many lines are above them: one, or none."""

    def names(i: int, some: list[list[str]]) -> bool:
        return any(_picture(row[i], folder, pictures) for row in some)

    places = range(len(rows[0]))
    headed = 0 if any(names(i, rows[:1]) for i in places) else 1
    rest = rows[headed:]
    distinct = [len({row[i] for row in rest}) for i in places]  # what is no name comes again
    naming = [i for i in places if 2 * distinct[i] > len(rest) and names(i, rest)]
    if len(naming) > 1:
        naming = [i for i in naming if distinct[i] == len(rest)]
    if len(naming) != 1:
        return None
    others = [i for i in places if i != naming[0]]
    if len(others) > 1 and headed:
        others = [i for i in others if _plain(rows[0][i]) in CLASS]
    elif len(others) > 1:
        others = [i for i in others if not all(row[i].isdecimal() for row in rest)]
    return (naming[0], others[0], headed) if len(others) == 1 else None


def _plain(heading: str) -> str:
    return "".join(filter(str.isalpha, heading.casefold()))


def _picture(cell: str, folder: Path, pictures: dict[str, str]) -> str | None:
    """The picture of the folder that a cell names; None of another folder's, or none at all."""
    path = PurePosixPath(cell.strip().replace("\\", "/"))
    if path.parent.name not in ("", folder.name):
        return None
    return pictures.get(path.name)
