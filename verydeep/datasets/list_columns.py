"""Which column of a table names pictures, and which one their classes.

Comes in: the rows of a table, and the pictures of a folder. Goes out: two columns and whether a
heading is above them, or why there are none. A second column is not of classes where its heading or
its values say something else: parts, numbers of patients, measures, a text to each picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from verydeep.datasets.entries import is_picture
from verydeep.datasets.layout import PARTS, words_of
from verydeep.errors import one_line

CLASS = frozenset("class label category classname labelname wnid".split())  # noqa: SIM905
"""What a column of classes is called, where there are more than two columns."""
KINDS_OF_CLASSES = CLASS | {"breed", "species"}
"""Words in headings after which values are classes, whatever they look like."""
NO_CLASSES = frozenset(
    "split fold set part subset id ids path width height age score size date".split()  # noqa: SIM905
) | PARTS.keys()  # fmt: skip
"""Last words of headings of parts, of numbers of things, and of measures."""
FEW = 10
"""Lines up to which each may be of another class."""


@dataclass(frozen=True)
class Columns:
    """Places of names and of classes in a row, and how many lines are above them: one, or none."""

    name: int
    label: int
    headed: int
    told: str
    """Their headings, as a note tells them."""


def columns_of(rows: list[list[str]], folder: Path, pictures: dict[str, str]) -> Columns | str:
    """The columns of a table; where it has none for names or none for classes, why."""

    def names(i: int, some: list[list[str]]) -> bool:
        return any(picture_of(row[i], folder, pictures) for row in some)

    places = range(len(rows[0]))
    bare = any(names(i, rows[:1]) for i in places) or any(map(is_picture, map(str.strip, rows[0])))
    headed = 0 if bare else 1
    rest = rows[headed:]
    distinct = [len({row[i] for row in rest}) for i in places]  # what is no name comes again
    naming = [i for i in places if names(i, rest)]
    if not naming:
        return f"no line names a picture of {one_line(folder.name)}/"
    naming = [i for i in naming if 2 * distinct[i] > len(rest)]
    if len(naming) > 1:
        naming = [i for i in naming if distinct[i] == len(rest)]
    if len(naming) != 1:
        return "no one column names pictures, each once"
    others = [i for i in places if i != naming[0]]
    if len(others) > 1 and headed:
        others = [i for i in others if _plain(rows[0][i]) in CLASS]
    elif len(others) > 1:
        others = [i for i in others if not all(row[i].isdecimal() for row in rest)]
    if len(others) != 1:
        return "no one column beside the names that is called class or label"
    heading = rows[0][others[0]] if headed else ""
    if why := _why_no_classes(heading, [row[others[0]].strip() for row in rest]):
        return f"{why}; call a column of classes 'class'"
    told = f", columns '{rows[0][naming[0]]}' and '{heading}'" if headed else ""
    return Columns(naming[0], others[0], headed, told)


def _why_no_classes(heading: str, values: Sequence[str]) -> str | None:
    """Why a column is not one of classes; None where it may be."""
    words = words_of(heading)
    if _plain(heading) in KINDS_OF_CLASSES or KINDS_OF_CLASSES & {*words}:
        return None
    if words and words[-1] in NO_CLASSES:
        return f"the column '{one_line(heading)}' tells no classes"
    found = {value for value in values if value}
    if found and {value.casefold() for value in found} <= PARTS.keys():
        return "the second column tells parts, not classes"
    if found and _are_measures(found):
        return "the second column tells measures, not classes"
    if len(values) > FEW and 10 * len(found) >= 9 * len(values):
        return f"the second column says {len(found):,} things of {len(values):,} pictures"
    return None


def _are_measures(values: set[str]) -> bool:
    """Whether all are numbers, and not all of them whole."""
    try:
        return not all(float(value).is_integer() for value in values)
    except ValueError:
        return False


def _plain(heading: str) -> str:
    return "".join(filter(str.isalpha, heading.casefold()))


def picture_of(cell: str, folder: Path, pictures: dict[str, str]) -> str | None:
    """The picture of the folder that a cell names; None of another folder's, or none at all."""
    path = PurePosixPath(cell.strip().replace("\\", "/"))
    if path.parent.name not in ("", folder.name):
        return None
    return pictures.get(path.name)
