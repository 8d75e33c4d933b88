"""Pictures that change, as a network sees them: RGB as floats in, rows of the network out.

Here a picture is [1, 3, H, W] in RGB from 0 to 255, in floats that a gradient comes through. What
is regularised is u, the same less the mean colour over `SPREAD`, the deviation of photographs' grey
levels: so numbers that are chosen once do for networks of any pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from verydeep.errors import UserError
from verydeep.nets.cost import FLOAT
from verydeep.nets.network import Network, Rules
from verydeep.nets.rows import PICTURE, MaxPool, Row
from verydeep.nets.table import Table
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import Picture
from verydeep.runtime import memory

Image = Float[Tensor, "1 3 H W"]
SPREAD = 68.9
"""Grey levels: 27,098 / sqrt(3 * 227 ** 2), by which Mahendran & Vedaldi divide."""


@dataclass(frozen=True)
class Frame:
    """A picture that grows, after `done` of `total` steps; `value` is what the last one found."""

    image: Picture
    done: int
    total: int
    value: float

    @classmethod
    def of(cls, image: Image, done: int, total: int, value: float) -> Frame:
        """That of a picture of floats; its value is no number where any of these is none."""
        is_finite = bool(image.isfinite().all())
        return cls(to_picture(image), done, total, value if is_finite else nan)


def to_network(pixels: Pixels, image: Image) -> Image:
    """A picture in a network's own pixels, as `Pixels.normalise` has it, for a gradient to pass."""
    mean, std = (image.new_tensor(v)[:, None, None] for v in (pixels.mean, pixels.std))
    own = image.flip(1) if pixels.order == "BGR" else image
    return (own * (pixels.maximum / 255) - mean) / std


def mean_colour(pixels: Pixels) -> Float[Tensor, "1 3 1 1"]:
    """The colour, RGB from 0 to 255, that is zero to a network."""
    mean = torch.tensor(pixels.mean) * (255 / pixels.maximum)
    return (mean.flip(0) if pixels.order == "BGR" else mean)[None, :, None, None]


def from_picture(image: Picture, network: Network) -> Image:
    """A picture of bytes as one of floats, on the network's device and in its precision."""
    like = next(network.parameters())
    found = torch.from_numpy(np.array(image))[None].permute(0, 3, 1, 2).contiguous()
    return found.to(like.device, like.dtype)


def to_picture(image: Image) -> Picture:
    """A picture of floats as one of bytes, what lies beyond their range being cut."""
    found = image.detach()[0].clamp(0, 255).round().permute(1, 2, 0).to(torch.uint8)
    return np.ascontiguousarray(found.cpu().numpy())


def resized(image: Image, size: tuple[int, int]) -> Float[Tensor, "1 3 h w"]:
    """A picture at another (height, width), bilinear; smaller, means over what a pixel covers."""
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size, mode="bilinear", antialias=True)


def averaged(row: Row, layer: torch.nn.Module, values: Tensor) -> Tensor:
    """The mean of each window of a max-pooling row, as a rule for `Network.run`."""
    assert isinstance(row, MaxPool)
    return F.avg_pool2d(values, row.kernel, row.stride, row.padding, row.up, False)


AVERAGES: Rules = {MaxPool: averaged}
"""Average pooling in place of max-pooling (Gatys, Ecker & Bethge, 2016)."""


def seen(
    network: Network, image: Image, rows: Sequence[str], rules: Rules | None = None
) -> dict[str, Tensor]:
    """What rows or ends of a network give of a picture, of which no edge is cut off.

    But for a net with a row that is made for the places of a crop's map.
    """
    given = to_network(network.pixels, image)
    given = network.shown(given) if network.table.placed else given
    return network.run({PICTURE: given}, rows, rules)


@contextmanager
def differentiating() -> Iterator[None]:
    """Within, gradients are followed, whatever is switched off around it.

    A generator must leave it before it gives a frame, or its caller would be within too.
    """
    with torch.inference_mode(False), torch.enable_grad():
        yield


def slope(image: Image, value: Callable[[Image], Tensor]) -> tuple[float, Image]:
    """A number of a picture, and its gradient by the pixels."""
    with differentiating():
        given = image.detach().clone().requires_grad_()
        found = value(given)
        (gradient,) = torch.autograd.grad(found, given)
    return float(found.detach()), gradient


def fits(table: Table, rows: Sequence[str], size: tuple[int, int]) -> bool:
    """Whether rows have a value for a picture of this (height, width)."""
    try:
        table.shapes(*size, rows)
    except UserError:
        return False
    return True


def refuse_unfit(network: Network, rows: Sequence[str], size: tuple[int, int]) -> None:
    """Raises UserError where a picture is too small for rows, or too large for memory."""
    table = network.table
    shapes = table.shapes(*size, rows)
    wanted = {table.ends.get(row, row) for row in rows}
    path = [row.name for row, _ in table.path(wanted)]
    needed = 2 * FLOAT * sum(int(np.prod(shapes[name])) for name in path)
    what = f"gradients of {table.name} for a picture of {size[0]} x {size[1]}"
    memory.refuse(needed, what, "take a smaller --size", network.device.type)
