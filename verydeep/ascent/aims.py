"""What is climbed towards: a class, a unit, all that a layer says, or what it says of a guide.

An aim is a row of a network and a number of what the row gives, the larger the better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from verydeep.ascent.looking import Image, differentiating, seen
from verydeep.errors import UserError
from verydeep.nets.network import Network
from verydeep.nets.rows import ReLU
from verydeep.nets.table import SCORES, Table

Maps = Float[Tensor, "1 C h w"]
PRODUCTS = 2**24
"""Products of positions with a guide's that are held at once."""


@dataclass(frozen=True)
class Aim:
    """A row, a number of what it gives, and what that is in words."""

    row: str
    measure: Callable[[Maps], Float[Tensor, ""]]
    said: str

    def of(self, network: Network, image: Image) -> Float[Tensor, ""]:
        """The number that a picture comes to."""
        return self.measure(seen(network, image, [self.row])[self.row])


def a_class(network: Network, label: int) -> Aim:
    """The score of a class, before the soft-max: a posterior also rises as all others fall."""
    return Aim(SCORES, lambda scores: scores[:, label].mean(), f"class {network.classes[label]}")


def a_unit(table: Table, row: str, unit: int) -> Aim:
    """The mean of a unit's map; of a ReLU's unit what the ReLU reads.

    One that is off has no slope, and would stay grey.
    """
    shapes = table.shapes(table.crop, table.crop)
    if not 0 <= unit < shapes[row][0]:
        raise UserError(f"no unit {unit} of '{row}'; they are numbered from 0 to "
                        f"{shapes[row][0] - 1}")  # fmt: skip
    before = table[row].inputs[0] if isinstance(table[row], ReLU) else row
    return Aim(before, lambda values: values[:, unit].mean(), f"unit {unit} of {row}")


def a_layer(row: str) -> Aim:
    """Half the mean square of all that a row gives: whatever it says, louder."""
    return Aim(row, lambda values: values.square().mean() / 2, f"layer {row}")


def a_guide(network: Network, row: str, guide: Image) -> Aim:
    """Each position's product with the position of a guide picture that it matches best."""
    with differentiating(), torch.no_grad():  # so that the patterns may be differentiated with
        patterns = seen(network, guide, [row])[row][0].flatten(1)

    def matched(values: Maps) -> Float[Tensor, ""]:
        own = values[0].flatten(1)
        best = _best(own.detach(), patterns)
        return (own * patterns[:, best]).sum(0).mean()

    return Aim(row, matched, f"layer {row}, after the guide")


def _best(own: Float[Tensor, "C P"], patterns: Float[Tensor, "C Q"]) -> Int64[Tensor, " P"]:
    """The pattern that each position has the largest product with."""
    some = max(1, PRODUCTS // patterns.shape[1])
    return torch.cat([(each.T @ patterns).argmax(1) for each in torch.split(own, some, 1)])


def dream_row(table: Table) -> str:
    """The layer of a dream where none is named: relu4_3 of configuration D.

    It is the last ReLU that steps by 8 pixels, or of a smaller net the last that steps by less.
    """
    rows = [row for row, _ in table.path({table.trunk}) if isinstance(row, ReLU)]
    fine = [row.name for row in rows if table.reaches[row.name].stride <= 8]
    return [table.trunk, *fine][-1]
