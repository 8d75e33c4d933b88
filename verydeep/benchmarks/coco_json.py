"""COCO's files of instances, read within bounds.

In comes `instances_train2017.json`; out come names of pictures, names of classes, and a row for
each object. Outlines are let go while the file is read: they are nearly all of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from verydeep.errors import UserError, one_line
from verydeep.parts.entries import natural_key, some
from verydeep.pictures.boxes import Boxes, are_places
from verydeep.pictures.windows import Size

MOST = 2**31
"""Bytes that such a file may have; that of 118,287 pictures has 448 million."""
EXPECTED = "expected COCO's lists images, annotations and categories"


@dataclass(frozen=True)
class Instances:
    """What a file tells: its pictures' names, and the objects of each, in one piece.

    Those of picture i are before `ends[i]`; `labels` are places in `classes`, boxes are as in
    `pictures.boxes`, of a picture of its size in `sizes`, which not every file tells. `faults` are
    objects that are left out, by the reason.
    """

    names: Sequence[str]
    sizes: Sequence[Size | None]
    classes: tuple[str, ...]
    labels: Int64[np.ndarray, " R"]
    boxes: Boxes
    crowd: Bool[np.ndarray, " R"]
    ends: Int64[np.ndarray, " N"]
    faults: Mapping[str, Sequence[str]]

    def rows(self, i: int) -> slice:
        """Where the objects of picture i are."""
        return slice(int(self.ends[i - 1]) if i else 0, int(self.ends[i]))

    def said(self, i: int) -> dict[str, bool]:
        """The classes in picture i, each with whether an object of it is no crowd."""
        certain: dict[str, bool] = {}
        here = self.rows(i)
        for label, crowd in zip(self.labels[here].tolist(), self.crowd[here], strict=True):
            name = self.classes[label]
            certain[name] = certain.get(name, False) or not crowd
        return certain

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each kind of objects that are left out."""
        return tuple(
            f"objects {why}: {len(ids):,} ({some(ids)})" for why, ids in self.faults.items()
        )


@dataclass(frozen=True)
class _Object:
    """An object as the file tells of it, without its outline."""

    number: Any
    picture: Any
    category: Any
    box: Any
    crowd: bool


def read(path: Path) -> Instances:
    """What a file of instances tells.

    Raises UserError where it is none, where two pictures or classes have one name or number, and
    where no object is one of its pictures and classes.
    """
    lists = _lists(path)
    places, names, sizes = _pictures(path, lists["images"])
    categories = _categories(path, lists["categories"])
    classes = tuple(sorted(categories.values(), key=natural_key))
    place = {name: label for label, name in enumerate(classes)}
    label_of = {number: place[name] for number, name in categories.items()}
    faults: dict[str, list[str]] = defaultdict(list)
    rows = []
    for found in lists["annotations"]:
        row = _row(found, places, label_of)
        if isinstance(row, str):
            faults[row].append(str(getattr(found, "number", found))[:20])
        else:
            rows.append(row)
    if not rows:
        counts = "; ".join(f"{why}: {len(ids):,}" for why, ids in faults.items())
        raise UserError(f"{path} tells of no object{f' ({counts})' if counts else ''}; {EXPECTED}")
    table = np.array(sorted(rows, key=lambda row: row[0]), np.float64)  # by picture, in their order
    ends = np.cumsum(np.bincount(table[:, 0].astype(int), minlength=len(names)))
    return Instances(
        names,
        sizes,
        classes,
        table[:, 1].astype(np.int64),
        table[:, 3:],
        table[:, 2] > 0,
        ends,
        faults,
    )


def _lists(path: Path) -> dict[str, list[Any]]:
    try:
        if (size := path.stat().st_size) > MOST:
            raise UserError(f"{path} has {size:,} bytes, more than the {MOST:,} that are read")
        data: Any = json.loads(path.read_bytes(), object_hook=_lightened)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({one_line(error)}); {EXPECTED}") from None
    except MemoryError:
        raise UserError(f"not enough memory to read {path}; close other programs") from None
    names = ("images", "annotations", "categories")
    if not isinstance(data, dict) or not all(isinstance(data.get(name), list) for name in names):
        raise UserError(f"{path} is none of COCO's; {EXPECTED}")
    return {name: data[name] for name in names}


def _lightened(found: dict[str, Any]) -> Any:
    if "image_id" not in found or "category_id" not in found:
        return found
    return _Object(
        found.get("id"),
        found["image_id"],
        found["category_id"],
        found.get("bbox"),
        found.get("iscrowd") in (1, True),
    )


def _pictures(path: Path, images: list[Any]) -> tuple[dict[int, int], list[str], list[Size | None]]:
    """The place of each picture by its number, and their names and sizes."""
    places: dict[int, int] = {}
    names, sizes = [], list[Size | None]()
    for place, image in enumerate(images):
        number, name = (
            image.get(k) if isinstance(image, dict) else None for k in ("id", "file_name")
        )
        if type(number) is not int or not isinstance(name, str) or number in places:
            raise UserError(
                f"picture {place + 1} of {path} has no id of its own and file_name; {EXPECTED}"
            )
        places[number] = place
        names.append(name.replace("\\", "/").rpartition("/")[2])
        size = (image.get("height"), image.get("width"))
        sizes.append(size if all(type(side) is int and side > 0 for side in size) else None)
    if same := [one for one, other in pairwise(sorted(names)) if one == other]:
        raise UserError(f"{path} names {one_line(same[0])} twice; each picture has one line")
    return places, names, sizes


def _categories(path: Path, categories: list[Any]) -> dict[int, str]:
    """The classes by their numbers."""
    found: dict[int, str] = {}
    names: set[str] = set()
    for place, one in enumerate(categories):
        number, name = (one.get(key) if isinstance(one, dict) else None for key in ("id", "name"))
        name = name.strip() if isinstance(name, str) else ""
        if type(number) is not int or number in found or not name or name in names:
            raise UserError(
                f"category {place + 1} of {path} has no id and name of its own; {EXPECTED}"
            )
        found[number] = name
        names.add(name)
    return found


def _row(
    found: Any, places: Mapping[int, int], labels: Mapping[int, int]
) -> tuple[float, ...] | str:
    """Picture, class, whether it is a crowd, and box of an object; why there is none."""
    if not isinstance(found, _Object):
        return "without a picture or a class"
    if type(found.picture) is not int or found.picture not in places:
        return "of pictures that are not in the list"
    if type(found.category) is not int or found.category not in labels:
        return "of classes that are not in the list"
    box = _box(found.box)
    if box is None:
        return "without a box of four numbers"
    if box[2] <= box[0] or box[3] <= box[1]:
        return "whose box has no area"
    return (places[found.picture], labels[found.category], found.crowd, *box)


def _box(told: Any) -> tuple[float, float, float, float] | None:
    """x_min, y_min, x_max, y_max of a box told as x, y, width, height; None where it is none."""
    if not isinstance(told, list):
        return None
    try:
        x, y, width, height = map(float, told)
    except (TypeError, ValueError, OverflowError):
        return None
    box = (x, y, x + width, y + height)
    return box if are_places(box) else None
