"""Boxes and points on the contact sheet: where they must be drawn was worked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from verydeep.datasets import Dataset, Part
from verydeep.parts.annotations import LabelSets, Objects, Points
from verydeep.report.sheet import (
    EDGE,
    GROUND,
    LABEL,
    MARGIN,
    OTHERS,
    OWN,
    TILE,
    write_contact_sheet,
)


def sheet_of(part: Part, *classes: str) -> np.ndarray:
    """The sheet's first tile of the first class, [H, W, 3]."""
    dataset = Dataset("data", "made", classes, {"train": part}, (), (), "0" * 16)
    write_contact_sheet(dataset, Path("sheet.png"), columns=1)
    with Image.open("sheet.png") as sheet:
        left, top = MARGIN, MARGIN + LABEL
        return np.asarray(sheet.crop((left, top, left + TILE, top + TILE)))


def part_of(shade: int, *labels: int, points: bool = False) -> Part:
    """A picture of 40 x 30 in which each label has the box, or the point, of its number."""
    boxes = np.array([[10, 5, 30, 25], [0, 0, 40, 30]], float)[: len(labels)]
    named = np.array(labels)
    return Part(
        ["0"],
        LabelSets.of([sorted({*labels})]),
        lambda i: np.full((30, 40, 3), shade, np.uint8),
        None if points else lambda i: Objects(boxes, named, np.zeros(len(named), bool)),
        points=(lambda i: Points(boxes[:, :2], named)) if points else None,
    )


@pytest.mark.parametrize("shade", [0, 255])
def test_a_box_is_a_line_with_a_dark_edge_on_light_and_dark_pictures(shade: int) -> None:
    """40 x 30 is shown as 96 x 72, 12 below the tile's top: the box from (24, 24) to (72, 72)."""
    tile = sheet_of(part_of(shade, 0), "a")
    assert (tile[:12] == GROUND).all()
    assert (tile[84:] == GROUND).all()
    lines = (tile == OWN).all(2)
    assert lines[24, 24:72].all()
    assert lines[71, 24:72].all()
    assert lines[24:72, 24].all()
    assert lines[24:72, 71].all()
    assert lines.sum() == 4 * 47
    assert (tile[23, 23:73] == EDGE).all()
    assert (tile[72, 23:73] == EDGE).all()
    assert (tile[40, 30] == shade).all()


def test_boxes_of_other_classes_have_another_colour() -> None:
    """Theirs is the whole picture, 96 x 72 from (0, 12) on."""
    tile = sheet_of(part_of(128, 0, 1), "a", "b")
    assert (tile[24, 24:72] == OWN).all()
    assert (tile[12, 0:96] == OTHERS).all()
    assert (tile[12:84, 95] == OTHERS).all()


def test_a_box_of_the_class_is_drawn_over_that_of_another() -> None:
    part = part_of(128, 0)
    same = Objects(np.array([[10.0, 5, 30, 25]] * 2), np.array([0, 1]), np.zeros(2, bool))
    both = replace(part, objects=lambda i: same, truth=LabelSets.of([[0, 1]]))
    assert (sheet_of(both, "a", "b")[24, 24:72] == OWN).all()


def test_points_are_dots_where_they_are() -> None:
    """(10, 5) is at (24, 24) of the tile."""
    tile = sheet_of(part_of(128, 0, points=True), "a")
    rows, columns = np.nonzero((tile == OWN).all(2))
    assert (rows.mean(), columns.mean()) == pytest.approx((24, 24), abs=0.5)
    assert 5 < len(rows) < 50


def test_pictures_without_boxes_are_squares_as_ever() -> None:
    part = Part(["0"], np.zeros(1, int), lambda i: np.full((30, 40, 3), 7, np.uint8))
    assert (sheet_of(part, "a") == 7).all()
