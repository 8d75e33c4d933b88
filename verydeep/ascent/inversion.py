"""What a layer still knows of a picture: one is sought of which the layer says the same.

After Mahendran & Vedaldi (2015), who minimise |Phi(x) - Phi_0|^2 / |Phi_0|^2 beside a norm and the
variation of x. We take the same sum with Adam in place of momentum, by which one rate does for all
layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, pi

import torch
from jaxtyping import Float
from torch import Tensor

from verydeep import randomness
from verydeep.ascent.looking import (
    SPREAD,
    Frame,
    differentiating,
    from_picture,
    mean_colour,
    seen,
)
from verydeep.ascent.priors import variation
from verydeep.errors import UserError
from verydeep.nets.network import Network
from verydeep.pictures.reading import Picture

RATE = 0.1
NORM = 1e-4
"""Of the mean of u^6."""
VARIATION = 1e-4
"""Of V, times the cube of what the row steps by: what a layer has forgotten is taken as smooth."""


def inverted(network: Network, row: str, image: Picture, steps: int, seed: int) -> Iterator[Frame]:
    """A picture of which a row says what it does of this one; each frame's value is the error.

    That is |Phi(x) - Phi_0|^2 / |Phi_0|^2. It begins with noise.
    """
    given = from_picture(image, network)
    with torch.no_grad():
        wanted = seen(network, given, [row])[row]
    if not bool(wanted.any()):
        raise UserError(f"'{row}' says nothing of this picture: all its values are zero")
    ground, weight = mean_colour(network.pixels).to(given), _weight(network, row)
    drawn = randomness.generator(seed, "ascent").normal(0, 0.1, given.shape)
    with differentiating():
        u = torch.from_numpy(drawn).to(given).requires_grad_()
        adam = torch.optim.Adam([u], RATE)
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = RATE * (1 + cos(pi * step / steps)) / 2
        with differentiating():
            found = error(seen(network, ground + SPREAD * u, [row])[row], wanted)
            total = found + weight * variation(u) + NORM * u.pow(6).mean()
            (u.grad,) = torch.autograd.grad(total, u)
            adam.step()
        yield Frame.of(ground + SPREAD * u, step + 1, steps, float(found.detach()))


def error(values: Float[Tensor, "1 C h w"], wanted: Float[Tensor, "1 C h w"]) -> Float[Tensor, ""]:
    """|Phi(x) - Phi_0|^2 / |Phi_0|^2."""
    return (values - wanted).square().sum() / wanted.square().sum()


def _weight(network: Network, row: str) -> float:
    return VARIATION * network.table.reaches[row].stride ** 3
