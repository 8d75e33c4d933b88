"""Random weights to start from, by name; biases start at zero where it says nothing of them.

What gives places begins as the paper's layers do, whatever the others begin with.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import nn

from verydeep.errors import UserError
from verydeep.nets import named
from verydeep.nets import special_rows as rows
from verydeep.nets.digits import codes
from verydeep.nets.layers import BatchNorm
from verydeep.nets.rows import Conv
from verydeep.nets.special_layers import RBF, Connected, Local, Subsample
from verydeep.nets.table import Table

NAMES = ("glorot", "he", "gaussian:STD", "whole-gaussian:STD")
GAUSSIANS = ("gaussian", "whole-gaussian")
BIAS = "bias"
"""The word behind a name that says with what biases begin, and of which layers."""
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

    Biases begin at 0 (Sect. 3.1), or behind "bias 0.5" at that, and behind "bias 1 in
    conv2_1,fc4" those of such layers alone; norms' and subsampling's begin at 0 all the same.
    Raises UserError for another name, and for a layer that has no bias.

    The layer that gives boxes or points begins with "gaussian:0.01" in nets by "glorot" and "he"
    too, as all layers of the paper do. Places are shares of a crop, of the order of 1: by wider
    weights those told first may be tens away, where values are large or there are few of them.
    """
    begun = parsed(initial)
    kind, std = begun.kind, begun.std
    refuse_other_layers(table, initial)
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
                nn.init.constant_(module.bias, begun.bias_of(name))
        elif isinstance(module, Connected):
            dense = torch.zeros_like(module.dense)
            _fill(dense, kind, std, generator)
            module.set_dense(dense)
            nn.init.constant_(module.bias, begun.bias_of(name))
        elif isinstance(module, Local):
            for place in module.filters.detach():
                _fill(place, kind, std, generator)
            nn.init.constant_(module.bias, begun.bias_of(name))
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
    kind = parsed(initial).kind
    return table.scores if table.places and kind not in GAUSSIANS else None


def _fans_in(table: Table) -> dict[str, int]:
    """How many terms each layer of a table sums."""
    shapes = table.shapes(table.crop, table.crop)
    weights = {row.name: row.weights(*(shapes[n] for n in row.inputs)) for row in table.rows}
    return {name: math.prod(shape[1:]) for name, shape in weights.items() if shape}


@dataclass(frozen=True)
class Begun:
    """An initialisation as its name tells it; the deviation is NaN where the name has none.

    `bias` is what biases begin with, those of `layers` alone where it names some.
    """

    kind: str
    std: float
    bias: float = 0.0
    layers: tuple[str, ...] = ()

    def bias_of(self, layer: str) -> float:
        """What the biases of a layer begin with."""
        return self.bias if not self.layers or layer in self.layers else 0.0


def parsed(initial: str) -> Begun:
    """An initialisation by its name; raises UserError where there is none of it."""
    name, said, bias = initial.partition(f" {BIAS} ")
    kind, colon, argument = name.partition(":")
    value, among, layers = bias.partition(" in ")
    names = tuple(layer.strip() for layer in layers.split(",")) if among else ()
    with suppress(ValueError):
        begins = float(value) if said else 0.0
        if kind in ("glorot", "he") and not colon and math.isfinite(begins):
            return Begun(kind, math.nan, begins, names)
        if kind in GAUSSIANS and 0 < float(argument) < math.inf and math.isfinite(begins):
            return Begun(kind, float(argument), begins, names)
    raise UserError(
        f"no initialisation '{initial}'; there are {', '.join(NAMES)}, and behind each of them "
        f"'{BIAS} 0.5', or '{BIAS} 1 in LAYER,LAYER'"
    )


def refuse_other_layers(table: Table, initial: str) -> None:
    """Raises UserError where an initialisation tells of a layer that a table has no biases for."""
    known = [
        row.name
        for row in table.rows
        if (isinstance(row, Conv) and row.bias) or isinstance(row, (rows.Connected, rows.Local))
    ]
    for name in parsed(initial).layers:
        if name not in known:
            raise UserError(
                f"initial is '{initial}', and {table.name} has no layer {name} whose biases begin "
                f"so; there are {', '.join(known)}"
            )


def _fill(weight: torch.Tensor, kind: str, std: float, generator: torch.Generator) -> None:
    out, fan_in = weight.shape[0], weight[0].numel()
    fan_out = out * weight[0, 0].numel()
    if kind == "glorot":
        bound = math.sqrt(6 / (fan_in + fan_out))
        nn.init.uniform_(weight, -bound, bound, generator=generator)
    else:
        std = math.sqrt(2 / fan_in) if kind == "he" else std
        nn.init.normal_(weight, 0.0, std, generator=generator)
