"""What to do with what a picture has beyond whole steps of the score map, by the errors it costs.

    uv run python bench/leftovers.py RUN/best.safetensors DATA 72,80,87,105,112 2000

In go weights, pictures that are all square, scales Q and how many pictures; out comes a line for
each Q: top-1 error in %, dense with mirror image, on the same pictures of the validation part.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from verydeep import load
from verydeep.datasets import open_dataset
from verydeep.nets.network import Network
from verydeep.nets.rounding import pooling_up
from verydeep.nets.rows import MaxPool

BATCH = 64


def at_the_end(network: Network, images: Tensor) -> list[Tensor]:
    """Left out at the right and the bottom, as poolings do that are left alone."""
    return [_by_rows(network, images, [0, 0])]


def cut(network: Network, images: Tensor) -> list[Tensor]:
    """Cut off the picture at both ends, as `Network` does."""
    return [network.score_map(images)]


def by_stages(network: Network, images: Tensor) -> list[Tensor]:
    """Cut off by each pooling in its turn: as central, and layers see as much as they can."""
    before = [side % network.table.step // 2 for side in images.shape[2:]]
    return [_by_rows(network, images, before)]


def four_cuts(network: Network, images: Tensor) -> list[Tensor]:
    """Cut off at either end of each side, and all four shown."""
    rest = [side % network.table.step for side in images.shape[2:]]
    height, width = (side - n for side, n in zip(images.shape[2:], rest, strict=True))
    places = product(*({0, n} for n in rest))
    return [network.score_map(images[:, :, y : y + height, x : x + width]) for y, x in places]


def rounding_up(network: Network, images: Tensor) -> list[Tensor]:
    """Given windows of their own, as Caffe's poolings do."""
    return [pooling_up(network).score_map(images)]


WAYS: tuple[Callable[[Network, Tensor], list[Tensor]], ...] = (
    at_the_end, cut, by_stages, four_cuts, rounding_up,
)  # fmt: skip


def _by_rows(network: Network, values: Tensor, before: list[int]) -> Tensor:
    """The score map with so many pixels left out before it; what is left out after it is real."""
    for row in network.table.rows:
        if isinstance(row, MaxPool):
            top, left = (n % 2 for n in before)
            values, before = values[:, :, top:, left:], [n // 2 for n in before]
            values = F.max_pool2d(values, 2)
        else:
            values = network.get_submodule(row.name)(values)
        if row.name == network.table.scores:
            break
    return values


@torch.inference_mode()
def wrong(network: Network, way: Any, images: Tensor, labels: Tensor) -> int:
    """How many pictures are taken for another class."""
    shown = [m for i in (images, images.flip(3)) for m in way(network, i)]
    posteriors = torch.stack([scores.mean((2, 3)).softmax(1) for scores in shown]).mean(0)
    return int((posteriors.argmax(1) != labels).sum())


def main(weights: str, data: str, scales: str, count: str) -> None:
    network, part = load(weights), open_dataset(data).parts["validation"]
    chosen = np.random.default_rng(0).permutation(len(part))[: int(count)]
    print("Q", *(f"{way.__name__:>12}" for way in WAYS))
    for scale in map(int, scales.split(",")):
        mistakes = np.zeros(len(WAYS), int)
        for numbers in np.array_split(chosen, -(-len(chosen) // BATCH)):
            read = [network.pixels.read(part.source(i), scale) for i in numbers.tolist()]
            images = network.pixels.normalise(torch.from_numpy(np.stack(read)))
            labels = torch.from_numpy(part.labels[numbers])
            mistakes += [wrong(network, way, images, labels) for way in WAYS]
        print(scale, *(f"{100 * n / len(chosen):12.1f}" for n in mistakes), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
