"""Which columns of a table are boxes or points, by their headings.

A box has two corners, or a corner or its centre and a size; a point is `x` and `y`. Numbers are
pixels, continuous and from 0, as `pictures.boxes` has them. What could be read in two ways is not
read, and a note says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import Literal

from verydeep.errors import one_line
from verydeep.pictures.boxes import FARTHEST, are_places

Form = Literal["corners", "corner and size", "centre and size", "point"]

LEAST = ("xmin ymin", "minx miny", "left top", "x1 y1", "x0 y0", "xtl ytl", "startx starty")
MOST = ("xmax ymax", "maxx maxy", "right bottom", "x2 y2", "x1 y1", "xbr ybr", "endx endy")
CENTRES = ("xcenter ycenter", "xcentre ycentre", "centerx centery", "centrex centrey", "cx cy")
SIZES = ("width height", "w h")
FORMS: dict[tuple[str, ...], Form] = {
    **{(*a.split(), *b.split()): "corners" for a, b in zip(LEAST, MOST, strict=True)},
    **{(*a.split(), *b.split()): "corner and size" for a, b in product(LEAST, SIZES)},
    **{(*a.split(), *b.split()): "centre and size" for a, b in product(CENTRES, SIZES)},
}
"""What the headings of a box say, in letters and digits alone, the usual ones first."""
UNCLEAR = [("x", "y", *size.split()) for size in SIZES]
CERTAIN = ("xmin ymin", "minx miny")
"""Headings that are of a box, whatever stands beside them."""
BEFORE = ("bndbox", "bbox", "box")
"""What may stand before each."""

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Sides:
    """The columns of a box or of a point, in the order of its form."""

    form: Form
    places: tuple[int, ...]
    told: str

    @property
    def is_point(self) -> bool:
        """Whether they are of points."""
        return self.form == "point"

    def read(self, row: Sequence[str]) -> Numbers | str | None:
        """x_min, y_min, x_max and y_max, or x and y; what is wrong with them; None of no box."""
        cells = [row[i].strip() for i in self.places]
        if not any(cells):
            return None
        try:
            first, second, *rest = map(float, cells)
        except ValueError:
            first, second, rest = float("nan"), 0.0, []
        if not all(map(isfinite, (first, second, *rest))):
            return (
                "whose point is no two numbers" if self.is_point else "whose box is no four numbers"
            )
        if self.is_point:
            far = f"whose point lies beyond {FARTHEST:,} pixels"
            return (first, second) if are_places((first, second)) else far
        box = self._box(first, second, *rest)
        if not are_places(box):
            return f"whose box lies beyond {FARTHEST:,} pixels"
        return "whose box ends before it begins" if box[2] < box[0] or box[3] < box[1] else box

    def _box(self, x: float, y: float, third: float, fourth: float) -> Numbers:
        if self.form == "corners":
            return x, y, third, fourth
        if self.form == "centre and size":
            x, y = x - third / 2, y - fourth / 2
        return x, y, x + third, y + fourth


@dataclass(frozen=True)
class Unread:
    """Columns that may be boxes or points and are not read, and why."""

    why: str


def sides_of(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Sides | Unread | str | None:
    """The columns of boxes, or else of points; why a table is refused that has some of them only.

    None where there are none, as in columns of 0 and 1, which are classes that are called so.
    """
    place: dict[str, int] = {}
    for i, heading in enumerate(headings):
        place.setdefault(_plain(heading), i)
    form, words = next(_forms(place), (None, _most_of_a_box(place)))
    places = tuple(place[word] for word in words if word in place)
    cells = {cell for row in rows for i in places if (cell := row[i].strip())}
    if cells <= {"0", "1"}:
        return None
    shown = _shown([headings[i] for i in places])
    if form is None:
        absent = " and ".join(word for word in words if word not in place)
        return f"it has columns {shown} of boxes, and none for {absent}"
    if form == "unclear":
        return Unread(
            f"not read: {shown}, for x and y could be a corner or the centre; call them x_min and "
            f"y_min, or x_centre and y_centre"
        )
    if all(map(_is_fraction, cells)):
        return Unread(f"not read: {shown}, which hold fractions from 0 to 1; write pixels")
    return Sides(form, places, f", {'points' if form == 'point' else 'boxes'} by {shown}")


def _forms(place: Iterable[str]) -> Iterator[tuple[Form | Literal["unclear"], tuple[str, ...]]]:
    """The forms whose headings are all there."""
    there = {*place}
    yield from ((form, words) for words, form in FORMS.items() if there.issuperset(words))
    yield from (("unclear", words) for words in UNCLEAR if there.issuperset(words))
    if there.issuperset("xy"):
        yield "point", ("x", "y")


def _most_of_a_box(place: Iterable[str]) -> tuple[str, ...]:
    """The headings of two corners of which most are there; none where no box is meant."""
    there = {*place}
    for words, form in FORMS.items():
        certain = " ".join(words[:2]) in CERTAIN and there.issuperset(words[:2])
        if form == "corners" and (certain or len(there.intersection(words)) > 2):
            return words
    return ()


def _shown(headings: Sequence[str]) -> str:
    *most, last = [f"'{one_line(heading)}'" for heading in headings]
    return f"{', '.join(most)} and {last}"


def _plain(heading: str) -> str:
    """Its letters and digits in small letters, without what may stand before them.

    >>> _plain("bbox_x1"), _plain("X Min"), _plain("box")
    ('x1', 'xmin', 'box')
    """
    plain = "".join(filter(str.isalnum, heading.casefold()))
    before = next((word for word in BEFORE if plain.startswith(word) and plain != word), "")
    return plain.removeprefix(before)


def _is_fraction(cell: str) -> bool:
    try:
        return 0 <= float(cell) <= 1
    except ValueError:
        return False
