"""Batch normalisation put into the convolutions before it.

In comes a network whose convolutions are followed by norms; out goes one of the plain table with
the same scores, for nothing but a product and a sum per channel stands between the two.
"""

from __future__ import annotations

from torch import Tensor

from verydeep.nets.layers import BatchNorm
from verydeep.nets.network import Network
from verydeep.nets.rewording import without_norms
from verydeep.nets.words import read_table


def folded(network: Network) -> Network:
    """The network with each norm put into the convolution before it: its scores to 1e-5.

    Itself where it has no norms. Worked out in float64: w' = w g and b' = (b - mean) g + beta,
    where g = gamma / sqrt(variance + epsilon).
    """
    if not any(isinstance(module, BatchNorm) for module in network.modules()):
        return network
    table = network.table
    words = without_norms(table.words)
    table = read_table(table.configuration, words, table.crop, table.channels)
    plain = Network.empty(table, network.classes, network.pixels)
    given = network.state_dict()
    tensors = dict(given)
    for name, norm in network.named_modules():
        if isinstance(norm, BatchNorm):
            layer = network.table[name].inputs[0]
            weight = given[f"{layer}.weight"]
            bias = given.get(f"{layer}.bias", weight.new_zeros(len(weight)))
            tensors[f"{layer}.weight"], tensors[f"{layer}.bias"] = _folded(weight, bias, norm)
    plain.load_state_dict({name: tensors[name] for name in plain.state_dict()}, assign=True)
    return plain.train(network.training)


def _folded(weight: Tensor, bias: Tensor, norm: BatchNorm) -> tuple[Tensor, Tensor]:
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    gain = norm.weight.detach().double() / (variance.double() + norm.epsilon).sqrt()
    bias = (bias.double() - mean.double()) * gain + norm.bias.detach().double()
    return (weight.double() * gain[:, None, None, None]).float(), bias.float()
