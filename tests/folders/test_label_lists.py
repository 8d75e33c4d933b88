"""Labels in lists beside flat pictures: tables as Kaggle and Tiny ImageNet hand them out.

What each must come to was decided by hand; nothing reads the pictures, which are single bytes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.parts.annotations import LabelSets


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
    "one-hot columns": "id,cat,dog\n0,1,0\n1,1.0,0\n2,0,1\n3,0,1\n",
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


def test_a_list_of_classes_counts_before_columns_of_them() -> None:
    """So that what was read before is read as it was."""
    flat(*(f"train/{i}.jpg" for i in range(4)), labels_csv=READ["with suffixes"])
    Path("data/hot.csv").write_text("id,x,y\n0,1,0\n1,1,0\n2,0,1\n3,0,1\n")
    assert by_class() == FOUR


def test_pictures_of_several_columns_or_of_none_are_left_out_or_taken_with_them() -> None:
    rows = "id,cat,dog\n0,1,0\n1,1,1\n2,0,1\n3,0,0\n4,1,0\n5,0,1\n"
    flat(*(f"train/{i}.jpg" for i in range(6)), labels_csv=rows)
    assert by_class() == ["cat/0.jpg", "cat/4.jpg", "dog/2.jpg", "dog/5.jpg"]
    assert any("or of none: 2 (1.jpg, 3.jpg)" in note for note in open_dataset("data").notes)
    whole = open_dataset("data", several=True).everything
    labels = {name: sorted(whole.truth[i].tolist()) for i, name in enumerate(whole.names)}  # type: ignore[index]
    assert labels == {
        "0.jpg": [0], "1.jpg": [0, 1], "2.jpg": [1], "3.jpg": [], "4.jpg": [0], "5.jpg": [1],
    }  # fmt: skip


def test_several_labels_in_a_cell_are_one_class_or_taken_one_by_one() -> None:
    rows = "id,label\n0,cat\n1,cat;dog\n2,dog\n3,\n4,cat;dog\n5,dog\n"
    flat(*(f"train/{i}.jpg" for i in range(6)), labels_csv=rows)
    dataset = open_dataset("data")
    assert dataset.classes == ("cat", "cat;dog", "dog")
    assert any("are one class together here" in note for note in dataset.notes)
    assert open_dataset("data", several=True).classes == ("cat", "dog")
    assert len(open_dataset("data", several=True).everything) == 6


def test_lists_of_parts_may_have_several_labels() -> None:
    flat(*(f"images/{i}.jpg" for i in range(6)), train_csv="file,tags\n0,a|b\n1,b\n2,\n3,a\n")
    Path("data/val.csv").write_text("file,tags\n4,a|c\n5,b\n")
    dataset = open_dataset("data", several=True)
    assert (dataset.classes, dataset.made) == (("a", "b", "c"), ())
    parts = {name: len(part) for name, part in dataset.parts.items()}
    assert parts == {"train": 4, "validation": 2}
    signs = dataset.validation.truth.signs(3)  # type: ignore[union-attr]
    assert signs.tolist() == [[1, -1, 1], [-1, 1, -1]]
    assert any("classes without a picture in train.csv: c" in note for note in dataset.notes)


def test_class_folders_give_sets_of_one() -> None:
    flat("cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "dog/3.jpg")
    dataset = open_dataset("data", several=True)
    assert isinstance(dataset.train.truth, LabelSets)
    assert dataset.fingerprint == open_dataset("data").fingerprint


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
    "boxes": ("id,xmin,xmax\n0,1,2\n1,1,2\n2,1,2\n3,1,2\n", "no one column beside"),
    "ragged": ("id,label\n0,cat\n\n1,cat,dog\n2,dog\n3\n", "3 cells in line 4, 2 in the first"),
    "names of others": ("id,label\na,cat\nb,dog\n", "no line names a picture of train/"),
    "names of others, without a header": ("a.jpg,cat\nb.jpg,dog\n", "no line names a picture of t"),
    "names alone": ("id\n0\n1\n2\n3\n", "no one column beside"),
    "nothing": ("", "empty"),
    "another encoding": ("id,label\n0,caf\udce9\n1,cat\n", "not UTF-8"),
    "parts by their heading": ("file,split\n0,train\n1,a\n2,b\n3,b\n", "'split' tells no classes"),
    "folds": ("file,fold\n0,0\n1,1\n2,0\n3,1\n", "'fold' tells no classes"),
    "patients": ("image,patient_id\n0,7\n1,7\n2,8\n3,8\n", "'patient_id' tells no classes"),
    "patients, in one word": ("image,patientId\n0,7\n1,7\n2,8\n3,8\n", "'patientId' tells no"),
    "ages": ("file,age\n0,41\n1,41\n2,8\n3,8\n", "'age' tells no classes"),
    "widths": ("file,width\n0,41\n1,41\n2,8\n3,8\n", "'width' tells no classes"),
    "parts by their words": ("file,kind\n0,train\n1,train\n2,Test\n3,test\n", "tells parts"),
    "parts without a header": ("0,train\n1,train\n2,val\n3,val\n", "tells parts"),
    "yes, no and neither": ("id,a,b\n0,1,0\n1,-1,1\n2,0,1\n3,1,0\n", "1, 0 and -1, of which one"),
    "properties": ("id,big,old\n0,1,1\n1,0,0\n2,0,1\n3,0,0\n", "1 in 1 of 4 rows alone"),
    "measures": ("file,tumour\n0,1.5\n1,1.5\n2,2\n3,2\n", "tells measures"),
}


def in_train(table: str) -> None:
    flat(*(f"train/{i}.jpg" for i in range(4)), "test/9.jpg")
    Path("data/labels.csv").write_bytes(table.encode(errors="surrogateescape"))


@pytest.mark.parametrize("name", REFUSED)
def test_another_table_is_refused_with_what_is_wrong_with_it(name: str) -> None:
    table, why = REFUSED[name]
    in_train(table)
    with pytest.raises(UserError, match=f"lines `file,class`.*labels.csv .*{why}") as refused:
        open_dataset("data")
    assert "\n" not in str(refused.value)


def test_a_text_to_each_picture_is_no_class() -> None:
    rows = "".join(f"{i},a picture of {i // 2 if i < 4 else i}\n" for i in range(40))
    flat(*(f"train/{i}.jpg" for i in range(40)), labels_csv=f"file,caption\n{rows}")
    with pytest.raises(UserError, match="the second column says 38 things of 40 pictures"):
        open_dataset("data")


@pytest.mark.parametrize("heading", ["breed", "class", "label", "species", "class_id", "stage"])
def test_a_heading_that_may_be_of_classes_is(heading: str) -> None:
    in_train(f"id,{heading}\n0,1\n1,1\n2,2\n3,2\n")
    assert open_dataset("data").classes == ("1", "2")


def test_two_lists_of_the_same_pictures_are_not_chosen_between() -> None:
    table = READ["with suffixes"]
    flat(*(f"train/{i}.jpg" for i in range(4)), a_csv=table, b_csv=table)
    with pytest.raises(UserError, match=r"a.csv \(b.csv is of pictures in train/ as well\), b.csv"):
        open_dataset("data")


def test_lists_called_after_parts_make_them_of_one_folder() -> None:
    heading = "file,class\n"
    flat(*(f"images/{i}.jpg" for i in range(7)), test_csv=f"{heading}4,cat\n5,dog\n")
    Path("data/train.csv").write_text(f"{heading}0,cat\n1,cat\n2,dog\n3,dog\n")
    dataset = open_dataset("data")
    assert list(dataset.train.names) == FOUR
    assert list(dataset.validation.names) == ["cat/4.jpg", "dog/5.jpg"]
    notes = "\n".join(dataset.notes)
    assert "train.csv (4 to train on)" in notes
    assert "pictures that no list names: 1 (6.jpg)" in notes
    Path("data/test.csv").write_text(f"{heading}3,cat\n5,dog\n")
    with pytest.raises(UserError, match=r"test.csv \(train.csv is of pictures in images/ as well"):
        open_dataset("data")


@pytest.mark.parametrize("label", ["../../evil", "a/b", "/", "..", ".", "a\0b"])
def test_a_label_that_is_no_name_of_a_folder_is_refused_by_its_line(label: str) -> None:
    in_train(f"id,label\n0,cat\n1,{label}\n2,cat\n3,dog\n")
    with pytest.raises(
        UserError, match=r"line 3 of data/labels.csv has the class .* folder's name"
    ):
        open_dataset("data")


def test_a_picture_of_two_classes_is_refused_by_its_line() -> None:
    flat(*(f"train/{i}.jpg" for i in range(4)), labels_csv=READ["with suffixes"] + "0.jpg,dog\n")
    with pytest.raises(UserError, match=r"line 6 of data/labels.csv gives 0.jpg the class 'dog'"):
        open_dataset("data")


def test_class_folders_count_before_a_list() -> None:
    flat("cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "dog/3.jpg", labels_csv="id,label\n0,x\n1,y\n")
    assert open_dataset("data").classes == ("cat", "dog")
