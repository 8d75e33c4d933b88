"""Boxes and points drawn on pictures, with what is said of them, legible on light and on dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from verydeep.errors import escaped
from verydeep.pictures.reading import Picture

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]

COLOURS: tuple[Colour, ...] = (
    (255, 214, 10), (86, 214, 255), (255, 141, 220), (140, 235, 120), (255, 160, 90),
)  # fmt: skip
"""Of one box after another: all of them light, so that dark letters stand out on them."""
FONT = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
"""That of plots, which has the letters of most alphabets."""
EDGE = (10, 10, 10)
"""Round lines and behind letters, where the ground is as light as they are."""


@dataclass(frozen=True)
class Mark:
    """A box (x_min, y_min, x_max, y_max) or a point (x, y) in pixels, its colour, and its words.

    A light box has no dark lines beside its own, so that many of them leave the picture to be seen.
    """

    place: tuple[float, ...]
    colour: Colour = COLOURS[0]
    words: str = ""
    is_light: bool = False


def drawn(
    image: Picture, marks: Sequence[Mark], least: int = 480, line: int | None = None
) -> Image.Image:
    """The picture with its marks, of which the first are drawn over the others.

    One whose larger side is below `least` is enlarged by a whole number, so that lines and words
    find room. Lines are `line` pixels wide, or as wide as suits the picture.
    """
    canvas = Image.fromarray(image)
    times = -(-least // max(canvas.size))
    if times > 1:
        size = (canvas.width * times, canvas.height * times)
        canvas = canvas.resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(canvas)
    line = line or max(2, round(max(canvas.size) / 240))
    placed = [tuple(times * side for side in mark.place) for mark in marks]
    for mark, place in zip(reversed(marks), reversed(placed), strict=True):
        if len(place) == 4:
            _box(pen, place, mark, line)
        else:
            _point(pen, place, mark.colour, 2 * line)
    told = [(m, p) for m, p in zip(marks, placed, strict=True) if m.words and _is_in(canvas, p)]
    _words(pen, canvas.size, told, line)
    return canvas


def _is_in(canvas: Image.Image, place: Sequence[float]) -> bool:
    """Whether the first corner of a box, or a point, lies in the picture."""
    return 0 <= place[0] <= canvas.width and 0 <= place[1] <= canvas.height


def _box(pen: ImageDraw.ImageDraw, place: Sequence[float], mark: Mark, line: int) -> None:
    """Lines on the last pixels inside a box, with a dark one on either side of each."""
    left, top, right, bottom = (round(side) for side in place)
    right, bottom = max(right - 1, left), max(bottom - 1, top)
    for inset in () if mark.is_light else (-1, line):
        edge = (left + inset, top + inset, right - inset, bottom - inset)
        if edge[2] > edge[0] and edge[3] > edge[1]:
            pen.rectangle(edge, outline=EDGE)
    pen.rectangle((left, top, right, bottom), outline=mark.colour, width=line)


def _point(pen: ImageDraw.ImageDraw, place: Sequence[float], colour: Colour, radius: int) -> None:
    x, y = place
    around = (x - radius, y - radius, x + radius, y + radius)
    pen.ellipse(around, colour, EDGE, max(1, radius // 3))


def _words(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    marks: Sequence[tuple[Mark, Sequence[float]]],
    line: int,
) -> None:
    """What is said of each, above its first corner, or where there is room; none over another."""
    font = ImageFont.truetype(FONT, max(13, round(max(size) / 36)))
    taken: list[Rectangle] = []
    for mark, place in marks:
        text = escaped(mark.words)
        left, top, right, bottom = (round(side) for side in pen.textbbox((0, 0), text, font))
        width, height = right - left + 8, bottom - top + 6
        x = round(min(max(place[0] - 1, 0), max(size[0] - width, 0)))
        above = place[1] - height if len(place) == 4 else place[1] + 3 * line
        y = round(min(above if above >= 0 else place[1] + line, size[1] - height))
        while any(_meet((x, y, x + width, y + height), other) for other in taken):
            y += 1
        taken.append((x, y, x + width, y + height))
        pen.rectangle((x, y, x + width - 1, y + height - 1), mark.colour, EDGE)
        pen.text((x + 4 - left, y + 3 - top), text, EDGE, font)


def _meet(one: Rectangle, other: Rectangle) -> bool:
    """Whether two rectangles have a pixel in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
