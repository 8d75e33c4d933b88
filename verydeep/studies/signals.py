"""Signals in a net as it begins: values on their way up, gradients on their way down.

In come a network and a batch of pictures with labels, out goes a line for each weight layer. A
layer of random weights multiplies the size of what it reads by a gain (Sect. 2.2 of He et al.,
2015): one of 0.5 leaves a millionth of it behind 20 layers, one of 2 makes a million of it. That is
why the paper began deep nets with layers of A (Sect. 3.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from verydeep.errors import UserError
from verydeep.nets.network import Network, Rules
from verydeep.nets.norms import Norms, learnt_norms
from verydeep.nets.rows import PICTURE, BatchNorm, Conv, Dropout, ReLU, Row
from verydeep.nets.table import SCORES, Table


@dataclass(frozen=True)
class LayerSignals:
    """What a weight layer makes of a batch. What is not finite is told as it is, inf or nan.

    `mean`, `std` and `zeros`, a share, are of the values behind its norm and its ReLU, or of the
    layer's own where none follows. `gradient` is the deviation of the gradient of each picture's
    loss by those values; `weight_gradient` that of the batch's mean loss by the layer's weights,
    over the deviation of the weights themselves. `gain` is the root mean square of those values
    over that of the values which the layer reads, and `predicted` what theory says of it; None
    where a norm follows, whatever comes out of which is of one size.
    """

    layer: str
    mean: float
    std: float
    zeros: float
    gradient: float
    weight_gradient: float
    gain: float
    predicted: float | None

    @property
    def is_finite(self) -> bool:
        """Whether its values and gradients are finite numbers."""
        found = self.mean, self.std, self.gradient, self.weight_gradient
        return all(map(math.isfinite, found))


@dataclass(frozen=True)
class Signals:
    """The signals of a net from some initialisation, layer by layer, and the mean loss."""

    net: str
    initial: str
    loss: float
    layers: tuple[LayerSignals, ...]

    @property
    def not_finite(self) -> tuple[str, ...]:
        """Names of the layers whose values or gradients are no finite numbers."""
        return tuple(each.layer for each in self.layers if not each.is_finite)


def signals(
    network: Network, initial: str, images: Float[Tensor, "B C H W"], labels: Int64[Tensor, " B"]
) -> Signals:
    """The signals of a network as it is, of the soft-max loss, without dropout.

    `images` are in the network's own pixels and `initial` is what its beginning is called. All
    layers are to be learnt; norms go by the batch, as they do in training. Nothing is changed.
    Raises UserError for labels that are none of its classes.
    """
    _refuse_unfit(network, images, labels)
    layers = _weight_layers(network.table)
    behind = {row.name: _behind(network.table, row) for row in layers}
    wanted = {SCORES, *behind.values(), *(row.inputs[0] for row in layers)}
    rules: Rules = {BatchNorm: Norms(learnt_norms(network)), Dropout: _nothing_dropped}
    values = network.run({PICTURE: images}, wanted, rules)
    losses = F.cross_entropy(values[SCORES].mean((2, 3)), labels, reduction="none")

    weights = [network.get_parameter(f"{row.name}.weight") for row in layers]
    by = [*weights, *(values[behind[row.name]] for row in layers)]
    gradients = torch.autograd.grad(losses.sum(), by)
    by_weights, by_values = gradients[: len(weights)], gradients[len(weights) :]
    found = [
        _layer_signals(network.table, row, values[row.inputs[0]], values[behind[row.name]], *three)
        for row, *three in zip(layers, weights, by_weights, by_values, strict=True)
    ]
    return Signals(network.table.name, initial, float(losses.detach().mean()), tuple(found))


def _refuse_unfit(network: Network, images: Tensor, labels: Tensor) -> None:
    classes = network.table.class_count
    if not len(labels) or labels.min() < 0 or labels.max() >= classes:
        raise UserError(f"labels {labels.tolist()}; each is to be one of the {classes} classes")
    network.table.shapes(*images.shape[2:])


def _weight_layers(table: Table) -> list[Conv]:
    """Convolutions and FC rows on the way to the scores."""
    return [row for row, _ in table.path({table.scores}) if isinstance(row, Conv)]


def _behind(table: Table, layer: Row) -> str:
    """The name of the row whose values are a layer's: its ReLU, or its norm, or its own."""
    last = layer
    for row in table.rows:
        if row.inputs == (last.name,) and isinstance(row, BatchNorm | ReLU):
            last = row
            if isinstance(row, ReLU):
                break
    return last.name


def _nothing_dropped(row: Row, layer: nn.Module, values: Tensor) -> Tensor:
    """A rule for dropout."""
    return values


def _layer_signals(
    table: Table, row: Conv, read: Tensor, values: Tensor,
    weights: Tensor, by_weights: Tensor, by_values: Tensor,
) -> LayerSignals:  # fmt: skip
    made, own = moments(values), moments(weights)
    return LayerSignals(
        layer=row.name,
        mean=made.mean,
        std=made.std,
        zeros=1 - int(values.count_nonzero()) / values.numel(),
        gradient=moments(by_values).std,
        weight_gradient=_over(moments(by_weights).std / len(values), own.std),
        gain=_over(made.rms, moments(read).rms),
        predicted=_predicted_gain(table, row, read, weights),
    )


def _predicted_gain(table: Table, row: Conv, read: Tensor, weights: Tensor) -> float | None:
    """sqrt(terms) x the weights' deviation, over sqrt 2 where ReLU takes half of the squares.

    Terms are those that a value sums, zeros of the padding not counted: the fan-in, or less where
    maps are small.
    """
    behind = table[_behind(table, row)]
    if any(isinstance(each, BatchNorm) and each.inputs == (row.name,) for each in table.rows):
        return None
    taps = math.prod(_taps_inside(row, side) for side in read.shape[2:])
    terms = weights.shape[1] * taps / (2 if isinstance(behind, ReLU) else 1)
    return math.sqrt(terms) * moments(weights).rms


def _taps_inside(row: Conv, side: int) -> float:
    """How much of a window's side lies on the map and not on its padding, in the mean."""
    first = row.stride * np.arange(row.positions(side)) - row.padding
    taps = first[:, None] + row.dilation * np.arange(row.kernel)
    return float(((taps >= 0) & (taps < side)).sum(1).mean())


@dataclass(frozen=True)
class Moments:
    """Mean and root mean square of values; inf or nan where these are not finite."""

    mean: float
    rms: float

    @property
    def std(self) -> float:
        """Their deviation."""
        if not math.isfinite(self.rms):
            return self.rms
        return math.sqrt(max(0.0, self.rms**2 - self.mean**2))


def moments(values: Any) -> Moments:
    """Those of a tensor of floats, summed in double precision, so that squares do not overflow."""
    flat, count = values.detach().flatten(), values.numel()
    mean = float(flat.sum(dtype=torch.float64)) / count
    norm = torch.linalg.vector_norm(flat, dtype=torch.float64)
    return Moments(mean, float(norm) / math.sqrt(count))


def _over(value: float, by: float) -> float:
    return value / by if by else math.nan
