"""Where on a picture a class is seen: its posterior at every place, by running the network densely.

In comes a picture at the scale that is tested at; out go maps of posteriors, one for each class.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from verydeep.engines.engine import Engine, engine_for
from verydeep.nets.locality import Locality
from verydeep.nets.network import Network, Rules
from verydeep.nets.rows import L2, PICTURE, Mean, Row
from verydeep.nets.table import SCORES, Table
from verydeep.pictures.reading import Picture

Heat = Float[np.ndarray, "H W"]
"""A value for each pixel of a picture."""
Places = tuple[np.ndarray, ...]
"""Where the rows and the columns of a map are in a picture, in pixels from its edges."""


def score_maps(
    network: Network, image: Picture, labels: Sequence[int], engine: Engine | None = None
) -> list[Heat]:
    """The posteriors of classes at each pixel of a picture at the middle of the training scales.

    Each place has the posterior of the crop about it; beyond its edges the picture goes on in the
    mean colour. Of a network that means whole maps it has that of the place's share of the scores,
    whose mean over all places they are. The network's `engine`, if there is one, runs what it can.
    """
    image = network.pixels.rescale(image, network.pixels.test_scale)
    if network.table.pooled:
        posteriors, places = _posterior_of_places(network, image)
    else:
        posteriors, places = _posterior_of_crops(network, image, engine)
    return [spread(posteriors[label], image.shape[:2], places) for label in labels]


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
    network: Network, image: Picture, engine: Engine | None = None
) -> tuple[Float[np.ndarray, "K h w"], Places]:
    """The posteriors of all classes for crops about places, and where those are along each side.

    Places are half a step of the network's apart; they begin and end at the picture's edges or as
    far beyond. Rows whose own step goes into that run once over all of it; those behind them four
    times, each time from the next value on.
    """
    table = network.table
    half, local = table.step // 2, Locality.of(table, table.scores)
    counts = [1 + math.ceil(side / half) for side in image.shape[:2]]
    sides = [table.span + half * (count - 1) for count in counts]
    more = [side - shown for side, shown in zip(sides, image.shape[:2], strict=True)]
    (top, bottom), (left, right) = ((n // 2, n - n // 2) for n in more)
    shown = network.pixels.normalise(torch.from_numpy(image[None]).to(network.device))
    around = F.pad(shown, (left, right, top, bottom))
    once = _shared(table, half)
    values = (engine or engine_for(network)).up_to(around, once)
    by = half // table.reaches[once].stride
    maps = np.zeros((len(network.classes), *counts), np.float32)
    for y, x in itertools.product((0, 1), (0, 1)):
        found = maps[:, y::2, x::2]
        scores = network.run({once: values[:, :, by * y :, by * x :]}, [SCORES])[SCORES].float()
        likely = network.likely(scores)[0].cpu().numpy()
        found[:] = likely[:, : found.shape[1], : found.shape[2]]
    first = local.sight(0, slice(0, table.span)).centre
    return maps, tuple(first - before + half * np.arange(n)
                       for before, n in zip((top, left), counts, strict=True))  # fmt: skip


def _shared(table: Table, half: int) -> str:
    """The last row by which alone the scores are made and whose step goes into `half` of theirs."""
    narrow = [row.name for row, _ in table.path({table.trunk})]
    fine = [n for n in narrow if n in table.narrow_rows(table.trunk)]
    return [PICTURE, *(n for n in fine if half % table.reaches[n].stride == 0)][-1]


def spread(values: Float[np.ndarray, "h w"], size: tuple[int, int], places: Places) -> Heat:
    """A map of values at places as a map of pixels, linear in between."""
    rows, columns = (0.5 + np.arange(n) for n in size)
    across = np.stack([np.interp(columns, places[1], row) for row in values])
    return np.stack([np.interp(rows, places[0], column) for column in across.T], axis=1)
