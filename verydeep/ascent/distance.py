"""LPIPS: how unlike two pictures look, by what a network says of them (Zhang et al., 2018).

Values of five rows of torchvision's D, each position's of length one; squared differences, weighed
by heads that were fitted to people's judgements, summed over channels, averaged over space, added.
The heads, of version 0.1, are read from the file that the authors' package `lpips` comes with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from verydeep.ascent.looking import Image, to_network
from verydeep.errors import one_line
from verydeep.importers.state_dict_file import content
from verydeep.limits import FormatError, reading
from verydeep.nets.network import Network
from verydeep.nets.rows import PICTURE
from verydeep.pictures.preprocessing import Pixels

CHANNELS = {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512}
"""The rows that are compared, in the order of the heads, and the weights that each head has."""
FITTED_TO = "vgg16-torchvision"
"""The release whose weights they were fitted to; of any others they mean nothing."""
SMALL = 1e-10
"""Added to lengths, as by the authors, where all values may be zero."""

Heads = Mapping[str, Float[Tensor, " C"]]


def heads_in(path: Path) -> Heads:
    """The heads that a file holds, by the row whose channels they weigh; none of it is run.

    Raises UserError for a file that cannot be read, or holds something else.
    """
    with reading(path, "heads of LPIPS"):
        try:
            found, _ = content(path)
        except (FormatError, OSError, MemoryError):
            raise
        except Exception as error:  # a damaged file has PyTorch raise anything
            raise FormatError(f"it is damaged ({one_line(error)})") from None
        wanted = {f"lin{k}.model.1.weight": (1, n, 1, 1) for k, n in enumerate(CHANNELS.values())}
        if {name: tuple(tensor.shape) for name, tensor in found.items()} != wanted:
            raise FormatError(
                "it holds other tensors than the heads for VGG, 1,472 weights in five rows",
                "give weights/v0.1/vgg.pth of the package lpips",
            )
        return {row: found[name].flatten() for row, name in zip(CHANNELS, wanted, strict=True)}


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
