"""Starting a network from another's weights, by the names of layers (Sect. 3.1)."""

from __future__ import annotations

from pathlib import Path

import torch

from verydeep.datasets.ilsvrc_lists import class_key
from verydeep.errors import UserError
from verydeep.nets.folding import folded
from verydeep.nets.network import Network
from verydeep.weights.file import hash_of, load

TAKEN_FROM_ANOTHER_CONFIGURATION = (
    "conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8",
)  # fmt: skip
"""The first four convolutional layers of A and its three FC layers, as the paper's deeper nets
take them. By name, not by place: only so do the shapes fit (A's second conv layer is 64 -> 128)."""


def start_from(network: Network, path: Path | str) -> tuple[list[str], str]:
    """Copies layers of a weights file into a network; gives their names, and the file's hash.

    From the same configuration all layers are taken, from another those that the paper takes.
    The last layer is taken only where the classes are the same; norms are put into the
    convolutions that they follow. Raises UserError where a layer's
    shape is not that of the network's.
    """
    loaded = load(path)
    source = folded(loaded)
    same = source.table.name == network.table.name
    same_classes = [*map(class_key, source.classes)] == [*map(class_key, network.classes)]
    copied = []
    for name in _layers(source):
        if name not in _layers(network) or not (same or name in TAKEN_FROM_ANOTHER_CONFIGURATION):
            continue
        if name == network.table.last_fc.name and not same_classes:
            continue
        _copy(source.get_submodule(name), network.get_submodule(name), name, path)
        copied.append(name)
    return copied, hash_of(loaded)


def _layers(network: Network) -> list[str]:
    """Names of the layers that have weights, in order."""
    return [name for name, module in network.named_children() if len(list(module.parameters()))]


@torch.no_grad()
def _copy(source: torch.nn.Module, target: torch.nn.Module, name: str, path: Path | str) -> None:
    for own, other in zip(target.parameters(), source.parameters(), strict=True):
        if own.shape != other.shape:
            raise UserError(
                f"{path} cannot start this network: its {name} has weights of {_shape(other)}, "
                f"{_shape(own)} are needed; give it the same width, crop and fc"
            )
        own.copy_(other)


def _shape(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape))
