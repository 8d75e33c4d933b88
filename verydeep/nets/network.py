"""The one class of network: it reads a table and runs it.

In come pictures, [B, 3, H, W], already in the network's own pixels; out go scores, score maps,
posteriors or any rows asked for by name. The FC rows are convolutions (Sect. 3.2), so a picture
larger than the training crop gives a larger score map, and nothing has to be switched. What no
position would see of it is cut off, as much at both ends of a side (`Table.shown`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from verydeep.errors import UserError
from verydeep.nets import named
from verydeep.nets.cost import FLOAT, cost
from verydeep.nets.initialisation import initialise
from verydeep.nets.layers import layer_of
from verydeep.nets.rows import PICTURE, Row
from verydeep.nets.table import SCORES, Table
from verydeep.parts.entries import some
from verydeep.parts.given import answered, given_pictures, source_of
from verydeep.pictures.preprocessing import IMAGENET, Pixels, with_mirror
from verydeep.pictures.reading import Source
from verydeep.runtime import memory
from verydeep.runtime.progress import Progress


def build(
    name: str = "D",
    classes: int | Sequence[str] | None = None,
    *,
    width: float = 1.0,
    crop: int | None = None,
    fc: int | None = None,
    pixels: Pixels = IMAGENET,
    initial: str = "glorot",
    seed: int = 0,
) -> Network:
    """Network of a configuration of Table 1, or of a net beside it by name, with random weights.

    `classes` is their number or their names, `crop` the side of the training crop, both those of
    the paper where they are not said; `width`, `crop` and `fc` scale the table down as
    `named.table` says; `initial` names the initialisation ("glorot", "he", "gaussian:0.01").

    >>> network = build("D", classes=10, width=0.25, crop=96)
    >>> network(torch.zeros(1, 3, 96, 96)).shape
    torch.Size([1, 10])
    """
    given = None if classes is None or isinstance(classes, int) else list(classes)
    count = classes if classes is None or isinstance(classes, int) else len(classes)
    scaled = named.table(name, count, width, crop, fc)
    names = [str(i) for i in range(scaled.class_count)] if given is None else given
    return Network.random(scaled, names, pixels, initial, seed)


Answer = list[tuple[str, float]]
"""The most probable classes of a picture, as (class name, posterior); none is none of these."""
TOP, HALF = 5, 0.5
"""Classes that are named where nobody says how many; where they are each by itself, the posterior
from which on one is named."""
Rule = Callable[..., Tensor]
"""What a row is done by instead of its layer: called with row, layer, and what the row reads."""
Rules = Mapping[type[Row] | str, Rule]
"""Rules by the kind of row or, before that, by a row's name."""


def most_probable(classes: Sequence[str], posteriors: Float[Tensor, " K"], count: int) -> Answer:
    """So many classes of the highest posteriors, as (class name, posterior), the highest first."""
    best = posteriors.topk(min(count, len(classes)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [(classes[k], p) for k, p in pairs]


def answer_of(
    classes: Sequence[str], posteriors: Float[Tensor, " K"], top: int | None, *, several: bool
) -> Answer:
    """The `top` most probable classes; where nothing is said, five, or of `several` those of 0.5.

    Of classes that are each by itself none may have as much.
    """
    if top is None:
        top = int((posteriors >= HALF).sum()) if several else TOP
    return most_probable(classes, posteriors, top)


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

    @property
    def has_several(self) -> bool:
        """Whether a picture may be of several classes, or none: each has a posterior by itself."""
        return self.table.has_several

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Class scores; those of a picture larger than the crop are its score map's mean."""
        return self.score_map(images).mean((2, 3))

    def score_map(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K h w"]:
        """Class scores at every position: the network over the whole picture (Sect. 3.2).

        Raises UserError for a picture that is too small, or a network that has no scores.

        >>> build("D", classes=10, width=0.125).score_map(torch.zeros(1, 3, 256, 320)).shape
        torch.Size([1, 10, 2, 4])
        """
        self._refuse_unfit(images)
        _ = self.table.scores
        self.table.shapes(*images.shape[2:])
        return self.run({PICTURE: self.shown(images)}, [SCORES])[SCORES]

    def posteriors(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Class posteriors: the soft-max of the score map's mean over space.

        Where classes are each by themselves (a table that ends with a sigmoid), the sigmoid of it.
        """
        return self.likely(self.score_map(images).float().mean((2, 3)))

    def likely(self, scores: Float[Tensor, "B K ..."]) -> Float[Tensor, "B K ..."]:
        """Posteriors of class scores, or at each position of a map of them.

        Of a net that finds places, or of an embedding, which has none, its numbers as they are.
        """
        if self.table.places or self.table.is_embedding:
            return scores
        return scores.sigmoid() if self.table.has_several else scores.softmax(1)

    def evidence(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """What is averaged over the views of a picture: posteriors, or what a mean row gives."""
        if self.table.pooled is None:
            return self.posteriors(images)
        return self.activations(images, [self.table.pooled])[self.table.pooled].flatten(1)

    def verdict(self, evidence: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Posteriors by the mean `evidence` of each picture's views: of posteriors, itself."""
        return evidence if self.table.pooled is None else self.likely(self.scores_by(evidence))

    def scores_by(self, evidence: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Class scores by the mean `evidence` of each picture's views, which a mean row gave."""
        assert self.table.pooled is not None
        given = {self.table.pooled: evidence[:, :, None, None]}
        return self.run(given, [SCORES])[SCORES].float().flatten(1)

    def answer(self, posteriors: Float[Tensor, " K"], top: int | None = None) -> Answer:
        """The `top` most probable classes of a picture, by its posteriors.

        Where nothing is said, five; or where classes are each by itself, those of 0.5 and more,
        which may be none.
        """
        return answer_of(self.classes, posteriors, top, several=self.has_several)

    def activations(
        self, images: Float[Tensor, "B C H W"], names: Iterable[str]
    ) -> dict[str, Tensor]:
        """What the named rows give, each [B, C, h, w], before anything later touches it.

        Rows of whatever depth see the part of the pictures that `Table.shown` tells of.

        FC rows have h = w = 1 for a picture of the crop's size; `preprocess` makes the input of a
        picture. Raises UserError for a name that the table has not, and for pictures of which
        nothing is left at a row.
        """
        self._refuse_unfit(images)
        wanted = [names] if isinstance(names, str) else list(names)
        self.table.shapes(images.shape[2], images.shape[3], wanted)
        return self.run({PICTURE: self.shown(images)}, wanted)

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

    def predict(
        self, pictures: Any, top: int | None = None, progress: Progress | None = None
    ) -> list[Any]:
        """The `top` most probable classes of a picture, as (class name, posterior); see `answer`.

        Of several, a list of such lists, in order: for a folder, a list, or a batch [B, H, W, 3] or
        [B, 3, H, W]. A picture is whatever `given_pictures` takes: a path, bytes, an open file, a
        Pillow image, an array or a tensor. It is shown whole, at the middle of the training scales,
        with its mirror image (dense testing, Sect. 3.2). One that cannot be read raises
        PictureError; among several its answer is empty, and why is told to `progress`, by default
        to whoever asked.

        >>> network.predict("cat.jpg", top=1)
        [('cat', 0.9...)]
        """
        if top is not None and top < 1:
            raise UserError(f"top {top} names no class; at least 1 is needed")
        if self.table.places:
            raise UserError("this network finds places; verydeep.predict tells them by its weights")
        self.table.refuse_boards()

        def answer(source: Source) -> Answer:
            return self.answer(self._posteriors_of(source), top)

        return answered(pictures, answer, progress)

    def preprocess(self, picture: Any, smaller_side: int | None = None) -> Float[Tensor, "1 3 h w"]:
        """A picture as the layers want it: rescaled whole, in the network's own pixels.

        Its aspect is kept; `smaller_side` is that of the result, by default the middle of the
        training scales. Raises PictureError where it cannot be read.

        >>> network.activations(network.preprocess("cat.jpg"), ["pool5"])["pool5"].shape
        torch.Size([1, 512, 8, 12])
        """
        given = given_pictures(picture)
        if not given.alone:
            raise UserError("several pictures; give one, and join those of one size by torch.cat")
        side = self.pixels.test_scale if smaller_side is None else smaller_side
        image = self.pixels.read(source_of(given.pictures[0]), side)
        return self.pixels.normalise(torch.from_numpy(image)[None].to(self.device))

    def __repr__(self) -> str:
        some_of = some([name[:30] for name in self.classes])
        classes = f"{len(self.classes):,} classes ({some_of}), " if self.classes else ""
        return (
            f"Network {self.table.name}: {classes}{cost(self.table).parameters:,} parameters, "
            f"crop {self.table.crop}, on {self.device}"
        )

    @torch.inference_mode()
    def _posteriors_of(self, source: Source) -> Float[Tensor, " K"]:
        image = self.pixels.read(source, self.pixels.test_scale)
        views = torch.from_numpy(with_mirror(image)).to(self.device)
        return self.verdict(self.evidence(self.pixels.normalise(views)).mean(0, keepdim=True))[0]

    def _refuse_unfit(self, images: Any) -> None:
        """Raises UserError for what is no batch in the network's own pixels."""
        if not isinstance(images, Tensor):
            raise UserError(
                f"a {type(images).__name__} is no batch; network.preprocess(picture) makes one"
            )
        shape, channels = list(images.shape), self.table.channels
        if images.ndim != 4 or shape[1] != channels or not images.is_floating_point():
            raise UserError(
                f"{images.dtype} of {shape} where the network's own pixels are due, floats of "
                f"[B, {channels}, H, W]; network.preprocess(picture) makes them of a picture"
            )
        if images.device != self.device:
            raise UserError(
                f"a batch on {images.device} for a network on {self.device}; move one of them by "
                f".to()"
            )
