"""The units file: what excites some units of a net's rows most, as it is shown beside a picture.

A file of ours with two arrays for each row, of its units' best patches and of their projections as
plates ([U, h, w, 3], RGB), and as its record whose units they are: the hash of the weights, and of
each unit its largest values with the classes of their pictures, whose names are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
from jaxtyping import UInt8

from verydeep import schema, tensors_file
from verydeep.report.plates import Patch
from verydeep.report.units import plates, scale_of
from verydeep.schema import Between, Count, Line, Most, Positive, Sha256
from verydeep.verbs.units import Row, Units

NAME = "units.safetensors"
"""What it is called in a folder of plates."""
KIND = tensors_file.Kind(
    "verydeep-units",
    "file of units",
    1,
    if_damaged="write it again: verydeep explain WEIGHTS --units ROWS --data DATA --out FOLDER",
    if_other="write it again",
)
KINDS = ("patches", "projections")
SIDE = 2048
"""Pixels of a side of a plate, at most."""
Number = Annotated[float, Between(-3.4e38, 3.4e38)]


@dataclass(frozen=True)
class KnownUnit:
    """A unit, its largest values from the largest on, the class of each one's picture, or "".

    `plates` are patches and projections, as `KINDS` has them.
    """

    values: tuple[float, ...]
    classes: tuple[str, ...]
    plates: tuple[Patch, Patch] = field(repr=False)


@dataclass(frozen=True)
class KnownRow:
    """Some units of a row by their numbers, how many it has, and where projections' colours end."""

    units: int
    scale: float
    known: dict[int, KnownUnit]


@dataclass(frozen=True)
class KnownUnits:
    """Units of a network's rows by name, the hash of its weights, and over how many pictures."""

    weights: str
    pictures: int
    rows: dict[str, KnownRow]


class _Unit(TypedDict):
    unit: Count
    values: Annotated[list[Number], Most(64)]
    classes: Annotated[list[Line], Most(64)]


class _Row(TypedDict):
    units: Count
    scale: Positive
    known: list[_Unit]


class _Record(TypedDict):
    weights: Sha256
    pictures: Count
    rows: dict[str, _Row]


def save_units(found: Units, path: Path) -> Path:
    """Writes what units like, whole or not at all, and gives the path; UserError if it cannot."""
    rows = {name: _said(row) for name, row in found.rows.items()}
    record = _Record(weights=found.weights, pictures=found.pictures, rows=rows)
    arrays = dict[str, np.ndarray]()
    for name, row in found.rows.items():
        pairs = [plates(unit, scale_of(row.units)) for unit in row.units]
        for i, kind in enumerate(KINDS):
            arrays[f"{name}/{kind}"] = _alike([pair[i] for pair in pairs])
    tensors_file.write(path, KIND, record, arrays)
    return path


def _said(row: Row) -> _Row:
    known = [
        _Unit(unit=u.number, values=[*u.values], classes=[*u.classes]) for u in row.units
    ]  # fmt: skip
    return _Row(units=len(row.strongest.dead), scale=scale_of(row.units), known=known)


def _alike(each: Sequence[Patch]) -> UInt8[np.ndarray, "U h w 3"]:
    """Plates of one width in one array, the shorter ones with grey below."""
    if not each:
        return np.zeros((0, 1, 1, 3), np.uint8)
    found = np.full((len(each), max(map(len, each)), each[0].shape[1], 3), 128, np.uint8)
    for to, plate in zip(found, each, strict=True):
        to[: len(plate)] = plate
    return found


def load_units(path: Path) -> KnownUnits:
    """What a file of units says. Raises UserError where it is missing, damaged, or none."""
    content = tensors_file.read(path, KIND)
    with tensors_file.refusals(path, KIND):
        said: _Record = schema.fitting(_Record, content.record)
        arrays, rows = content.arrays(), {}
        if {*arrays} != {f"{name}/{kind}" for name in said["rows"] for kind in KINDS}:
            raise ValueError("its arrays are not those of its rows")
        for name, row in said["rows"].items():
            each = [arrays[f"{name}/{kind}"] for kind in KINDS]
            rows[name] = _row(row, each[0], each[1])
    return KnownUnits(said["weights"], said["pictures"], rows)


def _row(said: _Row, patches: np.ndarray, projections: np.ndarray) -> KnownRow:
    for array in (patches, projections):
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3:
            raise ValueError("its plates are no pictures")
        if not all(1 <= side <= SIDE for side in array.shape[1:3]):
            raise ValueError(f"its plates have sides of {array.shape[1:3]}")
    known = {}
    for one, patch, projection in zip(said["known"], patches, projections, strict=True):
        if one["unit"] >= said["units"] or len(one["values"]) != len(one["classes"]):
            raise ValueError(f"no unit {one['unit']} of {said['units']}, or not a class a value")
        both = patch, projection
        known[one["unit"]] = KnownUnit(tuple(one["values"]), tuple(one["classes"]), both)
    return KnownRow(said["units"], said["scale"], known)
