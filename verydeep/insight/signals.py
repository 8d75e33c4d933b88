"""What comes down through a network from one of its rows to its pictures, by one of three rules.

Convolutions, pools, norms and FC rows send a signal back as their gradients do: a pool to its
switch, the place of its largest value. The rules differ at the ReLU alone (R comes down, Y is what
the ReLU gave):

    gradient    R where Y > 0           Simonyan, Vedaldi & Zisserman, 2014
    deconvnet   max(0, R)               Zeiler & Fergus, 2014
    guided      max(0, R) where Y > 0   Springenberg et al., 2015

They are rules for `Network.run`: what goes up is the same by all of them. A DeconvNet leaves local
response normalisation out on the way down; the others go through it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from verydeep.nets.network import Network, Rules
from verydeep.nets.rows import LRN, PICTURE, ReLU, Row

Images = Float[Tensor, "B C H W"]
Start = Callable[[Float[Tensor, "B D h w"]], Float[Tensor, "B D h w"]]
"""From what a row gives to the signal that goes down from it."""


class _Deconvnet(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Tensor:
        return signals[0].clamp(min=0)


class _Guided(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values > 0)
        return values.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Tensor:
        (on,) = ctx.saved_tensors
        return signals[0].clamp(min=0).where(on, 0)


class _LeftOut(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, given: Tensor) -> Tensor:
        return given.clone()

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor, None]:
        return signals[0], None


def _by_deconvnet(row: Row, layer: torch.nn.Module, values: Tensor) -> Tensor:
    found: Tensor = _Deconvnet.apply(values)
    return found


def _by_guided(row: Row, layer: torch.nn.Module, values: Tensor) -> Tensor:
    found: Tensor = _Guided.apply(values)
    return found


def _left_out(row: Row, layer: torch.nn.Module, values: Tensor) -> Tensor:
    found: Tensor = _LeftOut.apply(values, layer(values).detach())
    return found


GRADIENT: Rules = {}
DECONVNET: Rules = {ReLU: _by_deconvnet, LRN: _left_out}
GUIDED: Rules = {ReLU: _by_guided}


def frozen(network: Network) -> Network:
    """The network as it is tested, on the same tensors, of which none asks for a gradient.

    So nothing is kept for gradients but what those of pictures need.
    """
    same = Network.empty(network.table, network.classes, network.pixels)
    same.load_state_dict({n: t.detach() for n, t in network.state_dict().items()}, assign=True)
    return same.requires_grad_(False).eval()


def signal(
    network: Network, images: Images, row: str, start: Start, rules: Rules = GRADIENT
) -> Images:
    """What comes down to pictures, in the network's own pixels, from a row or an end of it.

    `start` makes of what the row gives the signal that goes down: `of_class` or `of_value`.
    Pictures are taken as they are, and nothing of them is cut off.
    """
    with torch.inference_mode(False), torch.enable_grad():
        given = images.detach().clone().requires_grad_()
        values = network.run({PICTURE: given}, [row], rules)[row]
        # the sum's gradient is the signal; to give that by itself would import SymPy
        (found,) = torch.autograd.grad((values * start(values.detach())).sum(), given)
    return found


def of_class(label: int) -> Start:
    """1 at the score of a class: at each place of a score map its share of their mean."""

    def start(scores: Float[Tensor, "B K h w"]) -> Float[Tensor, "B K h w"]:
        found = torch.zeros_like(scores)
        found[:, label] = 1 / scores[0, 0].numel()
        return found

    return start


def of_value(unit: int, place: tuple[int, int]) -> Start:
    """One value of a row as it is, at (y, x) of a unit's map; all others are 0."""

    def start(values: Float[Tensor, "B D h w"]) -> Float[Tensor, "B D h w"]:
        found = torch.zeros_like(values)
        y, x = place
        found[:, unit, y, x] = values[:, unit, y, x]
        return found

    return start
