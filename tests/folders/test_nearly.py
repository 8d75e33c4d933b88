"""Folders that lack something to be read: what was found, what was expected, what to do."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from verydeep.datasets import open_dataset
from verydeep.errors import UserError

XML = "<annotation><object><name>cat</name></object></annotation>"
NEARLY = {
    "VOC without annotations": (
        {"JPEGImages/1.jpg": "x", "ImageSets/Main/train.txt": "1"},
        "^data has VOC's JPEGImages/ but no Annotations/ beside it; .*; without, data looks like",
    ),
    "VOC without a folder of pictures": (
        {"Annotations/1.xml": XML}, "^data has VOC's Annotations/ but no JPEGImages/.*put its pic",
    ),
    "VOC without its pictures": (
        {"Annotations/1.xml": XML, "JPEGImages/2.txt": "x", "ImageSets/Main/train.txt": "1\n3\n"},
        "data tells of 2 pictures to train on, the first 1, and none of them is in JPEGImages/",
    ),
    "COCO's captions alone": (
        {"annotations/captions_val.json": "{}", "val/1.jpg": "x"},
        r"data/annotations has captions_val.json, but .* called instances_\*.json",
    ),
    "a table alone": (
        {"labels.csv": "file,class\n1,cat\n"}, "^no pictures in data, but labels.csv; put the pic",
    ),
    "a list that is not read, and a folder of pictures": (
        {"labels.csv": "file,class,label\n1,cat,dog\n", "images/1.jpg": "x"},
        r"labels.csv \(no one column beside the names that is called class or label\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NEARLY)
@pytest.mark.parametrize("several", [False, True])
def test_what_nearly_fits_says_what_is_missing(name: str, several: bool) -> None:
    files, words = NEARLY[name]
    for file, text in files.items():
        path = Path("data", file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with pytest.raises(UserError, match=words) as refused:
        open_dataset("data", several=several)
    assert "\n" not in str(refused.value)


def test_a_folder_with_an_archive_alone_says_to_give_that() -> None:
    Path("data").mkdir()
    with ZipFile("data/photos.zip", "w") as opened:
        opened.writestr("cat/1.jpg", b"x")
    with pytest.raises(UserError, match="but photos.zip; give data/photos.zip"):
        open_dataset("data")


def test_a_file_of_another_kind_says_what_can_be_given() -> None:
    Path("data.json").write_text("{}")
    with pytest.raises(UserError, match=r"data.json is a file; give a folder .*\.csv.*\.zip"):
        open_dataset("data.json")
