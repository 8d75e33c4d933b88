"""From a picture to what a network is shown: rescale to S or Q, crop, mirror, subtract the mean.

In comes an RGB picture, uint8 [H, W, 3]; out goes a float32 tensor [3, H, W] in the network's own
pixels. Rescaling keeps the aspect (Sect. 3.1); nothing here squeezes a picture to a square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from verydeep.errors import PictureTooLargeError, UserError
from verydeep.pictures.reading import Picture, Source, naming, read_with_window
from verydeep.pictures.size_limit import most_pixels
from verydeep.pictures.windows import Window

RESIZE_RULES = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Ways to rescale; all of them average over what a smaller pixel covers (antialiasing)."""


@dataclass(frozen=True)
class Pixels:
    """A network's pixel convention: how a picture becomes the numbers it was trained on.

    `scale` is S, (smallest, largest), in pixels of the smaller side; `order` that of the channels;
    values run from 0 to `maximum` before `mean` is subtracted and `std` divided by, both in the
    network's own order and range.
    """

    scale: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    order: Literal["RGB", "BGR"] = "RGB"
    maximum: Literal[1, 255] = 255
    resize: str = "bilinear"

    @property
    def test_scale(self) -> int:
        """Q for testing at one scale: S, or the middle of its range (Sect. 3.2)."""
        return sum(self.scale) // 2

    @property
    def mean_colour(self) -> UInt8[np.ndarray, 3]:
        """RGB, in bytes, of what is nearest to zero once the mean is subtracted."""
        mean = self.mean[::-1] if self.order == "BGR" else self.mean
        return np.round(255 / self.maximum * np.array(mean)).clip(0, 255).astype(np.uint8)

    def read(self, source: Source, smaller_side: int) -> Picture:
        """The picture read and rescaled; raises PictureError where it cannot be.

        All that is shown to a network, in training and in tests, comes from here or is cut from
        what does, so that it cannot differ by how pictures are kept. Refused is, too, one so narrow
        that more pixels would come of it than are read.
        """
        return self.read_with_window(source, smaller_side)[0]

    def read_with_window(self, source: Source, smaller_side: int) -> tuple[Picture, Window]:
        """What `read` gives, and where its pixels lie in those of the upright original."""
        image, window = read_with_window(source, smaller_side=smaller_side)
        with naming(source):
            refuse_narrow(window.size, smaller_side)
        image = self.rescale(image, smaller_side)
        return image, window.rescaled((image.shape[0], image.shape[1]))

    def rescale(self, image: Picture, smaller_side: int) -> UInt8[np.ndarray, "h w 3"]:
        """The picture with that smaller side, its aspect kept; itself where it has it already.

        Bilinearly by PyTorch, within a grey level of what Pillow gives in five times the time.
        """
        return self.resized(image, rescaled_size(image.shape[:2], smaller_side))

    def resized(self, image: Picture, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
        """The picture with that height and width, each side by its own factor."""
        if image.shape[:2] == size:
            return image
        if self.resize != "bilinear":
            return np.array(Image.fromarray(image).resize(size[::-1], RESIZE_RULES[self.resize]))
        # [1, 3, H, W], channels last in memory: otherwise they would be parted and joined again
        images = torch.from_numpy(np.require(image, requirements=["C", "W"]))[None].permute(
            0, 3, 1, 2
        )
        scaled = F.interpolate(images, size, mode="bilinear", antialias=True)
        return scaled[0].permute(1, 2, 0).numpy()

    def normalise(
        self, images: UInt8[Tensor, "B H W 3"], shift: Float[Tensor, "B 3"] | None = None
    ) -> Float[Tensor, "B 3 H W"]:
        """A batch of RGB pictures as the network wants them, on whichever device they are.

        `shift` is added to the RGB values, in 0-255, of each picture.
        """
        mean, std = (torch.tensor(v, device=images.device) for v in (self.mean, self.std))
        gain = self.maximum / 255 / std
        offset = -(mean / std).expand(len(images), 3)
        if shift is not None:
            offset = offset + (shift.flip(-1) if self.order == "BGR" else shift) * gain
        images = images.flip(-1) if self.order == "BGR" else images
        # [B, H, W x 3]: rows long enough to be worked on by the vector
        values = images.reshape(*images.shape[:2], -1).float()
        width = images.shape[2]
        values.mul_(gain.repeat(width)).add_(offset.repeat(1, width)[:, None])
        return values.view(images.shape).permute(0, 3, 1, 2)  # channels last in memory


IMAGENET = Pixels(scale=(256, 256), mean=(123.68, 116.779, 103.939))
"""RGB, 0-255, minus the mean of ILSVRC's training set that the authors' files carry."""


BYTES = Pixels(scale=(1, 1), mean=(0.0, 0.0, 0.0))
"""Bytes as they are, for nets that read what they stand for; S is each net's own."""


def rescaled_size(size: tuple[int, int], smaller_side: int) -> tuple[int, int]:
    """(height, width) after isotropic rescaling: the smaller side exactly, the other rounded."""
    height, width = size
    if height <= width:
        return smaller_side, max(smaller_side, round(width * smaller_side / height))
    return max(smaller_side, round(height * smaller_side / width)), smaller_side


def refuse_narrow(size: tuple[int, int], smaller_side: int) -> None:
    """Raises PictureTooLargeError for a (height, width) that would be so when rescaled."""
    height, width = rescaled_size(size, smaller_side)
    if height * width > most_pixels():
        raise PictureTooLargeError(
            f"{size[1]} x {size[0]} is so narrow that it would be {width:,} x {height:,} with a "
            f"smaller side of {smaller_side}; cut it"
        )


def crop_place(size: tuple[int, int], y: float, x: float, side: int) -> tuple[int, int]:
    """(top, left) of a square crop; `y` and `x` in [0, 1] run over all the places there are.

    0 and 1 are the first and the last place; raises UserError where the picture is smaller.
    """
    height, width = size
    if min(height, width) < side:
        raise UserError(f"a picture of {height} x {width} is smaller than the crop of {side}")
    top = min(int(y * (height - side + 1)), height - side)
    left = min(int(x * (width - side + 1)), width - side)
    return top, left


def centre_crop(image: Picture, side: int) -> UInt8[np.ndarray, "{side} {side} 3"]:
    """The square crop in the middle; half a pixel up and left where there is no middle."""
    height, width = image.shape[:2]
    if min(height, width) < side:
        raise UserError(f"a picture of {height} x {width} is smaller than the crop of {side}")
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def with_mirror(image: Picture) -> UInt8[np.ndarray, "2 H W 3"]:
    """The picture and its mirror image."""
    return np.stack([image, image[:, ::-1]])
