"""The rows that a network's table is made of.

Rows are plain data: they know their output's shape, their weights and how far they look, and
nothing of PyTorch, so that costs can be printed without it. A row names the rows it reads, so a
table may branch. A new kind of row is a class here, its word in `words.py` and its layer in
`layers.py`; those of the nets beside VGG alone are in `special_rows.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

Shape = tuple[int, int, int]
"""(channels, height, width) of what a row gives."""

PICTURE = "data"
"""The name under which rows read the picture itself, as in Caffe's files."""


@dataclass(frozen=True)
class Row:
    """One line of a table: its name, and the names of the rows it reads."""

    name: str
    inputs: tuple[str, ...]

    def output(self, *inputs: Shape) -> Shape:
        """Shape of what this row gives; most rows change nothing."""
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[int, ...]:
        """Shape of its weights, (out, in, height, width) or (channels,); empty without any."""
        return ()

    def biases(self, *inputs: Shape) -> int:
        """Number of its biases."""
        return 0

    def multiply_adds(self, *inputs: Shape) -> int:
        """Multiplications with their additions: one of each weight at every place."""
        return prod(self.weights(*inputs) or (0,)) * prod(self.output(*inputs)[1:])


@dataclass(frozen=True)
class Window(Row):
    """A row that looks at a square window: `kernel` wide, moved by `stride`, `padding` of zeros."""

    kernel: int
    stride: int = 1
    padding: int = 0

    @property
    def extent(self) -> int:
        """Side of what the window spans."""
        return self.kernel

    def positions(self, side: int) -> int:
        """Number of places the window takes along a side; what does not fill one is left out."""
        return (side + 2 * self.padding - self.extent) // self.stride + 1

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the maps of as many channels."""
        channels, height, width = inputs[0]
        return channels, self.positions(height), self.positions(width)


@dataclass(frozen=True)
class Conv(Window):
    """Convolution, with a bias for each channel where it has a `bias`.

    In `groups` each share of the channels reads its own share of the input's; `dilation` is the
    number of pixels between neighbours in the window.
    """

    channels: int = 0
    groups: int = 1
    dilation: int = 1
    bias: bool = True

    @property
    def extent(self) -> int:
        """Side of what the window spans."""
        return self.dilation * (self.kernel - 1) + 1

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the channels' maps."""
        return self.channels, *super().output(*inputs)[1:]

    def weights(self, *inputs: Shape) -> tuple[int, ...]:
        """Shape of the filters."""
        return self.channels, inputs[0][0] // self.groups, self.kernel, self.kernel

    def biases(self, *inputs: Shape) -> int:
        """One for each channel, or none."""
        return self.channels if self.bias else 0


@dataclass(frozen=True)
class FC(Conv):
    """Fully connected: a convolution whose kernel is the whole map of a training crop."""


@dataclass(frozen=True)
class Pool(Window):
    """One value of each window.

    One that rounds `up` has a last window for what fills none, as far as there are values.
    """

    up: bool = False

    def positions(self, side: int) -> int:
        """Number of places the window takes along a side; one that rounds up starts none beyond."""
        if not self.up:
            return super().positions(side)
        found = 1 - (self.kernel - side - 2 * self.padding) // self.stride
        return found - ((found - 1) * self.stride >= side + self.padding)


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest value of each window."""


@dataclass(frozen=True)
class AvePool(Pool):
    """The mean of each window, with its padding, as Caffe and PyTorch have it."""


@dataclass(frozen=True)
class WholeAvePool(AvePool):
    """The mean of the whole map of a training crop; of a larger map, that of each such window."""


@dataclass(frozen=True)
class Mean(Row):
    """The mean of the whole map, however large it is, in one place.

    Of several views of a picture what it gives is averaged, and what stands behind it asked once.
    """

    def output(self, *inputs: Shape) -> Shape:
        """One value of each channel; nothing of a map without values."""
        channels, height, width = inputs[0]
        return channels, min(height, 1), min(width, 1)


@dataclass(frozen=True)
class ReLU(Row):
    """max(0, x)."""


@dataclass(frozen=True)
class LRN(Row):
    """Local response normalisation across channels; Krizhevsky's constants (Sect. 2.1).

    `alpha` is divided by `size`, as Caffe and PyTorch do and MatConvNet does not.
    """

    size: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75


@dataclass(frozen=True)
class BatchNorm(Row):
    """Normalisation of each channel by statistics of a batch (Ioffe & Szegedy, 2015).

    No net of the paper has it; released re-trainings do ("conv3-64-bn"). `epsilon` is added to the
    variance, and is PyTorch's.
    """

    epsilon: float = 1e-5

    def weights(self, *inputs: Shape) -> tuple[int, ...]:
        """One factor for each channel."""
        return inputs[0][:1]

    def biases(self, *inputs: Shape) -> int:
        """One for each channel."""
        return inputs[0][0]

    def multiply_adds(self, *inputs: Shape) -> int:
        """None: a net that is asked has it in the convolution before it (`folding.py`)."""
        return 0


@dataclass(frozen=True)
class L2(Row):
    """Each position's channels divided by their Euclidean length."""


@dataclass(frozen=True)
class Dropout(Row):
    """Sets each value to zero with probability `p` while training.

    One that is `fixed` is the table's own, and no setting of a training changes it.
    """

    p: float = 0.5
    fixed: bool = False


@dataclass(frozen=True)
class Add(Row):
    """The sum of what several rows give, of one shape."""


@dataclass(frozen=True)
class Concat(Row):
    """The channels of several rows, one row's after another's, of maps of one size."""

    def output(self, *inputs: Shape) -> Shape:
        """Shape of all channels together."""
        return sum(channels for channels, _, _ in inputs), *inputs[0][1:]


@dataclass(frozen=True)
class Softmax(Row):
    """Posteriors over the channels, at each position by itself."""


@dataclass(frozen=True)
class Sigmoid(Row):
    """The posterior of each channel by itself: of classes of which several may be in a picture."""


PlacesKind = Literal["boxes", "objects", "points"]
"""What a net that finds places gives: a box for each class, of which that of the picture's class
counts; the boxes of things that are all in every picture; or points of such things."""
NUMBERS: dict[PlacesKind, int] = {"boxes": 4, "objects": 4, "points": 2}
"""Numbers of each: centre x, centre y, width and height of a box, x and y of a point."""


@dataclass(frozen=True)
class Places(Row):
    """What is read are places in the crop, so many numbers for each name, in shares of its side."""

    kind: PlacesKind = "boxes"

    @property
    def numbers(self) -> int:
        """Numbers for each name."""
        return NUMBERS[self.kind]
