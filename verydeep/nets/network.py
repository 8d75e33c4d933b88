"""The one class of network: it reads a table and runs it.

In come pictures, [B, 3, H, W], already in the network's own pixels; out go scores, score maps,
posteriors or any rows asked for by name. The FC rows are convolutions (Sect. 3.2), so a picture
larger than the training crop gives a larger score map, and nothing has to be switched. What no
position would see of it is cut off, as much at both ends of a side (`Table.shown`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from verydeep.errors import UserError
from verydeep.nets import table, vgg
from verydeep.nets.cost import FLOAT, cost
from verydeep.nets.initialisation import initialise
from verydeep.nets.table import PICTURE, Row, Shape, Table
from verydeep.pictures.preprocessing import IMAGENET, Pixels, with_mirror
from verydeep.pictures.reading import Source
from verydeep.runtime import memory


def build(
    name: str = "D",
    classes: int | Sequence[str] = 1000,
    *,
    width: float = 1.0,
    crop: int = 224,
    fc: int | None = None,
    pixels: Pixels = IMAGENET,
    initial: str = "glorot",
    seed: int = 0,
) -> Network:
    """Network of a configuration of Table 1, with random weights.

    `classes` is their number or their names; `width`, `crop` and `fc` scale the table down as
    `vgg.table` says; `initial` names the initialisation ("glorot", "he", "gaussian:0.01").

    >>> network = build("D", classes=10, width=0.25, crop=96)
    >>> network(torch.zeros(1, 3, 96, 96)).shape
    torch.Size([1, 10])
    """
    names = [str(i) for i in range(classes)] if isinstance(classes, int) else list(classes)
    scaled = vgg.table(name, len(names), width, crop, fc)
    return Network.random(scaled, names, pixels, initial, seed)


Show = Callable[[Tensor], Tensor]
UNFOLDED = 2**24
"""Values that the windows of an FC row's input may be unfolded to at once: 64 MiB."""


class Network(nn.Module):
    """A table that runs, with the pixels it wants and the names of its classes.

    Its layers are plain PyTorch modules under Caffe's names: `network.conv1_1.weight` is
    [64, 3, 3, 3]. ReLU never works in place, so what is asked for is what was computed.
    """

    def __init__(self, table: Table, classes: Sequence[str], pixels: Pixels) -> None:
        super().__init__()
        if len(classes) != table.class_count:
            raise UserError(
                f"{len(classes)} class names for a table of {table.class_count} classes"
            )
        self.table = table
        self.classes = tuple(classes)
        self.pixels = pixels
        shapes = table.shapes(table.crop, table.crop)
        for row in table.rows:
            self.add_module(row.name, _layer(row, [shapes[name] for name in row.inputs]))

    @classmethod
    def empty(cls, table: Table, classes: Sequence[str], pixels: Pixels) -> Network:
        """A network whose weights take no memory yet: for loading into, or initialising."""
        with torch.device("meta"):
            return cls(table, classes, pixels)

    @classmethod
    def random(
        cls, table: Table, classes: Sequence[str], pixels: Pixels, initial: str, seed: int
    ) -> Network:
        """A network with random weights, ready to test; norms, which are never begun, are 0.

        Raises UserError where there is no memory for them.
        """
        size = FLOAT * cost(table).parameters
        memory.refuse(size, f"a network {table.name} of these sizes", "take smaller ones")
        network = cls.empty(table, classes, pixels)
        zeros = {name: torch.zeros(t.shape) for name, t in network.state_dict().items()}
        network.load_state_dict(zeros, assign=True)
        initialise(network, table, initial, torch.Generator().manual_seed(seed))
        return network.eval()

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def forward(
        self, images: Float[Tensor, "B 3 H W"], generators: Sequence[torch.Generator] = ()
    ) -> Float[Tensor, "B K"]:
        """Class scores; those of a picture larger than the crop are its score map's mean.

        While training, dropout draws from `generators`, each for its equal share of the batch in
        order, or from PyTorch's own without any.
        """
        return self.score_map(images, generators).mean((2, 3))

    def score_map(
        self, images: Float[Tensor, "B 3 H W"], generators: Sequence[torch.Generator] = ()
    ) -> Float[Tensor, "B K h w"]:
        """Class scores at every position: the network over the whole picture (Sect. 3.2).

        >>> build("D", classes=10, width=0.125).score_map(torch.zeros(1, 3, 256, 320)).shape
        torch.Size([1, 10, 2, 4])
        """
        last = self.table.last_fc.name
        return self._run(images, {last}, generators)[last]

    def score_map_from(
        self, name: str, values: Float[Tensor, "B C H W"]
    ) -> Float[Tensor, "B K h w"]:
        """Class scores at every position, from what the named row gave."""
        last = self.table.last_fc.name
        return self._run(values, {last}, begin=name)[last]

    def posteriors(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K"]:
        """Class posteriors: the soft-max of the score map's mean over space."""
        return self.score_map(images).float().mean((2, 3)).softmax(1)

    def activations(
        self, images: Float[Tensor, "B 3 H W"], names: Iterable[str]
    ) -> dict[str, Tensor]:
        """What the named rows give, each [B, C, h, w], before anything later touches it.

        Rows of whatever depth see the part of the pictures that `Table.shown` tells of.

        FC rows have h = w = 1 for a picture of the crop's size. Raises UserError for a name that
        the table has not.
        """
        names = list(names)
        for name in names:
            _ = self.table[name]
        found = self._run(images, set(names))
        return {name: found[name] for name in names}

    @torch.inference_mode()
    def predict(
        self, picture: Source, top: int = 5, show: Show | None = None
    ) -> list[tuple[str, float]]:
        """The `top` most probable classes of a picture, as (class name, posterior).

        The picture is shown whole, at the middle of the training scales, with its mirror image
        (dense testing, Sect. 3.2), to the network itself or to an engine's `show`, which makes
        posteriors of views, uint8 [B, h, w, 3]. Raises PictureError where it cannot be read.
        """
        image = self.pixels.read(picture, self.pixels.test_scale)
        views = torch.from_numpy(with_mirror(image)).to(self.device)
        shown = show(views) if show else self.posteriors(self.pixels.normalise(views))
        posteriors = shown.mean(0)
        best = posteriors.topk(min(top, len(self.classes)))
        return [
            (self.classes[k], p)
            for k, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def _run(
        self,
        given: Tensor,
        wanted: set[str],
        generators: Sequence[torch.Generator] = (),
        begin: str = PICTURE,
    ) -> dict[str, Tensor]:
        """The wanted rows' values; each row's are let go once no later row reads them.

        `given` are the pictures, or what the row that is named `begin` gave.
        """
        if begin == PICTURE:
            height, width = given.shape[2:]
            if self.table.has_top and self.table.last_fc.name in wanted:
                self.table.shapes(height, width)  # names what is too small
            given = given[:, :, self.table.shown(height), self.table.shown(width)]
        values, kept = {begin: given}, {}
        for row, no_longer_read in rows_needed(self.table.rows, wanted, begin):
            layer = self.get_submodule(row.name)
            drawn = {"generators": generators} if isinstance(layer, Dropout) else {}
            value = layer(*(values[name] for name in row.inputs), **drawn)
            values[row.name] = value
            if row.name in wanted:
                kept[row.name] = value
            for name in no_longer_read:
                del values[name]
        return kept


def rows_needed(
    rows: Sequence[Row], wanted: set[str], begin: str
) -> Iterator[tuple[Row, list[str]]]:
    """The rows from `begin` to the wanted ones, in order, each with what it is the last to read."""
    needed: list[Row] = []
    read_by: set[str] = set(wanted)
    for row in reversed(rows):
        if row.name in read_by and row.name != begin:
            needed.append(row)
            read_by.update(row.inputs)
    last_reader = {name: row.name for row in reversed(needed) for name in row.inputs}
    for row in reversed(needed):
        yield row, [name for name, reader in last_reader.items() if reader == row.name]


def _layer(row: Row, inputs: list[Shape]) -> nn.Module:
    """The PyTorch module that does what a row says."""
    match row:
        case table.FC():
            return FullyConnected(inputs[0][0], row.channels, row.kernel)
        case table.Conv():
            return nn.Conv2d(
                inputs[0][0], row.channels, row.kernel, row.stride, padding=row.padding
            )
        case table.MaxPool():
            return MaxPool(row.kernel, row.stride, row.padding, ceil_mode=row.up)
        case table.ReLU():
            return nn.ReLU()
        case table.LRN():
            return nn.LocalResponseNorm(row.size, row.alpha, row.beta, row.k)
        case table.BatchNorm():
            return BatchNorm(inputs[0][0], row.epsilon)
        case table.Dropout():
            return Dropout(row.p)
        case table.Softmax():
            return nn.Softmax(1)
        case _:
            raise TypeError(f"no layer for a row of kind {type(row).__name__}")


class FullyConnected(nn.Conv2d):
    """A convolution over the whole map, run as matrix products: one for each place it fits.

    At the one place of a training crop that makes the whole of D 1.7 times as fast. On larger maps
    the windows are unfolded: fc6 then takes a half to a tenth of a convolution's time.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Scores of each position."""
        if input.shape[2:] == self.kernel_size:
            return F.linear(input.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None]
        if self.kernel_size == (1, 1):
            return super().forward(input)
        height, width = self.kernel_size
        rows, columns = input.shape[2] - height + 1, input.shape[3] - width + 1
        together = max(1, UNFOLDED // (len(input) * self.weight[0].numel() * columns))
        pieces = [
            self._rows(input[:, :, top : min(rows, top + together) + height - 1])
            for top in range(0, rows, together)
        ]
        return torch.cat(pieces, 2)

    def _rows(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Scores of the positions of some rows."""
        windows = F.unfold(input, self.kernel_size).transpose(1, 2)
        scores = F.linear(windows, self.weight.flatten(1), self.bias).transpose(1, 2)
        columns = input.shape[3] - self.kernel_size[1] + 1
        return scores.reshape(len(input), self.out_channels, -1, columns)


class MaxPool(nn.MaxPool2d):
    """Max-pooling; of 2 x 2 on a CPU, where nothing is learnt, as the larger of neighbours.

    That gives the same values in a seventh of the time.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """The largest value of each window."""
        learns = torch.is_grad_enabled() and input.requires_grad
        window = self.kernel_size, self.stride, self.padding, self.ceil_mode
        if learns or window != (2, 2, 0, False) or input.device.type != "cpu":
            return F.max_pool2d(input, *window[:3], ceil_mode=self.ceil_mode)
        return halved(input)


def halved(values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """The largest of each 2 x 2 values; an odd last row or column is left out."""
    rows, columns = (side // 2 * 2 for side in values.shape[2:])
    taller = torch.maximum(values[:, :, 0:rows:2], values[:, :, 1:rows:2])
    return torch.maximum(taller[..., 0:columns:2], taller[..., 1:columns:2])


class BatchNorm(nn.Module):
    """Batch normalisation by kept statistics, which nothing here changes, training or not."""

    def __init__(self, channels: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """(x - mean) / sqrt(variance + epsilon), times a weight and plus a bias per channel."""
        mean, variance = self.get_buffer("running_mean"), self.get_buffer("running_var")
        return F.batch_norm(input, mean, variance, self.weight, self.bias, eps=self.epsilon)


class Dropout(nn.Dropout):
    """Dropout that can draw from generators of its own, so that threads do not share one."""

    def forward(self, input: Tensor, generators: Sequence[torch.Generator] = ()) -> Tensor:
        """The values, each set to zero with probability p, the rest enlarged by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return input
        kept = torch.empty_like(input)
        shares = kept.tensor_split(len(generators)) if generators else (kept,)
        for share, generator in zip(shares, generators or (None,), strict=True):
            share.bernoulli_(1 - self.p, generator=generator)
        return input * kept / (1 - self.p)
