"""Pictures inside a page: thumbnails, and maps of scores laid over them."""

from __future__ import annotations

import base64
import io
import itertools

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch.nn import functional as F

from verydeep.nets.network import Network
from verydeep.pictures import Picture

HOT = (235, 94, 40)
"""Colour of a high posterior on a score map."""


def data_uri(image: Picture, side: int = 160) -> str:
    """The picture as a JPEG inside a link, its larger side at most `side` pixels."""
    small = Image.fromarray(image)
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def score_map_over(network: Network, image: Picture, label: int) -> UInt8[np.ndarray, "h w 3"]:
    """The picture at the middle of the training scales, with the posterior of a class laid over it.

    Each place has the posterior of the crop about it; beyond its edges the picture goes on in the
    mean colour. Where the posterior is low the picture is dimmed, where it is high it glows.
    """
    image = network.pixels.rescale(image, network.pixels.test_scale)
    posterior, step = _posterior_of_crops(network, image, label)
    heat = _spread(posterior, image.shape[:2], step)[..., None]
    dimmed = image * (0.35 + 0.65 * heat)
    glowing = dimmed * (1 - 0.4 * heat) + np.array(HOT) * 0.4 * heat
    return np.asarray(glowing.round(), dtype=np.uint8)


@torch.inference_mode()
def _posterior_of_crops(
    network: Network, image: Picture, label: int
) -> tuple[Float[np.ndarray, "h w"], int]:
    """The posterior of a class for crops about places so many pixels apart, from the corner on.

    The network runs densely over the picture and over the picture moved by half its step, so that
    places are half a step apart. A crop that is no multiple of the step is seen as far as one is.
    """
    step = network.table.step
    half, seen = step // 2, step * network.table.first_fc.kernel
    shown = network.pixels.normalise(torch.from_numpy(image[None]).to(network.device))
    around = F.pad(shown, (seen // 2,) * 4)
    maps = np.zeros([1 + side // half for side in image.shape[:2]], np.float32)
    for y, x in itertools.product((0, 1), (0, 1)):
        if half * y < image.shape[0] and half * x < image.shape[1]:
            scores = network.score_map(around[:, :, half * y :, half * x :]).float()
            maps[y::2, x::2] = scores.softmax(1)[0, label].cpu().numpy()
    return maps, half


def _spread(
    values: Float[np.ndarray, "h w"], size: tuple[int, int], step: int
) -> Float[np.ndarray, "H W"]:
    """A map of places `step` apart as a map of pixels, linear in between."""
    rows, columns = (step * np.arange(n) for n in values.shape)
    across = np.stack([np.interp(np.arange(size[1]), columns, row) for row in values])
    return np.stack([np.interp(np.arange(size[0]), rows, c) for c in across.T], axis=1)
