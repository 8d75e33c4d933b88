"""The rows of a network before its first FC row, on a CPU, with convolutions by `winograd`.

Each convolution takes the ReLU and the pooling that follow it along, and a few pictures go through
a block together: as many as leave its values in reach of the caches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from verydeep.engines.winograd import TILE, Spread, Work, convolution, one_by_one, transformed
from verydeep.nets import table
from verydeep.nets.folding import folded
from verydeep.nets.network import Network, halved, rows_needed
from verydeep.nets.table import PICTURE, Row
from verydeep.runtime.threads import one_thread_each

CHANNELS = 128
"""Channels in and out from which on fewer multiplications are worth the additions they cost."""
WASTE = 1.5
"""Most values of whole tiles for each that is wanted; small maps have no whole number of tiles."""
VALUES = 2**22
"""Values that pictures shown together give in any row of a block, about: 16 MiB."""


class Local:
    """Pictures in, what the row before the first FC row gives out, by `threads` at a call.

    Norms are folded into convolutions. Strips are the same for any number of threads, and so are
    the numbers.
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        self.network = folded(network)
        end = self.network.table.first_fc.inputs[0]
        rows = [row for row, _ in rows_needed(self.network.table.rows, {end}, PICTURE)]
        self._blocks = [[self._step(rows) for rows in block] for block in _blocks(_steps(rows))]
        self._pool = ThreadPoolExecutor(threads, "winograd") if threads > 1 else None

    def __call__(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B C r c"]:
        """What the row before the first FC row gives."""
        if self._pool is None:
            return self._run(views)
        with one_thread_each():
            return self._run(views)

    def _run(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B C r c"]:
        shown = self.network.table.shown
        views = views[:, shown(views.shape[1]), shown(views.shape[2])]
        values = self.network.pixels.normalise(views).permute(0, 2, 3, 1)
        spread = one_by_one if self._pool is None else self._spread
        for steps in self._blocks:
            most = max(step.channels for step in steps) * values.shape[1] * values.shape[2]
            pieces = []
            for piece in torch.split(values, max(1, VALUES // most)):
                for step in steps:
                    piece = step(piece, spread)
                pieces.append(piece)
            values = torch.cat(pieces) if len(pieces) > 1 else pieces[0]
        return values.permute(0, 3, 1, 2)

    def _spread(self, work: Work, numbers: Iterable[int]) -> None:
        assert self._pool is not None
        for _ in self._pool.map(torch.inference_mode()(work), numbers):
            pass

    def _step(self, rows: Sequence[Row]) -> _Step:
        first, kinds = rows[0], {type(row) for row in rows}
        shapes = self.network.table.shapes(self.network.table.crop, self.network.table.crop)
        layer = self.network.get_submodule(first.name)
        filters = None
        if isinstance(first, table.Conv) and first.kernel == 3:
            weight = layer.get_parameter("weight").detach()
            filters = transformed(weight) if min(weight.shape[:2]) >= CHANNELS else None
        relu, pool = table.ReLU in kinds, table.MaxPool in kinds and len(rows) > 1
        return _Step(layer, filters, relu and len(rows) > 1, pool, shapes[first.name][0])


@dataclass(frozen=True)
class _Step:
    """A layer with the ReLU and the pooling behind it; `filters` are transformed, or none."""

    layer: torch.nn.Module
    filters: Tensor | None
    relu: bool
    pool: bool
    channels: int

    def __call__(self, values: Float[Tensor, "B H W C"], spread: Spread) -> Tensor:
        if self.filters is not None and _worth(*values.shape[1:3]):
            bias = self.layer.get_parameter("bias")
            return convolution(
                values, self.filters, bias, relu=self.relu, pool=self.pool, spread=spread
            )
        found = self.layer(values.permute(0, 3, 1, 2))
        found = found.relu_() if self.relu else found
        found = halved(found) if self.pool else found
        return found.permute(0, 2, 3, 1)


def _worth(height: int, width: int) -> bool:
    whole = -(-height // TILE) * -(-width // TILE) * TILE**2
    return whole <= WASTE * height * width


def _steps(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows by steps: a convolution with the ReLU and 2x2 pooling right behind it, or one row."""
    steps: list[list[Row]] = []
    for row in rows:
        before = steps[-1] if steps else []
        kinds = [type(other) for other in before]
        follows = kinds == [table.Conv] and isinstance(row, table.ReLU)
        halves = isinstance(row, table.MaxPool) and (
            (row.kernel, row.stride, row.padding, row.up) == (2, 2, 0, False)
        )
        if follows or (halves and kinds == [table.Conv, table.ReLU]):
            before.append(row)
        else:
            steps.append([row])
    return steps


def _blocks(steps: Sequence[list[Row]]) -> list[list[list[Row]]]:
    """Steps by blocks, each ending with a pooling."""
    blocks: list[list[list[Row]]] = [[]]
    for step in steps:
        blocks[-1].append(step)
        if isinstance(step[-1], table.MaxPool):
            blocks.append([])
    return [block for block in blocks if block]
