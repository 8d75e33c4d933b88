"""The one class of network: it reads a table and runs it.

In come pictures, [B, 3, H, W], already in the network's own pixels; out go scores, score maps,
posteriors or any rows asked for by name. The FC rows are convolutions (Sect. 3.2), so a picture
larger than the training crop gives a larger score map, and nothing has to be switched. What no
position would see of it is cut off, as much at both ends of a side (`Table.shown`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from verydeep.errors import UserError
from verydeep.nets import vgg
from verydeep.nets.cost import FLOAT, cost
from verydeep.nets.initialisation import initialise
from verydeep.nets.layers import layer_of
from verydeep.nets.table import PICTURE, SCORES, Row, Table
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


Rule = Callable[..., Tensor]
"""What a row is done by instead of its layer: called with row, layer, and what the row reads."""
Rules = Mapping[type[Row] | str, Rule]
"""Rules by the kind of row or, before that, by a row's name."""


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
            self.add_module(row.name, layer_of(row, [shapes[name] for name in row.inputs]))

    @classmethod
    def empty(cls, table: Table, classes: Sequence[str], pixels: Pixels) -> Network:
        """A network whose weights take no memory yet: for loading into, or initialising."""
        with torch.device("meta"):
            return cls(table, classes, pixels)

    @classmethod
    def random(
        cls, table: Table, classes: Sequence[str], pixels: Pixels, initial: str, seed: int
    ) -> Network:
        """A network with random weights, ready to test.

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

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Class scores; those of a picture larger than the crop are its score map's mean."""
        return self.score_map(images).mean((2, 3))

    def score_map(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K h w"]:
        """Class scores at every position: the network over the whole picture (Sect. 3.2).

        Raises UserError for a picture that is too small, or a network that has no scores.

        >>> build("D", classes=10, width=0.125).score_map(torch.zeros(1, 3, 256, 320)).shape
        torch.Size([1, 10, 2, 4])
        """
        _ = self.table.scores
        self.table.shapes(*images.shape[2:])
        return self.run({PICTURE: self.shown(images)}, [SCORES])[SCORES]

    def posteriors(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Class posteriors: the soft-max of the score map's mean over space."""
        return self.score_map(images).float().mean((2, 3)).softmax(1)

    def activations(
        self, images: Float[Tensor, "B C H W"], names: Iterable[str]
    ) -> dict[str, Tensor]:
        """What the named rows give, each [B, C, h, w], before anything later touches it.

        Rows of whatever depth see the part of the pictures that `Table.shown` tells of.

        FC rows have h = w = 1 for a picture of the crop's size. Raises UserError for a name that
        the table has not.
        """
        return self.run({PICTURE: self.shown(images)}, list(names))

    def shown(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """The part of pictures that the network is shown, as `Table.shown` tells of it."""
        height, width = images.shape[2:]
        return images[:, :, self.table.shown(height), self.table.shown(width)]

    def run(
        self, given: Mapping[str, Tensor], wanted: Collection[str], rules: Rules | None = None
    ) -> dict[str, Tensor]:
        """What the wanted rows or ends give, by the names asked for and in their order.

        `given` are values by the names of rows, [B, C, h, w]: {"data": images} for pictures, of
        which nothing is cut off here, or {"pool5": values} to go on from there. `rules` say what
        does a kind of row, or the row of a name, instead of its layer: the one way of running a
        table otherwise, for engines, exporters, training and all that looks inside. What no later
        row reads is let go of. Raises UserError for a name that the table has not.

        >>> network.run({"pool5": values}, ["scores"], {table.ReLU: guided})["scores"].shape
        torch.Size([1, 10, 1, 1])
        """
        rules = rules or {}
        names = {name: self.table.ends.get(name, name) for name in wanted}
        for name in names.values():
            _ = name in given or self.table[name]
        values, kept = dict(given), {}
        for row, no_longer_read in self.table.path(set(names.values()), given):
            layer, read = self.get_submodule(row.name), [values[name] for name in row.inputs]
            rule = rules.get(row.name) or rules.get(type(row))
            values[row.name] = rule(row, layer, *read) if rule else layer(*read)
            del read
            if row.name in names.values():
                kept[row.name] = values[row.name]
            for name in no_longer_read:
                del values[name]
        kept = {**given, **kept}
        return {name: kept[row] for name, row in names.items()}

    @torch.inference_mode()
    def predict(self, picture: Source, top: int = 5) -> list[tuple[str, float]]:
        """The `top` most probable classes of a picture, as (class name, posterior).

        The picture is shown whole, at the middle of the training scales, with its mirror image
        (dense testing, Sect. 3.2). Raises PictureError where it cannot be read.
        """
        image = self.pixels.read(picture, self.pixels.test_scale)
        views = torch.from_numpy(with_mirror(image)).to(self.device)
        posteriors = self.posteriors(self.pixels.normalise(views)).mean(0)
        best = posteriors.topk(min(top, len(self.classes)))
        return [
            (self.classes[k], p)
            for k, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
