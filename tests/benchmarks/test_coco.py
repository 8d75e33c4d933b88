"""COCO's files of instances beside folders of pictures; what each must come to was worked by hand.

256 pictures of COCO, with their 1,827 boxes as the set's own list of it counts them, are read where
they are there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import objects, real_pictures
from verydeep.benchmarks import coco
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.parts.annotations import LabelSets

CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 90, "name": "cow"}]
DOG, CAT, COW = 7, 3, 90


def image(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg", "width": 40, "height": 20, **more}


def thing(picture: int, category: int, box: Any = (0, 0, 4, 4), crowd: int = 0) -> dict[str, Any]:
    outline = {"counts": [1, 2], "size": [20, 40]} if crowd else [[1, 2, 3, 4, 5, 6]]
    return {
        "id": 100 * picture + category, "image_id": picture, "category_id": category,
        "bbox": list(box), "iscrowd": crowd, "segmentation": outline,
    }  # fmt: skip


def made(
    part: str, pictures: range, things: list[Any], images: list[Any] | None = None, folder: str = ""
) -> None:
    """A part: pictures of 40 x 20 pixels, and the file that tells of them."""
    place = Path("data", folder or part)
    place.mkdir(parents=True, exist_ok=True)
    for number in pictures:
        Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(place / f"{number}.jpg")
    told = {
        "images": [image(n) for n in pictures] if images is None else images,
        "annotations": things,
        "categories": CATEGORIES,
        "info": {"year": 2017},
    }
    Path("data/annotations").mkdir(exist_ok=True)
    Path(f"data/annotations/instances_{part}.json").write_text(json.dumps(told))


TRAIN = [thing(1, CAT), thing(1, DOG), thing(2, DOG, crowd=1), thing(3, CAT), thing(3, CAT)]


def signs(part: str) -> dict[str, list[int]]:
    dataset = open_dataset("data", several=True)
    truth = dataset.parts[part].truth
    assert isinstance(truth, LabelSets)
    assert dataset.classes == ("cat", "dog")
    return dict(zip(dataset.parts[part].names, truth.signs(2).tolist(), strict=True))


@pytest.mark.parametrize("folder", ["train2017", "images/train2017"])
def test_all_pictures_have_the_labels_of_their_instances(folder: str) -> None:
    """A class of which there is a crowd alone is uncertain."""
    made("train2017", range(1, 5), TRAIN, folder=folder)
    made("val2017", range(5, 7), [thing(5, DOG)], folder=folder.replace("train", "val"))
    assert coco.is_here("data")
    assert signs("train") == {
        "1.jpg": [1, 1], "2.jpg": [-1, 0], "3.jpg": [1, -1], "4.jpg": [-1, -1],
    }  # fmt: skip
    assert signs("validation") == {"5.jpg": [-1, 1], "6.jpg": [-1, -1]}
    assert open_dataset("data", several=True).made == ()


def test_pictures_of_one_class_are_taken_and_others_counted() -> None:
    made("train2017", range(1, 5), [*TRAIN, thing(2, DOG)])
    made("val2017", range(5, 8), [thing(5, DOG), thing(6, COW), thing(7, CAT)])
    dataset = open_dataset("data")
    assert {name: list(part.names) for name, part in dataset.parts.items()} == {
        "train": ["cat/3.jpg", "dog/2.jpg"], "validation": ["cat/7.jpg", "dog/5.jpg"],
    }  # fmt: skip
    assert Path(str(dataset.train.source(0))).is_file()
    assert objects(dataset.train, 0).labels.tolist() == [0, 0]
    dogs = objects(dataset.train, 1)
    assert (dogs.boxes.tolist(), dogs.labels.tolist()) == ([[0, 0, 4, 4]] * 2, [1, 1])
    assert dogs.difficult.tolist() == [True, False]
    for note in (
        "of several classes: 1 (1.jpg); --task tag takes them all",
        "of no object: 1 (4.jpg)",
        "of classes of which there is none to train on: 1 (6.jpg)",
    ):
        assert any(note in line for line in dataset.notes), note


def test_boxes_end_where_they_do_in_the_picture_that_is_there() -> None:
    """x, y, width and height; of a picture told to be twice as wide as it is, half of it."""
    things = [thing(1, DOG, (1.5, 2, 10.25, 4), crowd=1), thing(2, CAT, (0, 10, 80, 10))]
    images = [image(1), image(2, width=80), image(3)]
    made(
        "default",
        range(1, 4),
        [things[1], things[0], thing(1, CAT), thing(3, DOG)],
        images,
        folder="images",
    )
    dataset = open_dataset("data", several=True)
    assert dataset.made == ("validation",)
    part = dataset.everything
    one, two, three = (objects(part, [*part.names].index(f"{n}.jpg")) for n in (1, 2, 3))
    assert one.boxes.tolist() == [[1.5, 2, 11.75, 6], [0, 0, 4, 4]]
    assert (one.labels.tolist(), one.difficult.tolist()) == ([1, 0], [True, False])
    assert two.boxes.tolist() == [[0, 10, 40, 20]]
    assert (len(three), three.labels.tolist()) == (1, [1])


def test_several_faults_are_counted_each_with_the_first() -> None:
    things = [
        thing(1, CAT), thing(2, DOG), thing(77, DOG), thing(2, 8), thing(2, 9),
        thing(1, DOG, (1, 2)),
        thing(2, CAT, (1, 2, 0, 4)), {"image_id": 3}, thing(2, CAT, (0, 0, 1e308 * 10, 1)),
        thing(2, CAT, (0, 0, 10**400, 1)), thing(2, CAT, (0, 0, 1e300, 1)),
    ]  # fmt: skip
    made("train", range(1, 3), things, images=[image(n) for n in (1, 2, 3)])
    Path("data/train/9.jpg").write_bytes(b"x")
    notes = "\n".join(open_dataset("data", several=True).notes)
    for note in (
        "objects of pictures that are not in the list: 1 (7707)",
        "objects of classes that are not in the list: 2 (208, 209)",
        "objects without a box of four numbers: 4 (107",
        "objects whose box has no area: 1 (203)",
        "objects without a picture or a class: 1 (",
        "named by instances_train.json, but not there: 1 (3.jpg)",
        "pictures that instances_train.json does not name: 1 (9.jpg)",
    ):
        assert note in notes, note


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is no JSON"), ("[" * 100_000, "is no JSON"), ("[]", "is none of COCO's"),
     ('{"images": [], "annotations": {}, "categories": []}', "lists images, annotations"),
     ('{"images": [{"id": 1}], "annotations": [], "categories": []}',
      r"picture 1 of .*train.json has no id"),
     ('{"images": [], "annotations": [], "categories": [{"id": 1}]}',
      r"category 1 of .*train.json has no id"),
     ('{"images": [], "annotations": [{"image_id": 1, "category_id": 2}], "categories": []}',
      r"tells of no object \(of pictures that are not in the list: 1\)")],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused_in_one_line(text: str, words: str) -> None:
    made("train", range(1, 3), TRAIN)
    Path("data/annotations/instances_train.json").write_text(text)
    for several in (False, True):
        with pytest.raises(UserError, match=words) as refused:
            open_dataset("data", several=several)
        assert "\n" not in str(refused.value)


def test_annotations_without_their_pictures_are_refused_and_say_where_these_belong() -> None:
    made("train2017", range(1, 5), TRAIN)
    for path in Path("data/train2017").iterdir():
        path.rename(path.with_stem(f"other {path.stem}"))
    words = r"names 4 pictures, and none of them is in train2017/ or images/train2017/; put"
    with pytest.raises(UserError, match=words):
        open_dataset("data")


def test_one_part_with_pictures_is_split_here_and_the_other_is_told() -> None:
    """Of COCO many have the annotations of both, and the pictures to validate alone."""
    made("train2017", range(0), TRAIN, images=[image(n) for n in range(1, 5)])
    made("val2017", range(5, 9), [thing(n, CAT if n % 2 else DOG) for n in range(5, 9)])
    for several in (False, True):
        dataset = open_dataset("data", several=several)
        assert len(dataset.everything) == 4
        assert any("train2017.json names 4 pictures, and none" in note for note in dataset.notes)


def test_the_fingerprint_changes_with_a_label() -> None:
    prints = set()
    for things in (TRAIN, [*TRAIN, thing(4, DOG)], [*TRAIN, thing(4, DOG, crowd=1)]):
        made("train", range(1, 5), things)
        prints.add(open_dataset("data", several=True).fingerprint)
    assert len(prints) == 3


def test_two_files_of_one_part_are_refused() -> None:
    made("train2014", range(1, 5), TRAIN)
    made("train2017", range(1, 5), TRAIN)
    with pytest.raises(UserError, match=r"several files of the train part .*; leave one"):
        open_dataset("data")


def test_256_pictures_of_coco_have_all_their_boxes() -> None:
    dataset = open_dataset(real_pictures("coco256"), several=True)
    assert len(dataset.classes) == 76
    assert [len(part) for part in dataset.parts.values()] == [128, 128]
    whole = dataset.everything
    assert sum(len(objects(whole, i)) for i in range(256)) == 1827


def test_nothing_but_crowds_is_refused() -> None:
    made("train", range(1, 3), [thing(1, DOG, crowd=1)])
    with pytest.raises(UserError, match="all objects in data are crowds"):
        open_dataset("data", several=True)
