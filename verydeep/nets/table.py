"""A network as data: its rows, in order, and all that can be said of it without running it.

What it gives at any size of picture, where its ends are, what its rows see, what it is cut to.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from verydeep.errors import UserError
from verydeep.nets.rows import (
    FC,
    L2,
    PICTURE,
    BatchNorm,
    Conv,
    Dropout,
    Mean,
    Places,
    ReLU,
    Row,
    Shape,
    Sigmoid,
    Softmax,
    WholeAvePool,
    Window,
)
from verydeep.nets.special_rows import LEARNT, PLACED, RBF, Planes
from verydeep.shell import command

SCORES = "scores"
"""The end of a table that the soft-max reads."""
EMBEDDING = "embedding"
"""The end of a table that has no scores, but gives numbers of length one (FaceNet)."""

NORM_WORD, NORM_NAME = "-bn", "-BN"
"""What the word of a convolution with a norm ends in, and the name of a table of such words."""

WHOLE = (FC, WholeAvePool, Mean, *PLACED)
"""Kinds of row that look at the whole map of a crop."""


@dataclass(frozen=True)
class Reach:
    """What the values of a row see along a side of the picture, the farthest of all paths.

    Value p sees from pixel p * `stride` - `before` to before (p + 1) * `stride` + `after`.
    """

    stride: int = 1
    before: int = 0
    after: int = 0

    @property
    def field(self) -> int:
        """The receptive field: pixels that a value sees."""
        return self.before + self.stride + self.after

    def through(self, row: Row) -> Reach:
        """That of a row that reads values of this reach."""
        if not isinstance(row, Window):
            return self
        before = self.before + row.padding * self.stride
        after = self.after + (row.extent - row.padding - row.stride) * self.stride
        return Reach(self.stride * row.stride, before, after)


@dataclass(frozen=True)
class Head:
    """A side head: its name, the row that it ends with, and what its loss counts in training."""

    name: str
    row: str
    weight: float = 0.0


@dataclass(frozen=True)
class Table:
    """A whole network as data.

    `words` are what it was read from, enough to read it again; `crop` is the side of the training
    crop, which fixes the first FC row's kernel; `channels` are the picture's. A table may end
    before its scores: such a net has activations, and no classes.
    """

    name: str
    words: tuple[str, ...]
    crop: int
    rows: tuple[Row, ...]
    channels: int = 3
    heads: tuple[Head, ...] = ()

    @property
    def configuration(self) -> str:
        """The configuration of Table 1 that it is of, with norms or without."""
        return self.name.removesuffix(NORM_NAME)

    def __getitem__(self, name: str) -> Row:
        """The row of that name; UserError names the last convolution where there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        last = [row.name for row in self.rows if type(row) is Conv][-1:]
        hint = f"its last convolution is '{last[0]}'" if last else "it has no convolution"
        raise UserError(
            f"no layer '{name}' in configuration {self.name}; {hint} "
            f"and `{command('nets', self.configuration)}` lists them all"
        )

    @cached_property
    def ends(self) -> dict[str, str]:
        """The rows that a network is run for, by what they are: its scores, and its side heads.

        The scores are what the soft-max reads, or the sigmoid, or what finds places; without one,
        what an FC row at the end gives. Where their length is made one at the end, there are none,
        but an embedding.
        """
        found = [row.inputs[0] for row in self.rows if isinstance(row, Softmax | Sigmoid | Places)]
        if not found and self.rows and isinstance(self.rows[-1], FC):
            found = [self.rows[-1].name]
        ends = {head.name: head.row for head in self.heads}
        if found:
            ends[SCORES] = found[0]
        elif self.rows and isinstance(self.rows[-1], L2):
            ends[EMBEDDING] = self.rows[-1].name
        return ends

    @property
    def learnt(self) -> str:
        """The end that a training's loss is of: the embedding, or else the scores.

        Raises UserError where there is neither.
        """
        if self.is_embedding:
            return EMBEDDING
        _ = self.scores
        return SCORES

    @property
    def is_embedding(self) -> bool:
        """Whether it tells no classes, but pictures by numbers of length one."""
        return EMBEDDING in self.ends

    @cached_property
    def placed(self) -> str | None:
        """The name of a row that is made for the places of one map; None without one.

        A net that has one is shown pictures of its crop's size alone, the middle of larger ones.
        """
        return next((row.name for row in self.rows if isinstance(row, PLACED)), None)

    @property
    def reads_boards(self) -> bool:
        """Whether what it reads are positions of Go, in three bytes a point, and no pictures."""
        return any(isinstance(row, Planes) for row in self.rows)

    def refuse_boards(self) -> None:
        """Raises UserError for a net that reads boards, or their planes, where pictures are due."""
        if self.reads_boards or self.channels != 3:
            test = command("evaluate", "WEIGHTS", "GAMES", "--protocol", "centre")
            raise UserError(
                f"{self.name} reads positions of Go, and no pictures: `{test}` tests it"
            )

    @property
    def has_scores(self) -> bool:
        """Whether there are scores, and so classes."""
        return SCORES in self.ends

    @property
    def has_norms(self) -> bool:
        """Whether there are norms."""
        return any(isinstance(row, BatchNorm) for row in self.rows)

    @property
    def has_several(self) -> bool:
        """Whether a picture may be of several classes, or none: each has a posterior by itself."""
        return any(isinstance(row, Sigmoid) for row in self.rows)

    @cached_property
    def places(self) -> Places | None:
        """The row of a net that finds places, which has no posteriors; None of any other net."""
        return next((row for row in self.rows if isinstance(row, Places)), None)

    @cached_property
    def pooled(self) -> str | None:
        """The name of the row that means whole maps on the way to the scores; None without one.

        Of a picture's views what it gives is averaged, where else posteriors are.
        """
        wanted = {self.ends.get(SCORES, self.rows[-1].name)}
        found = [row.name for row, _ in self.path(wanted) if isinstance(row, Mean)]
        return found[-1] if found and found[-1] in self.narrow_rows(*wanted) else None

    @property
    def last(self) -> str:
        """The name of the last row; of a hidden FC layer its own, not its ReLU's or dropout's."""
        layers = [row for row in self.rows if not isinstance(row, ReLU | Dropout)]
        return layers[-1].name if layers and isinstance(layers[-1], FC) else self.rows[-1].name

    @property
    def scores(self) -> str:
        """The name of the row that gives the scores (fc8 in the paper's); UserError without any."""
        if self.is_embedding:
            raise UserError(
                f"{self.name} tells pictures by numbers, and no classes apart: "
                f"`{command('verify', 'WEIGHTS', 'DATA')}` tests it"
            )
        if not self.has_scores:
            raise UserError(
                f"{self.name} to {self.last} has no layer of classes: train one with "
                f"`{command('train', 'DATA', '--from', 'WEIGHTS')}`"
            )
        return self.ends[SCORES]

    @property
    def class_count(self) -> int:
        """Number of classes: the channels of the scores, or so many for each; 0 without any."""
        if self.is_embedding:
            return 0
        return self.outputs // (self.places.numbers if self.places else 1)

    @property
    def outputs(self) -> int:
        """Channels of the scores, or of the embedding; 0 without either."""
        learnt = self.ends.get(SCORES) or self.ends.get(EMBEDDING)
        return self._at_crop[learnt][0] if learnt else 0

    @cached_property
    def class_layers(self) -> frozenset[str]:
        """Names of the layers that give classes, those of side heads too, and norms behind them.

        Of a net without classes it is the layer that gives its embedding.
        """
        ends = [end for end in self.ends.values() if self._at_crop[end][0] == self.outputs]
        found = set()
        for end in ends:
            layers = [row.name for row, _ in self.path({end}) if isinstance(row, (*LEARNT, RBF))]
            found |= {*layers[-1:]}
        norms = {row.name for row in self.rows if isinstance(row, BatchNorm)}
        return frozenset(found | {row.name for row in self.rows if {*row.inputs} & found} & norms)

    @cached_property
    def trunk(self) -> str:
        """The name of the last row before the first that looks at the whole map of a crop.

        All that comes later reads of what is before it that row alone; where there is none like
        it, it is the picture. Without a row that looks at the whole map it is that of the scores,
        or the last.
        """
        end = self.ends.get(SCORES, self.rows[-1].name)
        trunk, narrow = PICTURE, self.narrow_rows(end)
        for row, _ in self.path({end}):
            if isinstance(row, WHOLE):
                return trunk
            trunk = row.name if row.name in narrow else trunk
        return end

    def narrow_rows(self, end: str) -> frozenset[str]:
        """Names of the rows on the way to one that are, each alone, all that later rows read."""
        found, alive = set(), {PICTURE}
        for row, no_longer_read in self.path({end}):
            alive = (alive | {row.name}) - set(no_longer_read)
            found |= alive if alive == {row.name} else set()
        return frozenset(found)

    @property
    def first_fc(self) -> FC:
        """The first FC row (fc6 in the paper's nets, all of which have one)."""
        return next(row for row in self.rows if isinstance(row, FC))

    def path(
        self, wanted: Collection[str], given: Collection[str] = (PICTURE,)
    ) -> Iterator[tuple[Row, list[str]]]:
        """The rows from the given ones to the wanted, in order, each with what none after it reads.

        What a row is the last to read can be let go of after it.
        """
        needed: list[Row] = []
        read_by = set(wanted)
        for row in reversed(self.rows):
            if row.name in read_by and row.name not in given:
                needed.append(row)
                read_by.update(row.inputs)
        last_reader = {name: row.name for row in reversed(needed) for name in row.inputs}
        read_last: dict[str, list[str]] = {}
        for name, reader in last_reader.items():
            read_last.setdefault(reader, []).append(name)
        for row in reversed(needed):
            yield row, read_last.get(row.name, [])

    def shapes(
        self, height: int, width: int, wanted: Collection[str] | None = None
    ) -> dict[str, Shape]:
        """Shape of what every row gives for a picture of this size; UserError if too small.

        It is too small where nothing is left on the way to a `wanted` row or end, by default to any
        that is no side head's. The picture's own shape is that of the part which is `shown`.
        """
        rows, columns = self.shown(height), self.shown(width)
        shapes = self._shapes(rows.stop - rows.start, columns.stop - columns.start)
        needed = self._main if wanted is None else self._on_the_way(wanted)
        if self.placed in needed and min(height, width) < self.crop:
            raise UserError(
                f"a picture of {height} x {width} is smaller than the crop of {self.crop} of "
                f"{self.name}, whose '{self.placed}' is made for the places of that map"
            )
        for name in needed:
            if min(shapes[name]) < 1:
                raise UserError(
                    f"a picture of {height} x {width} is too small for configuration {self.name}: "
                    f"nothing is left of it at '{name}'; its crop is {self.crop}"
                )
        return shapes

    def _shapes(self, height: int, width: int) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {PICTURE: (self.channels, height, width)}
        for row in self.rows:
            shapes[row.name] = row.output(*(shapes[name] for name in row.inputs))
        return shapes

    @cached_property
    def _at_crop(self) -> dict[str, Shape]:
        return self._shapes(self.crop, self.crop)

    @cached_property
    def _main(self) -> tuple[str, ...]:
        """Names of the rows that are no side head's alone, and so take every picture."""
        return self._on_the_way({self.rows[-1].name, *([SCORES] if self.has_scores else [])})

    def _on_the_way(self, wanted: Collection[str]) -> tuple[str, ...]:
        """Names of the rows that rows or ends need, and of these themselves."""
        return tuple(row.name for row, _ in self.path({self.ends.get(n, n) for n in wanted}))

    @cached_property
    def reaches(self) -> dict[str, Reach]:
        """What the values of each row see, along every path; UserError where strides differ."""
        found = {PICTURE: Reach()}
        for row in self.rows:
            read = [found[name] for name in row.inputs]
            if len({reach.stride for reach in read}) > 1:
                raise UserError(
                    f"'{row.name}' reads rows of several strides: "
                    f"{', '.join(f'{name} of {found[name].stride}' for name in row.inputs)}"
                )
            before, after = max(r.before for r in read), max(r.after for r in read)
            found[row.name] = Reach(read[0].stride, before, after).through(row)
        return found

    def shown(self, side: int) -> slice:
        """The part of a picture's side that the network is shown, in pixels.

        Windows that step by some pixels leave out what fills no step more, all of it at the end of
        a side. So the picture is cut to what its positions cover, by as much at both ends, or by
        one pixel more at the second. What a training crop leaves out stays as it was learnt.
        """
        steps = 0 if self.placed else max(0, side - self.least) // self.step
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
        if self.placed:
            return self.crop

        def enough(side: int) -> bool:
            shapes = self._shapes(side, side)
            return min(min(shapes[name]) for name in self._main) > 0

        return bisect_left(range(self.crop), True, key=enough)

    @cached_property
    def step(self) -> int:
        """Pixels between neighbouring positions of the score map, or of the last row's."""
        return self.reaches[self.ends.get(SCORES, self.rows[-1].name)].stride
