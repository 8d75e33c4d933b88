"""The built-in dataset: pictures drawn by code, any number and size, from a seed.

`drawn` stands wherever a path to data does; `drawn:4000x96` asks for 4,000 pictures to train on,
96 pixels a side. A quarter as many more choose the weights, and as many again are for testing.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from verydeep.drawings.drawing import SMALLEST_SIDE, Drawing, draw
from verydeep.drawings.outlines import SHAPES
from verydeep.errors import UserError
from verydeep.parts.annotations import Objects
from verydeep.parts.dataset import Dataset, Part, fingerprint
from verydeep.pictures.reading import Picture

COUNT, SIDE = 2000, 96
MOST, MOST_SIDE = 10**7, 4096
FIRST = {"train": 0, "validation": 2 * 10**9, "test": 10**9}
"""Number of each part's first picture: no set, however large, reaches into another part."""


def is_here(where: str | Path) -> bool:
    """Whether drawn pictures are asked for: by a name that nothing in the folder has."""
    return str(where).split(":")[0] == "drawn" and not Path(where).exists()


def open(where: str | Path = "drawn", split: int = 0) -> Dataset:
    """Dataset of drawn shapes, ten classes in equal numbers, each picture with class and object.

    `where` is "drawn", "drawn:COUNT" or "drawn:COUNTxSIDE"; another `split` draws others. Nothing
    is stored: a picture is drawn whenever it is asked for. Raises UserError for anything else.
    """
    where = str(where)
    if (found := _count_and_side(where)) is None:
        raise UserError(
            f"'{where}' is no drawn set; there are drawn, drawn:4000 and drawn:4000x96 "
            f"(4,000 pictures to train on, 96 pixels a side)"
        )
    count, side = found
    if count < len(SHAPES):
        raise UserError(f"{count} drawn pictures are too few; at least {len(SHAPES)} are needed")
    if count > MOST or not SMALLEST_SIDE <= side <= MOST_SIDE:
        raise UserError(
            f"'{where}' asks for {count:,} pictures of {side:,} x {side:,}; at most {MOST:,} of "
            f"{SMALLEST_SIDE} to {MOST_SIDE:,} pixels a side are drawn"
        )
    held_out = max(len(SHAPES), count // 4)
    counts = {"train": count, "validation": held_out, "test": held_out}
    note = (
        f"drawn from seed {split}: {count:,} to train, {held_out:,} to choose the weights by and "
        f"{held_out:,} to test, {side} x {side} pixels"
    )
    parts = {name: _part(name, split, FIRST[name], n, side) for name, n in counts.items()}
    print_of = fingerprint([f"drawn {count} {side} {split}", *SHAPES])
    return Dataset(where, "drawn", SHAPES, parts, (), (note,), print_of)


def side_of(where: str) -> int | None:
    """Pixels a side of drawn pictures, whose first are the same of any number; None of others."""
    found = _count_and_side(where)
    return found and found[1]


def _count_and_side(where: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"drawn(?::(\d+)(?:x(\d+))?)?", where)
    return (int(match[1] or COUNT), int(match[2] or SIDE)) if match else None


def _part(name: str, seed: int, first: int, count: int, side: int) -> Part:
    """`count` drawings from the one numbered `first` on.

    The box of one is known once it was drawn, and it is not drawn anew for that.
    """
    boxes = np.zeros((count, 4))

    def drawing(i: int) -> Drawing:
        found = draw(seed, first + i, (side, side))
        boxes[i] = found.box
        return found

    def picture(i: int) -> Picture:
        return drawing(i).image

    def objects(i: int) -> Objects:
        box = boxes[i] if boxes[i].any() else np.array(drawing(i).box)
        return Objects.of_class(box[None].copy(), int(labels[i]))

    numbers = np.arange(first, first + count, dtype=np.int64)
    labels = numbers % len(SHAPES)
    names = [f"{name}/{SHAPES[label]}/{n}" for n, label in zip(numbers, labels, strict=True)]
    return Part(names, labels, picture, objects)
