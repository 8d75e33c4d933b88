"""Pictures inside a page: thumbnails, and maps of scores laid over them."""

from __future__ import annotations

import base64
import io
import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from verydeep.errors import PictureError
from verydeep.nets.locality import Locality
from verydeep.nets.network import Network, Rules
from verydeep.nets.rows import L2, PICTURE, Mean, Row
from verydeep.nets.table import SCORES
from verydeep.pictures.reading import Picture, Source, read_picture

HOT = (235, 94, 40)
"""Colour of a high posterior on a score map."""

Heat = Float[np.ndarray, "H W"]
"""A value for each pixel of a picture."""
Places = tuple[np.ndarray, ...]
"""Where the rows and the columns of a map are in a picture, in pixels from its edges."""


def data_uri(image: Picture, side: int = 160) -> str:
    """The picture as a JPEG inside a link, its larger side at most `side` pixels."""
    small = Image.fromarray(image)
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def thumbnail(source: Source | None, side: int = 160) -> str | None:
    """A picture's `data_uri`; None where there is none, or it cannot be read."""
    try:
        return None if source is None else data_uri(read_picture(source, smaller_side=side), side)
    except PictureError:
        return None


def score_maps(network: Network, image: Picture, labels: Sequence[int]) -> list[Heat]:
    """The posteriors of classes at each pixel of a picture at the middle of the training scales.

    Each place has the posterior of the crop about it; beyond its edges the picture goes on in the
    mean colour. Of a network that means whole maps it has that of the place's share of the scores,
    whose mean over all places they are.
    """
    image = network.pixels.rescale(image, network.pixels.test_scale)
    of_places = _posterior_of_places if network.table.pooled else _posterior_of_crops
    posteriors, places = of_places(network, image)
    return [_spread(posteriors[label], image.shape[:2], places) for label in labels]


def lit(image: Picture, heat: Heat) -> UInt8[np.ndarray, "H W 3"]:
    """The picture dimmed where the heat is 0, and glowing where it is 1."""
    heat = heat[..., None]
    dimmed = image * (0.35 + 0.65 * heat)
    glowing = dimmed * (1 - 0.4 * heat) + np.array(HOT) * 0.4 * heat
    return np.asarray(glowing.round(), dtype=np.uint8)


@torch.inference_mode()
def _posterior_of_places(
    network: Network, image: Picture
) -> tuple[Float[np.ndarray, "K h w"], Places]:
    """The posteriors of all classes by the share of each place of a meant map, and where those are.

    What stands behind the mean row is linear but for the length that it is divided by, which is
    that of the mean; so the scores are the mean of what the places alone give.
    """
    table, pooled = network.table, network.table.pooled
    assert pooled is not None
    shown = network.pixels.normalise(torch.from_numpy(image[None]).to(network.device))
    trunk = network.run({PICTURE: network.shown(shown)}, [table.trunk])
    length = float(network.run(trunk, [pooled])[pooled].norm())

    def as_it_is(row: Row, layer: torch.nn.Module, values: Tensor) -> Tensor:
        return values

    def by_the_mean(row: Row, layer: torch.nn.Module, values: Tensor) -> Tensor:
        return values / length

    rules: Rules = {Mean: as_it_is, L2: by_the_mean}
    scores = network.run(trunk, [SCORES], rules)[SCORES].float()
    local = Locality.of(table, table.trunk)
    places = tuple(
        np.array([local.sight(p, table.shown(side)).centre for p in range(count)])
        for side, count in zip(image.shape[:2], scores.shape[2:], strict=True)
    )
    return network.likely(scores)[0].cpu().numpy(), places


@torch.inference_mode()
def _posterior_of_crops(
    network: Network, image: Picture
) -> tuple[Float[np.ndarray, "K h w"], Places]:
    """The posteriors of all classes for crops about places, and where those are along each side.

    The network runs densely over the picture and over the picture moved by half its step, so that
    places are half a step apart; they begin and end at the picture's edges or as far beyond.
    """
    table = network.table
    half, local = table.step // 2, Locality.of(table, table.scores)
    counts = [1 + math.ceil(side / half) for side in image.shape[:2]]
    sides = [table.span + half * (count - 1) for count in counts]
    more = [side - shown for side, shown in zip(sides, image.shape[:2], strict=True)]
    (top, bottom), (left, right) = ((n // 2, n - n // 2) for n in more)
    shown = network.pixels.normalise(torch.from_numpy(image[None]).to(network.device))
    around = F.pad(shown, (left, right, top, bottom))
    maps = np.zeros((len(network.classes), *counts), np.float32)
    for y, x in itertools.product((0, 1), (0, 1)):
        rows, columns = (
            slice(half * odd, half * odd + table.span + table.step * ((count - 1 - odd) // 2))
            for odd, count in zip((y, x), counts, strict=True)
        )
        scores = network.score_map(around[:, :, rows, columns]).float()
        maps[:, y::2, x::2] = network.likely(scores)[0].cpu().numpy()
    first = local.sight(0, slice(0, table.span)).centre
    return maps, tuple(first - before + half * np.arange(n)
                       for before, n in zip((top, left), counts, strict=True))  # fmt: skip


def _spread(values: Float[np.ndarray, "h w"], size: tuple[int, int], places: Places) -> Heat:
    """A map of values at places as a map of pixels, linear in between."""
    rows, columns = (0.5 + np.arange(n) for n in size)
    across = np.stack([np.interp(columns, places[1], row) for row in values])
    return np.stack([np.interp(rows, places[0], column) for column in across.T], axis=1)
