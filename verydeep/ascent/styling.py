"""One picture in the style of another (Gatys, Ecker & Bethge, 2016).

Style is which units of a layer are active together, G = F F^T over the positions, on the first ReLU
of each size; content is what one layer says at each place. Max-pools are averages, and every unit
is divided by its mean size over both pictures: what comes of that are the values of their
normalised network, since ReLU and average let a factor through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from verydeep import randomness
from verydeep.ascent.looking import (
    AVERAGES,
    SPREAD,
    Frame,
    Image,
    differentiating,
    from_picture,
    mean_colour,
    refuse_unfit,
    seen,
)
from verydeep.ascent.priors import variation
from verydeep.nets.network import Network
from verydeep.nets.rows import ReLU
from verydeep.nets.table import Table
from verydeep.pictures.reading import Picture

Values = Mapping[str, Tensor]
"""Of rows by name: what they give, [1, C, h, w], or a number of each unit, [1, C, 1, 1]."""
FAINTEST = 0.1
"""Of a layer's mean activation: units below that in both pictures are not made as loud as all."""
STRENGTH = 100.0
"""Weight of the style beside the content."""
STRONGEST = 1e9
"""Beyond that the content is lost in the rounding of 32 bits."""
SMOOTHNESS = 0.05
"""Weight of V."""


def style_rows(table: Table) -> list[str]:
    """The first ReLU of each size of maps: relu1_1, 2_1, 3_1, 4_1 and 5_1 of D and E."""
    first = dict[int, str]()
    for row in _relus(table):
        first.setdefault(table.reaches[row].stride, row)
    return [*first.values()]


def content_row(table: Table) -> str:
    """The second ReLU that steps by 8 pixels, relu4_2 of D and E; of smaller nets the last."""
    rows = _relus(table)
    fine = [row for row in rows if table.reaches[row].stride == 8][:2]
    return [*rows, *fine][-1]


def _relus(table: Table) -> list[str]:
    rows = [row.name for row, _ in table.path({table.trunk}) if isinstance(row, ReLU)]
    return rows or [table.trunk]


def means(network: Network, images: Sequence[Tensor], rows: Sequence[str]) -> Values:
    """The mean size of each unit of rows over pictures, [1, C, 1, 1], pools being averages.

    Of a ReLU's that is the mean activation. A row's values divided by them are those of the network
    whose filters are rescaled so that every mean is 1. Units that are nearly silent count as
    `FAINTEST` of their layer.
    """
    with torch.no_grad():
        each = [seen(network, image, rows, AVERAGES) for image in images]
    found = {
        row: torch.stack([one[row].abs().mean((2, 3), keepdim=True) for one in each]).mean(0)
        for row in rows
    }
    return {row: mean.clamp(min=max(float(mean.mean()), 1e-30) * FAINTEST)
            for row, mean in found.items()}  # fmt: skip


def gram(values: Float[Tensor, "1 C h w"]) -> Float[Tensor, "C C"]:
    """F F^T over the positions, as a mean over them."""
    flat = values[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def style_loss(values: Values, wanted: Mapping[str, Tensor]) -> Float[Tensor, ""]:
    """The sum over layers of w_l / (4 N^2) |G - A|^2 by `gram`, w_l being 1 / their number."""
    each = [(gram(values[row]) - target).square().mean() / 4 for row, target in wanted.items()]
    return torch.stack(each).mean()


def content_loss(
    values: Float[Tensor, "1 C h w"], wanted: Float[Tensor, "1 C h w"]
) -> Float[Tensor, ""]:
    """|F - P|^2 / 2, as a mean over all values."""
    return (values - wanted).square().mean() / 2


@dataclass(frozen=True)
class Styling:
    """What a picture is wanted to be like: in `content` values, and Gram matrices of `style`."""

    network: Network
    rows: tuple[str, ...]
    scale: Values
    content: Float[Tensor, "1 C h w"]
    style: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: Network, content: Image, style: Float[Tensor, "1 3 h w"]) -> Styling:
        """That of a content picture and a style picture."""
        like, rows = content_row(network.table), style_rows(network.table)
        every = tuple(dict.fromkeys([*rows, like]))
        for image in (content, style):
            refuse_unfit(network, every, (image.shape[2], image.shape[3]))
        scale = means(network, [content, style], every)
        with torch.no_grad():
            of_content = seen(network, content, [like], AVERAGES)[like] / scale[like]
            of_style = seen(network, style, rows, AVERAGES)
            grams = {row: gram(of_style[row] / scale[row]) for row in rows}
        return cls(network, every, scale, of_content, grams)

    def losses(self, image: Image) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The content's and the style's of a picture."""
        found = seen(self.network, image, self.rows, AVERAGES)
        values = {row: each / self.scale[row] for row, each in found.items()}
        return (
            content_loss(values[content_row(self.network.table)], self.content),
            style_loss(values, self.style),
        )


def styled(
    network: Network,
    content: Picture,
    style: UInt8[np.ndarray, "h w 3"],
    steps: int,
    seed: int | None = None,
    strength: float = STRENGTH,
) -> Iterator[Frame]:
    """The content picture as it takes on the style; each frame's value is the style loss.

    It begins with the content, or where a seed is given with noise. By L-BFGS.
    """
    with differentiating():
        given = from_picture(content, network)
        wanted = Styling.of(network, given, from_picture(style, network))
        ground = mean_colour(network.pixels).to(given)
        u = (given - ground) / SPREAD
        if seed is not None:
            drawn = randomness.generator(seed, "ascent").normal(0, 1, given.shape)
            u = torch.from_numpy(drawn).to(given)
        u.requires_grad_()
        lbfgs = torch.optim.LBFGS([u], max_iter=1, history_size=20)
    last = 0.0

    def total() -> Tensor:
        nonlocal last
        content_part, style_part = wanted.losses(ground + SPREAD * u)
        last = float(style_part.detach())
        loss = content_part + strength * style_part + SMOOTHNESS * variation(u)
        (u.grad,) = torch.autograd.grad(loss, u)
        return loss

    for step in range(steps):
        with differentiating():
            lbfgs.step(total)  # type: ignore[no-untyped-call]
        yield Frame.of(ground + SPREAD * u, step + 1, steps, last)
