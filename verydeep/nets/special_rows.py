"""Rows that one or another of the nets beside VGG has, and no net of Table 1.

Like those of `rows.py` plain data; their layers are in `special_layers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from verydeep.nets.rows import Conv, Pool, Row, Shape, Window


@dataclass(frozen=True)
class Connected(Window):
    """A convolution whose maps each read some of the input's: `table` says which (LeNet-5's C3)."""

    table: tuple[tuple[int, ...], ...] = ()

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the maps, one for each line of the table."""
        return len(self.table), *super().output(*inputs)[1:]

    def weights(self, *inputs: Shape) -> tuple[int, ...]:
        """A filter for each connection."""
        return sum(map(len, self.table)), 1, self.kernel, self.kernel

    def biases(self, *inputs: Shape) -> int:
        """One for each map."""
        return len(self.table)


@dataclass(frozen=True)
class Local(Window):
    """An untied convolution: each place has filters and biases of its own (DeepFace)."""

    channels: int = 0

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the channels' maps."""
        return self.channels, *super().output(*inputs)[1:]

    def weights(self, *inputs: Shape) -> tuple[int, ...]:
        """Shape of the filters, those of the first place first."""
        return prod(self.output(*inputs)), inputs[0][0], self.kernel, self.kernel

    def biases(self, *inputs: Shape) -> int:
        """One for each channel at each place."""
        return prod(self.output(*inputs))

    def multiply_adds(self, *inputs: Shape) -> int:
        """Each weight stands at one place."""
        return prod(self.weights(*inputs))


@dataclass(frozen=True)
class Skip(Window):
    """What is read at every `stride`-th place, and zeros for channels beyond: a shortcut A."""

    channels: int = 0

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the channels' maps."""
        return self.channels, *super().output(*inputs)[1:]


@dataclass(frozen=True)
class Subsample(Window):
    """The sum of each window, times a coefficient and plus a bias for each map (LeNet-5)."""

    def weights(self, *inputs: Shape) -> tuple[int, ...]:
        """One coefficient for each map."""
        return inputs[0][:1]

    def biases(self, *inputs: Shape) -> int:
        """One for each map."""
        return inputs[0][0]


@dataclass(frozen=True)
class L2Pool(Pool):
    """The Euclidean length of each window's values, channel by channel (FaceNet)."""


@dataclass(frozen=True)
class ScaledTanh(Row):
    """1.7159 tanh(2 x / 3): +-1 come to +-1 (LeCun et al., 1998)."""


@dataclass(frozen=True)
class Maxout(Row):
    """The largest of each `pieces` channels that follow one another (Goodfellow et al., 2013)."""

    pieces: int = 2

    def output(self, *inputs: Shape) -> Shape:
        """Shape of so many times fewer channels."""
        return inputs[0][0] // self.pieces, *inputs[0][1:]


@dataclass(frozen=True)
class PositionBias(Row):
    """A bias for each channel at each place of a training crop's map (AlphaGo)."""

    def biases(self, *inputs: Shape) -> int:
        """One for each value."""
        return prod(inputs[0])


@dataclass(frozen=True)
class Flatten(Row):
    """The values of a training crop's map as so many channels of one place (AlphaGo's moves)."""

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the channels."""
        return prod(inputs[0]), 1, 1


PLACED = (Local, PositionBias, Flatten)
"""Kinds of row that are made for the places of one map, and so for pictures of one size."""


@dataclass(frozen=True)
class Grey(Row):
    """The mean of a picture's colours: one channel."""

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the one channel."""
        return 1, *inputs[0][1:]


@dataclass(frozen=True)
class Planes(Row):
    """The 48 planes of a position that a picture has in three bytes a point (AlphaGo)."""

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the planes."""
        return 48, *inputs[0][1:]


@dataclass(frozen=True)
class RBF(Row):
    """Less the squared distance to a code of each class, fixed codes of +-1 (LeNet-5's output)."""

    classes: int = 0

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the classes' scores."""
        return self.classes, *inputs[0][1:]

    def multiply_adds(self, *inputs: Shape) -> int:
        """One for each element of each code, at every place."""
        return self.classes * prod(inputs[0])


LEARNT = (Conv, Connected, Local, Subsample, PositionBias)
"""Kinds of row with weights or biases that are learnt, but for norms."""
