"""What the rows of a table are in PyTorch: a module for each kind."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from verydeep.nets import rows
from verydeep.nets.rows import Row, Shape
from verydeep.nets.special_layers import special_layer_of

UNFOLDED = 2**24
"""Values that the windows of an FC row's input may be unfolded to at once: 64 MiB."""
MOMENTUM = 0.1
"""Share of a batch's statistics in those that a norm keeps, as PyTorch has it."""


def layer_of(row: Row, inputs: list[Shape]) -> nn.Module:
    """The PyTorch module that does what a row says."""
    match row:
        case rows.FC():
            return FullyConnected(inputs[0][0], row.channels, row.kernel)
        case rows.Conv():
            return nn.Conv2d(
                inputs[0][0], row.channels, row.kernel, row.stride, row.padding,
                row.dilation, row.groups, row.bias,
            )  # fmt: skip
        case rows.MaxPool():
            return MaxPool(row.kernel, row.stride, row.padding, ceil_mode=row.up)
        case rows.AvePool():
            return nn.AvgPool2d(row.kernel, row.stride, row.padding, ceil_mode=row.up)
        case rows.ReLU():
            return nn.ReLU()
        case rows.LRN():
            return nn.LocalResponseNorm(row.size, row.alpha, row.beta, row.k)
        case rows.BatchNorm():
            return BatchNorm(inputs[0][0], row.epsilon)
        case rows.L2():
            return L2()
        case rows.Mean():
            return Mean()
        case rows.Dropout():
            return nn.Dropout(row.p)
        case rows.Add():
            return Add()
        case rows.Concat():
            return Concat()
        case rows.Softmax():
            return nn.Softmax(1)
        case rows.Sigmoid():
            return nn.Sigmoid()
        case rows.Places():
            return nn.Identity()
        case _:
            return special_layer_of(row, inputs)


class FullyConnected(nn.Conv2d):
    """A convolution over the whole map, run as matrix products: one for each place it fits.

    At the one place of a training crop that makes the whole of D 1.7 times as fast. On larger maps
    the windows are unfolded: fc6 then takes a half to a tenth of a convolution's time.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Scores of each position."""
        if input.shape[2:] == self.kernel_size:
            return F.linear(input.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None]
        if self.kernel_size == (1, 1):
            return super().forward(input)
        height, width = self.kernel_size
        rows, columns = input.shape[2] - height + 1, input.shape[3] - width + 1
        together = max(1, UNFOLDED // (len(input) * self.weight[0].numel() * columns))
        pieces = [
            self._rows(input[:, :, top : min(rows, top + together) + height - 1])
            for top in range(0, rows, together)
        ]
        return torch.cat(pieces, 2)

    def _rows(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Scores of the positions of some rows."""
        windows = F.unfold(input, self.kernel_size).transpose(1, 2)
        scores = F.linear(windows, self.weight.flatten(1), self.bias).transpose(1, 2)
        columns = input.shape[3] - self.kernel_size[1] + 1
        return scores.reshape(len(input), self.out_channels, -1, columns)


def to_channels_last(network: nn.Module) -> None:
    """Lays filters out as a GPU's convolutions read them; FC weights stay, as products read them.

    Their gradients would else be laid out anew at every step.
    """
    for layer in network.children():
        if not isinstance(layer, FullyConnected):
            layer.to(memory_format=torch.channels_last)


class MaxPool(nn.MaxPool2d):
    """Max-pooling; of 2 x 2 on a CPU, where nothing is learnt, as the larger of neighbours.

    That gives the same values in a seventh of the time.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """The largest value of each window."""
        learns = torch.is_grad_enabled() and input.requires_grad
        window = self.kernel_size, self.stride, self.padding, self.ceil_mode
        if learns or window != (2, 2, 0, False) or input.device.type != "cpu":
            return F.max_pool2d(input, *window[:3], ceil_mode=self.ceil_mode)
        return halved(input)


def halved(values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """The largest of each 2 x 2 values; an odd last row or column is left out."""
    rows, columns = (side // 2 * 2 for side in values.shape[2:])
    taller = torch.maximum(values[:, :, 0:rows:2], values[:, :, 1:rows:2])
    return torch.maximum(taller[..., 0:columns:2], taller[..., 1:columns:2])


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy, 2015): by the batch in training, else by what it kept.

    It begins at weight 1, bias 0, mean 0 and variance 1. The variance that it keeps is the batch's
    without bias, as PyTorch's.
    """

    def __init__(self, channels: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """(x - mean) / sqrt(variance + epsilon), times a weight and plus a bias per channel."""
        return self._normalised(input, self.training)

    def by_kept(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The same by the statistics that are kept, training or not."""
        return self._normalised(input, False)

    def _normalised(self, input: Tensor, by_batch: bool) -> Tensor:
        mean, variance = self.get_buffer("running_mean"), self.get_buffer("running_var")
        affine = self.weight, self.bias, by_batch, MOMENTUM, self.epsilon
        return F.batch_norm(input, mean, variance, *affine)


class Add(nn.Module):
    """The sum of maps of one shape."""

    def forward(self, *inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Their sum."""
        total, *rest = inputs
        for values in rest:
            total = total + values
        return total


class Concat(nn.Module):
    """The channels of maps of one size, one after another's."""

    def forward(self, *inputs: Tensor) -> Float[Tensor, "B D H W"]:
        """All channels together."""
        return torch.cat(inputs, 1)


class L2(nn.Module):
    """Each position's channels divided by their Euclidean length."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Channels of length one; none where all are zero."""
        return F.normalize(input, dim=1)


class Mean(nn.Module):
    """The mean over space of maps of any size."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C 1 1"]:
        """One value of each channel."""
        return input.float().mean((2, 3), keepdim=True)
