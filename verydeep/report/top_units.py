"""What units of a network like: those that answer most strongly at each size of its maps.

Of each the parts of pictures that excite it most, of some pictures of a part that was set aside:
one pass forward for each picture, through all of these rows at once, and none back.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from html import escape

import numpy as np

from verydeep.errors import UserError
from verydeep.insight.attribution import usual_row
from verydeep.insight.signals import frozen
from verydeep.insight.units import Strongest, patch, strongest
from verydeep.insight.view import View
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE, MaxPool
from verydeep.nets.table import Table
from verydeep.parts.annotations import classes_in
from verydeep.parts.dataset import Part
from verydeep.report.heat import told
from verydeep.report.plates import plate
from verydeep.report.thumbnails import data_uri
from verydeep.verbs.measure import Tested

LOOKED_AT = 40
"""Pictures, spread over the part."""
SHOWN = 4
"""Units of a row."""


def top_units(network: Network, tested: Tested) -> str:
    """The units of each row that answer most strongly, with what excites them; or nothing."""
    net, part, classes = frozen(network), some_of(tested.part, LOOKED_AT), tested.scores.classes
    rows = rows_before_pools(net.table)
    with suppress(UserError):  # pictures too large for memory, or none of them to be read
        found, _ = strongest(net, part, rows)
        shown = "".join(
            f'<h3>{escape(row)}</h3><div class="cards liked">{figures}</div>'
            for row in rows
            if (figures := _figures(net, part, classes, found[row]))
        )
        return shown and (
            f"{shown}<p>Of each size of the network's maps the {SHOWN} units that answer most "
            f"strongly to {len(part):,} pictures of the {tested.scores.part} part, each with what "
            "excites it most, one place of a picture, cut to what it sees (Zeiler &amp; Fergus "
            "2014); grey lies beyond the picture.</p>"
        )
    return ""


def some_of(part: Part, most: int) -> Part:
    """So many pictures of a part at most, spread over all of it."""
    return part.only(np.unique(np.linspace(0, len(part) - 1, min(most, len(part))).astype(int)))


def rows_before_pools(table: Table) -> list[str]:
    """What is pooled to half its size, and the row of Grad-CAM: relu1_2, ..., relu5_3 of D."""
    pooled = [
        row.inputs[0] for row, _ in table.path({table.trunk})
        if isinstance(row, MaxPool) and row.stride > 1
    ]  # fmt: skip
    return [row for row in dict.fromkeys([*pooled, usual_row(table)]) if row != PICTURE]


def _figures(network: Network, part: Part, classes: tuple[str, ...], found: Strongest) -> str:
    """The units of a row whose largest values are largest, dead ones left out."""
    order = np.argsort(-found.values[:, 0], kind="stable")[:SHOWN]
    alive = [int(unit) for unit in order if not found.dead[unit]]
    return "".join(_figure(network, part, classes, found, unit) for unit in alive)


def _figure(
    network: Network, part: Part, classes: tuple[str, ...], found: Strongest, unit: int
) -> str:
    """A unit's patches on a plate, and of which classes they are."""
    there = found.pictures[unit] >= 0
    pictures, places = found.pictures[unit][there].tolist(), found.places[unit][there].tolist()
    patches = plate([patch(View.of_part(network, part, i), found.row, (y, x))
                     for i, (y, x) in zip(pictures, places, strict=True)])  # fmt: skip
    counts = Counter(classes[k] for i in pictures for k in classes_in(part.truth, i))
    said = ", ".join(f"{escape(name)} {count}" for name, count in counts.most_common(3))
    values = found.values[unit][there].tolist()
    caption = f"<b>{unit}</b> {told(values[0])} to {told(values[-1])}; {said}"
    uri = data_uri(patches, max(patches.shape[:2]))
    return f'<figure><img src="{uri}" alt=""><figcaption>{caption}</figcaption></figure>'
