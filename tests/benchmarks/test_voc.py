"""PASCAL VOC: folders as its archives have them; which pictures are taken was decided by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import objects, real_pictures
from verydeep.benchmarks import voc
from verydeep.datasets import Dataset, open_dataset, refuse_too_small
from verydeep.errors import UserError
from verydeep.parts.annotations import LabelSets, classes_in

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
    dataset = open_dataset(real_pictures("VOCdevkit/VOC2011animals"))
    assert dataset.classes == ("cat", "cow", "dog", "horse", "sheep")
    assert [len(part) for part in dataset.parts.values()] == [2483, 356, 711]
    assert 2483 + 356 + 711 + 58 == 2528 + 362 + 718


# --- several labels a picture


def with_sizes(root: Path, stem: str, objects: str, size: str = "") -> None:
    """An annotation as VOC's own are, and a picture of 40 x 20 pixels."""
    (root / f"Annotations/{stem}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(root / f"JPEGImages/{stem}.jpg")


def xml_object(name: str, box: tuple[float, ...], difficult: int = 0) -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inside = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    return (
        f"<object><name>{name}</name>{part}<difficult>{difficult}</difficult>"
        f"<bndbox>{inside}</bndbox></object>"
    )


def signs(dataset: Dataset, part: str = "train") -> dict[str, list[int]]:
    """Of each picture, 1, 0 or -1 for each class."""
    truth = dataset.parts[part].truth
    assert isinstance(truth, LabelSets)
    rows = truth.signs(len(dataset.classes)).tolist()
    return dict(zip(dataset.parts[part].names, rows, strict=True))


def test_all_pictures_are_taken_with_all_their_labels_by_annotations() -> None:
    dataset = open_dataset(made(train="1345", val="267"), several=True)
    assert dataset.classes == ("cat", "dog")
    assert signs(dataset) == {
        "2007_1.jpg": [1, -1], "2007_3.jpg": [-1, 1], "2007_4.jpg": [1, 1], "2007_5.jpg": [-1, -1],
    }  # fmt: skip
    assert any("1 pictures of several labels, 1 of none" in note for note in dataset.notes)


def test_a_class_whose_objects_are_all_difficult_is_uncertain() -> None:
    root = made(train="123", val="67")
    box = (1, 1, 9, 9)
    hard = xml_object("cat", box, 1)
    with_sizes(root, "2007_1", hard + xml_object("dog", box) + xml_object("dog", box, 1))
    with_sizes(root, "2007_2", hard + hard)
    assert signs(open_dataset(root, several=True)) == {
        "2007_1.jpg": [0, 1], "2007_2.jpg": [0, -1], "2007_3.jpg": [-1, 1],
    }  # fmt: skip


def class_list(root: Path, name: str, **said: int) -> None:
    text = "".join(f"2007{stem} {sign:2}\n" for stem, sign in said.items())
    (root / f"ImageSets/Main/{name}.txt").write_text(text)


def test_lists_of_classes_count_before_annotations() -> None:
    """With more of them than annotations name, and a part whose labels nobody has."""
    root = made(train="123", val="67", test="8")
    class_list(root, "cat_train", _1=1, _2=0, _3=-1)
    class_list(root, "yak_train", _1=-1, _2=1, _3=-1)
    class_list(root, "cat_val", _6=-1, _7=1)
    class_list(root, "yak_val", _6=-1, _7=-1)
    dataset = open_dataset(root, several=True)
    assert dataset.classes == ("cat", "yak")
    assert signs(dataset) == {
        "2007_1.jpg": [1, -1], "2007_2.jpg": [0, 1], "2007_3.jpg": [-1, -1],
    }  # fmt: skip
    assert signs(dataset, "validation") == {"2007_6.jpg": [-1, -1], "2007_7.jpg": [1, -1]}
    assert "test" not in dataset.parts
    assert any("of which no list says the classes: 1 (2007_8)" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [("2007_1 1\n2007_2 2\n", "line 2 of .*'2007_2 2'; expected a picture's name and 1, 0 or -1"),
     ("2007_1 1\n", "says nothing of 2 pictures of train.txt, the first 2007_2"),
     (None, "has no cat_val.txt .* but lists of the others")],
)  # fmt: skip
def test_lists_of_classes_that_are_not_whole_are_refused(text: str | None, words: str) -> None:
    root = made(train="123", val="67")
    class_list(root, "cat_train", _1=1, _2=0, _3=-1)
    class_list(root, "dog_train", _1=1, _2=0, _3=-1)
    if text is None:
        class_list(root, "dog_val", _6=1, _7=1)
    else:
        (root / "ImageSets/Main/cat_train.txt").write_text(text)
    with pytest.raises(UserError, match=words) as refused:
        open_dataset(root, several=True)
    assert "\n" not in str(refused.value)


def test_the_fingerprint_of_several_labels_changes_with_each_of_them() -> None:
    root = made(train="1345", val="267")
    before = open_dataset(root, several=True).fingerprint
    path = root / "Annotations/2007_4.xml"
    text = path.read_text()
    prints = {before}
    for other in (text.replace("dog", "cat"), text.replace("<difficult>0", "<difficult>1", 1)):
        path.write_text(other)
        prints.add(open_dataset(root, several=True).fingerprint)
    path.write_text(text)
    assert len(prints) == 3
    assert open_dataset(root, several=True).fingerprint == before


def test_boxes_are_counted_from_one_and_scaled_to_the_picture_that_is_there() -> None:
    """Pixels 11 to 20 of 1 to 80 are those from 10 to 20; of half the width, from 5 to 10."""
    root = made(train="123", val="67")
    boxes = xml_object("cat", (11, 1, 20, 4)) + xml_object("dog", (1, 1, 80, 20.5), 1)
    size = "<size><width>80</width><height>20</height><depth>3</depth></size>"
    with_sizes(root, "2007_1", boxes, size)
    with_sizes(root, "2007_2", boxes)
    part = open_dataset(root, several=True).train
    found = objects(part, 0)
    assert found.boxes.tolist() == [[5, 0, 10, 4], [0, 0, 40, 20.5]]
    assert found.labels.tolist() == [0, 1]
    assert found.difficult.tolist() == [False, True]
    assert objects(part, 1).boxes.tolist() == [[10, 0, 20, 4], [0, 0, 80, 20.5]]
    (root / "Annotations/2007_1.xml").write_text(
        "<annotation><object><name>cat</name></object></annotation>"
    )
    with pytest.raises(UserError, match=r"2007_1.xml is not as in PASCAL VOC.* <bndbox>"):
        objects(part, 0)
    with_sizes(root, "2007_1", xml_object("cat", (11, 1, 1e300, 4)), size)
    with pytest.raises(UserError, match=r"2007_1.xml .*<bndbox> needs numbers up to 1,000,000 in"):
        objects(part, 0)


def test_pictures_of_one_class_have_their_boxes() -> None:
    root = made(train="123", val="67")
    two = xml_object("cat", (11, 1, 20, 4)) + xml_object("cat", (1, 1, 20, 20), 1)
    with_sizes(root, "2007_2", two, "<size><width>80</width><height>20</height></size>")
    part = open_dataset(root).train
    found = objects(part, [*part.names].index("cat/2007_2.jpg"))
    assert found.boxes.tolist() == [[5, 0, 10, 4], [0, 0, 10, 20]]
    assert (found.labels.tolist(), found.difficult.tolist()) == ([0, 0], [False, True])


def test_several_labels_without_lists_are_split_here_from_the_seed_by_the_rarest_class() -> None:
    """Of 10 cows with a cat two are set aside, of 20 further cats four, of 5 of nothing one."""
    shows = {f"2007_{i}": ["cat", "cow"] for i in range(10)}
    shows |= {f"2007_{i}": ["cat"] for i in range(10, 30)}
    shows |= {f"2007_{i}": [] for i in range(30, 35)} | {"2007_35": ["dog", "cat"]}
    root = made(shows=shows)
    dataset = open_dataset(root, several=True)
    assert dataset.made == ("validation",)
    numbers = [int(name[5:-4]) for name in dataset.validation.names]
    assert [sum(n in of for n in numbers) for of in (range(10), range(10, 30), range(30, 36))] == [
        2, 4, 1,
    ]  # fmt: skip
    assert len(dataset.train) == 29
    again = open_dataset(root, several=True)
    assert list(again.train.names) == list(dataset.train.names)
    assert list(open_dataset(root, 1, several=True).train.names) != list(dataset.train.names)


def test_labels_of_animals_are_the_classes_that_their_annotations_name() -> None:
    dataset = open_dataset(real_pictures("VOCdevkit/VOC2011animals"), several=True)
    assert [len(part) for part in dataset.parts.values()] == [2528, 362, 718]
    part = dataset.parts["test"]
    for i in range(0, len(part), 37):
        assert {*objects(part, i).labels.tolist()} == classes_in(part.truth, i)
