"""Rows that are convolutions in other programs: filters, biases, and how they are moved."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from verydeep.nets.network import Network
from verydeep.nets.rows import Conv
from verydeep.nets.special_rows import Grey, Skip


@dataclass(frozen=True)
class Filters:
    """Filters [O, I, h, w], and biases [O] where there are any."""

    weight: Tensor
    bias: Tensor | None = None
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    @property
    def biases(self) -> tuple[Tensor, ...]:
        """The biases, or nothing."""
        return () if self.bias is None else (self.bias,)

    @property
    def kernel(self) -> int:
        """Side of the window."""
        return self.weight.shape[-1]


def filters_of(row: Conv | Skip | Grey, network: Network, channels: int) -> Filters:
    """What a row is as a convolution that reads so many `channels`.

    A shortcut with zeros beside it takes each channel once, the mean of colours a third of each.
    """
    if isinstance(row, Skip):
        return Filters(torch.eye(row.channels, channels)[:, :, None, None], stride=row.stride)
    if isinstance(row, Grey):
        return Filters(torch.full((1, channels, 1, 1), 1 / channels))
    weight, *biases = (p.detach() for p in network.get_submodule(row.name).parameters())
    bias = biases[0] if biases else None
    return Filters(weight, bias, row.stride, row.padding, row.dilation, row.groups)
