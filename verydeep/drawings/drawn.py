"""The built-in datasets: pictures drawn by code, any number and size, from a seed.

`drawn` stands wherever a path to data does; `drawn:4000x96` asks for 4,000 pictures to train on,
96 pixels a side. A quarter as many more choose the weights, and as many again are for testing.
`drawn-digits` has digits in place of shapes, as MNIST has them, for nets that are made for those.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verydeep.drawings.digits import DIGITS, draw_digit
from verydeep.drawings.drawing import SMALLEST_SIDE, Drawing, draw
from verydeep.drawings.outlines import SHAPES
from verydeep.errors import UserError
from verydeep.parts.annotations import Objects
from verydeep.parts.dataset import Dataset, Part, fingerprint
from verydeep.pictures.reading import Picture

COUNT = 2000
MOST, MOST_SIDE = 10**7, 4096
FIRST = {"train": 0, "validation": 2 * 10**9, "test": 10**9}
"""Number of each part's first picture: no set, however large, reaches into another part."""


@dataclass(frozen=True)
class Series:
    """What is drawn: the classes in turn, a picture by seed, number and size, its usual side."""

    classes: tuple[str, ...]
    draw: Callable[[int, int, tuple[int, int]], Drawing]
    side: int


SERIES = {"drawn": Series(SHAPES, draw, 96), "drawn-digits": Series(DIGITS, draw_digit, 32)}


def is_here(where: str | Path) -> bool:
    """Whether drawn pictures are asked for: by a name that nothing in the folder has."""
    return str(where).split(":")[0] in SERIES and not Path(where).exists()


def open(where: str | Path = "drawn", split: int = 0) -> Dataset:
    """Dataset of drawn pictures, ten classes in equal numbers, each with its class and its object.

    `where` is "drawn", "drawn:COUNT" or "drawn:COUNTxSIDE", and the like of "drawn-digits"; another
    `split` draws others. Nothing is stored: a picture is drawn whenever it is asked for. Raises
    UserError for anything else.
    """
    where = str(where)
    if (found := _asked(where)) is None:
        raise UserError(
            f"'{where}' is no drawn set; there are drawn, drawn:4000 and drawn:4000x96 "
            f"(4,000 pictures to train on, 96 pixels a side), and drawn-digits alike"
        )
    name, count, side = found
    classes = SERIES[name].classes
    if count < len(classes):
        raise UserError(f"{count} drawn pictures are too few; at least {len(classes)} are needed")
    if count > MOST or not SMALLEST_SIDE <= side <= MOST_SIDE:
        raise UserError(
            f"'{where}' asks for {count:,} pictures of {side:,} x {side:,}; at most {MOST:,} of "
            f"{SMALLEST_SIDE} to {MOST_SIDE:,} pixels a side are drawn"
        )
    held_out = max(len(classes), count // 4)
    counts = {"train": count, "validation": held_out, "test": held_out}
    note = (
        f"drawn from seed {split}: {count:,} to train, {held_out:,} to choose the weights by and "
        f"{held_out:,} to test, {side} x {side} pixels"
    )
    parts = {
        role: _part(SERIES[name], role, split, FIRST[role], n, side) for role, n in counts.items()
    }
    print_of = fingerprint([f"{name} {count} {side} {split}", *classes])
    return Dataset(where, "drawn", classes, parts, (), (note,), print_of)


def series_of(where: str) -> tuple[str, int] | None:
    """What is drawn there, and pixels a side; None of others.

    The first of them are the same of any number.
    """
    found = _asked(where)
    return found and (found[0], found[2])


def _asked(where: str) -> tuple[str, int, int] | None:
    """The name of a series, how many pictures, and pixels a side."""
    match = re.fullmatch(r"([a-z-]+)(?::(\d+)(?:x(\d+))?)?", where)
    if match is None or match[1] not in SERIES:
        return None
    return match[1], int(match[2] or COUNT), int(match[3] or SERIES[match[1]].side)


def _part(series: Series, name: str, seed: int, first: int, count: int, side: int) -> Part:
    """`count` drawings from the one numbered `first` on.

    The box of one is known once it was drawn, and it is not drawn anew for that.
    """
    boxes = np.zeros((count, 4))

    def drawing(i: int) -> Drawing:
        found = series.draw(seed, first + i, (side, side))
        boxes[i] = found.box
        return found

    def picture(i: int) -> Picture:
        return drawing(i).image

    def objects(i: int) -> Objects:
        box = boxes[i] if boxes[i].any() else np.array(drawing(i).box)
        return Objects.of_class(box[None].copy(), int(labels[i]))

    numbers = np.arange(first, first + count, dtype=np.int64)
    labels = numbers % len(series.classes)
    called = [series.classes[label] for label in labels]
    names = [f"{name}/{label}/{n}" for n, label in zip(numbers, called, strict=True)]
    return Part(names, labels, picture, objects)
