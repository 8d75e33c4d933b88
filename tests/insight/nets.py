"""Small nets for tests of insight, in float64, where relations hold to rounding."""

from __future__ import annotations

import torch
from torch import Tensor

from verydeep.insight.signals import frozen
from verydeep.nets.network import Network
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels

CROP = 32
PIXELS = Pixels((40, 40), (120.0, 115.0, 110.0), (58.0, 57.0, 56.0))
VGG = (
    "conv3-6", "conv3-6", "maxpool", "conv3-8", "conv3-8", "maxpool", "conv3-10", "maxpool",
    "FC-12", "FC-12", "FC-4", "soft-max",
)  # fmt: skip


def exact(words: tuple[str, ...] = VGG, biases: bool = True, seed: int = 0) -> Network:
    """A net of these words with random weights, of which some biases are large, in float64."""
    table = read_table("A", words, CROP)
    names = [f"c{k}" for k in range(table.class_count)]
    network = Network.random(table, names, PIXELS, "he", seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias") and biases:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return frozen(network)


def noise(height: int = CROP, width: int = CROP, seed: int = 1) -> Tensor:
    """A picture of noise in a net's own pixels, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 3, height, width, generator=generator, dtype=torch.float64)
