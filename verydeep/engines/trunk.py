"""The trunk of a network on a CPU, with convolutions by `winograd` and by `plain`.

The trunk is what stands before the first row that looks at the whole map of a crop. Each
convolution takes the ReLU and the pooling that follow it along, and a few pictures go through a
block together: as many as leave its values in reach of the caches. All of it are rules for
`Network.run`, on values of NHWC layout.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from math import prod

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from verydeep.engines.plain import in_strips, pointwise
from verydeep.engines.winograd import TILE, Spread, Work, convolution, one_by_one, transformed
from verydeep.nets.folding import folded
from verydeep.nets.network import Network, Rule, Rules
from verydeep.nets.rows import PICTURE, Add, Conv, MaxPool, Pool, ReLU, Row
from verydeep.nets.table import Table
from verydeep.runtime.threads import one_thread_each, settle

CHANNELS = 128
"""Channels in and out from which on fewer multiplications are worth the additions they cost."""
WASTE = 1.5
"""Most values of whole tiles for each that is wanted; small maps have no whole number of tiles."""
SMALL = 2**25
"""Multiply-adds that one thread does sooner than two agree on who does what."""
VALUES = 2**22
"""Values that pictures shown together give in any row of a block, about: 16 MiB."""


class WinogradTrunk:
    """Pictures in, what the trunk gives out, by `threads` at a call.

    Norms are folded into convolutions. Threads take a piece of the batch each or, of fewer pieces,
    share one after another; the last digits may tell which, but not how many threads shared.
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        self.network = folded(network)
        self._filters: dict[str, Tensor | None] = {}
        self._threads = threads
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
        path = list(table.path({end}))
        self._rules: Rules = dict(self._fused(path, one_by_one))
        self._shared_rules: Rules = dict(self._fused(path, self._spread)) if self._pool else {}

    def values(self, images: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D r c"]:
        """What the last row gives of pictures as the network wants them, nothing cut off."""
        if self._pool is None:
            return self._run(images)
        with one_thread_each():
            return self._run(images)

    def _run(self, images: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D r c"]:
        values, begin = images, PICTURE
        for block in self._blocks:
            together = max(1, int(VALUES / (block.values * values[0, 0].numel())))
            pieces = values.tensor_split(-(-len(values) // together))
            found = [*self._of_pieces(pieces, begin, block.end)]
            values, begin = torch.cat(found) if len(found) > 1 else found[0], block.end
        return values

    def _of_pieces(self, pieces: Sequence[Tensor], begin: str, end: str) -> Iterator[Tensor]:
        """What comes of each, on threads: whole pieces if there are enough, else their strips."""
        if self._pool is None:
            return (self._of(piece, begin, end, self._rules) for piece in pieces)
        if len(pieces) < self._threads:
            return (self._of(piece, begin, end, self._shared_rules) for piece in pieces)
        of = torch.inference_mode()(self._of)
        return self._pool.map(lambda piece: of(piece, begin, end, self._rules), pieces)

    def _of(self, piece: Tensor, begin: str, end: str, rules: Rules) -> Tensor:
        return self.network.run({begin: piece}, [end], rules)[end]

    def _fused(
        self, path: list[tuple[Row, list[str]]], spread: Spread
    ) -> Iterator[tuple[str, Rule]]:
        """Rules for convolutions that do what follows them, and for what has then been done."""
        read_by: dict[str, list[Row]] = defaultdict(list)
        for row, _ in path:
            for name in row.inputs:
                read_by[name].append(row)

        def follower(name: str, kind: type[Row]) -> Row | None:
            readers = read_by[name]
            return readers[0] if len(readers) == 1 and type(readers[0]) is kind else None

        for row, _ in path:
            relu = follower(row.name, ReLU)
            if isinstance(row, Add) and relu:
                yield row.name, _sum
                yield relu.name, _as_it_is
            if type(row) is not Conv:
                continue
            pool = follower(relu.name, MaxPool) if relu else None
            pool = pool if isinstance(pool, MaxPool) and _halves(pool) else None
            layer = self.network.get_submodule(row.name)
            if row.name not in self._filters:
                weight = layer.get_parameter("weight").detach()
                fits = _fits(row, weight.shape[1])
                self._filters[row.name] = transformed(weight) if fits else None
            filters = self._filters[row.name]
            yield row.name, _Fused(spread, filters, relu is not None, pool is not None)
            for done in (relu, pool):
                if done:
                    yield done.name, _as_it_is

    def _spread(self, work: Work, numbers: Iterable[int]) -> None:
        assert self._pool is not None
        for _ in self._pool.map(torch.inference_mode()(work), numbers):
            pass


@dataclass(frozen=True)
class _Block:
    """Rows up to `end`, all that later rows read.

    `values` are the most that one of them gives of a picture, for each place of the first's map.
    """

    end: str
    values: float


def _blocks(table: Table, end: str) -> Iterator[_Block]:
    """The rows up to one by blocks, each ending with a pool where no other is needed later."""
    shapes, narrow = table.shapes(table.crop, table.crop), table.narrow_rows(table.trunk)
    begin, most = PICTURE, prod(shapes[PICTURE])
    for row, _ in table.path({end}):
        most = max(most, prod(shapes[row.name]))
        if row.name == end or (isinstance(row, Pool) and row.name in narrow):
            yield _Block(row.name, most / prod(shapes[begin][1:]))
            begin, most = row.name, 0


def _fits(row: Conv, channels: int) -> bool:
    """Whether fewer multiplications can be had of so many input channels, and are worth it."""
    window = row.kernel, row.stride, row.padding, row.groups, row.dilation
    return window == (3, 1, 1, 1, 1) and min(channels, row.channels) >= CHANNELS


def _halves(pool: MaxPool) -> bool:
    return (pool.kernel, pool.stride, pool.padding, pool.up) == (2, 2, 0, False)


def _as_it_is(row: Row, layer: torch.nn.Module, values: Tensor) -> Tensor:
    """What a row gives whose work has been done with the one before it."""
    return values


def _sum(row: Row, layer: torch.nn.Module, *values: Tensor) -> Tensor:
    """A sum with the ReLU behind it."""
    total: Tensor = layer(*values)
    return total.relu_()


@dataclass(frozen=True)
class _Fused:
    """A convolution with the ReLU and the pooling behind it; `filters` are transformed, or none."""

    spread: Spread
    filters: Tensor | None = field(repr=False)
    relu: bool
    pool: bool

    def __call__(
        self, row: Conv, layer: torch.nn.Module, values: Float[Tensor, "B C H W"]
    ) -> Float[Tensor, "B D h w"]:
        relu, pool = self.relu, self.pool
        weight, bias = layer.get_parameter("weight"), getattr(layer, "bias", None)
        work = weight.numel() * values[:, 0].numel() // row.stride**2
        spread = self.spread if work > SMALL else one_by_one
        rows = values.permute(0, 2, 3, 1)
        if self.filters is not None and _worth(*values.shape[2:]):
            bias = weight.new_zeros(len(weight)) if bias is None else bias
            found = convolution(rows, self.filters, bias, relu=relu, pool=pool, spread=spread)
            return found.permute(0, 3, 1, 2)
        if _is_pointwise(row) and not pool:
            bias = weight.new_zeros(len(weight)) if bias is None else bias
            rows = rows[:, :: row.stride, :: row.stride]
            found = pointwise(rows, weight.flatten(1), bias, relu=relu, spread=spread)
            return found.permute(0, 3, 1, 2)
        return in_strips(values, row, weight, bias, relu=relu, pool=pool, spread=spread)


def _is_pointwise(row: Conv) -> bool:
    return (row.kernel, row.padding, row.groups) == (1, 0, 1)


def _worth(height: int, width: int) -> bool:
    whole = -(-height // TILE) * -(-width // TILE) * TILE**2
    return whole <= WASTE * height * width
