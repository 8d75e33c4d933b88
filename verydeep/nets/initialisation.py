"""Random weights to start from, by name; biases start at zero in all of them (Sect. 3.1).

What gives places begins as the paper's layers do, whatever the others begin with.
"""

from __future__ import annotations

import math
from contextlib import suppress

import torch
from torch import nn

from verydeep.errors import UserError
from verydeep.nets import named
from verydeep.nets.digits import codes
from verydeep.nets.layers import BatchNorm
from verydeep.nets.special_layers import RBF, Connected, Local, Subsample
from verydeep.nets.table import Table

NAMES = ("glorot", "he", "gaussian:STD", "whole-gaussian:STD")
GAUSSIANS = ("gaussian", "whole-gaussian")
OF_PLACES = 0.01
"""The deviation of what gives places, where no other gaussian is asked for: the paper's, of all."""


def initialise(network: nn.Module, table: Table, initial: str, generator: torch.Generator) -> None:
    """Fills a network's weights in place; the same generator gives the same weights.

    "gaussian:0.01": normal of that standard deviation. "whole-gaussian:0.01": normal, each layer
    with the gain, sqrt(fan in) x deviation, that "gaussian:0.01" gives it in its configuration of
    Table 1 at a crop of 224; in that net itself the two are the same. "glorot": uniform in
    +-sqrt(6 / (fan in + fan out)) (Glorot & Bengio, 2010), what the paper recommends for deep nets.
    "he": normal of standard deviation sqrt(2 / fan in) (He et al., 2015). Norms
    begin with weight and variance 1, subsampling as a mean, and the codes of classes are fixed.
    Raises UserError for another name.

    The layer that gives boxes or points begins with "gaussian:0.01" in nets by "glorot" and "he"
    too, as all layers of the paper do. Places are shares of a crop, of the order of 1: by wider
    weights those told first may be tens away, where values are large or there are few of them.
    """
    kind, std = parsed(initial)
    places = begun_small(table, initial)
    whole = _fans_in(named.table(table.configuration)) if kind == "whole-gaussian" else {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            own = module.weight[0].numel()
            as_whole = math.sqrt(whole.get(name, own) / own) if kind == "whole-gaussian" else 1.0
            if name == places:
                _fill(module.weight, "gaussian", OF_PLACES, generator)
            else:
                _fill(module.weight, kind, std * as_whole, generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, Connected):
            dense = torch.zeros_like(module.dense)
            _fill(dense, kind, std, generator)
            module.set_dense(dense)
        elif isinstance(module, Local):
            for place in module.filters.detach():
                _fill(place, kind, std, generator)
        elif isinstance(module, Subsample):
            nn.init.constant_(module.weight, 1 / module.kernel**2)
        elif isinstance(module, RBF):
            module.get_buffer("codes").copy_(
                torch.from_numpy(codes(*module.shape))[..., None, None]
            )
        elif isinstance(module, BatchNorm):
            nn.init.ones_(module.weight)
            nn.init.ones_(module.get_buffer("running_var"))


def begun_small(table: Table, initial: str) -> str | None:
    """The layer that gives places, where it begins otherwise than `initial` says; else None."""
    kind, _ = parsed(initial)
    return table.scores if table.places and kind not in GAUSSIANS else None


def _fans_in(table: Table) -> dict[str, int]:
    """How many terms each layer of a table sums."""
    shapes = table.shapes(table.crop, table.crop)
    weights = {row.name: row.weights(*(shapes[n] for n in row.inputs)) for row in table.rows}
    return {name: math.prod(shape[1:]) for name, shape in weights.items() if shape}


def parsed(initial: str) -> tuple[str, float]:
    """The kind of an initialisation, and its standard deviation where its name says one."""
    kind, colon, argument = initial.partition(":")
    with suppress(ValueError):
        if kind in ("glorot", "he") and not colon:
            return kind, math.nan
        if kind in GAUSSIANS and 0 < float(argument) < math.inf:
            return kind, float(argument)
    raise UserError(f"no initialisation '{initial}'; there are {', '.join(NAMES)}")


def _fill(weight: torch.Tensor, kind: str, std: float, generator: torch.Generator) -> None:
    out, fan_in = weight.shape[0], weight[0].numel()
    fan_out = out * weight[0, 0].numel()
    if kind == "glorot":
        bound = math.sqrt(6 / (fan_in + fan_out))
        nn.init.uniform_(weight, -bound, bound, generator=generator)
    else:
        std = math.sqrt(2 / fan_in) if kind == "he" else std
        nn.init.normal_(weight, 0.0, std, generator=generator)
