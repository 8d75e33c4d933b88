"""Starting a network from another's weights, by the names of layers (Sect. 3.1).

In comes a weights file; out goes what a net that starts from it has in common with it: the table,
with a last layer for other classes, the pixels, and the layers themselves. A net of another
configuration takes those that the paper's deeper nets took from A.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from verydeep.benchmarks.ilsvrc_lists import class_key
from verydeep.errors import UserError
from verydeep.nets import named
from verydeep.nets.folding import folded
from verydeep.nets.named import Sizes
from verydeep.nets.network import Network
from verydeep.nets.rewording import body, with_last, without_norms
from verydeep.nets.rows import FC, Conv
from verydeep.nets.table import Table
from verydeep.nets.words import HIDDEN, read_table
from verydeep.pictures.preprocessing import Pixels
from verydeep.weights.file import hash_of, load, pixels_of, read_info, table_of
from verydeep.weights.info import refuse_stack

TAKEN_FROM_ANOTHER_CONFIGURATION = (
    "conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8",
)  # fmt: skip
"""The first four convolutional layers of A and its three FC layers, as the paper's deeper nets
take them. By name, not by place: only so do the shapes fit (A's second conv layer is 64 -> 128)."""

ANY_LAST = ("FC-2", "soft-max")
"""Last rows of a table that is looked at up to them only."""


@dataclass(frozen=True)
class Beginning:
    """Of a net that is to start from other weights all but its weights: table, and pixels but S."""

    table: Table
    pixels: Pixels


@dataclass(frozen=True)
class Origin:
    """What a net is to start from: its table and its pixels.

    `sizes` are the settings that such a net has.
    """

    table: Table
    pixels: Pixels
    sizes: Sizes

    @classmethod
    def of(cls, path: Path | str) -> Origin:
        """That of a weights file, from its header; raises UserError as `load` does."""
        info = read_info(path)
        refuse_stack(info, path)
        table = table_of(info)
        return cls(table, pixels_of(info), _sizes(table, info.provenance.get("settings", {})))

    @property
    def is_whole(self) -> bool:
        """Whether it has all the convolutions of its configuration."""
        paper = named.table(self.table.configuration).rows
        return sum(type(row) is Conv for row in self.table.rows) == sum(
            type(row) is Conv for row in paper
        )

    def is_of(self, sizes: Sizes) -> bool:
        """Whether a net of these sizes is this one again, with classes of its own.

        The crop is not looked at; nor is fc, where there are no FC layers yet.
        """
        fc = sizes.fc if self.table.has_scores else self.sizes.fc
        if replace(sizes, crop=self.sizes.crop, fc=fc) == self.sizes:
            return True
        if sizes.net != self.table.name:
            return False
        asked = replace(sizes, net=self.table.configuration).table(ANY_LAST).words
        own = without_norms(self.table.words)
        count = body(own)
        return asked[:count] == own[:count]

    def table_for(self, sizes: Sizes, last: Iterable[str]) -> Table:
        """The table of a net of these sizes: this one with other last rows, where it is this.

        `last` are the words of its last layer and of what follows. What this one lacks before
        them is as Table 1 has it.
        """
        last = list(last)
        if not self.is_of(sizes):
            return sizes.table(last)
        words = self.table.words
        if not self.table.has_scores:
            like = replace(sizes, net=self.table.configuration).table(last)
            words = tuple(word.removesuffix(f" {HIDDEN}") for word in words)
            words += like.words[len(words) :]
        return read_table(self.table.name, with_last(words, last), sizes.crop)


def _sizes(table: Table, settings: Mapping[str, Any]) -> Sizes:
    """Settings of the net that a table is of: those it was trained with, or read off its rows."""
    if "width" in settings:
        width, fc = settings["width"], settings.get("fc")
    else:
        whole = named.table(table.configuration)
        own = table.class_layers
        convs = [row for row in table.rows if type(row) is Conv and row.name not in own]
        hidden = [row for row in table.rows if isinstance(row, FC)][
            : -1 if table.has_scores else None
        ]
        paper = whole[convs[-1].name]
        assert isinstance(paper, Conv)
        width = convs[-1].channels / paper.channels
        fc = hidden[0].channels if hidden else 0 if table.has_scores else None
        fc = fc if named.is_of_table_1(table.name) else None  # others have the FC layers they have
    return Sizes(table.name, width, table.crop, fc)


def begun(
    beginning: Beginning,
    classes: tuple[str, ...],
    scale: tuple[int, int],
    initial: str,
    seed: int,
) -> Network:
    """The random network that is to start from other weights, to be trained at S = `scale`."""
    pixels = replace(beginning.pixels, scale=scale)
    return Network.random(beginning.table, classes, pixels, initial, seed)


def start_from(network: Network, path: Path | str) -> tuple[list[str], str]:
    """Copies layers of a weights file into a network; gives their names, and the file's hash.

    From the same configuration all layers are taken, and from a net without its top; from another
    those that the paper takes, of nets of Table 1 alone. The last layer is taken only where the
    classes are the same, and what is said of them; norms are put into the convolutions that they
    follow, unless the network has norms itself. Raises UserError for another net beside Table 1,
    and where a layer's shape is not that of the network's.
    """
    loaded = load(path)
    norms = network.table.has_norms
    source = loaded if norms else folded(loaded)
    same = source.table.name == network.table.name or not source.table.has_scores
    if not same:
        _refuse_other_net(source.table, network.table)
    alike = source.table.words[-1] == network.table.words[-1]  # soft-max, or boxes
    same_classes = (alike and not read_info(path).is_unnamed) and (
        [*map(class_key, source.classes)] == [*map(class_key, network.classes)]
    )
    copied = []
    for name in layers_of(source):
        if name not in layers_of(network):
            continue
        if not (same or name.replace("bn", "conv") in TAKEN_FROM_ANOTHER_CONFIGURATION):
            continue
        if name in network.table.class_layers and not same_classes:
            continue
        _copy(source.get_submodule(name), network.get_submodule(name), name, path)
        copied.append(name)
    return copied, hash_of(loaded)


def _refuse_other_net(source: Table, table: Table) -> None:
    """Raises UserError where not both nets are of Table 1, whose layers alone are taken over."""
    if not (named.is_of_table_1(source.name) and named.is_of_table_1(table.name)):
        raise UserError(
            f"these weights are of {source.name}, which cannot start {table.name}; leave --net out"
        )


def layers_of(network: Network) -> list[str]:
    """Names of the layers that have weights, in order."""
    return [name for name, module in network.named_children() if len(list(module.parameters()))]


@torch.no_grad()
def _copy(source: torch.nn.Module, target: torch.nn.Module, name: str, path: Path | str) -> None:
    given = source.state_dict()
    for part, own in target.state_dict().items():
        if own.shape != given[part].shape:
            raise UserError(
                f"{path} cannot start this network: its {name} has weights of "
                f"{_shape(given[part])}, {_shape(own)} are needed; give it the same width, crop "
                f"and fc"
            )
        own.copy_(given[part])


def _shape(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape))
