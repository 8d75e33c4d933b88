"""Files of PASCAL VOC's kind, one for each picture, read within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Bool

from verydeep.errors import UserError
from verydeep.pictures.boxes import FARTHEST, Boxes, are_places
from verydeep.pictures.windows import Size

MOST_XML = 2**20
"""Bytes that such a file may have; those of ILSVRC and VOC have a few thousand."""


def parsed(path: Path) -> ElementTree.Element:
    """The root of a file's elements.

    Raises UserError where it cannot be read; where it has definitions of its own (DTD, entities)
    or is longer than 1 MiB, which is no such file; and ElementTree.ParseError where it is no XML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_XML + 1)
    except OSError as error:
        raise UserError(f"cannot read boxes in {path}: {error.strerror}") from None
    if len(data) > MOST_XML or b"<!DOCTYPE" in data or b"\0" in data:  # UTF-16 would hide the word
        raise UserError(
            f"boxes in {path} are not read: more than {MOST_XML:,} bytes, a DOCTYPE, or not UTF-8; "
            f"take the file of the archive"
        )
    return ElementTree.fromstring(data)


def object_names(path: Path) -> set[str]:
    """The classes of the objects that a file tells of; UserError where it is none of the kind."""
    return {_name(found) for found in _objects(_annotation(path), path)}


def certain_names(path: Path) -> dict[str, bool]:
    """The same, each with whether an object of it is not difficult."""
    certain: dict[str, bool] = {}
    for found in _objects(_annotation(path), path):
        certain[_name(found)] = certain.get(_name(found), False) or not _is_difficult(found)
    return certain


@dataclass(frozen=True)
class Annotated:
    """The objects of a picture: their classes, boxes, and whether they are difficult.

    Boxes are as in `pictures.boxes`, of a picture of `size`, which not every file tells; each has
    its element, for what else is said of it.
    """

    names: tuple[str, ...]
    boxes: Boxes
    difficult: Bool[np.ndarray, " R"]
    size: Size | None
    elements: tuple[ElementTree.Element, ...]


def annotated(path: Path) -> Annotated:
    """What a file tells of its objects; UserError where it is none of the kind, or lacks a box."""
    root = _annotation(path)
    objects = _objects(root, path)
    try:
        sides = [
            _numbers(found.find("bndbox"), "xmin", "ymin", "xmax", "ymax") for found in objects
        ]
        size = root.find("size")
        width, height = (0.0, 0.0) if size is None else _numbers(size, "width", "height")
    except ValueError as error:
        raise UserError(f"{path} is not as in PASCAL VOC: {error}") from None
    boxes = np.array(sides, np.float64).reshape(-1, 4)
    boxes[:, :2] -= 1  # pixels are counted from 1, and the last one is inside
    known = min(width, height) >= 1
    return Annotated(
        tuple(map(_name, objects)),
        boxes,
        np.array([_is_difficult(found) for found in objects], bool),
        (round(height), round(width)) if known else None,
        tuple(objects),
    )


def _annotation(path: Path) -> ElementTree.Element:
    try:
        root = parsed(path)
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not as in PASCAL VOC: {error}") from None
    if root.tag != "annotation":
        raise _no_annotation(path)
    return root


def _objects(root: ElementTree.Element, path: Path) -> list[ElementTree.Element]:
    found = [*root.iter("object")]
    if not all(map(_name, found)):
        raise _no_annotation(path)
    return found


def _no_annotation(path: Path) -> UserError:
    return UserError(f"{path} is not as in PASCAL VOC: expected <annotation> with named objects")


def _name(found: ElementTree.Element) -> str:
    return (found.findtext("name") or "").strip()


def _is_difficult(found: ElementTree.Element) -> bool:
    return (found.findtext("difficult") or "0").strip() == "1"


def _numbers(element: ElementTree.Element | None, *names: str) -> list[float]:
    """The numbers in an element's children of these names; ValueError where one is missing."""
    if element is None:
        raise ValueError("an object without its <bndbox>")
    try:
        found = [float(element.findtext(name) or "") for name in names]
    except ValueError:
        found = []
    if not found or not are_places(found):
        raise ValueError(f"<{element.tag}> needs numbers up to {FARTHEST:,} in {', '.join(names)}")
    return found
