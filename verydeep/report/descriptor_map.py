"""A map of descriptors: points by class in a plane, some with their pictures, as part of a page.

Up to ten classes are told apart by colour and shape, more by their numbers in the colours of ten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from jaxtyping import Float64, Int64

from verydeep.descriptors.projections import Projection
from verydeep.report.html import CUE

POINTS = 2000
"""Pictures that are points of a map, spread over all of them."""
PICTURES = 150
"""Pictures that are shown, at the most."""
COLOURS = 10
NAMED = 24
"""Classes up to which the legend is open."""
WIDTH, HEIGHT, EDGE = 1000, 700, 30
APART = 64
"""Between the middles of pictures at the least, in units of the width; a picture takes 44."""
MANY = 400
"""Points from which on marks are small."""
SHAPES = (
    "M7 0A7 7 0 1 1-7 0A7 7 0 1 1 7 0Z",
    "M-6-6H6V6H-6Z",
    "M0-8L7 5H-7Z",
    "M0-9L7 0L0 9L-7 0Z",
    "M0 8L-7-5H7Z",
    "M-2.5-8H2.5V-2.5H8V2.5H2.5V8H-2.5V2.5H-8V-2.5H-2.5Z",
    "M-7-3.5L-3.5-7L0-3.5L3.5-7L7-3.5L3.5 0L7 3.5L3.5 7L0 3.5L-3.5 7L-7 3.5L-3.5 0Z",
    "M0-8L7.6-2.5L4.7 6.5H-4.7L-7.6-2.5Z",
    "M0-9L2.2-3H8.6L3.5 1L5.3 7.3L0 3.5L-5.3 7.3L-3.5 1L-8.6-3H-2.2Z",
    "M-8-2.5H8V2.5H-8Z",
)

Thumbnail = Callable[[int], str | None]
"""A link to picture i, small; None where it is gone."""
Labels = Int64[np.ndarray, " N"]


def spread(count: int, most: int = POINTS) -> Int64[np.ndarray, " M"]:
    """The places of so many pictures, evenly spread over all."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def descriptor_map(
    projection: Projection,
    labels: Labels,
    names: Sequence[str],
    classes: Sequence[str],
    picture: Thumbnail,
) -> str:
    """The map as HTML: its points, pictures that do not cover one another, a legend, what it says.

    A label of -1 is of a picture without a class, or with several.
    """
    places = _placed(projection.points)
    told = [f"{name}: {classes[k]}" if k >= 0 else name
            for name, k in zip(names, labels.tolist(), strict=True)]  # fmt: skip
    marks = "".join(
        _mark(int(k), len(classes), x, y, text)
        for (x, y), k, text in zip(places.tolist(), labels, told, strict=True)
    )
    drawn = np.random.default_rng(0).permutation(len(places))
    chosen = drawn[apart(places[drawn], APART)][:PICTURES].tolist()
    shown = [(i, uri) for i in chosen if (uri := picture(i))]
    images = "".join(_image(uri, int(labels[i]), places[i], told[i]) for i, uri in shown)
    kind = "map many" if len(labels) > MANY else "map"
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="map">{marks}</svg>'
    said = (
        f" {len(shown):,} have their picture in their place, drawn so that none covers another one."
        if shown
        else ""
    )
    return (
        f'{CUE}<div class="scroll"><div class="{kind}">{svg}{images}</div></div>'
        f"{_legend(labels, classes)}"
        f"<p>{escape(projection.said)} {len(labels):,} pictures are shown.{said}</p>"
    )


def _placed(points: Float64[np.ndarray, "N 2"]) -> Float64[np.ndarray, "N 2"]:
    """Where points are in the frame: as large as fits, both axes alike, the second upwards."""
    low, high = points.min(0), points.max(0)
    room = np.array([WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE])
    scale = float((room / np.maximum(high - low, 1e-12)).min())
    middle = (points - (low + high) / 2) * scale * [1, -1]
    return np.asarray(middle + np.array([WIDTH, HEIGHT]) / 2)


def apart(places: Float64[np.ndarray, "N 2"], side: float) -> list[int]:
    """Points so far apart that squares about them do not meet, the first ones first."""
    taken: dict[tuple[int, int], list[int]] = {}
    found = []
    for i, (x, y) in enumerate(places.tolist()):
        column, row = int(x // side), int(y // side)
        around = [k for dx in (-1, 0, 1) for dy in (-1, 0, 1)
                  for k in taken.get((column + dx, row + dy), ())]  # fmt: skip
        if all(np.abs(places[k] - (x, y)).max() >= side for k in around):
            taken.setdefault((column, row), []).append(i)
            found.append(i)
    return found


def _mark(label: int, count: int, x: float, y: float, told: str = "") -> str:
    """The mark of a class at a place: a shape, or the class's number."""
    at = f'class="{_colour(label)}" style="translate:{x:.0f}px {y:.0f}px"'
    title = f"<title>{escape(told)}</title>" if told else ""
    if label >= 0 and count > len(SHAPES):
        return f"<text {at}>{label + 1}{title}</text>"
    return f'<path {at} d="{SHAPES[max(label, 0)]}">{title}</path>'


def _colour(label: int) -> str:
    return f"c{label % COLOURS}" if label >= 0 else "none"


def _image(uri: str, label: int, place: Float64[np.ndarray, " 2"], told: str) -> str:
    left, top = 100 * place[0] / WIDTH, 100 * place[1] / HEIGHT
    return (
        f'<img class="{_colour(label)}" style="left:{left:.2f}%;top:{top:.2f}%" src="{uri}" '
        f'alt="" title="{escape(told)}">'
    )


def _legend(labels: Labels, classes: Sequence[str]) -> str:
    """The classes that are on the map with their marks; folded in where they are many."""
    there = np.unique(labels[labels >= 0]).tolist()
    marks = "".join(
        f'<span><svg viewBox="-16 -12 32 24">{_mark(k, len(classes), 0, 0)}</svg>'
        f"{escape(classes[k])}</span>"
        for k in there
    )
    if (labels < 0).any():
        mark = f'<svg viewBox="-16 -12 32 24">{_mark(-1, 0, 0, 0)}</svg>'
        marks += f"<span>{mark}no class, or several</span>"
    body = f'<div class="legend">{marks}</div>'
    if len(there) <= NAMED:
        return body
    return f"<details><summary>{len(there):,} classes by their numbers</summary>{body}</details>"
