"""Pictures made by code, so that the whole system can be tried with no data and no network.

In go a seed and an index; out comes a picture of one shape on a cluttered ground, with its class
and its box. Size, place, turn, colours and texture are chosen alike for every class: only the
outline tells what a shape is. Not from the paper.

A picture is a pile of layers, each an outline filled with a paint. Outlines are turned, enlarged
and moved by arithmetic on complex numbers. Sines and cosines may differ in their last bit between
processors, so they are always rounded before they touch a pixel.
"""

# numpy's arithmetic is Any to mypy; jaxtyping checks what comes out instead.
# mypy: disable-error-code="no-any-return"

import colorsys
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from verydeep import randomness
from verydeep.drawings.outlines import (
    CLUTTER,
    OUTLINES,
    SHAPES,
    Outline,
    any_direction,
    curve,
    ribbon,
)
from verydeep.errors import UserError

SMALLEST_SIDE = 32  # pixels; in less, the smallest shapes cannot be told apart
SHAPE_SIZE = (0.4, 0.9)  # longer side of the shape's box over the smaller side of the picture
STRANDED = 0.6  # share of pictures with a thin curve in front of the shape, or beside it
SUBPIXELS = 3  # outlines are filled this much larger, then averaged, for smooth edges

Size = tuple[int, int]  # height, width
Box = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max
Colour = tuple[int, int, int]
ColourPair = tuple[Colour, Colour]
Field = Float32[np.ndarray, "H W"]


@dataclass(frozen=True)
class Drawing:
    """A picture, its class as an index, and the box of what is seen of what it shows.

    The box is x_min, y_min, x_max, y_max in pixels, continuous from the upper left corner: a shape
    in columns 3 to 5 has x_min 3 and x_max 6. A pixel counts when more than half of it is shape.
    """

    image: UInt8[np.ndarray, "H W 3"]
    label: int
    box: tuple[float, float, float, float]


def draw(seed: int, index: int, size: tuple[int, int] = (128, 128)) -> Drawing:
    """Picture `index` of the endless series `seed`, in RGB; `size` is height, width in pixels.

    The class is `index` modulo ten, so any run of indices is balanced.

    >>> SHAPES[draw(seed=0, index=17).label]
    'square'
    """
    refuse_small(size)
    rng = randomness.generator(seed, "drawing", sample=index)
    label = index % len(SHAPES)
    scenery = [related_colours(rng) for _ in range(rng.integers(2, 4))]
    picture = paint(rng, scenery[0], size)
    for colours in scenery[1:]:
        add_clutter(rng, picture, colours)
    outline = placed(rng, OUTLINES[SHAPES[label]](rng), size)
    add_shadow(rng, picture, outline)
    visible = filled([outline], size)
    picture.paste(paint(rng, outstanding_colours(rng, scenery), size), mask=visible)
    if rng.random() < STRANDED:
        visible.paste(0, mask=add_strand(rng, picture))
    return Drawing(photographed(rng, picture), label, extent(visible))


def refuse_small(size: Size) -> None:
    """Raises UserError for a picture in which nothing drawn could be told."""
    if min(size) < SMALLEST_SIDE:
        raise UserError(
            f"a drawing of {size[0]}x{size[1]} pixels is too small for its shape to be told; "
            f"height and width must be at least {SMALLEST_SIDE}"
        )


def related_colours(rng: Generator) -> ColourPair:
    """Any RGB colour, and another of similar hue and lightness."""
    hue, saturation, lightness, hue_step, lightness_step = rng.random(5).tolist()
    saturation, lightness = 0.15 + 0.6 * saturation, 0.15 + 0.7 * lightness
    other_hue = hue + 0.16 * (hue_step - 0.5)
    other_lightness = min(max(lightness + 0.24 * (lightness_step - 0.5), 0.08), 0.92)
    return colour(hue, lightness, saturation), colour(other_hue, other_lightness, saturation)


def colour(hue: float, lightness: float, saturation: float) -> Colour:
    """In bytes of RGB; hue in turns, the others from 0 to 1."""
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


def outstanding_colours(rng: Generator, scenery: list[ColourPair]) -> ColourPair:
    """Two colours that are most often well apart from those of the scenery."""
    candidates = [related_colours(rng) for _ in range(10)]
    return max(candidates, key=lambda pair: contrast(pair, scenery))


def contrast(pair: ColourPair, scenery: list[ColourPair]) -> int:
    """The least squared distance between colours, weighted roughly as the eye does."""
    steps = np.array(pair)[:, None] - np.array(scenery).reshape(-1, 3)
    return int((steps**2 @ np.array([2, 4, 3])).min())


def paint(rng: Generator, colours: ColourPair, size: Size) -> Image.Image:
    """A picture that blends two colours in a random pattern."""
    pattern = PATTERNS[rng.integers(len(PATTERNS))](rng, size)
    blend = Image.fromarray((255 * pattern).astype(np.uint8))
    first, second = (Image.new("RGB", size[::-1], colour) for colour in colours)
    return Image.composite(first, second, blend)


def flat(rng: Generator, size: Size) -> Field:
    """The same blend everywhere."""
    return np.full(size, rng.random(), np.float32)


def gradient(rng: Generator, size: Size) -> Field:
    """From 0 to 1 across the picture, in any direction."""
    ramp = slope(any_direction(rng), size)
    return (ramp - ramp.min()) / np.ptp(ramp)


def stripes(rng: Generator, size: Size) -> Field:
    """Bands of 0 and 1 of one width."""
    period = min(size) * rng.uniform(0.05, 0.16)
    off_centre = np.abs(repeated(slope(any_direction(rng), size), period))
    return np.clip(off_centre - period / 4 + 0.5, 0, 1)


def dots(rng: Generator, size: Size) -> Field:
    """Small discs of 1 in rows and columns on 0."""
    period, radius = min(size) * rng.uniform(0.06, 0.14), rng.uniform(0.2, 0.4)
    direction = any_direction(rng)
    x, y = (repeated(slope(way, size), period) for way in (direction, 1j * direction))
    return np.clip(radius * period - np.sqrt(x * x + y * y) + 0.5, 0, 1)


def cloud(rng: Generator, size: Size) -> Field:
    """Noise at two frequencies, the lower the stronger."""
    cells = int(rng.integers(2, 7))
    return (2 * noise(rng, cells, size) + noise(rng, 3 * cells, size)) / 3


PATTERNS = (flat, gradient, stripes, dots, cloud)


def slope(direction: complex, size: Size) -> Field:
    """How far each pixel lies along a direction, in pixels."""
    x, y = np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32)
    return np.float32(direction.real) * x + np.float32(direction.imag) * y[:, None]


def repeated(distance: Field, period: float) -> Field:
    """The distance from the middle of the nearest period."""
    return distance - period * np.rint(distance * (1 / period))


def noise(rng: Generator, cells: int, size: Size) -> Field:
    """Random values from 0 to 1 in a grid of cells, smooth in between."""
    # In bytes: Pillow resizes those in whole numbers, the same on every processor.
    values = Image.fromarray(rng.integers(256, size=(cells, cells), dtype=np.uint8))
    return np.asarray(values.resize(size[::-1], Image.Resampling.BICUBIC)) / np.float32(255)


def add_clutter(rng: Generator, picture: Image.Image, colours: ColourPair) -> None:
    """Lay up to three translucent pieces of no class on the picture, perhaps half outside."""
    size = (picture.height, picture.width)
    pieces = [clutter(rng, size) for _ in range(rng.integers(1, 4))]
    mask = filled(pieces, size, level=int(rng.integers(60, 150)))
    picture.paste(paint(rng, colours, size), mask=mask)


def clutter(rng: Generator, size: Size) -> Outline:
    """The outline of one piece, of any size and anywhere."""
    piece = CLUTTER[rng.integers(len(CLUTTER))](rng)
    turn = rng.uniform(0.3, 0.9) * min(size) * any_direction(rng)
    return anywhere(rng, *size) + turn * piece


def add_strand(rng: Generator, picture: Image.Image) -> Image.Image:
    """Lay a thin curve across the picture, in front of all; returns its mask."""
    size = (picture.height, picture.width)
    path = anywhere(rng, *size) + max(size) * any_direction(rng) * curve(rng)
    mask = filled([ribbon(path, rng.uniform(0.01, 0.025) * min(size))], size)
    picture.paste(related_colours(rng)[0], mask=mask)
    return mask


def anywhere(rng: Generator, height: int | float, width: int | float) -> complex:
    """A point in a box of that size."""
    return width * rng.random() + 1j * height * rng.random()


def filled(outlines: list[Outline], size: Size, level: int = 255) -> Image.Image:
    """The share of each pixel that lies within the outlines, from 0 to `level`."""
    fine = Image.new("L", (SUBPIXELS * size[1], SUBPIXELS * size[0]))
    pen = ImageDraw.Draw(fine)
    for outline in outlines:
        corners = np.floor((SUBPIXELS * outline).view(np.float64))  # x, y, x, y, ...
        pen.polygon(corners.tolist(), fill=level)
    return fine.reduce(SUBPIXELS)


def placed(rng: Generator, outline: Outline, size: Size) -> Outline:
    """The outline a little stretched, turned, enlarged and moved, wholly inside the picture."""
    stretched = outline + rng.uniform(-0.1, 0.1) * outline.conj()
    turned = stretched * any_direction(rng)
    left, top = turned.real.min(), turned.imag.min()
    width, height = np.ptp(turned.real), np.ptp(turned.imag)
    scale = rng.uniform(*SHAPE_SIZE) * min(size) / max(width, height)
    place = anywhere(rng, size[0] - scale * height, size[1] - scale * width)
    return place + scale * (turned - left - 1j * top)


def add_shadow(rng: Generator, picture: Image.Image, outline: Outline) -> None:
    """Darken the picture softly beside the outline."""
    blur = rng.uniform(0.01, 0.03) * min(picture.size)
    moved = outline + blur * any_direction(rng)
    shadow = filled([moved], (picture.height, picture.width), level=int(rng.integers(150)))
    picture.paste("black", mask=shadow.filter(ImageFilter.BoxBlur(blur)))


def photographed(rng: Generator, picture: Image.Image) -> UInt8[np.ndarray, "H W 3"]:
    """The picture unevenly lit, with the grain of a camera."""
    size, strength = (picture.height, picture.width), rng.integers(1, 16)
    light = np.float32(rng.uniform(0, 60)) * (noise(rng, 3, size) - np.float32(0.5))
    grain = rng.integers(-strength, strength, size, dtype=np.int8)
    pixels = np.asarray(picture) + (light + grain)[..., None]
    return np.clip(pixels, 0, 255).astype(np.uint8)


def extent(mask: Image.Image) -> Box:
    """The box of the pixels of which more than half is covered."""
    covered = np.asarray(mask) > 127
    x, y = np.flatnonzero(covered.any(axis=0)), np.flatnonzero(covered.any(axis=1))
    return float(x[0]), float(y[0]), float(x[-1] + 1), float(y[-1] + 1)
