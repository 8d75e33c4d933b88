"""What is cut of a picture for training: a crop of it as it is, of it with a border, or a patch.

Krizhevsky's and VGG's crops are of the picture at S; He's of CIFAR are of it with a border of four
pixels; GoogLeNet's are patches of any area and aspect, made as large as the crop. All of them have
their window, and none depends on anything but what is drawn.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8

from verydeep import randomness
from verydeep.pictures.preprocessing import Pixels, crop_place
from verydeep.pictures.reading import Picture
from verydeep.pictures.windows import Size, Window
from verydeep.training.settings import Settings

TRIES = 10
"""Patches that are drawn before the largest square is taken: some are wider than the picture."""

View = tuple[Picture, Window]
Out = UInt8[np.ndarray, "side side 3"]


def crop(
    view: View, pixels: Pixels, settings: Settings, place: tuple[float, float], out: Out
) -> Window:
    """Writes the crop at a place to `out`, and gives its window; `place` is (y, x) in [0, 1].

    Where there is a border it has the colour that becomes zero when the mean is subtracted.
    """
    image, window = view
    border, side = settings.border, len(out)
    whole = image.shape[0] + 2 * border, image.shape[1] + 2 * border
    top, left = (at - border for at in crop_place(whole, *place, side))
    if border:
        out[:] = pixels.mean_colour
    rows, columns = (
        slice(max(0, at), min(length, at + side))
        for at, length in zip((top, left), image.shape[:2], strict=True)
    )
    out[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = image[
        rows, columns
    ]
    return window.cropped(top, left, (side, side))


def patch(view: View, pixels: Pixels, size: Size, place: tuple[float, float], out: Out) -> Window:
    """Writes a patch of (height, width) at a place to `out`, made as large as that; its window."""
    image, window = view
    height, width = size
    top = min(int(place[0] * (image.shape[0] - height + 1)), image.shape[0] - height)
    left = min(int(place[1] * (image.shape[1] - width + 1)), image.shape[1] - width)
    cut = image[top : top + height, left : left + width]
    out[:] = pixels.resized(np.ascontiguousarray(cut), (len(out), len(out)))
    return window.cropped(top, left, size).rescaled((len(out), len(out)))


def is_of_patches(settings: Settings) -> bool:
    """Whether crops are patches of other areas or aspects than the crop's."""
    return settings.area < 1 or settings.aspect > 1


def drawn_patch(whole: Size, settings: Settings, epoch: int, sample: int) -> Size:
    """(height, width) of the patch of a draw in a picture of that size."""
    draws = randomness.generator(settings.seed, "patch", epoch, sample).random((TRIES, 2))
    return patch_size(whole, settings.area, settings.aspect, draws)


def patch_size(whole: Size, area: float, aspect: float, draws: Float[np.ndarray, "N 2"]) -> Size:
    """(height, width) of the first of the patches drawn that is within the picture.

    Its share of the picture is uniform from `area` to 1, its width over its height from 1 / aspect
    to aspect, uniform in its logarithm, so that wide ones are as likely as high ones. Where none
    is, it is the largest square.

    >>> patch_size((100, 200), 0.08, 4 / 3, np.array([[1.0, 0.5], [0.25, 0.5]]))
    (79, 79)
    """
    for share, turn in draws.tolist():
        pixels = (area + (1 - area) * share) * whole[0] * whole[1]
        ratio = aspect ** (2 * turn - 1)
        height, width = round(math.sqrt(pixels / ratio)), round(math.sqrt(pixels * ratio))
        if 1 <= height <= whole[0] and 1 <= width <= whole[1]:
            return height, width
    return (min(whole),) * 2
