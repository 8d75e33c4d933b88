"""The page of what units like: the best patches of some units of each row, and projections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from verydeep.insight.view import Values
from verydeep.report.explained import Folder
from verydeep.report.heat import QUANTILE, on_grey, told
from verydeep.report.html import section, write_html
from verydeep.report.plates import GAP, Patch, plate
from verydeep.report.thumbnails import data_uri
from verydeep.verbs.units import Row, Unit, Units

FILTER = 8
"""Pixels that each of a first filter's is enlarged to."""
PAIRS = 12
"""Duplicates that are named."""


def write_units(found: Units, path: Path, network: str) -> Path:
    """Writes the page of what units like, and gives its path."""
    head = (
        f"<header><p>verydeep</p><h1>What units like</h1><p>Of {escape(network)}: of each unit the "
        f"pictures that excite it most, one place in each, of {found.pictures:,} pictures "
        f"({escape(found.where)}); cut to what the value sees, with its projection down a "
        f"DeconvNet beside it (Zeiler &amp; Fergus 2014).</p></header>"
    )
    rows = [section(escape(name), _row(row)) for name, row in found.rows.items()]
    return write_html(path, "What units like", [head, *rows, section("First layer", _first(found))])


def _row(row: Row) -> str:
    """What is said of a row, and its units."""
    scale = scale_of(row.units)
    cards = "".join(_card(unit, scale) for unit in row.units)
    return f"<p>{_said(row)}</p>" + (
        f'<div class="cards plates">{cards}</div><p>Projections are in colours about mid-grey, '
        f"from {told(-scale)} to {told(scale)} of the signal, for all units of this row.</p>"
        if cards
        else ""
    )


def _said(row: Row) -> str:
    """Dead units and duplicates, in words."""
    strongest = row.strongest
    total, dead = len(strongest.dead), np.flatnonzero(strongest.dead).tolist()
    said = f"{total:,} units, of which {_listed(dead, 'excited by no picture', 'none is dead')}"
    pairs = [f"{one} and {other}" for one, other in strongest.duplicates]
    return f"{said}; {_listed(pairs, 'pairs alike over all pictures', 'no two are alike')}."


def _listed(what: Sequence[object], words: str, none: str) -> str:
    if not what:
        return none
    some = ", ".join(map(str, what[:PAIRS]))
    more = " and others" if len(what) > PAIRS else ""
    return f"{len(what):,} {words} ({some}{more})"


def _card(unit: Unit, scale: float) -> str:
    patches, projections = plates(unit, scale)
    images = "".join(
        f'<img src="{data_uri(plate, max(plate.shape[:2]))}" alt="">'
        for plate in (patches, projections)
    )
    classes = ", ".join(f"{escape(name)} {count}" for name, count in unit.mostly[:3])
    span = (
        f"{told(unit.values[0])} to {told(unit.values[-1])}" if unit.values else "excited by none"
    )
    caption = f"<b>{unit.number}</b> {span}{'; ' if classes else ''}{classes}"
    named = escape("; ".join(unit.pictures))
    return f'<figure title="{named}"><div>{images}</div><figcaption>{caption}</figcaption></figure>'


def plates(unit: Unit, scale: float) -> tuple[Patch, Patch]:
    """The patches of a unit on one plate, and their projections on another."""
    return (
        plate([look.patch for look in unit.looks]),
        plate([on_grey(look.projection / scale) for look in unit.looks]),
    )


def scale_of(units: Sequence[Unit]) -> float:
    """Where the colours of a row's projections end: that of the unit in the middle."""
    ends = [_largest(look.projection) for unit in units for look in unit.looks]
    return float(np.median(ends)) or 1.0 if ends else 1.0


def _largest(values: Values) -> float:
    return float(np.quantile(np.abs(values), QUANTILE))


def _first(found: Units) -> str:
    """The filters of the first layer."""
    if found.filters is None:
        return ""
    uri = data_uri(first_plate(found.filters), 2048)
    return (
        f'<img class="filters" src="{uri}" alt="filters"><p>Its {len(found.filters):,} filters of '
        f"{found.filters.shape[1]} x {found.filters.shape[2]}, enlarged, each by its own range "
        "about mid-grey.</p>"
    )


def first_plate(filters: UInt8[np.ndarray, "U k k 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Filters in rows of 16, enlarged without smoothing."""
    size, across = FILTER * filters.shape[1], min(16, len(filters))
    step = size + GAP
    rows = -(-len(filters) // across)
    canvas = np.full((rows * step - GAP, across * step - GAP, 3), 255, np.uint8)
    for i, one in enumerate(filters):
        y, x = i // across * step, i % across * step
        canvas[y : y + size, x : x + size] = one.repeat(FILTER, 0).repeat(FILTER, 1)
    return canvas


def add_plates(folder: Folder, found: Units) -> Iterator[Path]:
    """Writes a PNG of each unit, patches and projections side by side, and one of the filters."""
    for name, row in found.rows.items():
        scale = scale_of(row.units)
        for unit in row.units:
            both = plates(unit, scale)
            gap = np.full((len(both[0]), 4 * GAP, 3), 255, np.uint8)
            yield folder.write(np.concatenate([both[0], gap, both[1]], 1), f"{name}-{unit.number}")
    if found.filters is not None:
        yield folder.write(first_plate(found.filters), "filters")
