"""Norms while a network learns: by the batch, whose statistics are noted for those that are kept.

The batch is a micro-batch: what one thread, or one GPU, works on at once. The statistics of those
are averaged like gradients, in a fixed order, and moved into the kept ones once a step, so that
neither threads nor, where sums are in order, processes change what is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from verydeep.errors import UserError
from verydeep.nets.layers import MOMENTUM, BatchNorm
from verydeep.nets.network import Network
from verydeep.nets.rows import Row


class Norms:
    """A rule for norms: those that learn go by the batch, the others by what they have kept."""

    def __init__(self, learnt: Sequence[str]) -> None:
        self.learnt = learnt
        self._found: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, row: Row, layer: nn.Module, values: Tensor) -> Tensor:
        """The normalised values."""
        assert isinstance(layer, BatchNorm)
        if row.name not in self.learnt:
            return layer.by_kept(values)
        if values[:, 0].numel() < 2:
            raise UserError(
                f"'{row.name}' cannot normalise one picture by itself, as a micro-batch has it; "
                f"take another --batch or --set micro_batch=N"
            )
        # where a share of 1 is kept of a batch, that is its statistics
        mean, variance = torch.zeros_like(layer.bias), torch.zeros_like(layer.bias)
        self._found[row.name] = mean, variance
        return F.batch_norm(
            values, mean, variance, layer.weight, layer.bias, True, 1, layer.epsilon
        )

    @property
    def statistics(self) -> list[Tensor]:
        """Means and variances of the norms that learn, by turns, in their order."""
        return [value for name in self.learnt for value in self._found[name]]


def learnt_norms(network: Network) -> list[str]:
    """Names of the norms that learn."""
    norms = [(n, m) for n, m in network.named_children() if isinstance(m, BatchNorm)]
    return [name for name, module in norms if module.weight.requires_grad]


@torch.no_grad()
def keep(network: Network, norms: Sequence[str], statistics: Sequence[Tensor]) -> None:
    """Moves what norms keep towards the statistics of a batch, as `Norms.statistics` has them."""
    for name, mean, variance in zip(norms, statistics[::2], statistics[1::2], strict=True):
        layer = network.get_submodule(name)
        layer.get_buffer("running_mean").lerp_(mean, MOMENTUM)
        layer.get_buffer("running_var").lerp_(variance, MOMENTUM)
