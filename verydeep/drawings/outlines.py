"""The outlines that pictures are drawn with: the ten shapes, and clutter that is none of them.

An outline is a closed polygon of complex numbers x + iy, y pointing down, about the origin and in
a unit of its own. Each is a function of a random generator, which varies its proportions.
"""

# numpy's arithmetic is Any to mypy; jaxtyping checks what comes out instead.
# mypy: disable-error-code="no-any-return"

from collections.abc import Callable

import numpy as np
from jaxtyping import Complex128
from numpy.random import Generator

Outline = Complex128[np.ndarray, "_"]  # as many corners as it needs


def any_direction(rng: Generator) -> complex:
    """A point on the unit circle."""
    return complex(np.exp(2j * np.pi * rng.random()))


def arc(start: float = 0.0, stop: float = 1.0, points: int = 60) -> Outline:
    """Points on the unit circle, between angles in turns."""
    return np.exp(2j * np.pi * np.linspace(start, stop, points))


def arrow(rng: Generator) -> Outline:
    """A broad head on a straight shaft."""
    neck, shaft = rng.uniform((-0.1, 0.16), (0.25, 0.3))
    half = np.array([1, neck + 0.75j, neck + shaft * 1j, -1 + shaft * 1j])
    return np.concatenate([half, half[::-1].conj()])


def crescent(rng: Generator) -> Outline:
    """The unit disc less another one, which leaves two tips."""
    tip, thickness = rng.uniform((0.11, 0.45), (0.2, 0.75))
    # The other circle goes through both tips and through the middle of the inner edge.
    edge, corner = thickness - 1, np.exp(2j * np.pi * tip)
    centre = (1 - edge**2) / (2 * (corner.real - edge))
    start = np.angle(corner - centre) / (2 * np.pi)
    inner = centre + (centre - edge) * arc(1 - start, start)
    return np.concatenate([arc(tip, 1 - tip), inner])


def cross(rng: Generator) -> Outline:
    """Four equal arms at right angles."""
    half_width = rng.uniform(0.18, 0.36)
    arm = np.array([1 - half_width * 1j, 1 + half_width * 1j, half_width * (1 + 1j)])
    return np.concatenate([arm * 1j**quarter for quarter in range(4)])


def heart(rng: Generator) -> Outline:
    """The well-known curve of sines and cosines, always the same."""
    t = 2 * np.pi * np.linspace(0, 1, 80)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return 16 * np.sin(t) ** 3 - 1j * y


def ring(rng: Generator) -> Outline:
    """Out round the unit circle and back round a smaller one."""
    return np.concatenate([arc(), rng.uniform(0.45, 0.75) * arc()[::-1]])


def spiral(rng: Generator) -> Outline:
    """About two turns, in either sense."""
    turns = rng.uniform(1.7, 2.5)
    path = np.linspace(0.12, 1, 120) * arc(0.12 * turns, turns, 120)
    width = rng.uniform(0.4, 0.6) / turns
    return ribbon(path if rng.random() < 0.5 else path.conj(), width)


def star(rng: Generator) -> Outline:
    """Five to seven points."""
    outline = arc(points=2 * int(rng.integers(5, 8)) + 1)
    outline[1::2] *= rng.uniform(0.4, 0.55)
    return outline


def triangle(rng: Generator) -> Outline:
    """Corners at least 60 degrees apart, seen from the centre."""
    return np.exp(2j * np.pi * (np.arange(3) + rng.uniform(-0.25, 0.25, 3)) / 3)


OUTLINES: dict[str, Callable[[Generator], Outline]] = {
    "arrow": arrow,
    "crescent": crescent,
    "cross": cross,
    "disc": lambda rng: arc(),
    "heart": heart,
    "ring": ring,
    "spiral": spiral,
    "square": lambda rng: arc(points=5),
    "star": star,
    "triangle": triangle,
}
SHAPES: tuple[str, ...] = tuple(OUTLINES)


def ribbon(path: Outline, width: float) -> Outline:
    """The outline of a band of that width along a path."""
    along = np.gradient(path)
    side = 0.5j * width * along / np.abs(along)
    return np.concatenate([path + side, (path - side)[::-1]])


def curve(rng: Generator) -> Outline:
    """A path across the unit circle, bent to one side."""
    x = np.linspace(-1, 1, 40)
    return x + 1j * rng.uniform(-0.5, 0.5) * (x * x - 0.5)


def zigzag(rng: Generator) -> Outline:
    """A path of three to six straight pieces."""
    x = np.linspace(-1, 1, rng.integers(4, 8))
    return x + 1j * rng.uniform(0.05, 0.4) * (-1) ** np.arange(len(x))


def blob(rng: Generator) -> Outline:
    """A closed curve with uneven lobes."""
    around = arc(points=40)
    lobes = [rng.uniform(0.3, 1) * any_direction(rng) * around**n for n in range(2, 6)]
    return (0.5 + 0.15 * np.sum(lobes, axis=0).real) * around


CLUTTER: tuple[Callable[[Generator], Outline], ...] = (
    blob,
    lambda rng: ribbon(curve(rng), rng.uniform(0.02, 0.12)),
    lambda rng: ribbon(zigzag(rng), rng.uniform(0.05, 0.15)),
    lambda rng: ribbon(arc(stop=0.5, points=2), rng.uniform(0.1, 0.35)),  # a straight bar
)
