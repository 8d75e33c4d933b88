"""Convolutions by plain multiply-adds in pieces that threads can share, in PyTorch alone.

A piece is some rows of a map, or some channels of what comes out. Which pieces threads share
depends on shapes alone, so that the numbers are the same by however many.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from verydeep.engines.winograd import CHANNELS, Spread, one_by_one
from verydeep.nets.layers import halved
from verydeep.nets.rows import Conv

PLACES = 6144
"""Places in a strip of a map, about: each strip costs PyTorch its preparations again."""
LONG = 512
"""Rows of a matrix product that are taken at once; where there are few, it is `CHANNELS` of it."""


def pointwise(
    images: Float[Tensor, "B H W C"],
    weight: Float[Tensor, "K C"],
    bias: Float[Tensor, " K"],
    *,
    relu: bool,
    spread: Spread,
) -> Float[Tensor, "B H W K"]:
    """A 1 x 1 convolution, which is a product of matrices, with the ReLU that follows it."""
    rows = images.reshape(-1, images.shape[3])
    result = images.new_empty(*images.shape[:3], len(weight))
    flat = result.view(len(rows), -1)

    given = rows, weight, bias, relu, flat
    if len(rows) > 2 * LONG or spread is one_by_one:
        pieces = range(0, len(rows), LONG)
        spread(lambda top: _product(*given, slice(top, top + LONG), slice(None)), pieces)
    else:
        pieces = range(0, len(weight), CHANNELS)
        spread(lambda first: _product(*given, slice(None), slice(first, first + CHANNELS)), pieces)
    return result


def _product(
    rows: Tensor, weight: Tensor, bias: Tensor, relu: bool, out: Tensor, some: slice, columns: slice
) -> None:
    """Some rows and columns of a product, put where they belong."""
    place = out[some, columns]
    torch.addmm(bias[columns], rows[some], weight[columns].t(), out=place)
    if relu:
        place.relu_()


def in_strips(
    images: Float[Tensor, "B C H W"],
    row: Conv,
    weight: Float[Tensor, "K c k k"],
    bias: Float[Tensor, " K"] | None,
    *,
    relu: bool,
    pool: bool,
    spread: Spread,
) -> Float[Tensor, "B K h w"]:
    """Any convolution, strip by strip of its map, with the ReLU and the 2 x 2 pool behind it."""
    layer = _Layer(row, weight, bias, relu, pool)
    down, across = (layer.outputs(side) for side in images.shape[2:])
    strips = len(images) * down * across // PLACES
    if spread is one_by_one or strips < 2:
        return layer.of(images, row.padding)
    together = 2 * -(-down // (2 * strips))
    sides = (down // 2, across // 2) if pool else (down, across)
    result = images.new_empty(len(images), *sides, len(weight)).permute(0, 3, 1, 2)
    spread(
        lambda top: layer.strip(images, result, top, min(down, top + together)),
        range(0, down, together),
    )
    return result


@dataclass(frozen=True)
class _Layer:
    """A convolution with the ReLU and the 2 x 2 pool behind it, where they are asked for."""

    row: Conv
    weight: Tensor
    bias: Tensor | None
    relu: bool
    pool: bool

    @property
    def reach(self) -> int:
        """Places of a side that a value sees, from the first to the last."""
        return self.row.dilation * (self.row.kernel - 1) + 1

    def outputs(self, side: int) -> int:
        """How many values the convolution gives along a side."""
        return (side + 2 * self.row.padding - self.reach) // self.row.stride + 1

    def of(self, images: Tensor, above: int) -> Tensor:
        """What it gives of maps with so many zeros above and below."""
        row, padding = self.row, (above, self.row.padding)
        given = self.weight, self.bias, row.stride, padding, row.dilation, row.groups
        found = F.conv2d(images, *given)
        found = found.relu_() if self.relu else found
        return halved(found) if self.pool else found

    def strip(self, images: Tensor, result: Tensor, top: int, end: int) -> None:
        """Puts the rows from `top` up to `end`, counted before the pool, where they belong."""
        stride, pad, height = self.row.stride, self.row.padding, images.shape[2]
        first, last = stride * top - pad, stride * (end - 1) + self.reach - pad
        shown = images[:, :, max(0, first) : last]
        if first < 0 or last > height:
            shown = F.pad(shown, (0, 0, max(0, -first), max(0, last - height)))
        found, begin = self.of(shown, 0), top // 2 if self.pool else top
        result[:, :, begin : begin + found.shape[2]] = found
