"""Pictures out of nothing: what a class, a unit or a layer of a network answers most strongly to.

Either as waves that are moved about in every step (`climbed`), which gives something to look at, or
as Simonyan, Vedaldi & Zisserman (2014) have it (`decayed`): argmax over I of S(I) - l |I|^2.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from verydeep.ascent.aims import Aim
from verydeep.ascent.looking import (
    SPREAD,
    Frame,
    differentiating,
    mean_colour,
    slope,
)
from verydeep.ascent.priors import Canvas, moved
from verydeep.nets.network import Network

RATE = 0.05
"""Of steps, for numbers of order 1."""
DECAY = 0.1
"""Share of a picture that goes in each step, where that is what holds it."""


def climbed(
    network: Network, aim: Aim, size: tuple[int, int], steps: int, seed: int
) -> Iterator[Frame]:
    """A picture of (height, width) as it climbs; a frame after each step."""
    with differentiating():
        canvas = Canvas(network, size, seed)
        adam = torch.optim.Adam([canvas.waves], RATE)
    for step in range(steps):
        with differentiating():
            found = aim.of(network, moved(canvas.image(), seed, step))
            (canvas.waves.grad,) = torch.autograd.grad(-found, canvas.waves)
            adam.step()
            image = canvas.image()
        yield Frame.of(image, step + 1, steps, float(found.detach()))


def decayed(network: Network, aim: Aim, size: tuple[int, int], steps: int) -> Iterator[Frame]:
    """The same by pixels, beginning with the mean colour, held by their decay alone.

    No l is published, and one that does for a score of 10 is nothing for one of 10,000. So steps
    are of one length, whatever the gradient's, and decay by `DECAY`: l is what leaves a picture
    with as much contrast as `RATE / DECAY`, in the mean.
    """
    like = next(network.parameters())
    ground = mean_colour(network.pixels).to(like)
    u = torch.zeros(1, 3, *size).to(like)
    for step in range(steps):
        value, gradient = slope(u, lambda now: aim.of(network, ground + SPREAD * now))
        u = (1 - DECAY) * u + RATE * gradient / gradient.abs().mean().clamp(min=1e-30)
        yield Frame.of(ground + SPREAD * u, step + 1, steps, value)
