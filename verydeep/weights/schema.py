"""What a file says of a network, believed only where it can be so: table, pixels, class names.

In comes what JSON made of it, of any kind; out goes what it says, or a ValueError in a few words.
Our own files are held against this as those of other programs are.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from verydeep.errors import UserError, escaped, harm_of, one_line
from verydeep.nets.cost import cost
from verydeep.nets.rows import FC, L2, Conv, Places, Sigmoid, Softmax
from verydeep.nets.stack import MOST
from verydeep.nets.table import Table
from verydeep.nets.words import HIDDEN, read_table
from verydeep.pictures.preprocessing import Pixels
from verydeep.schema import AndOthers, Between, Line, MisfitError, Most, Seed, fitting

MOST_WEIGHTS = 2**36
"""Of a table; E at four times its width has 2.3 thousand million, a thirtieth of this."""
Name = Annotated[str, Most(64)]
"""Of a table."""
Word = Annotated[str, Most(128)]
"""Of a table; E has 25, of up to 12 letters with a norm; the longest has LeNet-5 for its C3."""
Side = Annotated[int, Between(1, 2**16 - 1)]
Mean = Annotated[float, Between(-1e6, 1e6)]
Deviation = Annotated[float, Between(1e-6, 1e6)]


class TableSaid(TypedDict):
    """A table, as a file tells of it."""

    name: Name
    words: Annotated[list[Word], Most(1024)]
    crop: Side
    channels: NotRequired[Annotated[int, Between(3, 3)]]


class PixelsSaid(TypedDict):
    """Pixels, as a file tells of them."""

    scale: tuple[Side, Side]
    mean: tuple[Mean, Mean, Mean]
    std: tuple[Deviation, Deviation, Deviation]
    order: Literal["RGB", "BGR"]
    maximum: Literal[1, 255]
    resize: Literal["bilinear", "bicubic", "lanczos"]


class MemberSaid(TypedDict):
    """A network of a stack, as a file tells of it, and the Q that it is shown pictures at.

    `shared` says of which earlier member its other tensors are, by their names; members are
    numbered from 1.
    """

    table: TableSaid
    pixels: PixelsSaid
    scales: Annotated[list[Side], Most(MOST)]
    shared: dict[str, Annotated[int, Between(1, MOST)]]


Members = Annotated[list[MemberSaid], Most(MOST)]


class SettingsSaid(TypedDict, total=False):
    """Of the settings that a net was trained with, those that are asked for later."""

    seed: Seed
    split: Seed
    width: Annotated[float, Between(0, 4, "(]")]
    fc: Annotated[int, Between(0, 2**24)] | None
    fold: tuple[Annotated[int, Between(0, 2**24)], Annotated[int, Between(2, 2**24)]]


class DataSaid(TypedDict, total=False):
    """Of the data that a net was trained on, what is asked for later."""

    fingerprint: Line
    marks: list[Line]


class ImportedSaid(TypedDict, total=False):
    """Of the file that a net was imported from, what is asked for later."""

    measured: Line | None
    notes: list[Line]
    guessed: list[Line]
    given: list[Line]


class Provenance(TypedDict, total=False):
    """Where weights come from: plain data, of which these are asked for."""

    settings: Annotated[SettingsSaid, AndOthers()]
    data: Annotated[DataSaid, AndOthers()]
    imported: Annotated[ImportedSaid, AndOthers()]


def table_of_words(said: Any) -> Table:
    """The table that a file tells of; ValueError where it tells of none."""
    about: TableSaid = fitting(TableSaid, said, "table")
    name, words = about["name"], about["words"]
    if not words or harm_of(name):
        raise MisfitError(f"a table that is none: no words, or a name like '{escaped(name)}'")
    try:
        table = read_table(name, words, about["crop"], about.get("channels", 3))
        weights = cost(table).parameters
    except UserError as error:
        raise MisfitError(f"a table that is none: {one_line(error)}") from None
    if not _ends_right(table):
        raise MisfitError("a table that is none: its scores stand before no 'soft-max' at its end")
    if table.class_count == 1 and not table.has_several and not table.places:
        raise MisfitError("a table that is none: one class")
    if not any(type(row) is Conv for row in table.rows):
        raise MisfitError("a table that is none: no row is a convolution")
    if weights > MOST_WEIGHTS:
        raise MisfitError(f"a table of {float(weights):.3g} weights, which no machine trains")
    return table


def table_in_words(table: Table) -> dict[str, Any]:
    """A table as plain data."""
    words = {"name": table.name, "words": list(table.words), "crop": table.crop}
    return words if table.channels == 3 else {**words, "channels": table.channels}


def _ends_right(table: Table) -> bool:
    """Whether a soft-max or the like is last, of a layer's scores, or else an FC row; or neither.

    A net that ends before its scores may end with a hidden FC layer, or with the length of an FC
    layer made one.
    """
    main = {row.name for row, _ in table.path({table.rows[-1].name})}
    ends = [row for row in table.rows if isinstance(row, Softmax | Sigmoid | Places)]
    if not ends:
        fc = [row for row in table.rows if isinstance(row, FC) and row.name in main]
        hidden = table.words[-1].endswith(HIDDEN) and table.last in (row.name for row in fc[-1:])
        last = table.rows[-1]
        of_length_one = isinstance(last, L2) and last.inputs == tuple(r.name for r in fc[-1:])
        return not fc or hidden or fc[-1] == last or of_length_one
    return ends == [table.rows[-1]] and any(isinstance(table[name], Conv) for name in main)


def pixels_of(said: Any) -> Pixels:
    """The pixels that a file tells of; ValueError where it tells of none."""
    about: PixelsSaid = fitting(PixelsSaid, said, "pixels")
    if about["scale"][0] > about["scale"][1]:
        raise MisfitError("pixels.scale is the wrong way round")
    return Pixels(**about)


def classes_of(said: Any) -> tuple[str, ...]:
    """The class names that a file tells of; ValueError where it tells of none, or of one twice."""
    names = class_names_of(said)
    if len(set(names)) != len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise MisfitError(f"two classes are called '{escaped(twice)}'")
    return names


def class_names_of(said: Any) -> tuple[str, ...]:
    """Class names as they are; ValueError where they are none, or cannot be shown in a line."""
    names: tuple[str, ...] = fitting(tuple[Line, ...], said, "classes")
    for name in names:
        if harm := harm_of(name):
            raise MisfitError(f"a class name with {harm}, '{escaped(name)}'")
    return names
