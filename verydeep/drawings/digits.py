"""Drawn digits: one written by code, bright on dark, as MNIST has them, from (seed, number).

A digit is one stroke or two, each a path through points that a hand would pass. The points are
moved a little, the whole is slanted, turned and stretched, and drawn with a round pen of any
breadth. What MNIST does to its digits is done here too: the longer side of the ink is 20 parts of
32, and its centre of mass is that of the picture.
"""

# numpy's arithmetic is Any to mypy; jaxtyping checks what comes out instead.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from verydeep import randomness
from verydeep.drawings.drawing import SUBPIXELS, Drawing, Size, extent, refuse_small
from verydeep.drawings.outlines import Outline

INK = 20 / 32
"""The longer side of a digit over the picture's smaller side: MNIST's 20, shown in 32."""
STROKES: tuple[tuple[str, ...], ...] = (
    ("4,0 1,1 0,5 1,9 4,10 7,9 8,5 7,1 4,0",),
    ("2,2 4,0 4,5 4,10",),
    ("0,3 1,1 4,0 7,1 7,4 4,7 0,10 4,10 8,10",),
    ("0,1 4,0 7,2 6,4 3,5 6,5 8,7 6,10 0,9",),
    ("5,0 2,4 0,7 4,7 9,7", "6,3 6,6 6,10"),
    ("8,0 4,0 1,0 1,2 1,5 4,4 7,5 8,7 6,10 0,9",),
    ("6,0 3,2 1,5 0,8 3,10 6,9 7,7 5,5 1,7",),
    ("0,0 4,0 8,0 6,4 4,7 3,10",),
    ("4,5 1,3 2,0 6,0 7,3 4,5 0,7 2,10 6,10 8,7 4,5",),
    ("7,3 4,5 1,4 1,1 4,0 7,1 7,3 7,6 6,10",),
)
"""Of each digit its strokes: points x,y in a box of about 8 x 10, y pointing down."""
DIGITS = tuple(str(digit) for digit in range(len(STROKES)))
SHAKE = 0.7
"""Deviation by which a point of a stroke is off its place, in the box's own measure."""
STEPS = 10
"""Pieces of a stroke between two of its points."""


def draw_digit(seed: int, index: int, size: Size = (32, 32)) -> Drawing:
    """Picture `index` of the endless series `seed`, grey as RGB; the class is `index` modulo ten.

    `size` is height, width in pixels. Raises UserError where the smaller is below 32.

    >>> DIGITS[draw_digit(seed=0, index=17).label]
    '7'
    """
    refuse_small(size)
    rng = randomness.generator(seed, "drawing", sample=index)
    label = index % len(DIGITS)
    strokes = _placed(_written(rng, label), size)
    breadth = rng.uniform(0.05, 0.13) * min(size) * INK
    ink = _inked(strokes, breadth, size)
    grey = np.asarray(ink)
    return Drawing(np.repeat(grey[..., None], 3, axis=2), label, extent(ink))


def _written(rng: Generator, label: int) -> list[Outline]:
    """The strokes of a digit as a hand might write it, about the origin."""
    slant, turn = rng.uniform(-0.15, 0.45), rng.uniform(-0.2, 0.2)
    narrow = rng.uniform(0.55, 1.15)
    written = []
    for stroke in STROKES[label]:
        x, y = np.array([point.split(",") for point in stroke.split()], np.float64).T
        points = (x - 4) * narrow + 1j * (y - 5)
        points += SHAKE * (rng.standard_normal(len(x)) + 1j * rng.standard_normal(len(x)))
        points -= slant * points.imag
        written.append(_smooth(points) * np.exp(1j * turn))
    return written


def _smooth(points: Outline) -> Outline:
    """A curve through the points: cubic pieces whose slope at a point is that of its neighbours.

    Catmull & Rom (1974).
    """
    ends = np.concatenate([points[:1], points, points[-1:]])
    before, start, stop, after = (ends[i : len(ends) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, STEPS, endpoint=False)
    pieces = start + 0.5 * t * (
        (stop - before)
        + t * (2 * before - 5 * start + 4 * stop - after)
        + t * t * (3 * (start - stop) + after - before)
    )
    return np.append(pieces.ravel(), points[-1])


def _placed(strokes: list[Outline], size: Size) -> list[Outline]:
    """The strokes as large as they should be, their centre of mass in the middle, in pixels."""
    ink = np.concatenate(strokes)
    scale = INK * min(size) / max(np.ptp(ink.real), np.ptp(ink.imag))
    middle = complex(size[1], size[0]) / 2
    return [middle + scale * (stroke - ink.mean()) for stroke in strokes]


def _inked(strokes: list[Outline], breadth: float, size: Size) -> Image.Image:
    """The share of each pixel that a round pen of this breadth leaves inked, from 0 to 255."""
    fine = Image.new("L", (SUBPIXELS * size[1], SUBPIXELS * size[0]))
    pen = ImageDraw.Draw(fine)
    radius = SUBPIXELS * breadth / 2
    for stroke in strokes:
        path = np.floor((SUBPIXELS * stroke).view(np.float64))
        pen.line(path.tolist(), fill=255, width=round(2 * radius))
        for x, y in path.reshape(-1, 2).tolist():
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return fine.reduce(SUBPIXELS)
