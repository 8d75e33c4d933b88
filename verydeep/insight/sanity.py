"""Whether maps are to be believed: they must fall apart with the network, and lie on the object.

Three checks. Layers are shuffled from the top down, and each map is held against that of the whole
network (Adebayo et al., 2018): one that stays the same shows the picture's edges and nothing that
was learnt. Where boxes are known, the share of a map that lies inside is held against the share of
the picture that does. And pixels are taken from a picture, or given to a grey one, in the order of
a map, while the posterior is watched (Petsiuk et al., 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32

from verydeep import randomness
from verydeep.engines.engine import Engine
from verydeep.insight.maps import Map
from verydeep.insight.occlusion import grey, together
from verydeep.insight.signals import frozen
from verydeep.nets.network import Network
from verydeep.nets.rows import BatchNorm, Conv
from verydeep.nets.table import SCORES, Table
from verydeep.pictures.boxes import Boxes
from verydeep.pictures.reading import Picture

STAGES = 6
"""Shuffled networks that maps are held against, at most."""
STEPS = 16
"""Steps of a picture's deletion and insertion."""
Numbers = Float[np.ndarray, "_ ..."]
Strength = Float[np.ndarray, "h w"]


def stages(table: Table, most: int = STAGES) -> list[tuple[str, ...]]:
    """Layers to shuffle: the top one, then more of them from the top down, at last all.

    >>> [names[-1] for names in stages(vgg.table("A"), 4)]
    ['fc8', 'conv5_2', 'conv3_2', 'conv1_1']
    """
    path = [row for row, _ in table.path({table.ends[SCORES]})]
    layers = [row.name for row in reversed(path) if isinstance(row, Conv)]
    ends = np.unique(np.linspace(1, len(layers), min(most, len(layers))).round().astype(int))
    return [tuple(layers[:end]) for end in ends.tolist()]


def shuffled(network: Network, layers: Sequence[str], seed: int = 0) -> Network:
    """The network with the weights of these layers shuffled, and those of the norms behind them.

    Each layer's numbers are the same and stand elsewhere, so that signals stay as large as before.
    """
    changed = {*layers}
    changed |= {
        row.name for row in network.table.rows
        if isinstance(row, BatchNorm) and changed & {*row.inputs}
    }  # fmt: skip
    found = frozen(network)
    for number, (name, tensor) in enumerate(found.state_dict().items()):
        if name.rpartition(".")[0] in changed:
            order = randomness.generator(seed, "shuffle", 0, number).permutation(tensor.numel())
            there = torch.from_numpy(order).to(tensor.device)
            mixed = tensor.flatten()[there].view(tensor.shape)
            owner, _, part = name.rpartition(".")
            _put(found, owner, part, mixed)
    return found


def _put(network: Network, owner: str, part: str, values: torch.Tensor) -> None:
    """Puts another tensor in the place of one, which other networks share."""
    module = network.get_submodule(owner)
    is_buffer = part in dict(module.named_buffers(recurse=False))
    setattr(module, part, values if is_buffer else torch.nn.Parameter(values, requires_grad=False))


def strength(one: Map) -> Strength:
    """How much a map says of each place, from 0: whatever its sign, and in whichever colour.

    Of occlusion it is how far what is left falls below the most.
    """
    if one.method.startswith("occlusion"):
        return np.asarray(one.values.max() - one.values)
    values = np.abs(one.values)
    return values if values.ndim == 2 else np.asarray(values.sum(2))


def rank_correlation(one: Numbers, other: Numbers) -> float:
    """Spearman's: the correlation of ranks, equal values having the mean of theirs.

    0 where all values of one are equal, of which nothing can be said.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 2.0, 1.0]))
    -1.0
    """
    ranks = [_ranks(values.ravel()) for values in (one, other)]
    deviations = [each - each.mean() for each in ranks]
    lengths = [float(np.sqrt((each**2).sum())) for each in deviations]
    if min(lengths) == 0:
        return 0.0
    return float((deviations[0] * deviations[1]).sum() / (lengths[0] * lengths[1]))


def _ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places])


def share_inside(values: Strength, boxes: Boxes) -> float:
    """The share of a map that lies in any of some boxes, in its own pixels; 0 of an empty map.

    That of a map of ones is the share of the area.
    """
    rows, columns = (np.arange(n) + 0.5 for n in values.shape)
    inside = np.zeros(values.shape, bool)
    for x_min, y_min, x_max, y_max in boxes.tolist():
        down, along = (rows > y_min) & (rows < y_max), (columns > x_min) & (columns < x_max)
        inside |= down[:, None] & along
    total = float(values.sum(dtype=np.float64))
    return float(values[inside].sum(dtype=np.float64)) / total if total else 0.0


@dataclass(frozen=True)
class Curves:
    """The posterior of a class while pixels go, or come, the most telling first.

    `shares` are those of the pixels that have gone or come, from none to all.
    """

    shares: Float[np.ndarray, " n"]
    deletion: Float32[np.ndarray, " n"]
    insertion: Float32[np.ndarray, " n"]

    @property
    def deleted(self) -> float:
        """The area under the first: low where a map tells what counts."""
        return float(np.trapezoid(self.deletion, self.shares))

    @property
    def inserted(self) -> float:
        """The area under the second: high where it does."""
        return float(np.trapezoid(self.insertion, self.shares))


def curves(
    engine: Engine, image: Picture, label: int, values: Strength, steps: int = STEPS
) -> Curves:
    """Deletion and insertion of a picture's pixels in the order of a map; the rest is grey.

    The grey is the mean colour. Of equal values the upper pixel comes first.
    """
    order = np.argsort(-values.ravel(), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    shares = np.linspace(0, 1, steps + 1)
    gone = rank.reshape(image.shape[:2]) < (shares * len(order)).round()[:, None, None]
    ground = np.broadcast_to(grey(engine.network.pixels), image.shape)
    views = np.concatenate([
        np.where(gone[..., None], ground, image), np.where(gone[..., None], image, ground)
    ])  # fmt: skip
    found = np.concatenate([_posteriors(engine, some, label) for some in _pieces(engine, views)])
    return Curves(shares, found[: steps + 1], found[steps + 1 :])


def _pieces(engine: Engine, views: np.ndarray) -> list[np.ndarray]:
    count = together(engine, views.shape[1], views.shape[2])
    return [views[first : first + count] for first in range(0, len(views), count)]


@torch.inference_mode()
def _posteriors(engine: Engine, views: np.ndarray, label: int) -> Float32[np.ndarray, " B"]:
    shown = torch.from_numpy(np.ascontiguousarray(views)).to(engine.network.device)
    scores = engine.score_map(shown).float().mean((2, 3))
    return np.asarray(engine.network.likely(scores)[:, label].cpu().numpy())
