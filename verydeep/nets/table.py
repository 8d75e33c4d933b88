"""The rows that a network's table is made of, and the reader of the paper's words for them.

In come words as Table 1 prints them ("conv3-64", "maxpool", "FC-4096"); out goes a `Table` of
rows with Caffe's names. Rows are plain data: they know their output's shape and their weights,
and nothing of PyTorch, so that costs can be printed without it. A row names the rows it reads,
so a table may branch; a new kind of row is a new class here and its layer in `network.py`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from verydeep.errors import UserError

Shape = tuple[int, int, int]
"""(channels, height, width) of what a row gives."""

PICTURE = "data"
"""The name under which rows read the picture itself, as in Caffe's files."""

NORM_WORD, NORM_NAME = "-bn", "-BN"
"""What the word of a convolution with a norm ends in, and the name of a table of such words."""

POOL, POOL_UP = "maxpool", "maxpool-up"
"""The word of a pooling, and that of one which rounds up, as Caffe's do."""


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


@dataclass(frozen=True)
class Window(Row):
    """A row that looks at a square window: `kernel` wide, moved by `stride`, `padding` of zeros."""

    kernel: int
    stride: int = 1
    padding: int = 0

    def positions(self, side: int) -> int:
        """Number of places the window takes along a side; what does not fill one is left out."""
        return (side + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Conv(Window):
    """Convolution with a bias per channel."""

    channels: int = 0

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the channels' maps."""
        (_, height, width), *_ = inputs
        return self.channels, self.positions(height), self.positions(width)

    def weights(self, *inputs: Shape) -> tuple[int, ...]:
        """Shape of the filters."""
        return self.channels, inputs[0][0], self.kernel, self.kernel


@dataclass(frozen=True)
class FC(Conv):
    """Fully connected: a convolution whose kernel is the whole map of a training crop."""


@dataclass(frozen=True)
class MaxPool(Window):
    """The largest value of each window.

    One that rounds `up` has a last window for what fills none, as far as there are values.
    """

    up: bool = False

    def positions(self, side: int) -> int:
        """Number of places the window takes along a side; one that rounds up starts none beyond."""
        if not self.up:
            return super().positions(side)
        found = 1 - (self.kernel - side - 2 * self.padding) // self.stride
        return found - ((found - 1) * self.stride >= side + self.padding)

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the pooled maps."""
        channels, height, width = inputs[0]
        return channels, self.positions(height), self.positions(width)


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
    """Normalisation of each channel by statistics kept from training (Ioffe & Szegedy, 2015).

    No net of the paper has it; released re-trainings do ("conv3-64-bn"). `epsilon` is added to the
    variance, and is PyTorch's.
    """

    epsilon: float = 1e-5

    def weights(self, *inputs: Shape) -> tuple[int, ...]:
        """One factor for each channel."""
        return inputs[0][:1]


@dataclass(frozen=True)
class Dropout(Row):
    """Sets each value to zero with probability `p` while training."""

    p: float = 0.5


@dataclass(frozen=True)
class Softmax(Row):
    """Posteriors over the channels, at each position by itself."""


@dataclass(frozen=True)
class Table:
    """A whole network as data.

    `words` are what it was read from, enough to read it again; `crop` is the side of the training
    crop, which fixes the first FC row's kernel. A table may end before its FC rows: such a net has
    activations, and neither classes nor scores.
    """

    name: str
    words: tuple[str, ...]
    crop: int
    rows: tuple[Row, ...]

    @property
    def configuration(self) -> str:
        """The configuration of Table 1 that it is of, with norms or without."""
        return self.name.removesuffix(NORM_NAME)

    @property
    def plain_words(self) -> list[str]:
        """Its words, without norms."""
        return [word.removesuffix(NORM_WORD) for word in self.words]

    def __getitem__(self, name: str) -> Row:
        """The row of that name; UserError names the last convolution where there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        last = [row.name for row in self.rows if type(row) is Conv][-1]
        raise UserError(
            f"no layer '{name}' in configuration {self.name}; its last convolution is '{last}' "
            f"and `verydeep nets {self.configuration}` lists them all"
        )

    def ending_in(self, last: Iterable[str]) -> Table:
        """The same table with other last rows, in the paper's words, from its last FC row on."""
        return read_table(self.name, [*self.words[: self.body], *last], self.crop)

    @property
    def body(self) -> int:
        """How many of its words come before its last FC row; all where there is none."""
        fc = [i for i, word in enumerate(self.words) if word.startswith("FC-")]
        return fc[-1] if fc else len(self.words)

    def shapes(self, height: int, width: int) -> dict[str, Shape]:
        """Shape of what every row gives for a picture of this size; UserError if too small.

        The picture's own is that of the part which is `shown`.
        """
        rows, columns = self.shown(height), self.shown(width)
        shapes = self._shapes(rows.stop - rows.start, columns.stop - columns.start)
        for row in self.rows:
            if min(shapes[row.name]) < 1:
                raise UserError(
                    f"a picture of {height} x {width} is too small for configuration {self.name}: "
                    f"nothing is left of it at '{row.name}'; its crop is {self.crop}"
                )
        return shapes

    def _shapes(self, height: int, width: int) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {PICTURE: (3, height, width)}
        for row in self.rows:
            shapes[row.name] = row.output(*(shapes[name] for name in row.inputs))
        return shapes

    def shown(self, side: int) -> slice:
        """The part of a picture's side that the network is shown, in pixels.

        Windows that step by some pixels leave out what fills no step more, all of it at the end of
        a side. So the picture is cut to what its positions cover, by as much at both ends, or by
        one pixel more at the second. What a training crop leaves out stays as it was learnt.
        """
        steps = max(0, side - self.least) // self.step
        kept = min(side, self.span + steps * self.step)
        first = (side - kept) // 2
        return slice(first, first + kept)

    @property
    def span(self) -> int:
        """Side of what a picture needs for one position as in a training crop; of scores, the crop.

        Each position more needs `step` pixels more.
        """
        return self.crop - (self.crop - self.least) // self.step * self.step

    @cached_property
    def least(self) -> int:
        """The side of the smallest picture that all rows have a value for, in pixels."""

        def enough(side: int) -> bool:
            return min(map(min, self._shapes(side, side).values())) > 0

        return bisect_left(range(self.crop), True, key=enough)

    @property
    def has_top(self) -> bool:
        """Whether there are FC rows, and so classes and scores."""
        return any(isinstance(row, FC) for row in self.rows)

    @property
    def class_count(self) -> int:
        """Number of classes: the channels of the last FC row; 0 without any."""
        return self.last_fc.channels if self.has_top else 0

    @property
    def first_fc(self) -> FC:
        """The first row that looks at the whole map of a crop (fc6 in the paper's nets)."""
        return next(row for row in self.rows if isinstance(row, FC))

    @property
    def last_fc(self) -> FC:
        """The row that gives the class scores (fc8 in the paper's nets); UserError without any."""
        if not self.has_top:
            raise UserError(
                f"{self.name} to {self.rows[-1].name} has no FC layers: train them with "
                f"`verydeep train DATA --from WEIGHTS`"
            )
        return [row for row in self.rows if isinstance(row, FC)][-1]

    @property
    def step(self) -> int:
        """Pixels between neighbouring positions of the score map: the product of all strides."""
        step = 1
        for row in self.rows:
            step *= row.stride if isinstance(row, Window) else 1
        return step


def read_table(name: str, words: Iterable[str], crop: int) -> Table:
    """Table read from the paper's words, in Caffe's names, for crops of side `crop`, in pixels.

    ReLU follows every hidden weight layer and dropout every hidden FC layer, as the paper says in
    its text and not in its table. Raises UserError for a word that is none, or a crop too small.
    """
    words = tuple(words)
    reader = _Reader(crop)
    last_fc = max((i for i, word in enumerate(words) if word.startswith("FC-")), default=-1)
    for i, word in enumerate(words):
        reader.read(word, hidden=i != last_fc)
    table = Table(name, words, crop, tuple(reader.rows))
    table.shapes(crop, crop)
    return table


def with_norms(words: Iterable[str]) -> tuple[str, ...]:
    """The words of a table with a norm after each convolution."""
    return tuple(f"{word}{NORM_WORD}" if word.startswith("conv") else word for word in words)


_CONV = re.compile(rf"conv(\d+)-(\d+)({NORM_WORD})?")
_FC = re.compile(r"FC-(\d+)")


class _Reader:
    """What a reader of a table keeps in mind: the rows so far, the block and the place in it."""

    def __init__(self, crop: int) -> None:
        self.rows: list[Row] = []
        self.side = crop
        self.block = 1
        self.place = 0

    def read(self, word: str, hidden: bool) -> None:
        if match := _CONV.fullmatch(word):
            self._conv(int(match[1]), int(match[2]), bool(match[3]))
        elif match := _FC.fullmatch(word):
            self._fc(int(match[1]), hidden)
        elif word == "LRN":
            self._add(LRN(f"norm{self.block}_{self.place}", self._last))
        elif word in (POOL, POOL_UP):
            self._pool(word == POOL_UP)
        elif word == "soft-max":
            self._add(Softmax("prob", self._last))
        else:
            raise UserError(
                f"'{word}' is no row of a table; there are conv3-64, LRN, maxpool, FC-4096, "
                f"soft-max and the like"
            )

    @property
    def _last(self) -> tuple[str]:
        return (self.rows[-1].name if self.rows else PICTURE,)

    def _add(self, row: Row) -> None:
        self.rows.append(row)

    def _conv(self, kernel: int, channels: int, norm: bool) -> None:
        self.place += 1
        suffix = f"{self.block}_{self.place}"
        self._add(Conv(f"conv{suffix}", self._last, kernel, 1, kernel // 2, channels))
        if norm:
            self._add(BatchNorm(f"bn{suffix}", self._last))
        self._add(ReLU(f"relu{suffix}", self._last))

    def _pool(self, up: bool) -> None:
        row = MaxPool(f"pool{self.block}", self._last, kernel=2, stride=2, up=up)
        self._add(row)
        self.side = row.positions(self.side)
        self.block, self.place = self.block + 1, 0

    def _fc(self, channels: int, hidden: bool) -> None:
        self._add(FC(f"fc{self.block}", self._last, self.side, 1, 0, channels))
        if hidden:
            self._add(ReLU(f"relu{self.block}", self._last))
            self._add(Dropout(f"drop{self.block}", self._last))
        self.side = 1
        self.block += 1
