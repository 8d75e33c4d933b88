"""Pools that round up, as Caffe's do, by which the paper's figures came about.

In comes a network; out goes the same one whose last windows may look beyond the picture.
"""

from __future__ import annotations

from verydeep.errors import UserError
from verydeep.nets.network import Network
from verydeep.nets.rows import FC
from verydeep.nets.words import POOL, POOL_UP, read_table

POOLINGS = ("down", "up")


def pooled(network: Network, pooling: str) -> Network:
    """The network itself, whose pools round "down", or as pools that round "up" have it."""
    if pooling not in POOLINGS:
        raise UserError(f"no pooling '{pooling}'; there are {' and '.join(POOLINGS)}")
    return pooling_up(network) if pooling == "up" else network


def pooling_up(network: Network) -> Network:
    """The network with pools that round up, on the same tensors.

    Raises UserError where the map of a training crop would be another, which its FC rows cannot
    take.
    """
    before = network.table
    words = [POOL_UP if word == POOL else word for word in before.words]
    table = read_table(before.name, words, before.crop, before.channels)
    for old, new in zip(before.rows, table.rows, strict=True):
        if isinstance(old, FC) and isinstance(new, FC) and old.kernel != new.kernel:
            raise UserError(
                f"pooling up makes {new.kernel} positions a side of a crop of {before.crop} where "
                f"the net was trained with {old.kernel}; leave it out"
            )
    rounded = Network.empty(table, network.classes, network.pixels)
    rounded.load_state_dict(network.state_dict(), assign=True)
    return rounded.train(network.training)
