"""Boxes or points in pictures, as the rows of a table tell them, picture by picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from verydeep.errors import UserError
from verydeep.folders.box_columns import Numbers, Sides
from verydeep.folders.listing import Listing, class_name
from verydeep.folders.table_rows import counted
from verydeep.folders.tags import Tags
from verydeep.parts.annotations import Objects, ObjectsIn, Points, PointsIn

EXPECTED = {
    "box": "expected a line `picture,class,x_min,y_min,x_max,y_max` for each box, in pixels",
    "point": "expected a line `picture,name,x,y` for each point, in pixels",
}


@dataclass
class Marks:
    """The boxes or points of pictures by their names, each with its class.

    `wrong` are rows that cannot be used, by what is wrong with them. A picture with rows and
    nothing in them is known to show nothing; one that has a class alone is not.
    """

    sides: Sides
    of: dict[str, list[tuple[str, Numbers]]] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(self, number: int, row: Sequence[str], name: str, labels: Sequence[str]) -> None:
        """Takes a row of that number, which gives this picture these classes."""
        found = self.sides.read(row)
        if isinstance(found, str):
            self.wrong[found].append(f"line {number}, {name}")
        elif found is None and not labels:
            self.of.setdefault(name, [])
        elif found is not None and not labels:
            what = "point" if self.sides.is_point else "box"
            self.wrong[f"whose {what} is of no class"].append(f"line {number}, {name}")
        elif found is not None:
            self.of.setdefault(name, []).append((class_name(labels[0]), found))

    @property
    def expected(self) -> str:
        """What is expected of a table of these."""
        return EXPECTED["point" if self.sides.is_point else "box"]

    def refuse_wrong(self, table: Path) -> None:
        """Raises UserError where rows cannot be used: of their pictures not all would be told."""
        if self.wrong:
            raise UserError(
                f"{table} has rows that cannot be used: {counted(self.wrong)}; {self.expected}"
            )

    @property
    def objects_in(self) -> ObjectsIn | None:
        """The objects in pictures; None where these are points."""
        return None if self.sides.is_point else self._objects_in

    @property
    def points_in(self) -> PointsIn | None:
        """The points in pictures; None where these are boxes."""
        return self._points_in if self.sides.is_point else None

    def _objects_in(self, name: str, classes: tuple[str, ...]) -> Objects | None:
        if (found := self._numbers(name, classes)) is None:
            return None
        labels, boxes = found
        return Objects(boxes.reshape(-1, 4), labels, np.zeros(len(labels), bool))

    def _points_in(self, name: str, classes: tuple[str, ...]) -> Points | None:
        if (found := self._numbers(name, classes)) is None:
            return None
        labels, places = found
        return Points(places.reshape(-1, 2), labels)

    def _numbers(self, name: str, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray] | None:
        """Labels and numbers of what is in a picture and of one of the classes."""
        if (rows := self.of.get(name)) is None:
            return None
        place: Mapping[str, int] = {label: k for k, label in enumerate(classes)}
        known = [(place[label], numbers) for label, numbers in rows if label in place]
        labels = np.array([label for label, _ in known], np.int64)
        return labels, np.array([numbers for _, numbers in known], np.float64)


def give(marks: Marks | None, found: Listing | Tags) -> None:
    """Gives the pictures that were found of a part their boxes or points, where a table has any."""
    if marks:
        found.objects_in, found.points_in = marks.objects_in, marks.points_in
