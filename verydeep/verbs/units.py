"""Units: a network, rows and labelled pictures in; what excites units most, and its looks, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from verydeep.datasets import Dataset, open_dataset, with_pictures
from verydeep.errors import UserError
from verydeep.insight.naming import row_named
from verydeep.insight.signals import frozen
from verydeep.insight.units import KEPT, Seen, Strongest, first_filters, seen, strongest
from verydeep.insight.view import View
from verydeep.nets.network import Network
from verydeep.parts.annotations import classes_in
from verydeep.parts.dataset import Part
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown
from verydeep.verbs.explain import loaded
from verydeep.weights.file import hash_of

COUNT = 12
"""Units of a row that are shown where nobody says how many."""


@dataclass(frozen=True)
class Unit:
    """A unit of a row: what excites it most, from the most, and how that looks.

    `pictures` are names, `classes` the class of each, or "" where none is told.
    """

    number: int
    values: tuple[float, ...]
    pictures: tuple[str, ...]
    classes: tuple[str, ...]
    looks: tuple[Seen, ...] = field(repr=False)

    @property
    def mostly(self) -> list[tuple[str, int]]:
        """The classes of its pictures, the most frequent first."""
        return Counter(name for name in self.classes if name).most_common()


@dataclass(frozen=True)
class Row:
    """The units of a row: what excites each, and some of them as they look."""

    strongest: Strongest = field(repr=False)
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Units:
    """Rows of a network by name, over how many pictures, and the filters of its first layer.

    `weights` is the hash of the network's.
    """

    rows: dict[str, Row]
    where: str
    pictures: int
    filters: UInt8[np.ndarray, "U k k 3"] | None = field(repr=False)
    left_out: tuple[str, ...] = ()
    weights: str = ""


def units(
    weights_path: str | Path | Network,
    rows: str | Sequence[str],
    data: str | Path | Dataset,
    *,
    numbers: Sequence[int] | None = None,
    count: int = COUNT,
    kept: int = KEPT,
    device: str | None = None,
    progress: Progress | None = None,
) -> Units:
    """The pictures that excite units of rows most, of the part of labelled data that is set aside.

    All rows are looked at in one pass. Of each the units of these `numbers` are shown, or `count`
    that are not dead, spread over all. Raises UserError for a row or a unit that is none, and for a
    count below 1.

    >>> found = verydeep.units("vgg16", "relu5_3", "photos/")
    >>> found.rows["relu5_3"].units[0].looks[0].patch.shape
    (196, 196, 3)
    """
    if count < 1:
        raise UserError(f"--count {count}; show 1 unit of a row or more")
    progress, machine = progress or Shown(), Machine.this(device)
    network = frozen(loaded(weights_path, machine, progress))
    asked = [rows] if isinstance(rows, str) else [*rows]
    names = [row_named(network.table, name) for name in dict.fromkeys(asked)]
    shapes = network.table.shapes(network.table.crop, network.table.crop)
    for name in names:
        _refuse_units(name, shapes[name][0], numbers or ())
    dataset = with_pictures(data if isinstance(data, Dataset) else open_dataset(data))
    part = dataset.by_role[dataset.held_out]
    found, faults = strongest(network, part, names, kept, machine.threads, progress)
    for fault in faults:
        progress.say(f"left out: {fault}")
    if len(faults) == len(part):
        raise UserError(f"no picture of {dataset.where} can be read")
    shown = {name: _shown(found[name], numbers, count) for name in names}
    done, total = 0, sum(map(len, shown.values()))
    looked = dict[str, Row]()
    for name in names:
        made = list[Unit]()
        for number in shown[name]:
            made.append(_unit(network, part, dataset.classes, found[name], number))
            done += 1
            progress.step("projecting what they see", done, total)
        looked[name] = Row(found[name], tuple(made))
    where = f"{dataset.where}, {dataset.held_out}"
    seen_in = len(part) - len(faults)
    return Units(looked, where, seen_in, first_filters(network), faults, hash_of(network))


def _refuse_units(row: str, there: int, numbers: Sequence[int]) -> None:
    """Raises UserError for a number that no unit of a row has."""
    for number in numbers:
        if not 0 <= number < there:
            raise UserError(f"no unit {number} of '{row}'; they are numbered from 0 to {there - 1}")


def _shown(found: Strongest, numbers: Sequence[int] | None, count: int) -> list[int]:
    """The units that are asked for, or some that are alive, spread over all."""
    if numbers is not None:
        return list(dict.fromkeys(numbers))
    alive = np.flatnonzero(~found.dead)
    if not len(alive):
        return []
    spread = np.linspace(0, len(alive) - 1, min(count, len(alive))).round().astype(int)
    return [int(n) for n in alive[np.unique(spread)]]


def _unit(
    network: Network, part: Part, classes: Sequence[str], found: Strongest, number: int
) -> Unit:
    """A unit with what excites it."""
    there = found.pictures[number] >= 0
    pictures = found.pictures[number][there].tolist()
    places = found.places[number][there].tolist()
    looks = tuple(
        seen(View.of_part(network, part, i), found.row, number, (y, x))
        for i, (y, x) in zip(pictures, places, strict=True)
    )
    named = [sorted(classes_in(part.truth, i)) for i in pictures]
    return Unit(
        number,
        tuple(found.values[number][there].tolist()),
        tuple(part.names[i] for i in pictures),
        tuple(", ".join(classes[k] for k in each) for each in named),
        looks,
    )
