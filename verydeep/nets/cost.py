"""What a table costs: parameters, multiply-adds, values, receptive field, row by row.

In comes a table and the size of a picture; out go plain numbers. A multiply-add is one
multiplication with its addition (the paper's peers also print twice that as FLOPs).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from verydeep.nets.rows import PICTURE, Shape
from verydeep.nets.table import Table

FLOAT = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class RowCost:
    """What one row costs for one picture.

    `receptive_field` is the side, in pixels, of what one of its values sees of the picture;
    `stride` the pixels between what neighbouring values see. `depth` are the weight layers up to
    here, along the longest path.
    """

    name: str
    kind: str
    shape: Shape
    weights: int
    biases: int
    multiply_adds: int
    receptive_field: int
    stride: int
    depth: int

    @property
    def values(self) -> int:
        """Number of values it gives."""
        return prod(self.shape)

    @property
    def parameters(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases


@dataclass(frozen=True)
class Cost:
    """What a table costs for one picture, row by row from the picture on."""

    rows: tuple[RowCost, ...]

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def values(self) -> int:
        """Values of the picture and of the rows that make new ones.

        ReLU, dropout and soft-max are counted with the row they follow: none needs a copy.
        """
        return sum(row.values for row in self.rows if row.kind in MAKERS)

    @property
    def weight_layers(self) -> int:
        """Depth as papers count it: convolutional, FC and other weight layers one after another."""
        return max((row.depth for row in self.rows), default=0)


WEIGHED = frozenset({"Conv", "FC", "Connected", "Local", "Subsample", "RBF"})
"""Kinds of row that papers count as layers with weights."""
MAKERS = frozenset(
    {"input", "MaxPool", "AvePool", "WholeAvePool", "LRN", "L2", "BatchNorm", "Add", "Concat"}
    | {"Mean", "L2Pool", "Skip", "Maxout", "Grey", "Planes", "Flatten", "PositionBias"}
    | WEIGHED
)
"""Kinds of row whose values are counted, and listed: the words of a table."""


def cost(table: Table, height: int | None = None, width: int | None = None) -> Cost:
    """Cost of a table for one picture of this size (its crop by default), in pixels.

    At a larger size the FC rows run as convolutions, so their multiply-adds grow with the map.
    """
    height, width = height or table.crop, width or height or table.crop
    return Cost(tuple(_rows(table, height, width)))


def _rows(table: Table, height: int, width: int) -> Iterator[RowCost]:
    shapes, depths = table.shapes(height, width), {PICTURE: 0}
    yield RowCost(PICTURE, "input", shapes[PICTURE], 0, 0, 0, 1, 1, 0)
    for row in table.rows:
        inputs, reach = [shapes[name] for name in row.inputs], table.reaches[row.name]
        kind = type(row).__name__
        depths[row.name] = max(depths[name] for name in row.inputs) + (kind in WEIGHED)
        yield RowCost(
            name=row.name,
            kind=kind,
            shape=shapes[row.name],
            weights=prod(row.weights(*inputs) or (0,)),
            biases=row.biases(*inputs),
            multiply_adds=row.multiply_adds(*inputs),
            receptive_field=reach.field,
            stride=reach.stride,
            depth=depths[row.name],
        )
