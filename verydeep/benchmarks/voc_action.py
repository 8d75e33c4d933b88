"""PASCAL VOC's actions: people in pictures, each with a box and what they do.

`ImageSets/Action/CLASS_SET.txt` has a line `picture person sign` for each person, who is counted
from 1 in the picture's annotation. One person is one item, called `picture#person`; the box is
given, and is no answer. `other` is no class: such people are of none of the ten.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from verydeep.benchmarks.voc import PICTURES, Year
from verydeep.benchmarks.voc_lists import ROLES, class_lists, lines_of
from verydeep.benchmarks.voc_xml import annotated
from verydeep.errors import UserError, one_line
from verydeep.folders.tags import Tags
from verydeep.parts import splitting
from verydeep.parts.annotations import UNLABELLED, Objects
from verydeep.parts.dataset import Dataset
from verydeep.parts.entries import some
from verydeep.pictures.boxes import rescaled
from verydeep.pictures.reading import original_size

LISTS = Path("ImageSets", "Action")
OTHER = "other"


def open_actions(where: str | Path, split: int = 0) -> Dataset:
    """Dataset of people, with several labels each or none, and the box of each as its one object.

    The object's label is `UNLABELLED`: that it is a person is given. Raises UserError where the
    lists are not there, or say otherwise.
    """
    year = Year.at(where)
    lists = class_lists(year.root, LISTS)
    words = {role: next((w for w in words if w in lists), None) for role, words in ROLES.items()}
    people = {role: _people(lists[word]) for role, word in words.items() if word}
    if "train" not in people:
        raise UserError(
            f"{year.root} has no lists of actions; expected {LISTS / 'jumping_train.txt'} and such"
        )
    for role, others in people.items():
        if role != "train":
            people["train"] = {i: of for i, of in people["train"].items() if i not in others}
    notes = ["PASCAL VOC: actions, one item for each person"]
    absent = [item for of in people.values() for item in of if _stem(item) not in year.files]
    if absent:
        more = f"{len(absent):,} ({some(absent)})"
        notes.append(f"left out, people in pictures that are not there: {more}")
    found = {role: _tags(year, role, signs) for role, signs in people.items()}
    classes = tuple(label for label in next(iter(lists.values())) if label != OTHER)
    return splitting.dataset_of(Path(where), found, classes, split, tuple(notes))


Signs = Mapping[str, int]
"""Of each class 1, 0 or -1."""


def _people(lists: Mapping[str, Path]) -> dict[str, Signs]:
    """The people that the lists of the classes name; UserError where these are not of the same."""
    signs: dict[str, dict[str, int]] = {}
    for label, path in lists.items():
        for item, sign in _read(path).items():
            signs.setdefault(item, {})[label] = sign
    for item, of_item in signs.items():
        if absent := [label for label in lists if label not in of_item]:
            raise UserError(
                f"{lists[absent[0]]} says nothing of {one_line(item)}, which other lists name; "
                f"copy the archive's {LISTS} again"
            )
    return {**signs}


def _tags(year: Year, role: str, people: Mapping[str, Signs]) -> Tags:
    """The people of a part whose pictures are there."""
    there = {item: signs for item, signs in people.items() if _stem(item) in year.files}
    said = {
        item: {label: sign > 0 for label, sign in signs.items() if sign >= 0 and label != OTHER}
        for item, signs in there.items()
    }
    files = {item: year.files[_stem(item)] for item in there}

    def box(item: str, classes: tuple[str, ...]) -> Objects | None:
        return person_box(year, item)

    return Tags.of(year.root / PICTURES, said, f"the lists of {role}", box, files)


def _read(path: Path) -> dict[str, int]:
    """The sign of each item in a list."""
    found = {}
    for number, line in enumerate(lines_of(path), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 3 or not words[1].isdecimal() or words[2] not in ("1", "+1", "0", "-1"):
            raise UserError(
                f"line {number} of {path} is '{one_line(line.strip()[:60])}'; expected a picture's "
                f"name, the number of a person, and 1, 0 or -1"
            )
        found[f"{words[0]}#{int(words[1])}"] = int(words[2])
    return found


def _stem(item: str) -> str:
    return item.rpartition("#")[0]


def person_box(year: Year, item: str) -> Objects | None:
    """The box of a person; None where the picture has no annotation."""
    stem, _, number = item.rpartition("#")
    if stem not in year.there:
        return None
    path, place = year.annotation(stem), int(number) - 1
    found = annotated(path)
    if not 0 <= place < len(found.names):
        raise UserError(
            f"{path} has {len(found.names)} objects, and {item} is to be one of them; copy the "
            f"archive's Annotations/ again"
        )
    here = slice(place, place + 1)
    now = original_size(year.root / PICTURES / year.files[stem])
    box = rescaled(found.boxes[here], found.size, now)
    return Objects(box, np.array([UNLABELLED]), found.difficult[here])
