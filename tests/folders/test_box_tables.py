"""Tables of boxes and of points: the forms that are handed round, and what is wrong in them.

What each must come to was worked by hand; nothing reads the pictures, which are single bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import objects
from verydeep.datasets import Dataset, open_dataset
from verydeep.errors import UserError
from verydeep.folders.box_columns import Sides, sides_of
from verydeep.parts.annotations import LabelSets, Points

PARTS = ("whole", "head", "left ear", "right ear")
SIDES = "x_min,y_min,x_max,y_max"


def made(text: str, *names: str, csv: str = "data/boxes.csv") -> str:
    """A table, and pictures of one byte each below its folder."""
    for name in names:
        path = Path("data", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    Path(csv).write_text(text, encoding="utf-8")
    return csv


def names(folder: str = "images/", count: int = 4) -> list[str]:
    return [f"{folder}{i}.jpg" for i in range(count)]


def boxes(dataset: Dataset) -> dict[str, list[list[object]]]:
    """Class and sides of each box of every picture, by the picture's name."""
    whole, found = dataset.everything, {}
    for i, name in enumerate(whole.names):
        there = objects(whole, i)
        labels = [dataset.classes[k] for k in there.labels]
        rows = zip(labels, there.boxes.tolist(), strict=True)
        found[name.rpartition("/")[2]] = [[label, *box] for label, box in rows]
    return found


def points(dataset: Dataset, i: int) -> Points:
    whole = dataset.everything
    found = whole.points and whole.points(i)
    assert found is not None
    return found


FORMS = {
    "xmin,ymin,xmax,ymax": "3,4,13,24",
    "x_min,y_min,x_max,y_max": "3,4,13,24",
    "XMin,XMax,YMin,YMax": "3,13,4,24",
    "x1,y1,x2,y2": "3,4,13,24",
    "x0,y0,x1,y1": "3,4,13,24",
    "left,top,right,bottom": "3,4,13,24",
    "bbox_x1,bbox_y1,bbox_x2,bbox_y2": "3,4,13,24",
    "xmin,ymin,width,height": "3,4,10,20",
    "left,top,w,h": "3,4,10,20",
    "x_center,y_center,width,height": "8,14,10,20",
    "cx,cy,w,h": "8,14,10,20",
}


@pytest.mark.parametrize("headings", FORMS)
@pytest.mark.parametrize("given", ["data/boxes.csv", "data"])
def test_boxes_are_read_by_the_headings_of_their_sides(headings: str, given: str) -> None:
    """Of pictures 0 to 2; the third has two boxes. In a table alone, and beside flat pictures."""
    rows = [f"{i}.jpg,{'cat' if i else 'dog'},{FORMS[headings]}" for i in (0, 1, 2, 3)]
    rows.append(f"2.jpg,cat,{FORMS[headings]}")
    made("\n".join([f"file,class,{headings}", *rows]), *names("" if given == "data" else "images/"))
    dataset = open_dataset(given)
    cat = ["cat", 3.0, 4.0, 13.0, 24.0]
    assert boxes(dataset) == {
        "0.jpg": [["dog", *cat[1:]]], "1.jpg": [cat], "2.jpg": [cat, cat], "3.jpg": [cat],
    }  # fmt: skip
    assert any("boxes by '" in note for note in dataset.notes)
    assert not objects(dataset.train, 0).difficult.any()


def test_sizes_of_pictures_beside_corners_are_not_of_boxes() -> None:
    """As in what is made of Pascal VOC's files for TensorFlow."""
    rows = ["0.jpg,400,300,cat,1,2,3,4", "0.jpg,400,300,cat,5,6,7,8", "1.jpg,400,300,dog,1,1,9,9"]
    text = "\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *rows])
    assert boxes(open_dataset(made(text, *names(count=2)))) == {
        "0.jpg": [["cat", 1, 2, 3, 4], ["cat", 5, 6, 7, 8]], "1.jpg": [["dog", 1, 1, 9, 9]],
    }  # fmt: skip


def cats(heading: str, numbers: Sequence[str]) -> str:
    """A table in which each of four pictures has each part of a cat once, in other orders."""
    rows = [
        f"{i}.jpg,{PARTS[(k + i) % 4]},{numbers[(k + i) % 4]}" for i in range(4) for k in range(4)
    ]
    return "\n".join([heading, *rows])


def test_a_picture_with_a_box_of_each_of_several_names_carries_them_all() -> None:
    text = cats(f"file,part,{SIDES}", ["0,0,40,40", "5,5,20,20", "5,5,9,9", "15,5,20,9"])
    for csv, place in (("data/boxes.csv", "images/"), ("data", "")):
        made(text, *names(place))
        dataset = open_dataset(csv, several=True)
        assert dataset.classes == ("head", "left ear", "right ear", "whole")
        whole = dataset.everything
        assert isinstance(whole.truth, LabelSets)
        assert (whole.truth.signs(4) == 1).all()
        for i in range(4):
            found = objects(whole, i)
            order = np.argsort(found.labels)
            assert found.labels[order].tolist() == [0, 1, 2, 3]
            assert found.boxes[order].tolist() == [
                [5, 5, 20, 20], [5, 5, 9, 9], [15, 5, 20, 9], [0, 0, 40, 40],
            ]  # fmt: skip
        with pytest.raises(UserError, match=r"no picture of one class alone; --task tag"):
            open_dataset(csv)


@pytest.mark.parametrize("seen", [("", ""), (",visible", ",1")], ids=["alone", "with others"])
def test_points_are_no_boxes(seen: tuple[str, str]) -> None:
    """In pixels as they are written, with their names as classes."""
    heading, value = seen
    text = cats(f"file,name,x,y{heading}", [p + value for p in ("1.5,2", "3,4", "5,6", "7,8")])
    for csv, place in (("data/boxes.csv", "images/"), ("data", "")):
        made(text, *names(place))
        dataset = open_dataset(csv, several=True)
        assert dataset.train.objects is None
        for i in range(4):
            found = points(dataset, i)
            order = np.argsort(found.labels)
            assert found.labels[order].tolist() == [0, 1, 2, 3]
            assert found.places[order].tolist() == [[3, 4], [5, 6], [7, 8], [1.5, 2]]
        assert any("points by 'x' and 'y'" in note for note in dataset.notes)
    made("file,class,x,y\n0,a,5,6\n0,a,7,8\n1,b,1,2\n2,b,3,4\n3,a,2,2\n", *names())
    dataset = open_dataset("data/boxes.csv")
    here = [*dataset.everything.names].index("a/0.jpg")
    assert points(dataset, here).places.tolist() == [[5, 6], [7, 8]]


def test_pictures_of_several_classes_are_left_out_where_one_is_asked_for() -> None:
    rows = "0,cat,1,2,3,4\n0,dog,1,2,3,4\n1,cat,1,2,3,4\n2,cat,5,6,7,8\n3,dog,1,2,3,4\n"
    for csv, place in (("data/boxes.csv", "images/"), ("data", "")):
        made(f"file,class,{SIDES}\n{rows}", *names(place))
        dataset = open_dataset(csv)
        assert [*boxes(dataset)].count("0.jpg") == 0
        assert len(dataset.everything) == 3
        assert any("of several classes, or of none: 1 (" in note for note in dataset.notes)
        assert len(open_dataset(csv, several=True).everything) == 4


def test_a_row_without_numbers_has_no_box() -> None:
    """Of a picture with a class nobody knows where it is; one without a class shows nothing."""
    rows = "0,cat,,,,\n1,cat,1,2,3,4\n2,,,,,\n3,dog,1,2,3,4\n"
    dataset = open_dataset(made(f"file,class,{SIDES}\n{rows}", *names()), several=True)
    whole = dataset.everything
    assert whole.objects is not None
    found = {name[-5]: whole.objects(i) for i, name in enumerate(whole.names)}
    counts = {name: None if of is None else len(of) for name, of in found.items()}
    assert counts == {"0": None, "1": 1, "2": 0, "3": 1}


def test_a_column_of_parts_makes_them_and_single_classes_are_enough() -> None:
    rows = [f"{i}.jpg,raccoon,1,2,{i + 9},9,{'val' if i > 2 else 'train'}" for i in range(4)]
    dataset = open_dataset(made("\n".join([f"file,class,{SIDES},split", *rows]), *names()))
    assert dataset.classes == ("raccoon",)
    assert {role: len(part) for role, part in dataset.parts.items()} == {
        "train": 3, "validation": 1,
    }  # fmt: skip
    assert boxes(dataset)["3.jpg"] == [["raccoon", 1, 2, 12, 9]]


UNREAD = {
    "x,y,w,h": ("1,2,3,4", "x and y could be a corner or the centre"),
    "x,y,width,height": ("1,2,3,4", "x and y could be a corner or the centre"),
    "xmin,ymin,xmax,ymax": (".1,.2,.3,1", "fractions from 0 to 1; write pixels"),
    "x,y": ("0.5,0.25", "fractions from 0 to 1"),
}


@pytest.mark.parametrize("headings", UNREAD)
def test_what_could_be_read_in_two_ways_is_not_read_and_said_so(headings: str) -> None:
    numbers, why = UNREAD[headings]
    rows = [f"{i},{'cat' if i % 2 else 'dog'},{numbers}" for i in range(4)]
    dataset = open_dataset(made("\n".join([f"file,class,{headings}", *rows]), *names()))
    assert dataset.train.objects is dataset.train.points is None
    assert any("not read: '" in note and why in note for note in dataset.notes)


def test_classes_that_are_called_as_sides_are_stay_classes() -> None:
    """Columns of 0 and 1, where a box would be of one pixel."""
    headings = "left,top,right,bottom"
    rows = ["0,1,0,0,0", "1,0,1,0,0", "2,0,0,1,0", "3,0,0,0,1"]
    dataset = open_dataset(made("\n".join([f"file,{headings}", *rows]), *names()))
    assert dataset.classes == ("bottom", "left", "right", "top")
    assert dataset.train.objects is None
    made("\n".join(["file,left,top,right", *(row[:-2] for row in rows[:3])]), *names())
    assert open_dataset("data/boxes.csv").classes == ("left", "right", "top")
    assert sides_of(headings.split(","), [["0", "1", "1", "2"]]) == Sides(
        "corners", (0, 1, 2, 3), ", boxes by 'left', 'top', 'right' and 'bottom'"
    )


WRONG = {
    "a number that is none": (
        f"file,class,{SIDES}\n0,cat,1,2,3,4\n1,cat,1,2,x,4\n2,dog,1,,3,4\n3,dog,1,2,nan,4\n",
        r"whose box is no four numbers: 3 \(the first: line 3, .*1.jpg\)",
    ),
    "boxes that end before they begin": (
        f"file,class,{SIDES}\n0,cat,3,2,1,4\n1,cat,1,2,3,4\n2,dog,1,6,3,4\n3,dog,1,2,1,4\n",
        r"whose box ends before it begins: 2 \(the first: line 2, .*0.jpg\)",
    ),
    "sizes below nothing": (
        "file,class,xmin,ymin,w,h\n0,cat,3,2,-1,4\n1,cat,1,2,3,4\n2,dog,1,6,3,4\n",
        r"whose box ends before it begins: 1 \(the first: line 2, .*0.jpg\)",
    ),
    "a box of no class": (
        f"file,class,{SIDES}\n0,cat,1,2,3,4\n1,,1,2,3,4\n2,dog,1,2,3,4\n",
        r"whose box is of no class: 1 \(the first: line 3, .*1.jpg\)",
    ),
    "several faults": (
        f"file,class,{SIDES}\n0,cat,3,2,1,4\n1,cat,1,2,,4\n2,dog,9,6,3,4\n3,dog,1,2,3,4\n",
        r"ends before it begins: 2 \(.*0.jpg\); whose box is no four numbers: 1 \(.*line 3, ",
    ),
    "points": (
        "file,name,x,y\n0,cat,3,2\n1,cat,1,inf\n2,dog,1,2\n",
        r"whose point is no two numbers: 1 \(the first: line 3, .*1.jpg\); .*picture,name,x,y",
    ),
    "a box far beyond all pictures": (
        f"file,class,{SIDES}\n0,cat,1,2,3,4\n1,cat,1,2,3,1e300\n2,dog,-1e7,2,3,4\n",
        r"whose box lies beyond 1,000,000 pixels: 2 \(the first: line 3, .*1.jpg\)",
    ),
    "a size far beyond all pictures": (
        "file,class,xmin,ymin,w,h\n0,cat,1e308,2,1e308,4\n1,cat,1,2,3,4\n2,dog,1,6,3,4\n",
        r"whose box lies beyond 1,000,000 pixels: 1 \(the first: line 2, .*0.jpg\)",
    ),
    "a point far beyond all pictures": (
        "file,name,x,y\n0,cat,3,2\n1,cat,1,1e300\n2,dog,1,2\n",
        r"whose point lies beyond 1,000,000 pixels: 1 \(the first: line 3, .*1.jpg\)",
    ),
    "a column missing": (
        "file,class,x_min,y_min,x_max\n0,cat,1,2,3\n1,dog,1,2,3\n",
        r"columns 'x_min', 'y_min' and 'x_max' of boxes, and none for ymax",
    ),
    "two columns missing": (
        "file,class,xmin,ymin\n0,cat,1,2\n1,dog,1,2\n",
        r"columns 'xmin' and 'ymin' of boxes, and none for xmax and ymax",
    ),
}


@pytest.mark.parametrize("place", ["images/", ""], ids=["alone", "beside"])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_a_box_is_refused_in_one_line(what: str, several: bool, place: str) -> None:
    text, words = WRONG[what]
    csv = made(text, *names(place))
    with pytest.raises(UserError, match=words) as refused:
        open_dataset(csv if place else "data", several=several)
    assert "\n" not in str(refused.value)


def test_a_row_that_lacks_a_cell_is_no_row_to_leave_out() -> None:
    """Of a picture with two boxes one would be told, as if it had no other."""
    rows = "0,cat,1,2,3,4\n0,cat,5,6,7\n1,dog,1,2,3,4\n2,dog,1,2,3,4\n"
    with pytest.raises(UserError, match=r"not of 6 cells: 1 \(the first: line 3\)"):
        open_dataset(made(f"file,class,{SIDES}\n{rows}", *names()))


def test_boxes_of_files_that_are_not_there_are_counted_or_refused() -> None:
    rows = [f"{i},{'cat' if i % 2 else 'dog'},1,2,3,4" for i in range(6)]
    made("\n".join([f"file,class,{SIDES}", *rows]), *names())
    note = "rows that name no picture there: 2 (the first: 4)"
    assert any(note in line for line in open_dataset("data/boxes.csv").notes)
    Path("data/images/3.jpg").unlink()
    Path("data/images/2.jpg").unlink()
    with pytest.raises(UserError, match=r"name no picture there: 4 .*pictures below the table's"):
        open_dataset("data/boxes.csv")


def test_a_part_with_a_class_of_which_there_is_none_to_train_on_is_refused() -> None:
    rows = ["0,cat,1,2,3,4,train", "1,dog,1,2,3,4,train", "2,emu,1,2,3,4,val"]
    csv = made("\n".join([f"file,class,{SIDES},split", *rows]), *names())
    with pytest.raises(UserError, match="has classes that .* has not: emu"):
        open_dataset(csv)
