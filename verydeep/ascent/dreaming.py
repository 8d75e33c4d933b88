"""Deep dreams: what a network sees a trace of in a picture is made more of, at several sizes.

After Mordvintsev, Olah & Tyka (2015): the picture is made small, and changed there by some steps
along the gradient of an aim; what has changed, the detail alone, is taken to the next size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from verydeep import randomness
from verydeep.ascent.aims import Aim
from verydeep.ascent.looking import Frame, Image, fits, from_picture, resized, slope
from verydeep.ascent.priors import softened
from verydeep.nets.network import Network
from verydeep.nets.table import Table
from verydeep.pictures.reading import Picture

OCTAVES, RATIO = 4, 1.4
"""Sizes that a picture is changed at, and how much larger each is than the one before."""
STEP = 1.5
"""Grey levels that a pixel changes by in a step, in the mean."""
SHIFT = 32
"""Pixels that the picture is rolled by in each step, at most."""


def dreamt(network: Network, aim: Aim, image: Picture, steps: int, seed: int) -> Iterator[Frame]:
    """A picture as it is dreamt into, `steps` at each size; a frame after each, of its own size."""
    whole = from_picture(image, network)
    sizes = octaves(network.table, aim.row, (image.shape[0], image.shape[1]))
    detail, done = torch.zeros_like(resized(whole, sizes[0])), 0
    for size in sizes:
        base = resized(whole, size)
        now = (base + resized(detail, size)).clamp(0, 255)
        for _ in range(steps):
            value, now = _stepped(network, aim, now, seed, done)
            done += 1
            larger = whole + resized(now - base, (image.shape[0], image.shape[1]))
            yield Frame.of(larger, done, steps * len(sizes), value)
        detail = now - base


def octaves(table: Table, row: str, size: tuple[int, int]) -> list[tuple[int, int]]:
    """The (height, width) of each octave that the row has a value for, the smallest first."""
    found = [
        (round(size[0] / RATIO**k), round(size[1] / RATIO**k)) for k in reversed(range(OCTAVES))
    ]
    return [one for one in found if fits(table, [row], one)] or [size]


def _stepped(network: Network, aim: Aim, now: Image, seed: int, step: int) -> tuple[float, Image]:
    """The aim's value of a picture, and the picture one step on."""
    drawn = randomness.generator(seed, "ascent", 1 + step).integers(-SHIFT, SHIFT + 1, 2).tolist()
    shifted = now.roll(drawn, (2, 3))
    value, gradient = slope(shifted, lambda image: aim.of(network, image))
    smooth = softened(gradient)
    moved = shifted + STEP * smooth / smooth.abs().mean().clamp(min=1e-30)
    return value, moved.clamp(0, 255).roll([-n for n in drawn], (2, 3))
