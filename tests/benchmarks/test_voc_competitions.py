"""VOC's competitions, from folders as its archives have them; what comes was decided by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks.test_voc import class_list, made
from tests.conftest import objects
from verydeep.benchmarks.voc_competitions import actions, classification
from verydeep.errors import UserError
from verydeep.parts.annotations import LabelSets
from verydeep.parts.dataset import Part


def signs(part: Part, classes: int) -> list[list[int]]:
    assert isinstance(part.truth, LabelSets)
    rows: list[list[int]] = part.truth.signs(classes).tolist()
    return rows


def test_pictures_go_by_their_numbers_and_a_test_without_labels_is_told() -> None:
    root = made(train="123", val="67", test="48")
    for name, said in (("cat_train", (1, 0, -1)), ("dog_train", (-1, 1, 1))):
        class_list(root, name, **dict(zip(("_1", "_2", "_3"), said, strict=True)))
    class_list(root, "cat_val", _6=-1, _7=1)
    class_list(root, "dog_val", _6=1, _7=0)
    found = classification("VOC2007")
    assert found.classes == ("cat", "dog")
    assert list(found.parts["train"].names) == ["2007_1", "2007_2", "2007_3"]
    assert signs(found.parts["train"], 2) == [[1, -1], [0, 1], [-1, 1]]
    test = found.parts["test"]
    assert (list(test.names), test.truth) == (["2007_4", "2007_8"], None)
    assert Path(str(test.source(1))) == root / "JPEGImages/2007_8.jpg"
    assert [*found.labelled] == ["train", "validation"]


@pytest.mark.parametrize("lists", ["", "train", "val"])
def test_without_lists_to_learn_and_to_test_by_it_is_no_competition(lists: str) -> None:
    root = made()
    if lists:
        (root / f"ImageSets/Main/{lists}.txt").write_text("2007_1\n2007_2\n2007_3\n")
    with pytest.raises(UserError, match="ImageSets/Main/ of VOC2007 wants train.txt") as refused:
        classification("VOC2007")
    assert "\n" not in str(refused.value)


def test_a_folder_of_another_kind_is_refused() -> None:
    Path("photos/cat").mkdir(parents=True)
    for open_it in (classification, actions):
        with pytest.raises(UserError, match="photos is no folder of PASCAL VOC; expected JPEGIm"):
            open_it("photos")


# --- people


def acting(root: Path = Path("VOC2012")) -> Path:
    """Three pictures with people in boxes, some of whom jump or read, and lists of these."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Action"):
        (root / folder).mkdir(parents=True)
    for stem, names in {"a": "person person", "b": "dog person", "c": "person"}.items():
        things = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{1 + i}</xmin><ymin>1</ymin>"
            f"<xmax>{20 + i}</xmax><ymax>30</ymax></bndbox></object>"
            for i, name in enumerate(names.split())
        )
        (root / f"Annotations/{stem}.xml").write_text(f"<annotation>{things}</annotation>")
        Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(root / f"JPEGImages/{stem}.jpg")
    lists = {
        "jumping_train": "a 1 1\na 2 -1\n", "reading_train": "a 1  1\na 2 -1\n",
        "other_train": "a 1 -1\na 2  1\n", "jumping_val": "b 2 -1\n", "reading_val": "b 2 0\n",
        "other_val": "b 2 -1\n", "test": "c\n",
    }  # fmt: skip
    for name, text in lists.items():
        (root / f"ImageSets/Action/{name}.txt").write_text(text)
    return root


def test_people_go_by_picture_and_object_and_other_is_no_class() -> None:
    root = acting()
    found = actions(root)
    assert found.classes == ("jumping", "reading")
    assert {role: list(part.names) for role, part in found.parts.items()} == {
        "train": ["a 1", "a 2"], "validation": ["b 2"], "test": ["c 1"],
    }  # fmt: skip
    assert signs(found.parts["train"], 2) == [[1, 1], [-1, -1]]
    assert signs(found.parts["validation"], 2) == [[-1, 0]]
    assert found.parts["test"].truth is None
    assert Path(str(found.parts["train"].source(1))) == root / "JPEGImages/a.jpg"
    assert objects(found.parts["train"], 1).boxes.tolist() == [[1, 0, 21, 30]]
    assert objects(found.parts["validation"], 0).boxes.tolist() == [[1, 0, 21, 30]]


def test_people_without_a_picture_are_told() -> None:
    root = acting()
    (root / "JPEGImages/b.jpg").unlink()
    found = actions(root)
    assert "validation" not in found.parts
    assert any("in pictures that are not there: 1 (b#2)" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("jumping_train", "a 1 2\n", "the number of a person, and 1, 0 or -1"),
     ("reading_train", "a 1 1\n", "says nothing of a#2"),
     ("test", "c x\n", "expected a picture's name and the number of a person"),
     ("jumping_train", None, "has no jumping_train.txt .* but lists of the others")],
)  # fmt: skip
def test_lists_of_actions_that_are_not_whole_are_refused(
    name: str, text: str | None, words: str
) -> None:
    path = acting() / f"ImageSets/Action/{name}.txt"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=words) as refused:
        actions("VOC2012")
    assert "\n" not in str(refused.value)


def test_an_object_that_no_annotation_tells_of_is_refused() -> None:
    root = acting()
    (root / "ImageSets/Action/test.txt").write_text("c 4\n")
    with pytest.raises(UserError, match=r"c.xml has 1 objects, and c#4 is to be one"):
        objects(actions(root).parts["test"], 0)


def test_without_lists_of_actions_there_is_no_such_competition() -> None:
    made(train="123", val="67")
    with pytest.raises(UserError, match="VOC2007 has no lists of actions"):
        actions("VOC2007")
