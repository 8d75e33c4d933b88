"""Caltech-101 and Caltech-256 with their strays, named as in their archives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import real_pictures
from verydeep.benchmarks import caltech
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.folders import folder


def files(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")


def test_strays_of_caltech_256_are_left_out_and_told() -> None:
    classes = ["056.dog", "198.spider", "257.clutter"]
    root = "caltech/256_ObjectCategories"
    files(*(f"{root}/{name}/{name[:3]}_000{i}.jpg" for name in classes for i in range(1, 4)))
    files(f"{root}/056.dog/greg/vision309/056_0001.jpg", f"{root}/198.spider/RENAME2")
    dataset = open_dataset("caltech")
    assert dataset.classes == tuple(classes)
    assert len(dataset.everything) == 9
    assert Path(str(dataset.train.source(0))).is_file()
    notes = "\n".join(dataset.notes)
    assert "Caltech-256: 3 classes; 257.clutter is one" in notes
    assert "in folders in class folders: 1 (056.dog/greg/vision309/056_0001.jpg)" in notes
    assert "no pictures by their names: 1 (198.spider/RENAME2)" in notes
    assert open_dataset(root).fingerprint == dataset.fingerprint


def test_caltech_101_keeps_both_kinds_of_faces_and_the_background_and_is_what_a_folder_is() -> None:
    root = "101_ObjectCategories"
    classes = ["BACKGROUND_Google", "Faces", "Faces_easy"]
    files(*(f"{root}/{name}/image_000{i}.jpg" for name in classes for i in range(1, 4)))
    files("Annotations/Faces_2/annotation_0001.mat")
    assert caltech.is_here(".")
    dataset = open_dataset(".")
    assert dataset.classes == tuple(classes)
    assert "left alone beside 101_ObjectCategories/: Annotations" in dataset.notes
    assert dataset.fingerprint == folder.open(root).fingerprint == open_dataset(root).fingerprint
    Path("256_ObjectCategories").mkdir()
    with pytest.raises(UserError, match="two data sets; give 101_ObjectCategories"):
        open_dataset(".")


def test_caltech_101_as_it_was_handed_round_has_102_classes() -> None:
    dataset = open_dataset(real_pictures("caltech101_128"))
    assert len(dataset.classes) == 102
    assert len(dataset.everything) == 6055
