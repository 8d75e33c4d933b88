"""Tables of pictures and labels, given as files, in the forms in which they are handed round.

What each must come to was decided by hand; nothing reads the pictures, which are single bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import real_pictures
from verydeep.datasets import Dataset, open_dataset
from verydeep.errors import UserError
from verydeep.folders import folder, table
from verydeep.parts.annotations import LabelSets, classes_in


def made(text: str, *names: str, csv: str = "data/labels.csv") -> str:
    """A table, and pictures of one byte each below its folder."""
    for name in names:
        path = Path("data", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    Path(csv).write_text(text, encoding="utf-8")
    return csv


def labels(dataset: Dataset) -> dict[str, list[str]]:
    """The labels of every picture by its name."""
    whole = dataset.everything
    return {
        name: sorted(dataset.classes[k] for k in classes_in(whole.truth, i))
        for i, name in enumerate(whole.names)
    }


def names(folder: str, count: int = 6) -> list[str]:
    return [f"{folder}{i}.jpg" for i in range(count)]


SINGLE = {
    "paths from the table's folder": ("file,class\n", "images/{}.jpg,{}\n"),
    "names in a folder beside it": ("file,class\n", "{}.jpg,{}\n"),
    "without suffix": ("id,label\n", "{},{}\n"),
    "without a header": ("", "{}.jpg,{}\n"),
    "tabs": ("file\tclass\n", "{}.jpg\t{}\n"),
    "semicolons": ("file;class\n", "{}.jpg;{}\n"),
    "an index before it": (",file,class\n", "{0},{0}.jpg,{1}\n"),
    "other columns": ("file,width,class,note\n", "{}.jpg,40,{},x\n"),
    "a folder written the other way": ("file,class\n", "images\\{}.jpg,{}\n"),
    "dots": ("file,class\n", "./images/{}.jpg,{}\n"),
}


@pytest.mark.parametrize("form", SINGLE)
def test_one_class_a_picture_is_read_from(form: str) -> None:
    heading, row = SINGLE[form]
    rows = "".join(row.format(i, "cat" if i < 3 else "dog") for i in range(6))
    csv = "data/labels.tsv" if form == "tabs" else "data/labels.csv"
    dataset = open_dataset(made(heading + rows, *names("images/"), csv=csv))
    assert dataset.classes == ("cat", "dog")
    assert labels(dataset) == {
        f"{c}/images/{i}.jpg": [c] for i in range(6) for c in [["cat", "dog"][i >= 3]]
    }
    assert Path(str(dataset.train.source(0))).is_file()
    assert dataset.made == ("validation",)
    assert dataset.where == csv


SEVERAL = {
    "semicolons in quotes": 'file,class\n0,"cat;dog"\n1,cat\n2,dog\n3,\n',
    "bars": "file,class\n0,cat|dog\n1,cat\n2,dog\n3,\n",
    "commas in quotes": 'file,tags\n0,"cat, dog"\n1,cat\n2,dog\n3,\n',
    "blanks": "image,labels\n0,cat dog\n1,cat\n2,dog\n3,\n",
    "columns of 0 and 1": "file,cat,dog\n0,1,1\n1,1,0\n2,0,1\n3,0,0\n",
    "columns of yes and no": "file,cat,dog\n0,True,1.0\n1,TRUE,0\n2,false,1\n3,0.0,0\n",
    "columns of 1 and -1": "file,cat,dog\n0,1,1\n1,1,-1\n2,-1,1\n3,-1,-1\n",
    "a row for each": "file,class\n0,cat\n0,dog\n1,cat\n2,dog\n3,\n",
    "rows with other columns": "file,class,x\n0,cat,5\n0,dog,6\n1,cat,7\n2,dog,8\n3,,9\n",
}


@pytest.mark.parametrize("form", SEVERAL)
def test_several_labels_a_picture_are_read_from(form: str) -> None:
    dataset = open_dataset(made(SEVERAL[form], *names("images/", 4)), several=True)
    assert dataset.classes == ("cat", "dog")
    assert labels(dataset) == {
        "images/0.jpg": ["cat", "dog"], "images/1.jpg": ["cat"], "images/2.jpg": ["dog"],
        "images/3.jpg": [],
    }  # fmt: skip
    assert isinstance(dataset.train.truth, LabelSets)


def test_names_of_several_words_stay_whole_where_the_words_do_not_come_again() -> None:
    text = "file,class\n0,golden retriever\n1,tabby cat\n2,golden retriever\n3,tabby cat\n"
    for heading in ("class", "breed"):
        dataset = open_dataset(
            made(text.replace("class", heading), *names("images/", 4)), several=True
        )
        assert dataset.classes == ("golden retriever", "tabby cat")
    rows = "0,black cat\n1,white cat\n2,black dog\n3,white dog\n"
    assert (
        len(open_dataset(made(f"file,class\n{rows}", *names("images/", 4)), several=True).classes)
        == 4
    )
    text = 'file,class\n0,"tench, Tinca tinca"\n1,"cock, rooster"\n'
    dataset = open_dataset(made(text, *names("images/", 4)), several=True)
    assert dataset.classes == ("cock, rooster", "tench, Tinca tinca")


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("heading", "words"),
    [("split", ("train", "val", "test")), ("set", ("Training", "valid", "testing")),
     ("Usage", ("train", "validation", "test"))],
)  # fmt: skip
def test_a_column_of_parts_makes_them(heading: str, words: Sequence[str], several: bool) -> None:
    rows = [f"{i}.jpg,{'cat' if i % 2 else 'dog'},{words[i // 4]}\n" for i in range(12)]
    text = f"file,class,{heading}\n" + "".join(rows)
    dataset = open_dataset(made(text, *names("images/", 12)), several=several)
    assert {name: len(part) for name, part in dataset.parts.items()} == {
        "train": 4, "validation": 4, "test": 4,
    }  # fmt: skip
    assert dataset.made == ()
    assert {n.rpartition("/")[2] for n in dataset.parts["test"].names} == {
        "8.jpg", "9.jpg", "10.jpg", "11.jpg",
    }  # fmt: skip
    assert any(f"parts by '{heading}'" in note for note in dataset.notes)


def test_a_folder_with_the_table_says_that_the_table_has_parts() -> None:
    rows = [
        f"{i}.jpg,{'cat' if i % 2 else 'dog'},{'train' if i < 4 else 'val'}\n" for i in range(6)
    ]
    made("file,class,split\n" + "".join(rows), *names("images/", 6))
    dataset = open_dataset("data")
    assert dataset.made == ("validation",)
    note = "not read: parts by the column 'split'; give data/labels.csv for them"
    assert note in dataset.notes


def test_kaggles_train_csv_beside_train_is_read_as_the_folder_is() -> None:
    text = "id,label\n" + "".join(f"{i},{'cat' if i % 2 else 'dog'}\n" for i in range(6))
    csv = made(text, *names("train/"), *names("test/"), csv=Path("data").joinpath("x").name)
    Path(csv).rename("data/train.csv")
    by_table, by_folder = open_dataset("data/train.csv"), open_dataset("data")
    assert {str(p) for p in map(by_table.train.source, range(4))} == {
        str(p) for p in map(by_folder.train.source, range(4))
    }
    assert by_table.classes == by_folder.classes


def test_pictures_may_lie_in_several_folders() -> None:
    text = "image_id,dx\na,x\nb,y\nc,x\nd,y\n"
    made(text, "HAM_part_1/a.jpg", "HAM_part_1/b.jpg", "HAM_part_2/c.jpg", "HAM_part_2/d.jpg")
    assert len(open_dataset("data/labels.csv").everything) == 4


def test_rows_that_cannot_be_used_are_counted_each_kind_with_its_first() -> None:
    rows = [f"{i}.jpg,{'cat' if i % 2 else 'dog'}\n" for i in range(6)]
    odd = "gone.jpg,cat\nlost.jpg,dog\n5.jpg\n,cat\n../labels.jpg,cat\n"
    csv = made("file,class\n" + "".join(rows) + odd, *names("images/", 6))
    Path("labels.jpg").write_bytes(b"x")
    dataset = open_dataset(csv)
    (note,) = [note for note in dataset.notes if "left out in labels.csv" in note]
    assert "rows that name no picture there: 4 (the first: gone.jpg)" in note
    assert "not of 2 cells: 1 (the first: line 10)" in note
    assert len(dataset.everything) == 6


REFUSED = {
    "most rows without a picture": (
        "file,class\n0.jpg,cat\n1.jpg,dog\na.jpg,cat\nb.jpg,dog\nc.jpg\n",
        "of 5 in all: that name no picture there: 2 .*a.jpg.*; not of 2 cells: 1 .*line 6",
    ),
    "no row with a picture": (
        "file,class\n7.jpg,cat\n8.jpg,dog\n", "no line names a picture of data/ or a folder in it",
    ),
    "two classes, and two parts": (
        "file,class,split\n0.jpg,cat,train\n0.jpg,dog,train\n1.jpg,dog,train\n1.jpg,dog,val\n"
        "2.jpg,dog,val\n3.jpg,dog,val\n4.jpg,dog,val\n5.jpg,cat,val\n",
        "another class before: 1 .*line 3, .*two parts: 1 .*line 5, .*--task tag",
    ),
    "another part": (
        "file,class,split\n0.jpg,cat,train\n1.jpg,dog,holdout\n",
        "of no part: 1 .*line 3, 'holdout'",
    ),
    "nothing to train on": (
        "file,class,split\n0.jpg,cat,val\n1.jpg,dog,test\n", "no row of .* is of the part 'train'",
    ),
    "no classes": ("file,class\n0.jpg,\n1.jpg,\n", "gives a picture that is there a class"),
    "nothing": ("", "cannot be read as a table: empty"),
    "no column of classes": ("file,a,b\n0.jpg,x,y\n1.jpg,z,y\n", "is not read: no one column"),
    "a class that leads out": ("file,class\n0.jpg,../../x\n1.jpg,dog\n", "folder's name"),
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED)
def test_a_table_of_another_kind_is_refused_in_one_line(form: str) -> None:
    text, words = REFUSED[form]
    with pytest.raises(UserError, match=words) as refused:
        open_dataset(made(text, *names("images/")))
    assert "\n" not in str(refused.value)


def test_a_table_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="no file nowhere.csv"):
        open_dataset("nowhere.csv")
    Path("folder.csv").mkdir()
    assert not table.is_here("folder.csv")
    assert folder.is_here("folder.csv")


def test_the_fingerprint_changes_with_a_label_and_with_nothing_else() -> None:
    prints = set()
    for text in (
        "file,class\n0,cat\n1,cat\n2,dog\n3,dog\n",
        "image,tags\n3,dog\n2,dog\n1,cat\n0,cat\n",
    ):
        csv = made(text, *names("images/", 4))
        prints.add((open_dataset(csv).fingerprint, open_dataset(csv, several=True).fingerprint))
    assert len(prints) == 1
    made("file,class\n0,cat\n1,dog\n2,dog\n3,dog\n")
    changed = open_dataset(csv).fingerprint, open_dataset(csv, several=True).fingerprint
    assert not {*changed} & {*prints.pop()}


def test_a_table_of_real_pictures_is_what_their_class_folders_are() -> None:
    root = real_pictures("caltech101_128/101_ObjectCategories")
    rows = [f"{p.parent.name}/{p.name},{p.parent.name}\n" for p in root.glob("[ab]*/*.jpg")]
    for path in root.glob("[ab]*"):
        shutil.copytree(path, Path("pictures", path.name))
    Path("pictures.csv").write_text("file,class\n" + "".join(rows))
    by_table, by_folder = open_dataset("pictures.csv"), open_dataset("pictures")
    assert by_table.classes == by_folder.classes
    assert len(by_table.everything) == len(by_folder.everything) == len(rows)


def test_labels_are_the_same_however_their_letters_are_written() -> None:
    """An accent may be a letter with it, or stand behind one (Unicode NFC and NFD)."""
    text = "file,class\n0,Caf\u00e9\n1,Cafe\u0301\n2,tea\n3,tea\n"
    for several in (False, True):
        dataset = open_dataset(made(text, *names("images/", 4)), several=several)
        assert dataset.classes == ("Caf\u00e9", "tea")


def test_bars_part_labels_whatever_they_are() -> None:
    """Of blanks it is told by words that come again; here none does."""
    for text in ("file,class\n0,a|b\n1,c\n2,c\n3,c\n", "file,labels\n0,a b\n1,c\n2,c\n3,c\n"):
        dataset = open_dataset(made(text, *names("images/", 4)), several=True)
        assert dataset.classes == ("a", "b", "c")
