"""Convolutions by plain multiply-adds in pieces that threads can share, in PyTorch alone.

A piece is some rows of a map, or some channels of what comes out. Which pieces threads share
depends on shapes alone, so that the numbers are the same by however many.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from verydeep.engines.winograd import Spread, one_by_one
from verydeep.nets.layers import halved
from verydeep.nets.rows import Conv

PLACES = 6144
"""Places in a strip of a map, about: each strip costs PyTorch its preparations again."""
LONG, WIDE = 512, 128
"""Rows of a matrix product that are taken at once, or its columns where there are few rows."""


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

    def product(some: slice, columns: slice) -> None:
        place = flat[some, columns]
        torch.addmm(bias[columns], rows[some], weight[columns].t(), out=place)
        if relu:
            place.relu_()

    if len(rows) > 2 * LONG or spread is one_by_one:
        spread(lambda top: product(slice(top, top + LONG), slice(None)), range(0, len(rows), LONG))
    else:
        spread(lambda k: product(slice(None), slice(k, k + WIDE)), range(0, len(weight), WIDE))
    return result


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
    height, width = images.shape[2:]
    reach, pad, stride = row.dilation * (row.kernel - 1) + 1, row.padding, row.stride
    down, across = ((side + 2 * pad - reach) // stride + 1 for side in (height, width))

    def of(shown: Tensor, down: int) -> Tensor:
        padding = (down, pad)
        found = F.conv2d(shown, weight, bias, stride, padding, row.dilation, row.groups)
        found = found.relu_() if relu else found
        return halved(found) if pool else found

    strips = len(images) * down * across // PLACES
    if spread is one_by_one or strips < 2:
        return of(images, pad)
    together = 2 * -(-down // (2 * strips))
    sides = (down // 2, across // 2) if pool else (down, across)
    result = images.new_empty(len(images), *sides, len(weight)).permute(0, 3, 1, 2)

    def strip(top: int) -> None:
        first, last = stride * top - pad, stride * (min(down, top + together) - 1) + reach - pad
        shown = images[:, :, max(0, first) : last]
        if first < 0 or last > height:
            shown = F.pad(shown, (0, 0, max(0, -first), max(0, last - height)))
        found, begin = of(shown, 0), top // 2 if pool else top
        result[:, :, begin : begin + found.shape[2]] = found

    spread(strip, range(0, down, together))
    return result
