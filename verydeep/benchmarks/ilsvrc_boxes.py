"""Boxes of ILSVRC-2012: of Kaggle's lists, or of XML files, one for each picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from verydeep.benchmarks import ilsvrc_lists
from verydeep.benchmarks.ilsvrc_files import (
    ANNOTATIONS,
    TRAIN_SOLUTION,
    Pictures,
    find_list,
    stem_of,
)
from verydeep.errors import UserError
from verydeep.parts.annotations import Ends
from verydeep.pictures.boxes import Boxes
from verydeep.pictures.reading import original_size

BoxesOf = Callable[[int], Boxes | None]
"""The boxes of picture i; None where nothing tells of them."""
BoxesAndNotes = tuple[BoxesOf | None, tuple[str, ...]]
"""The boxes of a part, if there are any, and a note of where they are from."""
SAMPLE = 20
"""Pictures by which those that were made smaller are known."""


def val_boxes(
    root: Path, val: Pictures, path: Path | None, boxes: Mapping[str, Boxes] | None
) -> BoxesAndNotes:
    """Boxes of a list at a path, if there are any, before those of XML files."""
    stems = [stem_of(name) for name in val.names]
    if boxes is not None:
        without = sum(stem not in boxes for stem in stems)
        return lambda i: boxes.get(stems[i]), (f"boxes of {path}{_none_for(without)}",)
    if (folder := _annotations(root, "val")) is None:
        return None, ()
    there = {entry.name for entry in os.scandir(folder)}
    without = sum(f"{stem}.xml" not in there for stem in stems)
    note = f"boxes of {folder}/*.xml{_none_for(without)}"
    return lambda i: _xml_boxes(folder / f"{stems[i]}.xml", val.root / val.names[i]), (note,)


def _none_for(without: int) -> str:
    return f"; {without:,} pictures have none" if without else ""


def train_boxes(root: Path, train: Pictures) -> BoxesAndNotes:
    """Boxes of a list, or of XML files in a folder for each class; many pictures have none.

    Of pictures that were made smaller only XML files tell boxes that fit. The list is read when the
    first box is asked for: to learn classes alone takes none.
    """
    path, folder = find_list(root, TRAIN_SOLUTION), _annotations(root, "train")
    if path and not (folder and _are_rescaled(train, folder)):
        return _listed(path, train), (f"boxes of {path}",)
    if folder is None:
        return None, ()

    def boxes(i: int) -> Boxes | None:
        return _xml_boxes(_xml_of(train, folder, i), train.root / train.names[i])

    return boxes, (f"boxes of {folder}/*/*.xml",)


def _xml_of(train: Pictures, folder: Path, i: int) -> Path:
    return (folder / train.names[i]).with_suffix(".xml")


def _are_rescaled(train: Pictures, folder: Path) -> bool:
    """Whether most of the first pictures that have an XML file are of another size than it says."""
    first = range(min(len(train.names), 50 * SAMPLE))
    told = (i for i in first if _xml_of(train, folder, i).exists())
    others = []
    for i in islice(told, SAMPLE):
        with suppress(UserError):  # who asks for its boxes is told
            _, size = ilsvrc_lists.xml_boxes(_xml_of(train, folder, i))
            others.append(original_size(train.root / train.names[i]) != size[::-1])
    return sum(others) > len(others) / 2


def _listed(path: Path, train: Pictures) -> BoxesOf:
    @cache
    def read() -> tuple[Boxes, Ends]:
        places = {stem_of(name): i for i, name in enumerate(train.names)}
        return ilsvrc_lists.boxes_in_order(path, places, train.wnids)

    def boxes(i: int) -> Boxes | None:
        found, ends = read()
        here = slice(int(ends[i - 1]) if i else 0, int(ends[i]))
        return found[here] if here.start < here.stop else None

    return boxes


def _annotations(root: Path, part: str) -> Path | None:
    folders = (root / annotations / part for annotations in ANNOTATIONS)
    return next((folder for folder in folders if folder.is_dir()), None)


def _xml_boxes(path: Path, picture: Path) -> Boxes | None:
    """Boxes in the pixels of the picture that is there, whatever size the file says it had.

    Each picture shows its class, so that a file without a box is one that does not tell.
    """
    if not path.exists():
        return None
    boxes, (width, height) = ilsvrc_lists.xml_boxes(path)
    if not len(boxes):
        return None
    now_height, now_width = original_size(picture)
    scale = np.array([now_width / width, now_height / height])
    return np.asarray(boxes * np.tile(scale, 2))  # x, y, x, y
