"""LPIPS: how unlike two pictures look, by what a network says of them (Zhang et al., 2018).

Values of five rows of torchvision's D, each position's of length one; squared differences, weighed
by heads that were fitted to people's judgements, summed over channels, averaged over space, added.
The heads are version 0.1's (`lpips_v0.1.safetensors`, under `lpips_v0.1.LICENSE`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from verydeep.ascent.looking import Image, to_network
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE
from verydeep.pictures.preprocessing import Pixels

HEADS = Path(__file__).parent / "lpips_v0.1.safetensors"
FITTED_TO = "vgg16-torchvision"
"""The release whose weights they were fitted to; of any others they mean nothing."""
SMALL = 1e-10
"""Added to lengths, as by the authors, where all values may be zero."""

Heads = Mapping[str, Tensor]


def heads() -> Heads:
    """The heads by the row whose channels they weigh."""
    return load_file(HEADS)


def distance(
    network: Network, heads: Heads, pixels: Pixels, one: Image, other: Image
) -> Float[Tensor, ""]:
    """The distance of two pictures of one size; 0 of the same."""
    each = [
        network.run({PICTURE: to_network(pixels, image)}, list(heads)) for image in (one, other)
    ]
    parts = [
        ((_of_length_one(each[0][row]) - _of_length_one(each[1][row])).square()
         * weights.to(one)[:, None, None]).sum(1).mean()
        for row, weights in heads.items()
    ]  # fmt: skip
    return torch.stack(parts).sum()


def _of_length_one(values: Float[Tensor, "1 C h w"]) -> Float[Tensor, "1 C h w"]:
    return values / (values.square().sum(1, keepdim=True).sqrt() + SMALL)
