"""Labels in lists beside flat pictures: tables as Kaggle and Tiny ImageNet hand them out.

What each must come to was decided by hand; nothing reads the pictures, which are single bytes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from verydeep.datasets import open_dataset
from verydeep.errors import UserError


def flat(*names: str, **lists: str) -> None:
    """Pictures of one byte each, and lists by name, whose underscores are dots."""
    for name in names:
        Path("data", name).parent.mkdir(parents=True, exist_ok=True)
        Path("data", name).write_bytes(b"x")
    for name, text in lists.items():
        Path("data", name.replace("__", "/").replace("_", ".")).write_text(text, encoding="utf-8")


def by_class(part: str = "train") -> list[str]:
    dataset = open_dataset("data")
    return sorted([*dataset.train.names, *dataset.validation.names])


FOUR = ["cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "dog/3.jpg"]
READ = {
    "the other of two columns": "id,breed\n0,cat\n1,cat\n2,dog\n3,dog\n",
    "with suffixes": "file,class\n0.jpg,cat\n1.jpg,cat\n2.jpg,dog\n3.jpg,dog\n",
    "with folders": "path,class\ntrain/0.jpg,cat\ntrain/1.jpg,cat\ntrain/2.jpg,dog\ntrain/3.jpg,dog\n",  # noqa: E501
    "a column called so": "id,width,label\n0,9,cat\n1,9,cat\n2,9,dog\n3,9,dog\n",
    "without a header": "0.jpg,cat\n1.jpg,cat\n2.jpg,dog\n3.jpg,dog\n",
    "semicolons": "id;label\n0;cat\n1;cat\n2;dog\n3;dog\n",
    "a byte order mark, CRLF": "\ufeffid,label\r\n0,cat\r\n1,cat\r\n2,dog\r\n3,dog\r\n",
    "a picture twice": "id,label\n0,cat\n0,cat\n1,cat\n2,dog\n3,dog\n",
}


@pytest.mark.parametrize("folder", ["train", "train_images", "images"])
@pytest.mark.parametrize("name", READ)
def test_classes_are_read_from_a_table(name: str, folder: str) -> None:
    table = READ[name].replace("train/", f"{folder}/")
    flat(*(f"{folder}/{i}.jpg" for i in range(4)), "test/9.jpg", train_csv=table)
    flat(sample_submission_csv="id,label\n9,cat\n")
    dataset = open_dataset("data")
    assert dataset.classes == ("cat", "dog")
    assert by_class() == FOUR
    assert {Path(str(dataset.train.source(i))).parent.name for i in range(2)} == {folder}
    assert any(note.startswith(f"classes of {folder}/ by train.csv") for note in dataset.notes)
    assert any("left alone" in note and "test/" in note for note in dataset.notes)


def test_a_list_beside_the_pictures_themselves_is_read() -> None:
    flat(*(f"{i}.jpg" for i in range(6)), labels_csv=READ["with suffixes"] + "7.jpg,dog\n")
    notes = "\n".join(open_dataset("data").notes)
    assert by_class() == FOUR
    assert "classes of data/ by labels.csv, columns 'file' and 'class'" in notes
    assert "pictures that labels.csv does not name: 2 (4.jpg, 5.jpg)" in notes
    assert "named by labels.csv, but not there: 1 (7.jpg)" in notes


def test_numbers_may_be_names_and_classes_at_once() -> None:
    """As of digits: the column of pictures is the one that has each once."""
    rows = [f"{i},{i % 2}\n" for i in range(1, 7)]
    flat(*(f"train/{i}.png" for i in range(7)), trainLabels_csv="id,label\n" + "".join(rows))
    assert by_class() == ["0/2.png", "0/4.png", "0/6.png", "1/1.png", "1/3.png", "1/5.png"]


def test_a_list_is_of_the_part_to_train_on_where_parts_have_the_same_names() -> None:
    """As of Kaggle's CIFAR-10, whose pictures have numbers from 1 in both."""
    names = [f"{part}/{i}.png" for part in ("train", "test") for i in range(1, 5)]
    flat(*names, trainLabels_csv="id,label\n1,cat\n2,cat\n3,dog\n4,dog\n")
    dataset = open_dataset("data")
    assert dataset.made == ("validation",)
    assert "test" not in dataset.parts
    assert any("left alone" in note and "test/" in note for note in dataset.notes)


def test_parts_may_have_a_list_each_or_share_one() -> None:
    names = [f"{part}/{part[0]}{i}.jpg" for part in ("train", "val") for i in range(4)]
    rows = [f"{part[0]}{i},{'ab'[i % 2]}\n" for part in ("train", "val") for i in range(4)]
    flat(*names, labels_csv="id,label\n" + "".join(rows))
    dataset = open_dataset("data")
    assert (len(dataset.train), len(dataset.validation), dataset.made) == (4, 4, ())


def test_tiny_imagenets_validation_part_is_read() -> None:
    """Its list has names, wnids and boxes, parted by tabs, and no header."""
    flat(*(f"train/n{c}/images/n{c}_{i}.JPEG" for c in (1, 2) for i in range(3)))
    flat("test/images/9.JPEG", *(f"val/images/val_{i}.JPEG" for i in range(4)))
    rows = [f"val_{i}.JPEG\tn{1 + i % 2}\t0\t32\t{44 + i}\t62\n" for i in range(4)]
    Path("data/val/val_annotations.txt").write_text("".join(rows))
    dataset = open_dataset("data")
    assert dataset.made == ()
    assert list(dataset.validation.names) == [
        "n1/val_0.JPEG", "n1/val_2.JPEG", "n2/val_1.JPEG", "n2/val_3.JPEG",
    ]  # fmt: skip
    assert Path(str(dataset.validation.source(0))).is_file()


REFUSED = {
    "one-hot columns": "id,cat,dog\n0,1,0\n1,1,0\n2,0,1\n3,0,1\n",
    "boxes": "id,xmin,xmax\n0,1,2\n1,1,2\n2,1,2\n3,1,2\n",
    "ragged": "id,label\n0,cat\n1,cat,dog\n2,dog\n3\n",
    "names of others": "id,label\na,cat\nb,dog\n",
    "names alone": "id\n0\n1\n2\n3\n",
    "nothing": "",
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_table_is_refused_with_the_form_that_is_read(name: str) -> None:
    flat(*(f"train/{i}.jpg" for i in range(4)), "test/9.jpg", labels_csv=REFUSED[name])
    with pytest.raises(UserError, match=r"lists \(labels.csv\) of other forms than `file,class`"):
        open_dataset("data")


def test_two_lists_of_the_same_pictures_are_not_chosen_between() -> None:
    table = READ["with suffixes"]
    flat(*(f"train/{i}.jpg" for i in range(4)), a_csv=table, b_csv=table)
    with pytest.raises(UserError, match=r"lists \(a.csv, b.csv\) of other forms"):
        open_dataset("data")


def test_a_picture_of_two_classes_is_refused_by_its_line() -> None:
    flat(*(f"train/{i}.jpg" for i in range(4)), labels_csv=READ["with suffixes"] + "0.jpg,dog\n")
    with pytest.raises(UserError, match=r"line 6 of data/labels.csv gives 0.jpg the class 'dog'"):
        open_dataset("data")


def test_class_folders_count_before_a_list() -> None:
    flat("cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "dog/3.jpg", labels_csv="id,label\n0,x\n1,y\n")
    assert open_dataset("data").classes == ("cat", "dog")
