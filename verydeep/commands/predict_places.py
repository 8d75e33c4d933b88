"""What `verydeep predict` prints and draws of nets that find places: boxes, or points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from verydeep.errors import UserError, escaped
from verydeep.localisation.predictor import Found, Guess, Point
from verydeep.report.tables import text_table
from verydeep.tasks.localise import ANY

if TYPE_CHECKING:
    from verydeep.report.found import Drawings

SIDES = ("x_min", "y_min", "x_max", "y_max")


def drawings(folder: Path, weights: Path) -> Drawings:
    """Where pictures are drawn to; UserError for a net that finds no places."""
    from verydeep.report.found import Drawings  # here, for they take long to import
    from verydeep.verbs.localise import finds_places

    if not finds_places(weights):
        raise UserError(f"{weights} places no boxes to be drawn; leave --save out")
    return Drawings(folder)


def are_places(found: list[Any]) -> bool:
    """Whether an answer is of places, and not of classes alone."""
    return bool(found) and isinstance(found[0], Guess | Point)


def to_draw(found: Found, top: int | None) -> Found:
    """The first guess, or all of those that were asked for; of things that are all there, all."""
    is_first_enough = top is None and isinstance(found[0], Guess) and found[0].posterior is not None
    return found[:1] if is_first_enough else found


def lines(path: str, found: Found, alone: bool) -> str:
    """A picture's answer: a table, or all in one line where there are many pictures."""
    if not alone:
        return "  ".join([escaped(path), *map(_in_short, found)])
    head = ["point", "x", "y"] if isinstance(found[0], Point) else ["box", "posterior", *SIDES]
    rows = [[*_words(one), *_sides(one)] for one in found]
    if len(rows[0]) < len(head):
        head.remove("posterior")
    table = text_table([head, *rows]).split("\n")
    return "\n".join([escaped(path), *(f"  {line}" for line in table)])


def _in_short(one: Guess | Point) -> str:
    """A guess or a point in a line with others."""
    return " ".join([*map(escaped, _words(one)), f"[{' '.join(_sides(one))}]"])


def _words(one: Guess | Point) -> list[str]:
    """What it is, and how probable that is, where that is told."""
    if isinstance(one, Point) or one.posterior is None:
        return [one.name or ANY]
    return [one.name or ANY, f"{one.posterior:.3f}"]


def _sides(one: Guess | Point) -> list[str]:
    place = (one.x, one.y) if isinstance(one, Point) else one.box
    return [f"{side:.1f}" for side in place]


def as_data(path: str, found: Found) -> dict[str, Any]:
    """The same for programs; None where nothing tells a class, or how probable it is."""
    points = [{"name": p.name, "x": p.x, "y": p.y} for p in found if isinstance(p, Point)]
    if points:
        return {"picture": path, "points": points}
    guesses = [guess for guess in found if isinstance(guess, Guess)]
    top = [{"class": g.name, "posterior": g.posterior, "box": list(g.box)} for g in guesses]
    return {"picture": path, "top": top}
