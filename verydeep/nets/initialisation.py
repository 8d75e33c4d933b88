"""Random weights to start from, by name; biases start at zero in all of them (Sect. 3.1)."""

from __future__ import annotations

import math

import torch
from torch import nn

from verydeep.errors import UserError

NAMES = ("glorot", "he", "gaussian:STD")


def initialise(network: nn.Module, initial: str, generator: torch.Generator) -> None:
    """Fills a network's weights in place; the same generator gives the same weights.

    "gaussian:0.01": normal of that standard deviation. "glorot": uniform in +-sqrt(6 / (fan in +
    fan out)) (Glorot & Bengio, 2010), what the paper recommends for deep nets. "he": normal of
    standard deviation sqrt(2 / fan in) (He et al., 2015). Raises UserError for another name.
    """
    kind, _, argument = initial.partition(":")
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            _fill(module.weight, kind, argument, generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _fill(weight: torch.Tensor, kind: str, argument: str, generator: torch.Generator) -> None:
    out, fan_in = weight.shape[0], weight[0].numel()
    fan_out = out * weight[0, 0].numel()
    if kind == "glorot" and not argument:
        bound = math.sqrt(6 / (fan_in + fan_out))
        nn.init.uniform_(weight, -bound, bound, generator=generator)
    elif kind == "he" and not argument:
        nn.init.normal_(weight, 0.0, math.sqrt(2 / fan_in), generator=generator)
    elif kind == "gaussian" and (std := _positive(argument)):
        nn.init.normal_(weight, 0.0, std, generator=generator)
    else:
        name = f"{kind}:{argument}" if argument else kind
        raise UserError(f"no initialisation '{name}'; there are {', '.join(NAMES)}")


def _positive(text: str) -> float | None:
    """The positive number a text says, if it says one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < math.inf else None
