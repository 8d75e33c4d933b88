"""The score map of a picture however large: in tiles, with the numbers of the whole.

The rows of the trunk are local: what one of their values sees of the picture is known from the
table. Each tile is shown with so much of the picture around it that its own values are
those of the whole; the FC rows then run over the map that the tiles make together.
"""

from __future__ import annotations

from math import ceil, isqrt, prod

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from verydeep.engines.engine import Engine
from verydeep.nets.cost import FLOAT
from verydeep.nets.locality import Locality
from verydeep.nets.table import SCORES, Table


def bytes_a_pixel(table: Table) -> int:
    """Bytes that the largest row's values and its input's take in float32, by the pixel."""
    shapes = table.shapes(table.crop, table.crop)
    most = max(
        prod(shapes[row.name]) + sum(prod(shapes[name]) for name in row.inputs)
        for row in table.rows
    )
    return ceil(FLOAT * most / table.crop**2)


def in_tiles(
    engine: Engine, image: UInt8[Tensor, "1 H W 3"], limit: int, name: str = SCORES
) -> Float[Tensor, "1 C h w"]:
    """What the scores, or a row from the trunk on, are at every position.

    About `limit` pixels are shown to the network at once.
    """
    network, net = engine.network, engine.network.table
    near = Locality.of(net, net.trunk)
    image = image[:, net.shown(image.shape[1]), net.shown(image.shape[2])]
    _, rows, columns = net.shapes(*image.shape[1:3])[near.name]
    margin = ceil(near.before / near.stride) + ceil(near.after / near.stride)
    side = max(1, isqrt(limit) // near.stride - margin)
    tall = min(rows, side)
    wide = max(1, limit // ((tall + margin) * near.stride) // near.stride - margin)
    strips = []
    for top in range(0, rows, tall):
        down = top, min(tall, rows - top)
        along = [(left, min(wide, columns - left)) for left in range(0, columns, wide)]
        tiles = [_tile(engine, near, image, down, across) for across in along]
        strips.append(torch.cat(tiles, 3))
    return network.run({near.name: torch.cat(strips, 2)}, [name])[name]


def _tile(
    engine: Engine,
    near: Locality,
    image: UInt8[Tensor, "1 H W 3"],
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> Float[Tensor, "1 C r c"]:
    """The values of (first, count) rows and columns, from the part of the picture they see.

    What the picture has at its end beyond whole strides, each part has, so that nothing is cut.
    """
    cuts, inner = [], []
    for (first, count), side in ((rows, image.shape[1]), (columns, image.shape[2])):
        start = max(0, first - ceil(near.before / near.stride)) * near.stride
        end = (first + count + ceil(near.after / near.stride)) * near.stride
        cuts.append(slice(start, side - max(0, side - end) // near.stride * near.stride))
        inner.append(slice(first - start // near.stride, first - start // near.stride + count))
    values = engine.trunk(image[:, cuts[0], cuts[1]])
    return values[:, :, inner[0], inner[1]]
