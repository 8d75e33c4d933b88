"""What of a picture a class score comes from: Grad-CAM, and integrated gradients.

In come a network of which nothing asks for a gradient (`signals.frozen`), a picture in its own
pixels, and a class; out goes a number for each place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from verydeep.errors import UserError
from verydeep.insight.signals import of_class, signal
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE, Dropout, Pool, Row
from verydeep.nets.table import SCORES, Table
from verydeep.runtime.progress import SILENT, Progress

POSITIONS = 7
"""Of a map along a side, from which on it tells where something is: those of pool5 at 224."""
STEPS = 50
"""Places of the path at which integrated gradients look."""
TOGETHER = 2**18
"""Pixels of them shown to a network at once, about: five crops of 224."""


def usual_row(table: Table) -> str:
    """The row that Grad-CAM looks at where none is named: the last with a map, before its pooling.

    It is relu5_3 of configuration D. Of a smaller crop, whose last maps have few positions, it is
    the last with as many as `POSITIONS` a side.
    """
    narrow, shapes = table.narrow_rows(table.trunk), table.shapes(table.crop, table.crop)
    rows = [row.name for row in _with_map(table) if not isinstance(row, Pool | Dropout)]
    last_first = [name for name in reversed(rows) if name in narrow]
    fine = [name for name in last_first if min(shapes[name][1:]) >= POSITIONS]
    return [*fine, *last_first, table.trunk][0]


def refuse_mapless(table: Table, row: str) -> None:
    """Raises UserError where what a row gives is no map of the picture, or not before the trunk."""
    if row not in [each.name for each in _with_map(table)]:
        raise UserError(
            f"'{row}' of {table.name} has no map of the picture; take a row up to "
            f"'{table.trunk}', such as '{usual_row(table)}'"
        )


def _with_map(table: Table) -> list[Row]:
    """The rows up to the last before one that looks at the whole map."""
    return [row for row, _ in table.path({table.trunk}) if row.name != table.ends.get(SCORES)]


def gradcam(
    network: Network, images: Float[Tensor, "1 C H W"], label: int, row: str
) -> Float[Tensor, "h w"]:
    """Grad-CAM of a class at the positions of a row: max(0, sum over units k of a_k A_k).

    A_k is a unit's map, a_k the mean over space of the class score's gradient by it (Selvaraju et
    al., 2017). Raises UserError for a row without a map, or that is not on the way to the scores.
    """
    values, slope = _at_row(network, images, label, row)
    weights = slope.mean((2, 3), keepdim=True)
    return (weights * values).sum(1)[0].clamp(min=0)


@dataclass(frozen=True)
class Value:
    """One value of a row: of which unit's map, at which (y, x), and how much it is."""

    unit: int
    place: tuple[int, int]
    activation: float


def telling(network: Network, images: Float[Tensor, "1 C H W"], label: int, row: str) -> Value:
    """The value of a row that speaks most for a class: value times the class score's gradient."""
    values, slope = _at_row(network, images, label, row)
    return value_at(values, int((values * slope).argmax()))


def value_at(values: Float[Tensor, "1 C h w"], flat: int) -> Value:
    """The value at a place among all of them."""
    unit, rest = divmod(flat, values[0, 0].numel())
    y, x = divmod(rest, values.shape[3])
    return Value(unit, (y, x), float(values[0, unit, y, x]))


def _at_row(
    network: Network, images: Float[Tensor, "1 C H W"], label: int, row: str
) -> tuple[Float[Tensor, "1 D h w"], Float[Tensor, "1 D h w"]]:
    """What a row with a map gives, and the gradient of a class score by that."""
    refuse_mapless(network.table, row)

    def kept(own: Row, layer: torch.nn.Module, *read: Tensor) -> Tensor:
        values: Tensor = layer(*read)
        return values.detach().requires_grad_()

    with torch.inference_mode(False), torch.enable_grad():
        found = network.run({PICTURE: images.detach().clone()}, [row, SCORES], {row: kept})
        score = found[SCORES][:, label].mean()
        (slope,) = torch.autograd.grad(score, found[row])
    return found[row].detach(), slope


@dataclass(frozen=True)
class Integrated:
    """Integrated gradients of a class: values that sum to what the score is above the baseline's.

    They do so but for the `residual`, which falls with the steps, if not steadily.
    """

    values: Float[Tensor, "C H W"]
    score: float
    baseline: float

    @property
    def residual(self) -> float:
        """Their sum less the difference of the scores."""
        return float(self.values.sum()) - (self.score - self.baseline)


def integrated(
    network: Network,
    images: Float[Tensor, "1 C H W"],
    label: int,
    baseline: Float[Tensor, "1 C H W"] | None = None,
    steps: int = STEPS,
    progress: Progress = SILENT,
) -> Integrated:
    """Integrated gradients of a class score (Sundararajan, Taly & Yan, 2017).

    (x - b) times the mean of the gradient at b + t (x - b), t in the middle of so many equal steps
    from 0 to 1. The baseline b is by default a black picture: zeros of the network's own pixels
    would be one of the mean colour.
    """
    if baseline is None:
        baseline = black(network, images)
    apart = images - baseline
    middles = (torch.arange(steps, dtype=images.dtype, device=images.device) + 0.5) / steps
    total = torch.zeros_like(images)
    pieces = torch.split(middles, max(1, TOGETHER // images[0, 0].numel()))
    for i, piece in enumerate(pieces):
        path = baseline + piece[:, None, None, None] * apart
        total += signal(network, path, SCORES, of_class(label)).sum(0)
        progress.step("integrating gradients", i + 1, len(pieces))
    with torch.no_grad():
        ends = [network.run({PICTURE: end}, [SCORES])[SCORES] for end in (images, baseline)]
    score, below = (float(scores[0, label].mean()) for scores in ends)
    return Integrated((apart * total / steps)[0], score, below)


def black(network: Network, images: Float[Tensor, "1 C H W"]) -> Float[Tensor, "1 C H W"]:
    """A black picture of the same size, in the network's own pixels."""
    height, width = images.shape[2:]
    zeros = torch.zeros(1, height, width, images.shape[1], dtype=torch.uint8, device=images.device)
    return network.pixels.normalise(zeros).to(images.dtype)
