"""What the rows of `special_rows.py` are in PyTorch: a module for each kind."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from verydeep.nets import special_rows as rows
from verydeep.nets.rows import Row, Shape

AMPLITUDE, SLOPE = 1.7159, 2 / 3
"""Of the tanh of LeNet-5 (LeCun et al., 1998, appendix A)."""
LEAST = 1e-12
"""A sum of squares below it has no gradient: that of its root has no end."""


def special_layer_of(row: Row, inputs: list[Shape]) -> nn.Module:
    """The PyTorch module that does what such a row says."""
    match row:
        case rows.Connected():
            return Connected(row, inputs[0])
        case rows.Local():
            return Local(row, inputs[0])
        case rows.Skip():
            return Skip(row.stride, row.channels)
        case rows.Subsample():
            return Subsample(inputs[0][0], row.kernel, row.stride)
        case rows.L2Pool():
            return L2Pool(row.kernel, row.stride, row.padding, ceil_mode=row.up)
        case rows.ScaledTanh():
            return ScaledTanh()
        case rows.Maxout():
            return Maxout(row.pieces)
        case rows.PositionBias():
            return PositionBias(inputs[0])
        case rows.Flatten():
            return Flatten()
        case rows.Grey():
            return Grey()
        case rows.Planes():
            return Planes()
        case rows.RBF():
            return RBF(row.classes, inputs[0][0])
        case _:
            raise TypeError(f"no layer for a row of kind {type(row).__name__}")


class Connected(nn.Module):
    """A convolution with filters for some pairs of maps, in the order of its table."""

    def __init__(self, row: rows.Connected, shape: Shape) -> None:
        super().__init__()
        self.row, self.maps = row, shape[0]
        self.weight = nn.Parameter(torch.zeros(row.weights(shape)))
        self.bias = nn.Parameter(torch.zeros(row.biases(shape)))

    @property
    def dense(self) -> Float[Tensor, "D C k k"]:
        """The filters of a plain convolution, zeros where there is no connection."""
        side = self.row.kernel
        filters = self.weight.new_zeros(len(self.row.table) * self.maps, side, side)
        filled = filters.index_copy(0, self._places, self.weight[:, 0])
        return filled.view(-1, self.maps, side, side)

    @property
    def _places(self) -> Tensor:
        """The place of each filter among all pairs of a map and one that it may read."""
        table = self.row.table
        pairs = [out * self.maps + read for out, line in enumerate(table) for read in line]
        return torch.tensor(pairs, device=self.weight.device)

    @torch.no_grad()
    def set_dense(self, filters: Float[Tensor, "D C k k"]) -> None:
        """Takes those of a plain convolution's filters that there are connections for."""
        self.weight.copy_(filters.flatten(0, 1)[self._places][:, None])

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The maps."""
        return F.conv2d(input, self.dense, self.bias, self.row.stride, self.row.padding)


class Local(nn.Module):
    """An untied convolution, as a product at each place of its window unfolded."""

    def __init__(self, row: rows.Local, shape: Shape) -> None:
        super().__init__()
        self.row = row
        self.weight = nn.Parameter(torch.zeros(row.weights(shape)))
        self.bias = nn.Parameter(torch.zeros(row.output(shape)))

    @property
    def filters(self) -> Float[Tensor, "P D C k k"]:
        """The filters of each place, row by row."""
        return self.weight.view(-1, len(self.bias), *self.weight.shape[1:])

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The maps, of the one size that there are weights for."""
        row = self.row
        windows = F.unfold(input, row.kernel, padding=row.padding, stride=row.stride)
        found = torch.einsum("bip,poi->bop", windows, self.filters.flatten(2))
        return found.view(-1, *self.bias.shape) + self.bias


class Skip(nn.Module):
    """Every so many places of what is read, and zeros in the channels beyond its own."""

    def __init__(self, stride: int, channels: int) -> None:
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The maps."""
        kept = input[:, :, :: self.stride, :: self.stride]
        return F.pad(kept, (0, 0, 0, 0, 0, self.channels - input.shape[1]))


class Subsample(nn.Module):
    """The sum of each window, times a coefficient and plus a bias for each map."""

    def __init__(self, maps: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.weight = nn.Parameter(torch.zeros(maps))
        self.bias = nn.Parameter(torch.zeros(maps))

    @property
    def filters(self) -> Float[Tensor, "C 1 k k"]:
        """Those of a convolution of each map by itself that does the same."""
        return self.weight[:, None, None, None].expand(-1, 1, self.kernel, self.kernel)

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """The maps."""
        return F.conv2d(input, self.filters, self.bias, self.stride, groups=len(self.bias))


class L2Pool(nn.AvgPool2d):
    """The root of the sum of each window's squares."""

    @property
    def count(self) -> int:
        """Values of a window."""
        assert isinstance(self.kernel_size, int)
        return self.kernel_size**2

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """The lengths; 1e-6 where all of a window is zero."""
        means: Tensor = super().forward(input.square())
        return (means * self.count).clamp_min(LEAST).sqrt()


class ScaledTanh(nn.Module):
    """1.7159 tanh(2 x / 3)."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Values within +-1.7159."""
        return AMPLITUDE * torch.tanh(SLOPE * input)


class Maxout(nn.Module):
    """The largest of each so many channels."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Channel d is the largest of those from d * pieces on."""
        batch, channels, height, width = input.shape
        return input.view(batch, channels // self.pieces, self.pieces, height, width).amax(2)


class PositionBias(nn.Module):
    """A bias for each value of a map of one size."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The map with its biases."""
        return input + self.bias


class Flatten(nn.Module):
    """All values as channels of one place, row by row."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D 1 1"]:
        """The channels."""
        return input.flatten(1)[:, :, None, None]


class Grey(nn.Module):
    """The mean of the colours."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
        """The one channel."""
        return input.mean(1, keepdim=True)


class Planes(nn.Module):
    """The 48 planes of 0 and 1 that `go/coding.py` puts into three bytes a point."""

    def forward(self, input: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 48 H W"]:
        """The planes, in the order of `go/planes.py`."""
        red, green, blue = input.round().unbind(1)
        kind, flags = red % 4, [(red / 2**bit).floor() % 2 for bit in (2, 3, 4)]
        stone, one, none = kind > 0, torch.ones_like(red), torch.zeros_like(red)
        numbers = [
            torch.where(stone, green, none),
            torch.where(stone, blue, none),
            torch.where(stone, none, green % 16),
            torch.where(stone, none, (green / 16).floor()),
            torch.where(stone, none, blue),
        ]
        eight = torch.arange(1, 9, device=input.device)[:, None, None]
        told = [(number[:, None] == eight).to(input) for number in numbers]
        first = torch.stack([kind == 1, kind == 2, kind == 0], 1).to(input)
        return torch.cat([first, one[:, None], *told, torch.stack([*flags, none], 1)], 1)


class RBF(nn.Module):
    """Less the squared distance to each class's code, [K, C, 1, 1], which nothing trains."""

    def __init__(self, classes: int, length: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(classes, length, 1, 1))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of classes, and of a code's elements."""
        classes, length, _, _ = self.get_buffer("codes").shape
        return classes, length

    def forward(self, input: Float[Tensor, "B C h w"]) -> Float[Tensor, "B K h w"]:
        """The scores, the highest of the nearest code."""
        return -(input[:, None] - self.get_buffer("codes")).square().sum(2)
