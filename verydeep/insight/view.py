"""A picture as a network is shown it whole, and the way back from there to its own pixels.

The picture is rescaled to the scale that is tested at, and what no position sees is cut off at the
edges (`Table.shown`). What is found of a pixel there is a value at a place of the original.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from verydeep.insight.score_maps import spread
from verydeep.nets.cost import FLOAT
from verydeep.nets.locality import Locality
from verydeep.nets.network import Network
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import Picture, Source
from verydeep.pictures.windows import Window
from verydeep.runtime import memory

Values = Float32[np.ndarray, "_ _ ..."]
"""A number for each pixel of a view, or one for each of its colours."""


@dataclass(frozen=True)
class View:
    """A picture at the scale it is shown at, and where its pixels lie in the upright original."""

    network: Network
    image: Picture
    window: Window

    @classmethod
    def of(cls, network: Network, source: Source, smaller_side: int | None = None) -> View:
        """That of a picture at the middle of the training scales, or with another smaller side.

        Raises PictureError where it cannot be read, and UserError where memory lacks for it.
        """
        side = smaller_side or network.pixels.test_scale
        return cls._fitting(network, *network.pixels.read_with_window(source, side))

    @classmethod
    def of_part(cls, network: Network, part: Part, i: int) -> View:
        """That of a picture of a part; raises as `of` does."""
        return cls._fitting(network, *part.view(i, network.pixels, network.pixels.test_scale))

    @classmethod
    def _fitting(cls, network: Network, image: Picture, window: Window) -> View:
        refuse_large(network, image.shape[0], image.shape[1])
        return cls(network, image, window)

    @property
    def shown(self) -> tuple[slice, slice]:
        """The rows and the columns that the network is shown."""
        table = self.network.table
        return table.shown(self.image.shape[0]), table.shown(self.image.shape[1])

    @property
    def pixels(self) -> Picture:
        """The part that the network is shown."""
        rows, columns = self.shown
        return self.image[rows, columns]

    def images(self) -> Float[Tensor, "1 3 h w"]:
        """That part in the network's own pixels."""
        image = torch.from_numpy(np.ascontiguousarray(self.pixels))[None]
        return self.network.pixels.normalise(image.to(self.network.device))

    def of_pixels(self, values: Float[np.ndarray, "r c ..."]) -> Values:
        """Numbers for the pixels that the network is shown as those of all: 0 where it is blind."""
        found = np.zeros((*self.image.shape[:2], *values.shape[2:]), np.float32)
        rows, columns = self.shown
        found[rows, columns] = values
        return found

    def of_row(self, values: Float[Tensor, "r c"], row: str) -> Values:
        """A number for each position of a row as one for each pixel, linear between positions."""
        local = Locality.of(self.network.table, row)
        places = tuple(
            np.array([local.sight(place, shown).centre for place in range(count)])
            for shown, count in zip(self.shown, values.shape, strict=True)
        )
        found = values.detach().float().cpu().numpy()
        return spread(found, self.image.shape[:2], places).astype(np.float32)


def refuse_large(network: Network, height: int, width: int) -> None:
    """Raises UserError where the values of all rows for such a picture, and signals, do not fit."""
    shapes = network.table.shapes(height, width)
    needed = 2 * FLOAT * sum(int(np.prod(shape)) for shape in shapes.values())
    what = f"looking into {network.table.name} with a picture of {height} x {width}"
    memory.refuse(needed, what, "give a smaller part of it", network.device.type)


def per_grey_level(signal: Float[Tensor, "3 h w"], pixels: Pixels) -> Float[np.ndarray, "h w 3"]:
    """A signal by a network's own pixels as one by grey levels from 0 to 255, in RGB."""
    gain = torch.tensor([pixels.maximum / 255 / std for std in pixels.std])
    found = signal.detach().cpu() * gain[:, None, None].to(signal.dtype)
    found = found.flip(0) if pixels.order == "BGR" else found
    return found.permute(1, 2, 0).numpy()


def on_picture(values: Values, window: Window) -> Values:
    """Numbers for the pixels of a view of a whole picture as those for the picture's own pixels.

    Linear in between; of a picture smaller than its view, means over what a pixel covers.
    """
    channels = torch.from_numpy(np.atleast_3d(values)).permute(2, 0, 1)[None]
    size = tuple(round(n / s) for n, s in zip(window.size, window.scale, strict=True))
    scaled = F.interpolate(channels, size, mode="bilinear", antialias=True)[0]
    top, left = (round(o / s) for o, s in zip(window.offset, window.scale, strict=True))
    height, width = window.picture
    found = scaled[:, top : top + height, left : left + width].permute(1, 2, 0).numpy()
    return np.ascontiguousarray(found[..., 0] if values.ndim == 2 else found)
