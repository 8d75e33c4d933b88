"""3x3 convolutions with a quarter of the multiplications, in PyTorch alone, for CPUs.

Winograd's F(4x4, 3x3) (Lavin & Gray, 2016): 4 x 4 outputs of a convolution come from 6 x 6 inputs
by 36 products a pair of channels instead of 144. Inputs and filters are evaluated at the points
0, +-a, +-b and infinity, multiplied there, and the products interpolated. With a = 2/3, b = 3/2
instead of the usual 1 and 2, rounding errors are 1.5 times those of a plain convolution and not
3 times (Barabasz et al., 2018, look for such points).

Tensors here are [B, H, W, C]: every step works on rows of channels, and the products are 36 matrix
products of tiles by channels. A strip of tiles is taken through all steps while it is in the cache;
a map of few strips is evaluated whole first, where threads share it. What they share depends on
shapes alone, so that the numbers are the same by however many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

A, B = 2 / 3, 3 / 2
TILE, POINTS = 4, 6
TILES = 256
"""Tiles in a strip, about: many for each reading of the filters, few enough for the caches."""
STRIPS, PARTS, CHANNELS = 2, 4, 128
"""Of so few strips, or fewer, all tiles are evaluated first, in parts; what threads share then are
the channels that come out."""

Work = Callable[[int], object]
Spread = Callable[[Work, Iterable[int]], None]
"""Calls some work for every number, in any order, and comes back when all is done."""


def one_by_one(work: Work, numbers: Iterable[int]) -> None:
    """Spread over nothing: the calling thread does it all."""
    for number in numbers:
        work(number)


def transformed(filters: Float[Tensor, "K C 3 3"]) -> Float[Tensor, "36 C K"]:
    """Filters evaluated at the 6 x 6 points, each value divided by what interpolation divides by.

    Values at +-a and +-b are multiplied by a and b, which saves `_interpolate` an operation.
    """
    rows = []
    for point, scale in ((0.0, 1.0), (A, A), (-A, A), (B, B), (-B, B)):
        others = [other for other in (0.0, A, -A, B, -B) if other != point]
        divisor = torch.tensor([point - other for other in others], dtype=torch.float64).prod()
        rows.append([scale * point**power / divisor.item() for power in range(3)])
    rows.append([0.0, 0.0, 1.0])
    points = torch.tensor(rows, dtype=torch.float64)
    both = torch.kron(points, points).float()  # [6 x 6, 3 x 3]
    outputs, inputs = filters.shape[:2]
    return (both @ filters.permute(2, 3, 1, 0).reshape(9, -1)).view(-1, inputs, outputs)


def convolution(
    images: Float[Tensor, "B H W C"],
    filters: Float[Tensor, "36 C K"],
    bias: Float[Tensor, " K"],
    *,
    relu: bool = False,
    pool: bool = False,
    spread: Spread = one_by_one,
) -> Float[Tensor, "B h w K"]:
    """A 3x3 convolution of stride 1, zeros around, with `transformed` filters.

    ReLU and 2x2 max-pooling of stride 2 follow where they are asked for; h and w are halved then.
    """
    count, height, width, _ = images.shape
    down, across = -(-height // TILE), -(-width // TILE)
    around = (0, 0, 1, TILE * across + 1 - width, 1, TILE * down + 1 - height)
    side = TILE // 2 if pool else TILE
    result = images.new_empty(count, side * down, side * across, len(bias))
    tiles = _Tiles(F.pad(images, around), result, side, across, filters, bias, relu)
    together = max(1, TILES // (count * across))
    if spread is one_by_one or down > STRIPS * together:
        spread(lambda top: tiles.strip(top, min(down, top + together)), range(0, down, together))
    else:
        values = images.new_empty(POINTS**2, count, down, across, images.shape[3])
        few = -(-down // PARTS)
        spread(
            lambda top: tiles.evaluated(top, min(down, top + few), values[:, :, top : top + few]),
            range(0, down, few),
        )
        spread(
            lambda first: tiles.channels(values, slice(first, first + CHANNELS)),
            range(0, len(bias), CHANNELS),
        )
    return result[:, : height // 2, : width // 2] if pool else result[:, :height, :width]


@dataclass(frozen=True)
class _Tiles:
    """A convolution at work: its padded maps, and `result`, in which tiles have `side` rows."""

    padded: Tensor
    result: Tensor
    side: int
    across: int
    filters: Tensor
    bias: Tensor
    relu: bool

    def strip(self, top: int, end: int) -> None:
        """Does some rows of tiles whole."""
        products = torch.bmm(self.evaluated(top, end).flatten(1, 3), self.filters)
        self._finish(products, top, end, slice(None))

    def channels(self, values: Tensor, some: slice) -> None:
        """Does some channels of what comes out, from the values of all tiles."""
        products = torch.bmm(values.flatten(1, 3), self.filters[:, :, some])
        self._finish(products, 0, values.shape[2], some)

    def evaluated(self, top: int, end: int, out: Tensor | None = None) -> Tensor:
        """The values of some rows of tiles at the points."""
        return _evaluated(self.padded[:, TILE * top : TILE * end + 2], self.across, out)

    def _finish(self, products: Tensor, top: int, end: int, some: slice) -> None:
        side, across, count = self.side, self.across, len(self.padded)
        place = self.result[:, side * top : side * end, :, some]
        tiles = products.view(POINTS, POINTS, count, end - top, across, -1)
        rows = place.view(count, -1, side, across, side, tiles.shape[5])
        _interpolated(tiles, rows, side < TILE)
        place += self.bias[some]
        if self.relu:
            place.relu_()


def _evaluated(
    shown: Float[Tensor, "B h w C"], across: int, out: Float[Tensor, "36 B n t C"] | None = None
) -> Float[Tensor, "36 B n t C"]:
    """Tiles of 6 x 6, four apart, as values at the points."""
    count, height, width, channels = shown.shape
    down = height // TILE
    rows = shown.new_empty(POINTS, count, down, width, channels)
    _evaluate([shown[:, i : i + TILE * down - 3 : TILE] for i in range(POINTS)], rows)
    if out is None:
        out = shown.new_empty(POINTS**2, count, down, across, channels)
    columns = [rows[:, :, :, j : j + TILE * across - 3 : TILE] for j in range(POINTS)]
    _evaluate(columns, out.view(POINTS, POINTS, *out.shape[1:]).unbind(1))
    return out


def _evaluate(d: Sequence[Tensor], out: Sequence[Tensor] | Tensor) -> None:
    """Six neighbours as values at 0, a, -a, b, -b and infinity; a * b = 1."""
    torch.add(d[4], d[0], out=out[0]).sub_(d[2], alpha=A * A + B * B)
    torch.add(d[5], d[1], out=out[5]).sub_(d[3], alpha=A * A + B * B)
    for place, point, other in ((1, A, B), (3, B, A)):
        even = torch.sub(d[4], d[2], alpha=other * other)
        odd = torch.sub(d[3], d[1], alpha=other * other)
        torch.add(even, odd, alpha=point, out=out[place])
        torch.sub(even, odd, alpha=point, out=out[place + 1])


def _interpolated(
    tiles: Float[Tensor, "6 6 B n t K"], place: Float[Tensor, "B n s t s K"], pool: bool
) -> None:
    """Puts the outputs of each tile in their place, or the largest of every four."""
    rows = tiles.new_empty(TILE, *tiles.shape[1:])
    _interpolate(tiles, rows)
    if not pool:
        for i in range(TILE):
            _interpolate(rows[i], [place[:, :, i, :, j] for j in range(TILE)])
        return
    outputs = tiles.new_empty(2, TILE, *tiles.shape[2:])
    for i in range(2):
        _interpolate(rows[2 * i], outputs[0])
        _interpolate(rows[2 * i + 1], outputs[1])
        larger = torch.maximum(outputs[0], outputs[1], out=outputs[0])
        for j in range(2):
            torch.maximum(larger[2 * j], larger[2 * j + 1], out=place[:, :, i, :, j])


def _interpolate(m: Tensor, out: Sequence[Tensor] | Tensor) -> None:
    """Four outputs from products at the six points, as `transformed` scales them."""
    sum_a, difference_a = m[1] + m[2], m[1] - m[2]
    sum_b, difference_b = m[3] + m[4], m[3] - m[4]
    torch.add(m[0], sum_a, alpha=B, out=out[0]).add_(sum_b, alpha=A)  # 1 / a = b
    torch.add(difference_a, difference_b, out=out[1])
    torch.mul(sum_a, A, out=out[2]).add_(sum_b, alpha=B)
    torch.add(m[5], difference_a, alpha=A * A, out=out[3]).add_(difference_b, alpha=B * B)
