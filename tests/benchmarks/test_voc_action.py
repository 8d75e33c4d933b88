"""PASCAL VOC's actions, by lists and annotations as its archive has them, made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.test_voc import signs, with_sizes, xml_object
from tests.conftest import objects
from verydeep.benchmarks.voc_action import open_actions
from verydeep.errors import UserError
from verydeep.parts.annotations import UNLABELLED
from verydeep.pictures.reading import original_size

TRAIN = {"jumping": "a 1 1\na 2 -1\nb 1 0\n", "other": "a 1 -1\na 2 1\nb 1 -1\n",
         "running": "a 1  1\na 2 -1\nb 1 -1\n"}  # fmt: skip
VAL = {"jumping": "c 2 -1\n", "other": "c 2 -1\n", "running": "c 2 1\n"}


def made(train: dict[str, str] = TRAIN, val: dict[str, str] = VAL) -> Path:
    root = Path("VOC2012")
    for folder in ("JPEGImages", "Annotations", "ImageSets/Action"):
        (root / folder).mkdir(parents=True)
    people = xml_object("person", (1, 1, 10, 20)) + xml_object("person", (11, 2, 40, 20), 1)
    for stem in "abc":
        with_sizes(root, stem, people)
    for word, lists in (("train", train), ("val", val)):
        for name, text in lists.items():
            (root / f"ImageSets/Action/{name}_{word}.txt").write_text(text)
    return root


def test_each_person_is_an_item_with_labels_and_a_box() -> None:
    """Of `other` alone is of no class; 0 is uncertain."""
    dataset = open_actions(made())
    assert dataset.classes == ("jumping", "running")
    assert signs(dataset) == {"a#1": [1, 1], "a#2": [-1, -1], "b#1": [0, -1]}
    assert signs(dataset, "validation") == {"c#2": [-1, 1]}
    part = dataset.train
    found = [objects(part, i) for i in range(3)]
    assert [box.boxes.tolist() for box in found] == [
        [[0, 0, 10, 20]], [[10, 1, 40, 20]], [[0, 0, 10, 20]],
    ]  # fmt: skip
    assert {*np.concatenate([box.labels for box in found]).tolist()} == {UNLABELLED}
    assert [Path(str(part.source(i))).name for i in range(3)] == ["a.jpg", "a.jpg", "b.jpg"]
    assert original_size(part.source(1)) == (20, 40)


def test_the_fingerprint_changes_with_a_label() -> None:
    root = made()
    before = open_actions(root).fingerprint
    (root / "ImageSets/Action/jumping_train.txt").write_text(TRAIN["jumping"].replace("1 0", "1 1"))
    assert open_actions(root).fingerprint != before


def test_people_in_pictures_that_are_not_there_are_told() -> None:
    root = made()
    (root / "JPEGImages/b.jpg").unlink()
    dataset = open_actions(root)
    assert len(dataset.train) == 2
    assert any("not there: 1 (b#1)" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [("a 1 1\na 2 -1\n", "jumping_train.txt says nothing of b#1"),
     ("a 1 1\na x 1\n", "line 2 of .*'a x 1'; expected .* the number of a person"),
     ("a 1\n", "line 1 of .*expected")],
)  # fmt: skip
def test_lists_that_are_not_whole_are_refused(text: str, words: str) -> None:
    root = made()
    (root / "ImageSets/Action/jumping_train.txt").write_text(text)
    with pytest.raises(UserError, match=words):
        open_actions(root)


def test_a_person_that_the_annotation_lacks_is_refused_by_name() -> None:
    lists = {name: text.replace("a 2", "a 3") for name, text in TRAIN.items()}
    part = open_actions(made(lists)).train
    with pytest.raises(UserError, match="a.xml has 2 objects, and a#3"):
        objects(part, 1)


def test_without_lists_of_actions_it_is_refused() -> None:
    with pytest.raises(UserError, match="has no lists of actions; expected ImageSets/Action/jump"):
        open_actions(made({}, {}))
