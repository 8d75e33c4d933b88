"""Pictures inside a page: thumbnails, and maps of scores laid over them."""

from __future__ import annotations

import base64
import io

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

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


@torch.inference_mode()
def score_map_over(
    network: Network, image: Picture, label: int, positions: int = 5
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with the posterior of a class at every position laid over it.

    The picture is shown to the network enlarged, so that at least `positions` crops fit along
    its smaller side; where the posterior is low the picture is dimmed, where it is high it glows.
    """
    step, crop = network.table.step, network.table.crop
    large = network.pixels.rescale(image, crop + step * (positions - 1))
    scores = network.score_map(network.pixels.normalise(torch.from_numpy(large)[None]))
    posterior = scores.float().softmax(1)[0, label].cpu().numpy()
    heat = _spread(posterior, large.shape[:2], step, crop)[..., None]
    dimmed = large * (0.35 + 0.65 * heat)
    glowing = dimmed * (1 - 0.4 * heat) + np.array(HOT) * 0.4 * heat
    return np.asarray(glowing.round(), dtype=np.uint8)


def _spread(
    values: Float[np.ndarray, "h w"], size: tuple[int, int], step: int, crop: int
) -> Float[np.ndarray, "H W"]:
    """A map of positions as a map of pixels, each position at the centre of its crop."""
    rows, columns = (crop / 2 + step * np.arange(n) for n in values.shape)
    across = np.stack([np.interp(np.arange(size[1]), columns, row) for row in values])
    return np.stack([np.interp(np.arange(size[0]), rows, c) for c in across.T], axis=1)
