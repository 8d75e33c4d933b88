"""What is wrong with boxes and points, told by the sizes of their pictures.

In come a dataset and the size of each picture that can be read; out come counts, and of each kind
of fault how many there are, the first of them, and what to do. Nothing is mended here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool

from verydeep.errors import PictureError
from verydeep.parts.annotations import classes_in
from verydeep.parts.dataset import Dataset, Part
from verydeep.pictures.boxes import Boxes, areas, clipped
from verydeep.pictures.windows import Size

Place = tuple[str, int]
"""A picture: the name of its part, and where it stands in it."""
SLACK = 1.0
"""Pixels by which boxes may reach beyond a picture: those that were rescaled were rounded."""
MANY = 5
"""Boxes that lie at the very edge, from which on it is no chance."""

OUTSIDE, BEYOND = "boxes outside of their pictures", "boxes that reach beyond their pictures"
REVERSED, EMPTY = "boxes that end before they begin", "boxes without area"
OTHER, NONE = "boxes of another class than the picture's", "pictures without boxes"
ASTRAY, POINTLESS = "points outside of their pictures", "pictures without points"
SIZES = "look whether they are of pictures of another size"
TODO = {
    OUTSIDE: SIZES,
    BEYOND: SIZES,
    REVERSED: "put the smaller numbers first",
    EMPTY: "give them a width and a height, or take them out",
    OTHER: "give the picture their class, or take them out",
    NONE: "give them some, or leave them to what learns classes alone",
    ASTRAY: SIZES,
    POINTLESS: "give them some, or leave them to what learns classes alone",
}
"""What to do about each kind of fault, in the order in which they are told."""


@dataclass
class Marked:
    """How many boxes or points there are, in how many pictures, and what is wrong with them.

    `faults` name what is at fault, by its kind; `doubts` are lines of what may be wrong with all.
    """

    what: str
    count: int = 0
    pictures: int = 0
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    doubts: list[str] = field(default_factory=list)

    @property
    def lines(self) -> Iterator[str]:
        """The counts, and a line for each kind of fault, with the first and what to do."""
        yield f"{self.what}: {self.count:,} in {self.pictures:,} pictures"
        for kind, todo in TODO.items():
            if found := self.faults.get(kind):
                yield f"{kind}: {len(found):,} (the first: {found[0]}); {todo}"
        yield from self.doubts

    def as_data(self) -> dict[str, Any]:
        """The same as plain data, of each kind of fault the first ten."""
        faults = {
            kind: {"count": len(found), "first": found[:10]} for kind, found in self.faults.items()
        }
        return {
            "what": self.what, "count": self.count, "pictures": self.pictures,
            "faults": {kind: found for kind, found in faults.items() if found["count"]},
            "doubts": self.doubts,
        }  # fmt: skip


def marked(dataset: Dataset, sizes: Mapping[Place, Size]) -> Marked | None:
    """What is told of boxes, or else of points; None of data with neither."""
    parts = dataset.parts.items()
    if any(part.objects for _, part in parts):
        found, edges = Marked("boxes"), _Edges()
        for (name, i), size in sizes.items():
            _look_at_boxes(found, edges, dataset.parts[name], i, size)
        found.doubts += edges.doubts()
        return found
    if any(part.points for _, part in parts):
        found = Marked("points")
        for (name, i), size in sizes.items():
            _look_at_points(found, dataset.parts[name], i, size)
        return found
    return None


@dataclass
class _Edges:
    """How many boxes begin and end where, counted from the edges of their pictures."""

    boxes: int = 0
    least: float = np.inf
    at_one: int = 0
    before: int = 0
    after: int = 0

    def take(self, boxes: Boxes, size: Size) -> None:
        """Counts those of one picture."""
        first, last = boxes[:, :2], boxes[:, 2:]
        self.boxes += len(boxes)
        self.least = min(self.least, float(first.min(initial=np.inf)))
        self.at_one += int((first == 1).any(1).sum())
        self.before += int((first == -1).any(1).sum())
        self.after += int((last == np.array([size[1], size[0]]) + 1).any(1).sum())

    def doubts(self) -> Iterator[str]:
        """What boxes look like that do not count from 0."""
        share = max(MANY, self.boxes / 50)
        if self.least >= 1 and self.at_one >= share:
            yield (
                f"boxes look 1-based: none begins at 0, and {self.at_one:,} of {self.boxes:,} at "
                f"1; if they are, take 1 from x_min and y_min"
            )
        elif self.after >= share:
            yield (
                f"boxes look 1-based: {self.after:,} of {self.boxes:,} end 1 beyond the picture; "
                f"if they are, take 1 from all numbers"
            )
        if self.before >= share:
            yield (
                f"boxes look 0-based where they should count from 1: {self.before:,} of "
                f"{self.boxes:,} begin at -1; if they are, add 1 to the numbers of the annotations"
            )


def _look_at_boxes(found: Marked, edges: _Edges, part: Part, i: int, size: Size) -> None:
    with suppress(PictureError):  # which is named where the faults of pictures are
        objects = part.objects and part.objects(i)
        if not objects:
            found.faults[NONE].append(part.names[i])
            return
        found.count += len(objects)
        found.pictures += 1
        edges.take(objects.boxes, size)
        own = np.isin(objects.labels, [*classes_in(part.truth, i)]) | objects.difficult
        for kind, which in {**_kinds(objects.boxes, size), OTHER: ~own}.items():
            found.faults[kind] += [
                _named(part.names[i], box, size) for box in objects.boxes[which].tolist()
            ]


def _kinds(boxes: Boxes, size: Size) -> dict[str, Bool[np.ndarray, " R"]]:
    """Which boxes of a picture have which fault, one at the most each."""
    height, width = size
    turned = (boxes[:, 2:] < boxes[:, :2]).any(1)
    empty = ~turned & (areas(boxes) == 0)
    whole = ~turned & ~empty
    outside = whole & (areas(clipped(boxes, size)) == 0)
    beyond = np.maximum(-boxes[:, :2], boxes[:, 2:] - [width, height]).max(1) > SLACK
    return {
        OUTSIDE: outside, BEYOND: whole & ~outside & beyond, REVERSED: turned, EMPTY: empty,
    }  # fmt: skip


def _look_at_points(found: Marked, part: Part, i: int, size: Size) -> None:
    points = part.points and part.points(i)
    if not points:
        found.faults[POINTLESS].append(part.names[i])
        return
    found.count += len(points)
    found.pictures += 1
    height, width = size
    astray = ((points.places < 0) | (points.places > [width, height])).any(1)
    found.faults[ASTRAY] += [
        _named(part.names[i], place, size) for place in points.places[astray].tolist()
    ]


def _named(name: str, numbers: Sequence[float], size: Size) -> str:
    """A box or a point of a picture, and how large that is."""
    shown = " ".join(f"{number:g}" for number in numbers)
    return f"{name}: {shown} in {size[1]} x {size[0]} pixels"
