"""Which column of a table names pictures, and which ones their classes.

Comes in: the rows of a table, and what finds a picture by a cell. Goes out: columns and whether a
heading is above them, or why there are none. A second column is not of classes where its heading or
its values say something else: parts, numbers of patients, measures, a text to each picture. Several
columns of 0 and 1 are a class each. Columns of boxes or points say what their classes are of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verydeep.errors import one_line
from verydeep.folders.box_columns import Sides, Unread, sides_of
from verydeep.folders.layout import PARTS, words_of
from verydeep.parts.entries import is_picture

CLASS = frozenset("class label category classname labelname wnid".split())  # noqa: SIM905
"""What a column of classes is called, where there are more than two columns."""
SETS = frozenset("classes labels categories tags attributes genres".split())  # noqa: SIM905
"""What one of several classes a picture is called."""
THINGS = frozenset("name object part joint keypoint landmark".split())  # noqa: SIM905
"""What the same column may be called beside a box or a point."""
KINDS_OF_CLASSES = CLASS | {"breed", "species"}
"""Words in headings after which values are classes, whatever they look like."""
PART = frozenset("split part set subset partition".split())  # noqa: SIM905
"""Last words of headings of parts, where the values are called so as well."""
NO_CLASSES = (
    PART
    | frozenset("fold id ids path width height age score size date".split())  # noqa: SIM905
    | PARTS.keys()
)
"""Last words of headings of parts, of numbers of things, and of measures."""
FEW = 10
"""Lines up to which each may be of another class."""
PARTINGS = ("|", ";")
"""What parts labels in a cell; commas and blanks may, where what they part comes again."""
YES, NO, MINUS = {"1", "1.0", "true"}, {"0", "0.0", "false"}, {"-1", "-1.0"}
"""What columns of classes hold; -1 is no where there is no 0, which could be uncertain else."""

Find = Callable[[str], str | None]
"""The picture that a cell names; None of another folder's, or none at all."""


@dataclass(frozen=True)
class Columns:
    """Places of names, classes and parts in a row, and how many lines are above: one, or none.

    There are several of classes where each is one, its heading; `parting` stands between several
    labels in a cell; `sides` are of the box or point in a row, which then has one class. `told` is
    how a note tells them.
    """

    name: int
    labels: tuple[int, ...]
    part: int | None
    headed: int
    headings: Sequence[str]
    parting: str | None
    told: str
    sides: Sides | None = None

    @property
    def one_hot(self) -> bool:
        """Whether each class has a column."""
        return len(self.labels) > 1

    def joins(self, labels: Sequence[str]) -> bool:
        """Whether one of the labels is several in one cell, for certain."""
        return self.parting in PARTINGS and any(self.parting in label for label in labels)

    def said(self, row: Sequence[str], several: bool) -> tuple[str, ...]:
        """The labels in a row; one at the most in a cell where there are not several."""
        if self.one_hot:
            yes = [i for i in self.labels if row[i].strip().casefold() in YES]
            return tuple(self.headings[i].strip() for i in yes)
        cell = row[self.labels[0]].strip()
        found = cell.split(self.parting) if several and self.parting else [cell]
        return tuple(dict.fromkeys(label.strip() for label in found if label.strip()))


def columns_of(
    rows: list[list[str]], find: Find, where: str, several: bool = False
) -> Columns | str:
    """The columns of a table of pictures in a place; without those for names or classes, why.

    For `several` labels a picture it may have several rows, and for boxes or points.
    """

    def names(i: int, some: list[list[str]]) -> bool:
        return any(find(row[i]) for row in some)

    places = range(len(rows[0]))
    bare = any(names(i, rows[:1]) for i in places) or any(map(is_picture, map(str.strip, rows[0])))
    headed = 0 if bare else 1
    rest = rows[headed:]
    marks = sides_of(rows[0], rest) if headed else None
    if isinstance(marks, str):
        return marks
    sides = marks if isinstance(marks, Sides) else None
    beside = sides.places if sides else ()
    naming = [i for i in places if i not in beside and names(i, rest)]
    if not naming:
        return f"no line names a picture of {where}"
    name = _naming(naming, rest, several or sides is not None)
    if name is None:
        return "no one column names pictures, each once"
    others = [i for i in places if i != name and i not in beside]
    headings = rows[0] if headed else [""] * len(rows[0])
    part = next((i for i in others if _tells_parts(headings[i], [r[i] for r in rest])), None)
    unparted = [i for i in others if i != part] or others
    labels = (_class_of_things if sides else _labels)(unparted, headings, rest, headed > 0)
    if not labels:
        return "no one column beside the names that is called class or label"
    part = None if part in labels else part
    told = f", columns '{headings[name]}' and '{headings[labels[0]]}'" if headed else ""
    if sides:
        told += sides.told
        return Columns(name, (labels[0],), part, headed, headings, None, told, sides)
    if isinstance(marks, Unread):
        told += f"; {marks.why}"
    if len(labels) > 1:
        if why := _why_not_one_hot([[row[i] for i in labels] for row in rest], several):
            return why
        told = f", columns '{headings[name]}' and {len(labels):,} of yes and no"
        return Columns(name, tuple(labels), part, headed, headings, None, told)
    heading, values = headings[labels[0]], [row[labels[0]].strip() for row in rest]
    parting = _parting(heading, values)
    if why := _why_no_classes(heading, values, parting if several else None):
        return f"{why}; call a column of classes 'class'"
    return Columns(name, (labels[0],), part, headed, headings, parting, told)


def _labels(
    places: list[int], headings: Sequence[str], rest: list[list[str]], headed: bool
) -> list[int]:
    """The column of classes, or those that are a class each; none where there is no telling."""
    if len(places) < 2:
        return places
    if not headed:
        found = [i for i in places if not all(row[i].isdecimal() for row in rest)]
    else:
        plain = {i: _plain(headings[i]) for i in places}
        found = [i for i in places if plain[i] in CLASS]
        found = found or [i for i in places if plain[i] in SETS]
        found = found or _one_hot(places, headings, rest)
        return found if len(found) == 1 or not any(plain[i] in CLASS | SETS for i in found) else []
    return found if len(found) == 1 else []


def _class_of_things(
    places: list[int], headings: Sequence[str], rest: list[list[str]], headed: bool
) -> list[int]:
    """The column of the classes of boxes or points; none where there is no telling."""
    plain = {i: _plain(headings[i]) for i in places}
    for called in (CLASS, THINGS):
        if found := [i for i in places if plain[i] in called]:
            return found if len(found) == 1 else []
    return places if len(places) == 1 else []


def _naming(naming: list[int], rest: list[list[str]], several: bool) -> int | None:
    """The column that names pictures, each once; of those for several labels a picture, most."""
    distinct = {i: len({row[i] for row in rest}) for i in naming}  # what is no name comes again
    if several:
        naming = [i for i in naming if distinct[i] == max(distinct.values())]
    else:
        naming = [i for i in naming if 2 * distinct[i] > len(rest)]
        if len(naming) > 1:
            naming = [i for i in naming if distinct[i] == len(rest)]
    if len(naming) > 1:
        naming = [i for i in naming if is_picture(rest[0][i].strip())]
    return naming[0] if len(naming) == 1 else None


def _tells_parts(heading: str, values: Sequence[str]) -> bool:
    """Whether a column says of which part pictures are: by its values, or heading and values."""
    found = {value.strip().casefold() for value in values if value.strip()}
    words = words_of(heading)
    if _plain(heading) in KINDS_OF_CLASSES:
        return False
    called = bool(words) and words[-1] in PART
    return bool(found & PARTS.keys()) and (called or found <= PARTS.keys())


def _one_hot(places: list[int], headings: Sequence[str], rest: list[list[str]]) -> list[int]:
    """Those of the columns that hold yes and no and nothing else, where there are several."""
    found = []
    for i in places:
        words = words_of(headings[i])
        if headings[i].strip() and not (words and words[-1] in NO_CLASSES):
            values = {row[i].strip().casefold() for row in rest}
            found += [i] if values <= YES | NO | MINUS else []
    return found if len(found) > 1 else []


def _why_not_one_hot(rows: list[list[str]], several: bool) -> str | None:
    """Why columns of yes and no are not of classes; None where they may be."""
    values = {value.strip().casefold() for row in rows for value in row}
    if values & NO and values & MINUS:
        return "columns of 1, 0 and -1, of which one could be uncertain; write yes as 1 and no as 0"
    alone = sum(sum(value.strip().casefold() in YES for value in row) == 1 for row in rows)
    if not several and 2 * alone < len(rows):
        return f"columns of 0 and 1, one of them 1 in {alone:,} of {len(rows):,} rows alone"
    return None


def _parting(heading: str, values: Sequence[str]) -> str | None:
    """What stands between several labels in a cell; None where each is one label."""
    cells = {value for value in values if value}
    for parting in (*PARTINGS, ",", " "):
        if any(parting in value for value in cells):
            words = {word for value in cells for word in value.split(parting)}
            certain = parting in PARTINGS or _plain(heading) in SETS
            if certain or len({word.strip() for word in words}) < len(cells):
                return parting
    return None


def _why_no_classes(heading: str, values: Sequence[str], parting: str | None) -> str | None:
    """Why a column is not one of classes; None where it may be."""
    words = words_of(heading)
    if _plain(heading) in KINDS_OF_CLASSES or KINDS_OF_CLASSES & {*words}:
        return None
    if parting and _plain(heading) in SETS:
        return None
    if words and words[-1] in NO_CLASSES:
        return f"the column '{one_line(heading)}' tells no classes"
    found = {value for value in values if value}
    if found and {value.casefold() for value in found} <= PARTS.keys():
        return "the second column tells parts, not classes"
    if found and _are_measures(found):
        return "the second column tells measures, not classes"
    if parting:
        found = {label for value in found for label in value.split(parting)}
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
