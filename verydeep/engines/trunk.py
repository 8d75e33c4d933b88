"""The trunk of a network on a CPU, with convolutions by `winograd`.

The trunk is what stands before the first row that looks at the whole map of a crop. Each
convolution takes the ReLU and the pooling that follow it along, and a few pictures go through a
block together: as many as leave its values in reach of the caches. All of it are rules for
`Network.run`, on values of NHWC layout.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from verydeep.engines.winograd import TILE, Spread, Work, convolution, one_by_one, transformed
from verydeep.nets.folding import folded
from verydeep.nets.layers import halved
from verydeep.nets.network import Network, Rule, Rules
from verydeep.nets.rows import PICTURE, Conv, MaxPool, Pool, ReLU, Row
from verydeep.nets.table import Table
from verydeep.runtime.threads import one_thread_each, settle

CHANNELS = 128
"""Channels in and out from which on fewer multiplications are worth the additions they cost."""
WASTE = 1.5
"""Most values of whole tiles for each that is wanted; small maps have no whole number of tiles."""
VALUES = 2**22
"""Values that pictures shown together give in any row of a block, about: 16 MiB."""


class WinogradTrunk:
    """Pictures in, what the trunk gives out, by `threads` at a call.

    Norms are folded into convolutions. Strips are the same for any number of threads, and so are
    the numbers.
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        self.network = folded(network)
        self._filters: dict[str, Tensor | None] = {}
        self._pool = ThreadPoolExecutor(threads, "winograd", settle) if threads > 1 else None
        self._go_to(self.network.table.trunk)

    def __call__(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B C r c"]:
        """What the last row of the trunk gives."""
        shown = self.network.table.shown
        views = views[:, shown(views.shape[1]), shown(views.shape[2])]
        return self.values(self.network.pixels.normalise(views))

    def up_to(self, end: str) -> WinogradTrunk:
        """The same up to an earlier row that is, alone, all that later rows read."""
        same = copy(self)
        same._go_to(end)
        return same

    def _go_to(self, end: str) -> None:
        table = self.network.table
        self._blocks = list(_blocks(table, end))
        self._rules: Rules = dict(self._fused(list(table.path({end}))))

    def values(self, images: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D r c"]:
        """What the last row gives of pictures as the network wants them, nothing cut off."""
        if self._pool is None:
            return self._run(images)
        with one_thread_each():
            return self._run(images)

    def _run(self, images: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D r c"]:
        values, begin = images, PICTURE
        for block in self._blocks:
            most = block.channels * values.shape[2] * values.shape[3]
            pieces = [
                self.network.run({begin: piece}, [block.end], self._rules)[block.end]
                for piece in torch.split(values, max(1, VALUES // most))
            ]
            values, begin = torch.cat(pieces) if len(pieces) > 1 else pieces[0], block.end
        return values

    def _fused(self, path: list[tuple[Row, list[str]]]) -> Iterator[tuple[str, Rule]]:
        """Rules for convolutions that do what follows them, and for what has then been done."""
        read_by: dict[str, list[Row]] = defaultdict(list)
        for row, _ in path:
            for name in row.inputs:
                read_by[name].append(row)

        def follower(name: str, kind: type[Row]) -> Row | None:
            readers = read_by[name]
            return readers[0] if len(readers) == 1 and type(readers[0]) is kind else None

        for row, _ in path:
            if not isinstance(row, Conv):
                continue
            relu = follower(row.name, ReLU)
            pool = follower(relu.name, MaxPool) if relu else None
            pool = pool if isinstance(pool, MaxPool) and _halves(pool) else None
            layer = self.network.get_submodule(row.name)
            if row.name not in self._filters:
                weight = layer.get_parameter("weight").detach()
                fits = _fits(row, weight.shape[1])
                self._filters[row.name] = transformed(weight) if fits else None
            filters = self._filters[row.name]
            yield row.name, _Fused(self._spread, filters, relu is not None, pool is not None)
            for done in (relu, pool):
                if done:
                    yield done.name, _as_it_is

    def _spread(self, work: Work, numbers: Iterable[int]) -> None:
        if self._pool is None:
            one_by_one(work, numbers)
            return
        for _ in self._pool.map(torch.inference_mode()(work), numbers):
            pass


@dataclass(frozen=True)
class _Block:
    """Rows up to `end`, all that later rows read; `channels` are the most of any of them."""

    end: str
    channels: int


def _blocks(table: Table, end: str) -> Iterator[_Block]:
    """The rows up to one by blocks, each ending with a pool where no other is needed later."""
    shapes, narrow = table.shapes(table.crop, table.crop), table.narrow_rows(table.trunk)
    channels = shapes[PICTURE][0]
    for row, _ in table.path({end}):
        channels = max(channels, shapes[row.name][0])
        if row.name == end or (isinstance(row, Pool) and row.name in narrow):
            yield _Block(row.name, channels)
            channels = 0


def _fits(row: Conv, channels: int) -> bool:
    """Whether fewer multiplications can be had of so many input channels, and are worth it."""
    window = row.kernel, row.stride, row.padding, row.groups, row.dilation
    return window == (3, 1, 1, 1, 1) and min(channels, row.channels) >= CHANNELS


def _halves(pool: MaxPool) -> bool:
    return (pool.kernel, pool.stride, pool.padding, pool.up) == (2, 2, 0, False)


def _as_it_is(row: Row, layer: torch.nn.Module, values: Tensor) -> Tensor:
    """What a row gives whose work has been done with the one before it."""
    return values


@dataclass(frozen=True)
class _Fused:
    """A convolution with the ReLU and the pooling behind it; `filters` are transformed, or none."""

    spread: Spread
    filters: Tensor | None = field(repr=False)
    relu: bool
    pool: bool

    def __call__(
        self, row: Row, layer: torch.nn.Module, values: Float[Tensor, "B C H W"]
    ) -> Float[Tensor, "B D h w"]:
        if self.filters is not None and _worth(*values.shape[2:]):
            bias = getattr(layer, "bias", None)
            bias = self.filters.new_zeros(self.filters.shape[2]) if bias is None else bias
            relu, pool = self.relu, self.pool
            rows = values.permute(0, 2, 3, 1)
            found = convolution(rows, self.filters, bias, relu=relu, pool=pool, spread=self.spread)
            return found.permute(0, 3, 1, 2)
        found = layer(values)
        found = found.relu_() if self.relu else found
        return halved(found) if self.pool else found


def _worth(height: int, width: int) -> bool:
    whole = -(-height // TILE) * -(-width // TILE) * TILE**2
    return whole <= WASTE * height * width
