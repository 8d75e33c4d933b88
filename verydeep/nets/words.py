"""The reader of the words that a table is written in: Table 1's, and those of nets that branch.

In come words in their order, each on what the one before it gives; out goes a `Table` of rows with
Caffe's names, numbered by blocks, which end with a pool.

    conv3-64            convolution of 3 x 3 with 64 channels, stride 1, padding 1, and ReLU
    conv7-64-bn /2 pad 3    with a norm, a stride, a padding; also `groups 2`, `dilation 2`,
                        `no bias`, `epsilon 0.001` of the norm, `linear` for no ReLU
    maxpool             2 x 2, stride 2; `maxpool3 /2 pad 1 ceil`, without /2 of stride 1
    avepool7, avepool   the mean of 7 x 7, and that of the whole map of a training crop
    FC-4096             with ReLU and dropout, but for the last; `linear` for neither, `hidden` for
                        both in the last too, of a net that ends before its scores; `dropout 0.7`
                        for another than the setting's, `dropout 0` for none; `maxout 2` in place of
                        ReLU, the largest of each two of twice as many
    mean                that of the whole map, however large, and of all views of a picture
    LRN, dropout 0.4, L2, soft-max      `LRN n 5 k 1 alpha 1e-4 beta 0.75`
    sigmoid             in place of soft-max: classes of which a picture may show several
    boxes, points       in place of soft-max: where things are, 4 or 2 numbers for each name;
    objects             boxes of things that are all in every picture
    ( a b | c )         branches from one row, their channels put together
    [ a b | c ]         branches summed, then ReLU; `] linear` for none; an empty one is the row
    ] x 3, 2 x conv3-8  so many times, one after another
    < name a b >        a side head, whose last row is the end of that name; `< name 0.3` with
                        what its loss counts in training

Of the nets beside VGG alone:

    conv5-3 tanh        with a scaled tanh in place of ReLU; so FC, without dropout, and subsample
    conv5-3 from 01,012,2   each map from some of the input's maps, by their digits
    conv1-1 position bias   with a bias for each place and not for each channel, and no ReLU
    local9-16 /2        untied: filters and biases for each place
    skip-32 /2          every second place, with channels of zeros up to 32
    subsample2 /2       sums, times a coefficient and plus a bias for each map
    L2pool3 pad 1       the Euclidean length of each window
    RBF-10              less the squared distances to fixed codes, for scores
    flatten, grey       all values as channels of one place; the mean of the colours
    planes              the planes of a position of Go that three bytes a point stand for

A branch, a sum and a head are words of their own: "(", "conv1-8", "|", "conv3-8", ")".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from verydeep.errors import UserError
from verydeep.nets.notation import Group, Item, Options, no_row, number, options_of, parsed
from verydeep.nets.rows import (
    FC,
    L2,
    LRN,
    NUMBERS,
    PICTURE,
    Add,
    AvePool,
    BatchNorm,
    Concat,
    Conv,
    Dropout,
    MaxPool,
    Mean,
    Places,
    PlacesKind,
    Pool,
    ReLU,
    Row,
    Shape,
    Sigmoid,
    Softmax,
    WholeAvePool,
)
from verydeep.nets.special_rows import (
    RBF,
    Connected,
    Flatten,
    Grey,
    L2Pool,
    Local,
    Maxout,
    Planes,
    PositionBias,
    ScaledTanh,
    Skip,
    Subsample,
)
from verydeep.nets.table import NORM_WORD, SCORES, Head, Table

POOL, POOL_UP, MEAN, SOFTMAX = "maxpool", "maxpool-up", "avepool", "soft-max"
"""The word of Table 1's pooling, of one that rounds up as Caffe's do, of the mean of the whole map
of a crop, and of the last row."""
POOLED, LENGTH, SIGMOID = "mean", "L2", "sigmoid"
"""The word of the mean of any map, of division by the length, and of a last row whose classes are
each by itself."""
PLANES, FLATTEN = "planes", "flatten"
"""The word of the planes of a board, and of points told apart, as a net of boards ends."""
HIDDEN = "hidden"
"""What is said of a last FC layer that gives no scores."""

MOST_ROWS = 8192
"""Of a table; a ResNet of 1202 layers has some 4,200."""
_CONV = re.compile(rf"conv(\d+)-(\d+)({NORM_WORD})?")
_LOCAL = re.compile(r"local(\d+)-(\d+)")
_SKIP = re.compile(r"skip-(\d+)")
_POOL = re.compile(r"(max|ave|L2)pool(\d*)(-up)?")
_SUBSAMPLE = re.compile(r"subsample(\d+)")
_FC = re.compile(r"FC-(\d+)")
_RBF = re.compile(r"RBF-(\d+)")
MOST_KERNEL, MOST_CHANNELS = 255, 2**40


def read_table(name: str, words: Iterable[str], crop: int, channels: int = 3) -> Table:
    """Table read from words, for crops of side `crop`, in pixels, and pictures of `channels`.

    ReLU follows every hidden weight layer and dropout every hidden FC layer, as the paper says in
    its text and not in its table. Raises UserError for a word that is none, or a crop too small.
    """
    words = tuple(words)
    reader = _Reader((channels, crop, crop))
    reader.sequence(parsed(words))
    table = Table(name, words, crop, tuple(reader.rows), channels, tuple(reader.heads))
    table.shapes(crop, crop)
    _ = table.reaches
    for head in table.heads:
        if any(row.name == head.name for row in table.rows):
            raise UserError(f"a side head and a row are both called '{head.name}'")
    return table


def parts(table: Table) -> list[tuple[int, tuple[Row, ...]]]:
    """The rows of each word of a table, or of each brackets as a whole, one part after another.

    Brackets that are the same and follow one another are one part; with each comes how many it is.
    """
    reader = _Reader((table.channels, table.crop, table.crop))
    found: list[tuple[int, tuple[Row, ...]]] = []
    before: Item = ""
    for item in reader.steps(parsed(table.words)):
        rows = tuple(reader.rows[sum(len(rows) for _, rows in found) :])
        if isinstance(item, Group) and item == before:
            count, earlier = found.pop()
            found.append((count + 1, earlier + rows))
        else:
            found.append((1, rows))
        before = item
    return found


class _Reader:
    """What a reader of a table keeps in mind: the rows so far, the block and the place in it."""

    def __init__(self, picture: Shape) -> None:
        self.rows: list[Row] = []
        self.heads: list[Head] = []
        self.last = PICTURE
        self._shapes = {PICTURE: picture}
        self._block, self._place, self._prefix = 1, 0, ""
        self._in_branches, self._read = False, 0
        self._numbers: Counter[str] = Counter()

    def sequence(self, items: Sequence[Item]) -> None:
        """Reads words one after another; the last FC layer among them is no hidden one."""
        for _ in self.steps(items):
            pass

    def steps(self, items: Sequence[Item]) -> Iterator[Item]:
        """Reads words one after another, and gives each once it is read."""
        fcs = [i for i, item in enumerate(items) if isinstance(item, str) and item[:3] == "FC-"]
        for i, item in enumerate(items):
            if isinstance(item, str):
                self._word(item, hidden=i not in fcs[-1:])
            elif item.kind == "<":
                self._head(item)
            else:
                self._joined(item)
            yield item

    def _word(self, word: str, hidden: bool) -> None:
        kind, _, rest = word.partition(" ")
        options = options_of(word, rest)
        sizes = [int(size) for size in re.findall(r"\d+", kind)]
        if any(size < 1 for size in sizes) or max(sizes, default=1) > MOST_CHANNELS:
            raise no_row(word)
        if match := _CONV.fullmatch(kind):
            self._conv(int(match[1]), int(match[2]), bool(match[3]), options)
        elif match := _FC.fullmatch(kind):
            hidden = options.pop(HIDDEN, False) or hidden
            self._fc(int(match[1]), not options.pop("linear", False) and hidden, options)
        elif match := _POOL.fullmatch(kind):
            self._pool(match[1], match[2], bool(match[3]), options)
        elif match := _LOCAL.fullmatch(kind):
            self._local(int(match[1]), int(match[2]), options)
        elif match := _SKIP.fullmatch(kind):
            self._skip(int(match[1]), word, options)
        elif match := _SUBSAMPLE.fullmatch(kind):
            self._subsample(int(match[1]), options)
        elif match := _RBF.fullmatch(kind):
            self._add(RBF(f"{self._prefix}rbf{self._block}", self._reads, int(match[1])))
        elif kind == FLATTEN:
            self._add(Flatten(f"{self._prefix}flat{self._block}", self._reads))
        elif kind == "grey":
            self._add(Grey(f"{self._prefix}grey", self._reads))
        elif kind == PLANES:
            self._add(Planes(f"{self._prefix}planes", self._reads))
        elif kind == "LRN":
            size, given = options.pop("n", LRN.size), ("k", "alpha", "beta")
            if size % 2 == 0:
                raise UserError(f"'{word}': n is odd, for a channel and those on either side")
            factors = [float(options.pop(name, getattr(LRN, name))) for name in given]
            self._add(LRN(self._named("norm"), self._reads, size, *factors))
        elif kind == "dropout":
            self._add(Dropout(self._named("drop"), self._reads, options.pop("p", 0.5), fixed=True))
        elif kind == LENGTH:
            self._add(L2(self._named("l2_"), self._reads))
        elif kind == POOLED:
            self._add(Mean(f"{self._prefix}mean{self._block}", self._reads))
        elif kind in (SOFTMAX, SIGMOID):
            last = Softmax if kind == SOFTMAX else Sigmoid
            self._add(last(f"{self._prefix}prob", self._reads))
        elif kind in NUMBERS:
            self._places(kind, word)
        else:
            raise no_row(word)
        if options:
            raise no_row(word)

    @property
    def _reads(self) -> tuple[str]:
        return (self.last,)

    def _named(self, kind: str) -> str:
        return f"{self._prefix}{kind}{self._block}_{self._place}"

    def _add(self, row: Row) -> None:
        if len(self.rows) == MOST_ROWS:
            raise UserError(f"a table of more than {MOST_ROWS:,} rows, which nothing runs")
        if row.name in self._shapes:
            raise UserError(f"two rows of a table would be called '{row.name}'")
        self.rows.append(row)
        self._read += len(row.inputs)
        shape = row.output(*(self._shapes[name] for name in row.inputs))
        if shape[0] > MOST_CHANNELS or self._read > 2 * MOST_ROWS:
            raise UserError(f"'{row.name}' reads or gives more than any net does")
        self._shapes[row.name] = shape
        self.last = row.name

    def _conv(self, kernel: int, channels: int, norm: bool, options: Options) -> None:
        self._place += 1
        _refuse_wide(kernel)
        groups, dilation = options.pop("groups", 1), options.pop("dilation", 1)
        padding = options.pop("pad", dilation * (kernel // 2))
        stride, bias = options.pop("stride", 1), not options.pop("no bias", False)
        by_place, maps = options.pop("position bias", False), options.pop("from", None)
        if self._shapes[self.last][0] % groups or channels % groups:
            raise UserError(f"{groups} groups do not divide the channels of '{self.last}'")
        window = (kernel, stride, padding, channels, groups, dilation, bias and not by_place)
        if maps is None:
            self._add(Conv(self._named("conv"), self._reads, *window))
        else:
            lines = self._connections(maps, channels, plain=groups == dilation == 1 and bias)
            self._add(Connected(self._named("conv"), self._reads, *window[:3], lines))
        epsilon = options.pop("epsilon", BatchNorm.epsilon) if norm else None
        if epsilon is not None:
            self._add(BatchNorm(self._named("bn"), self._reads, epsilon))
        if by_place:
            self._add(PositionBias(self._named("bias"), self._reads))
        self._bent(options, linear=by_place)

    def _connections(self, maps: str, channels: int, plain: bool) -> tuple[tuple[int, ...], ...]:
        """Which of the input's maps each map reads, by their digits."""
        lines = tuple(tuple(map(int, line)) for line in maps.split(","))
        there = self._shapes[self.last][0]
        whole = all(max(line) < there and len({*line}) == len(line) for line in lines)
        if len(lines) != channels or not whole or not plain:
            raise UserError(
                f"'from {maps}' is no table of {channels} maps, each read of some of {there}, of a "
                f"convolution with biases and without groups or dilation"
            )
        return lines

    def _bent(self, options: Options, linear: bool = False) -> None:
        """ReLU, or tanh, or neither."""
        if options.pop("tanh", False):
            self._add(ScaledTanh(self._named("tanh"), self._reads))
        elif not options.pop("linear", linear):
            self._add(ReLU(self._named("relu"), self._reads))

    def _local(self, kernel: int, channels: int, options: Options) -> None:
        self._place += 1
        _refuse_wide(kernel)
        window = kernel, options.pop("stride", 1), options.pop("pad", 0), channels
        self._add(Local(self._named("local"), self._reads, *window))
        self._bent(options)

    def _skip(self, channels: int, word: str, options: Options) -> None:
        self._place += 1
        if (there := self._shapes[self.last][0]) > channels:
            raise UserError(f"'{word}' has fewer channels than the {there} that it reads")
        stride = options.pop("stride", 1)
        self._add(Skip(self._named("skip"), self._reads, 1, stride, 0, channels))

    def _subsample(self, kernel: int, options: Options) -> None:
        _refuse_wide(kernel)
        name, stride = f"{self._prefix}pool{self._block}", options.pop("stride", 1)
        self._add(Subsample(name, self._reads, kernel, stride))
        if options.pop("tanh", False):
            self._add(ScaledTanh(f"{self._prefix}tanh_pool{self._block}", self._reads))
        self._block, self._place = self._block + 1, 0

    def _pool(self, means: str, side: str, up: bool, options: Options) -> None:
        up, padding = options.pop("ceil", up), options.pop("pad", 0)
        stride = options.pop("stride", 1 if side or means != "max" else 2)
        name, whole = f"{self._prefix}pool{self._block}", not side and means == "ave"
        if self._in_branches:
            self._place += 1
            name = self._named("pool")
        kernel = self._shapes[self.last][1] if whole else int(side or 2)
        _refuse_wide(0 if whole else kernel)
        if padding > kernel // 2:
            raise UserError(f"'{name}' is padded by {padding}, over half of its {kernel}")
        kinds: dict[str, type[Pool]] = {"max": MaxPool, "ave": AvePool, "L2": L2Pool}
        kind: type[Pool] = WholeAvePool if whole else kinds[means]
        self._add(kind(name, self._reads, kernel, stride, padding, up))
        if not self._in_branches:
            self._block, self._place = self._block + 1, 0

    def _fc(self, channels: int, hidden: bool, options: Options) -> None:
        number, side = f"{self._prefix}{{}}{self._block}", self._shapes[self.last][1]
        if self._prefix and side < 1:
            raise UserError(f"the crop is too small: nothing is left for '{number.format('fc')}'")
        pieces, p = options.pop("maxout", 1), options.pop("dropout", None)
        self._add(FC(number.format("fc"), self._reads, side, 1, 0, channels * pieces))
        if pieces > 1:
            self._add(Maxout(number.format("maxout"), self._reads, pieces))
        elif options.pop("tanh", False):
            self._add(ScaledTanh(number.format("tanh"), self._reads))
            hidden = False
        elif hidden:
            self._add(ReLU(number.format("relu"), self._reads))
        if hidden and p != 0:
            chosen = () if p is None else (p, True)
            self._add(Dropout(number.format("drop"), self._reads, *chosen))
        self._block, self._place = self._block + 1, 0

    def _places(self, kind: PlacesKind, word: str) -> None:
        row = Places(f"{self._prefix}places", self._reads, kind)
        channels = self._shapes[self.last][0]
        if channels % row.numbers:
            raise UserError(f"'{word}' reads {channels} channels, no multiple of {row.numbers}")
        self._add(row)

    def _joined(self, group: Group) -> None:
        """Branches from the last row, and the row that puts them together."""
        start, outer, ends = self.last, self._in_branches, []
        for branch in group.branches:
            self.last, self._in_branches = start, True
            self.sequence(branch)
            ends.append(self.last)
        self._in_branches = outer
        kind: type[Row] = Concat if group.kind == "(" else Add
        word = f"{kind.__name__.lower()}{self._block}"
        self._numbers[word] += 1
        name = f"{self._prefix}{word}_{self._numbers[word]}"
        shapes = {self._shapes[end][1 if kind is Concat else 0 :] for end in ends}
        if len(shapes) > 1:
            raise UserError(f"the branches {', '.join(ends)} give maps that do not fit together")
        self._add(kind(name, tuple(ends)))
        if kind is Add and not group.linear:
            self._add(ReLU(f"{self._prefix}relu_{word}_{self._numbers[word]}", self._reads))

    def _head(self, group: Group) -> None:
        """A side head, whose rows have its name before theirs; the next word reads on before it."""
        title, _, counts = group.title.partition(" ")
        outer = self.last, self._block, self._place, self._prefix, self._in_branches
        self._block, self._place, self._prefix = 1, 0, f"{title}_"
        self._in_branches = False
        self.sequence(group.branches[0])
        taken = title in self._shapes or title in (SCORES, *(head.name for head in self.heads))
        if not title.isidentifier() or self.last == outer[0] or taken:
            raise UserError(f"'<{title}' is no side head, which has a name of its own and rows")
        weight = float(number(f"<{group.title}", "weight", counts)) if counts else Head.weight
        self.heads.append(Head(title, self.last, weight))
        self.last, self._block, self._place, self._prefix, self._in_branches = outer


def _refuse_wide(kernel: int) -> None:
    if kernel > MOST_KERNEL:
        raise UserError(f"a window of {kernel} x {kernel}; the widest is {MOST_KERNEL}")
