"""PASCAL VOC: folders as its archives have them; which pictures are taken was decided by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import real_pictures
from verydeep.datasets import open_dataset, refuse_too_small, voc
from verydeep.errors import UserError

SHOWS = {
    "2007_1": ["cat"], "2007_2": ["cat", "cat"], "2007_3": ["dog"], "2007_4": ["cat", "dog"],
    "2007_5": [], "2007_6": ["dog"], "2007_7": ["cat"], "2007_8": ["dog"],
}  # fmt: skip


def made(where: str = "VOC2007", shows: dict[str, list[str]] = SHOWS, **lists: str) -> Path:
    """A folder of VOC's with a picture and an annotation each, and lists of numbers of pictures."""
    root = Path(where)
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main", "SegmentationClass"):
        (root / folder).mkdir(parents=True)
    for stem, names in shows.items():
        objects = "".join(
            f"<object><name>{n}</name><difficult>0</difficult></object>" for n in names
        )
        (root / f"Annotations/{stem}.xml").write_text(f"<annotation>{objects}</annotation>")
        (root / f"JPEGImages/{stem}.jpg").write_bytes(b"x")
        (root / f"SegmentationClass/{stem}.png").write_bytes(b"x")
    for name, numbers in lists.items():
        text = "".join(f"2007_{number}\n" for number in numbers)
        (root / f"ImageSets/Main/{name}.txt").write_text(text)
    return root


def test_pictures_of_one_class_are_taken_in_the_parts_of_the_lists() -> None:
    root = made(train="1234", val="56", test="78", trainval="123456")
    (root / "Annotations/2007_8.xml").unlink()
    dataset = open_dataset(root)
    assert dataset.classes == ("cat", "dog")
    assert {name: list(part.names) for name, part in dataset.parts.items()} == {
        "train": ["cat/2007_1.jpg", "cat/2007_2.jpg", "dog/2007_3.jpg"],
        "validation": ["dog/2007_6.jpg"],
        "test": ["cat/2007_7.jpg"],
    }
    assert dataset.made == ()
    assert Path(str(dataset.train.source(2))) == root / "JPEGImages/2007_3.jpg"
    notes = "\n".join(dataset.notes)
    for note in (
        "of several classes: 1 (2007_4)", "of no object: 1 (2007_5)",
        "without an annotation: 1 (2007_8)", "the list of train (3 to train on)",
    ):  # fmt: skip
        assert note in notes


def test_the_folder_above_is_taken_where_one_year_lies_in_it() -> None:
    made("VOCdevkit/VOC2007", train="123", val="67")
    assert len(open_dataset("VOCdevkit").train) == 3
    assert voc.is_here("VOCdevkit")
    made("VOCdevkit/VOC2012", train="123", val="67")
    with pytest.raises(UserError, match=r"2 data sets \(VOC2007, VOC2012\); give VOCdevkit"):
        open_dataset("VOCdevkit")


def test_without_lists_all_are_split_here() -> None:
    dataset = open_dataset(made())
    assert dataset.made == ("validation",)
    assert (len(dataset.train), len(dataset.validation)) == (4, 2)


def test_without_a_list_to_train_on_the_others_stay_what_they_are() -> None:
    root = made(val="67", test="8")
    dataset = open_dataset(root)
    assert {name: list(part.names) for name, part in dataset.parts.items()} == {
        "train": ["cat/2007_1.jpg", "cat/2007_2.jpg", "dog/2007_3.jpg"],
        "validation": ["cat/2007_7.jpg", "dog/2007_6.jpg"],
        "test": ["dog/2007_8.jpg"],
    }
    assert dataset.made == ()
    assert any("pictures that no list names (3 to train on)" in note for note in dataset.notes)


def test_lists_that_leave_nothing_to_train_on_are_refused_in_one_line() -> None:
    words = r"no picture to train on in VOC2007: val.txt and test.txt in ImageSets/Main name them"
    with pytest.raises(UserError, match=words) as refused:
        open_dataset(made(val="1234", test="5678"))
    assert "\n" not in str(refused.value)


def test_what_is_to_choose_by_is_no_part_of_trainval() -> None:
    dataset = open_dataset(made(trainval="123678", val="67"))
    assert sorted(dataset.train.names) == [
        "cat/2007_1.jpg", "cat/2007_2.jpg", "dog/2007_3.jpg", "dog/2007_8.jpg",
    ]  # fmt: skip
    assert len(dataset.validation) == 2


def test_names_in_a_list_without_a_picture_are_told() -> None:
    root = made(train="1239", val="67")
    assert any("that are not there: 1 (2007_9)" in note for note in open_dataset(root).notes)
    (root / "ImageSets/Main/train.txt").write_text("2007_1\n2007_3\n")
    assert not any("not there" in note for note in open_dataset(root).notes)


def test_a_class_that_is_no_name_of_a_folder_is_refused() -> None:
    root = made(shows={"2007_1": ["cat"], "2007_2": ["../../evil"]}, train="12")
    with pytest.raises(UserError, match=r"2007_2.jpg in the list of train has .*'../../evil'"):
        open_dataset(root)


def test_one_class_in_all_cannot_be_trained_on() -> None:
    dataset = open_dataset(made(shows={"2007_1": ["raccoon"], "2007_2": ["raccoon"]}, train="12"))
    with pytest.raises(UserError, match="one class .* at least 2"):
        refuse_too_small(dataset)


@pytest.mark.parametrize(
    ("text", "words"),
    [("<annotation>", "not as in PASCAL VOC"), ("<html></html>", "expected <annotation>"),
     ("<annotation><object/></annotation>", "named objects"),
     ("<!DOCTYPE x><annotation/>", "DOCTYPE"), ("<annotation/>" + " " * 2**20, "1,048,576 bytes")],
)  # fmt: skip
def test_an_annotation_of_another_kind_is_refused_by_name(text: str, words: str) -> None:
    root = made(train="123", val="67")
    (root / "Annotations/2007_2.xml").write_text(text)
    with pytest.raises(UserError, match=f"2007_2.xml.*{words}") as refused:
        open_dataset(root)
    assert "\n" not in str(refused.value)


def test_nothing_of_one_class_is_refused() -> None:
    with pytest.raises(UserError, match="no picture to train on in VOC2007 shows objects of exact"):
        open_dataset(made(shows={"2007_1": ["cat", "dog"]}, train="1"))


def test_animals_of_voc_2011_are_counted_as_their_archive_has_them() -> None:
    """2,528, 362 and 718 by its lists, of which 58 show objects of several classes."""
    dataset = open_dataset(real_pictures("VOCdevkit"))
    assert dataset.classes == ("cat", "cow", "dog", "horse", "sheep")
    assert [len(part) for part in dataset.parts.values()] == [2483, 356, 711]
    assert 2483 + 356 + 711 + 58 == 2528 + 362 + 718
