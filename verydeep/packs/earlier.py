"""Indexes of packs of formats 1 and 2, which had a file format of their own.

A line with the format's name and the sha256 of all after it; a line of JSON padded to a multiple of
eight bytes; and then the arrays. Format 1 was of two parts, the second of which was called test and
chose the weights, and had no keys of pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from verydeep import schema
from verydeep.parts.seen import NO_KEY
from verydeep.schema import Line, MisfitError, Shape

FORMATS = (b"verydeep pack 1 ", b"verydeep pack 2 ")
DIGITS = len(FORMATS[0])
FIRST_LINE = DIGITS + 64 + 1
KINDS = {
    "labels": "<i8", "offsets": "<i8", "sizes": "<u4", "checksums": "<u4", "keys": "<i8",
    "name_sizes": "<u4", "box_counts": "<u4", "boxes": "<f8", "names": "|u1",
}  # fmt: skip
"""The kinds of the arrays, in their order."""


class _Arrays(TypedDict):
    arrays: list[tuple[Line, Shape]]


def is_earlier(path: Path) -> bool:
    """Whether a file begins as an index of these formats."""
    with path.open("rb") as file:
        return file.read(DIGITS) in FORMATS


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What an index says in words, and its arrays by name; MisfitError where it is damaged."""
    data = path.read_bytes()
    digest = hashlib.sha256(memoryview(data)[FIRST_LINE:]).hexdigest()
    if data[DIGITS:FIRST_LINE] != f"{digest}\n".encode():
        raise MisfitError("its sha256 is not the one that it was written with")
    first = data.startswith(FORMATS[0])
    at = data.find(b"\n", FIRST_LINE) + 1
    said = schema.of_json(data[FIRST_LINE:at])
    if not isinstance(said, dict) or "arrays" not in said:
        raise MisfitError("it tells of no arrays")
    layout = schema.fitting(_Arrays, {"arrays": said.pop("arrays")})["arrays"]
    kinds = {name: kind for name, kind in KINDS.items() if name != "keys" or not first}
    arrays = dict(_arrays(data, at, layout, kinds))
    if first:
        _rename_second(said)
        arrays["keys"] = np.full(arrays["labels"].shape, NO_KEY)
    return said, arrays


def _rename_second(said: dict[str, Any]) -> None:
    """Calls the second part of a pack of format 1 what it was: that of validation."""
    if isinstance(counts := said.get("counts"), dict):
        said["counts"] = dict(zip(("train", "validation"), counts.values(), strict=False))
        if isinstance(boxes := said.get("boxes"), list):
            said["boxes"] = ["validation" if name == "test" else name for name in boxes]


def _arrays(
    data: bytes, at: int, layout: list[tuple[str, list[int]]], kinds: dict[str, str]
) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays as they lie in an index; ValueError where they are others."""
    for (name, kind), (said, shape) in zip(kinds.items(), layout, strict=True):
        if said != kind:
            raise MisfitError(f"its {name} are {schema.shown(said)}, not {kind}")
        array = np.frombuffer(data, kind, schema.values_of(shape, f"its {name}"), at).reshape(shape)
        yield name, array
        at += array.nbytes
    if at != len(data):
        raise MisfitError("its arrays are not all of it")
