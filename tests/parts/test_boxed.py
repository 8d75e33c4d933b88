"""Which pictures of a dataset have a box to learn from or to test on; each case by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import objects, real_pictures
from verydeep.datasets import Dataset, Part, open_dataset
from verydeep.drawings.drawing import Drawing
from verydeep.errors import PictureError, UserError
from verydeep.parts.annotations import FlatObjects, LabelSets, Objects, Truth
from verydeep.parts.boxed import with_boxes

BOX = (1.0, 2.0, 5.0, 6.0)


def told(*rows: tuple[int, tuple[float, ...], bool]) -> Objects:
    """Objects of a label, a box and whether it is difficult each."""
    labels, boxes, difficult = ([row[k] for row in rows] for k in range(3))
    return Objects(
        np.array(boxes, float).reshape(-1, 4), np.array(labels, int), np.array(difficult, bool)
    )


CASES: list[tuple[Objects | None, str | None]] = [
    (told((0, BOX, False)), None),
    (None, "of which no box is told"),
    (told(), "of which no box is told"),
    (told((1, BOX, False)), "without a box of their own class"),
    (told((1, BOX, False), (0, BOX, False)), None),
    (told((0, BOX, True)), "whose boxes are all difficult"),
    (told((0, BOX, True), (0, BOX, False)), None),
    (told((0, (1, 2, 1, 6), False)), "whose boxes are empty or outside"),
    (told((0, (5, 2, 1, 6), False)), "whose boxes are empty or outside"),
    (told((0, (-9, 2, 0, 6), False)), "whose boxes are empty or outside"),
    (told((0, (-9, -9, 0.5, 0.5), False)), None),
    (told((0, BOX, True), (1, BOX, False)), "whose boxes are all difficult"),
    (told((0, BOX, True), (0, (1, 2, 1, 6), False)), "whose boxes are empty or outside"),
]
"""Objects of pictures of class 0, and what is wrong with them."""
KEPT = [i for i, (_, why) in enumerate(CASES) if why is None]


def never(i: int) -> bytes:
    raise AssertionError("no picture is read")


def dataset_of(
    truth: Truth = None, objects_of: Callable[[int], Objects | None] | None = None
) -> Dataset:
    count = len(CASES)
    names = [f"{i}.jpg" for i in range(count)]
    part = Part(names, np.zeros(count, int) if truth is None else truth, never, objects_of)
    return Dataset("data", "made", ("a", "b"), {"train": part}, (), ("note",), "0" * 16)


def test_pictures_stay_that_have_a_box_of_their_own_and_others_are_named() -> None:
    found = with_boxes(dataset_of(objects_of=lambda i: CASES[i][0]))
    assert [*found.train.names] == [f"{i}.jpg" for i in KEPT]
    assert found.notes[0] == "note"
    assert {*found.notes[1:]} == {
        "left out of train, pictures of which no box is told: 2 (1.jpg, 2.jpg)",
        "left out of train, pictures without a box of their own class: 1 (3.jpg)",
        "left out of train, pictures whose boxes are all difficult: 2 (5.jpg, 11.jpg)",
        "left out of train, pictures whose boxes are empty or outside: 4 (7.jpg, 8.jpg, 9.jpg and "
        "1 more)",
    }


def test_all_objects_of_those_that_stay_are_kept_in_one_piece() -> None:
    part = with_boxes(dataset_of(objects_of=lambda i: CASES[i][0])).train
    assert isinstance(part.objects, FlatObjects)
    for place, i in enumerate(KEPT):
        before, now = CASES[i][0], objects(part, place)
        assert before is not None
        assert now.boxes.tolist() == before.boxes.tolist()
        assert now.labels.tolist() == before.labels.tolist()
        assert now.difficult.tolist() == before.difficult.tolist()


def test_a_picture_of_several_classes_needs_a_box_of_one_of_them() -> None:
    sets = LabelSets.of([[0, 1] if i == 3 else [] if i == 0 else [0] for i in range(len(CASES))])
    found = with_boxes(dataset_of(sets, lambda i: CASES[i][0]))
    assert [*found.train.names] == [f"{i}.jpg" for i in sorted({3, *KEPT} - {0})]


def test_a_picture_that_cannot_be_read_is_left_out() -> None:
    """Where boxes are told of another size, the header of the picture is asked for its own."""

    def objects_of(i: int) -> Objects | None:
        if i == 0:
            raise PictureError("0.jpg: broken")
        return CASES[i][0]

    notes = with_boxes(dataset_of(objects_of=objects_of)).notes
    assert "left out of train, pictures that cannot be read: 1 (0.jpg)" in notes


def test_data_without_boxes_is_refused_in_one_line(photos: Callable[..., Path]) -> None:
    root = photos(2, 2)
    words = r"photos tells of no boxes; expected .*; give a table with a line `file,class,x_min"
    with pytest.raises(UserError, match=words):
        with_boxes(open_dataset(root))
    for several in (False, True):
        rows = "".join(f"{i}.png,a,3,{i}\n{i}.png,a,4,{i}\n" for i in range(2))
        (root / "arrow/points.csv").write_text(f"file,name,x,y\n{rows}")
        with pytest.raises(UserError, match="tells of points and of no boxes") as refused:
            with_boxes(open_dataset(root / "arrow/points.csv", several=several))
        assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match=r"no picture of data has a box .*difficult: 13 \(0.jpg"):
        with_boxes(dataset_of(objects_of=lambda i: told((0, BOX, True))))


def test_why_a_table_of_boxes_was_not_read_is_said_again(photos: Callable[..., Path]) -> None:
    root = photos(2, 2) / "arrow"
    (root / "b.csv").write_text("file,class,x,y,w,h\n0,a,1,2,3,4\n1,a,1,2,3,4\n")
    with pytest.raises(UserError, match=r"no boxes \(.*not read: 'x', 'y', 'w' and 'h', for x"):
        with_boxes(open_dataset(root / "b.csv"))


def test_drawn_pictures_are_not_drawn_for_their_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*_: object) -> Drawing:
        raise AssertionError("nothing is drawn")

    monkeypatch.setattr("verydeep.drawings.drawn.draw", draw)
    assert len(with_boxes(open_dataset("drawn:40x48")).train) == 40


def test_real_pictures_have_the_boxes_that_their_lists_count() -> None:
    """813 boxes by the set's own description, 217 by its XML files."""
    for name, pictures, count in (("imagenette_loc224", 500, 813), ("VOCdevkit/raccoon", 200, 217)):
        whole = with_boxes(open_dataset(real_pictures(name))).everything
        found = [objects(whole, i) for i in range(len(whole))]
        assert (len(found), sum(map(len, found))) == (pictures, count)
