"""What is linear put into the layer beside it: norms, and the mean over space before the classes.

In comes a network whose convolutions are followed by norms; out goes one of the plain table with
the same scores, for nothing but a product and a sum per channel stands between the two. A mean over
a map, and an FC layer after it, are an FC layer over that map.
"""

from __future__ import annotations

from torch import Tensor

from verydeep.nets.layers import BatchNorm
from verydeep.nets.network import Network
from verydeep.nets.rewording import without_norms
from verydeep.nets.rows import FC, WholeAvePool
from verydeep.nets.words import MEAN, read_table


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


def without_mean(network: Network) -> Network:
    """The network with the mean over space put into the FC layer after it: its scores to 1e-5.

    Itself where it has no such mean.
    """
    old = network.table
    pairs = zip(old.rows, old.rows[1:], strict=False)
    if not any(isinstance(row, WholeAvePool) and isinstance(after, FC) for row, after in pairs):
        return network
    words = [word for word in old.words if word != MEAN]
    table = read_table(old.name, words, old.crop, old.channels)
    plain = Network.empty(table, network.classes, network.pixels)
    given = [*network.state_dict().values()]  # the same layers in the same order
    wanted = plain.state_dict()
    tensors = {
        name: _spread(tensor, like)
        for (name, like), tensor in zip(wanted.items(), given, strict=True)
    }
    plain.load_state_dict(tensors, assign=True)
    return plain.train(network.training)


def _spread(tensor: Tensor, like: Tensor) -> Tensor:
    """An FC layer's weights for a mean as those for all places that it is the mean of."""
    if tensor.shape == like.shape:
        return tensor
    return (tensor / like[0, 0].numel()).expand(like.shape).contiguous()


def _folded(weight: Tensor, bias: Tensor, norm: BatchNorm) -> tuple[Tensor, Tensor]:
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    gain = norm.weight.detach().double() / (variance.double() + norm.epsilon).sqrt()
    bias = (bias.double() - mean.double()) * gain + norm.bias.detach().double()
    return (weight.double() * gain[:, None, None, None]).float(), bias.float()
