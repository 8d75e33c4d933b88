"""Files of PASCAL VOC's kind, one for each picture, read within bounds."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from verydeep.errors import UserError

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
    try:
        root = parsed(path)
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not as in PASCAL VOC: {error}") from None
    names = {(found.findtext("name") or "").strip() for found in root.iter("object")}
    if root.tag != "annotation" or "" in names:
        raise UserError(f"{path} is not as in PASCAL VOC: expected <annotation> with named objects")
    return names
