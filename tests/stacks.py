"""Small stacks, and what they are to answer, worked out in NumPy from descriptors and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from verydeep.nets.describing import classifying, describing
from verydeep.nets.network import Network, build
from verydeep.nets.stack import Member, Stack
from verydeep.pictures.preprocessing import Pixels

CLASSES = ("ant", "bee", "cat")
PIXELS = Pixels(scale=(48, 48), mean=(120.0, 115.0, 100.0), std=(50.0, 50.0, 50.0))


@dataclass(frozen=True)
class Made:
    """A stack, and what it was made of: describing networks with their Q, and one classifier."""

    stack: Stack
    pieces: Sequence[tuple[Network, tuple[int, ...]]]
    weight: np.ndarray
    bias: np.ndarray

    def descriptor(self, picture: np.ndarray) -> np.ndarray:
        """The pieces of length one after another, the whole of length one."""
        parts = []
        for network, scales in self.pieces:
            pixels = network.pixels
            each = []
            for scale in scales:
                image = pixels.read(picture, scale)
                for view in (image, image[:, ::-1]):
                    values = (view.astype(np.float32) - np.array(pixels.mean)) / 50
                    batch = torch.from_numpy(values.astype(np.float32).transpose(2, 0, 1)[None])
                    with torch.inference_mode():
                        each.append(network.evidence(batch.contiguous())[0].numpy())
            mean = np.mean(each, 0)
            parts.append(mean / np.linalg.norm(mean))
        whole = np.concatenate(parts)
        return np.asarray(whole / np.linalg.norm(whole))

    def posteriors(self, picture: np.ndarray, several: bool = False) -> np.ndarray:
        """Those of one linear classifier of the whole descriptor."""
        scores = self.weight @ self.descriptor(picture) + self.bias
        if several:
            return np.asarray(1 / (1 + np.exp(-scores)))
        return np.asarray(np.exp(scores) / np.exp(scores).sum())


def net(name: str = "A", seed: int = 0) -> Network:
    return build(
        name, 4, width=0.0625, crop=32, fc=24, pixels=PIXELS, initial="he", seed=seed
    ).eval()


def made(
    *pieces: tuple[Network, str, tuple[int, ...]],
    several: bool = False,
    classes: Sequence[str] = CLASSES,
) -> Made:
    """A stack by networks, each with the row that describes by it and its Q."""
    draw = np.random.default_rng(len(pieces))
    cut = [(describing(network, layer), scales) for network, layer, scales in pieces]
    sizes = [one.table.shapes(32, 32)[str(one.table.pooled)][0] for one, _ in cut]
    weight = draw.normal(0, 4, (len(classes), sum(sizes)))
    bias = draw.normal(0, 1, len(classes))
    members = []
    for i, ((one, scales), end) in enumerate(zip(cut, np.cumsum(sizes), strict=True)):
        own = torch.from_numpy(weight[:, end - sizes[i] : end] / np.sqrt(len(pieces)))
        begin = torch.from_numpy(bias if i == 0 else 0 * bias)
        members.append(Member(classifying(one, own, begin, classes, several), scales))
    return Made(Stack(tuple(members)), cut, weight, bias)


def two_nets(several: bool = False) -> Made:
    """A to relu7 at two Q, averaged, and D to pool5 at another."""
    return made((net(), "relu7", (48, 64)), (net("D", 1), "pool5", (40,)), several=several)


def one_trunk(network: Network | None = None) -> Made:
    """One net at three Q, which are stacked."""
    network = network or net()
    return made(*((network, "relu7", (q,)) for q in (40, 48, 64)))


def picture(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    """A random picture."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)
