"""Maps of pictures in colours: one scale for all maps of a method on a page, told in numbers.

A map that is scaled by its own largest value looks as strong of noise as of a trained net.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from verydeep.insight.maps import Map
from verydeep.insight.view import Values
from verydeep.pictures.reading import Picture
from verydeep.report.thumbnails import HOT, lit

COLD = (46, 116, 181)
"""Colour of what speaks against a class, where `HOT` is that of what speaks for it."""
GROUND = 245
"""Grey of what speaks neither way."""
ON_BLACK, IN_COLOUR, TWO_SIDED = ("gradient",), ("guided", "deconvnet"), ("integrated",)
HIDING = ("occlusion", "occlusion-activation")
"""Methods whose maps are high nearly everywhere, and low where it counts."""
CLASSES = "occlusion-classes"
QUANTILE = 0.998
"""Of values that lie far apart, as those by pixels do: those above are as bright as this one."""
COLOURS = (
    (58, 134, 200), (217, 119, 43), (63, 155, 90), (207, 77, 77), (141, 108, 196), (150, 105, 79),
    (208, 102, 166), (161, 154, 36), (31, 163, 176), (125, 130, 136),
)  # fmt: skip
"""Of classes on a map, the most frequent first; the last stands for all others."""


@dataclass(frozen=True)
class Scale:
    """What the colours of a method's maps stand for: from 0, or its negative, to `largest`."""

    method: str
    largest: float
    unit: str

    @property
    def least(self) -> float:
        """The lowest number that has a colour of its own."""
        return -self.largest if self.method in (*IN_COLOUR, *TWO_SIDED) else 0.0

    def __str__(self) -> str:
        if self.unit == "posterior":
            return f"posterior 0 to {100 * self.largest:.3g}%"
        return f"{told(self.least)} to {told(self.largest)} {self.unit}"


def told(value: float) -> str:
    """A number to two digits, or all before its point."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"


def scales_of(maps: Iterable[Map]) -> dict[str, Scale]:
    """One scale for each method, of all its maps; classes have none.

    It ends at the largest value of the maps in the middle, so that one map of large values makes
    no others dark; posteriors end at the largest of all.
    """
    largest, units = defaultdict[str, list[float]](list), dict[str, str]()
    for each in maps:
        if each.method != CLASSES:
            largest[each.method].append(_largest(each))
            units[each.method] = each.unit
    found = {}
    for method, values in largest.items():
        end = max(values) if units[method] == "posterior" else float(np.median(values))
        found[method] = Scale(method, end or max(values), units[method])
    return found


def _largest(one: Map) -> float:
    if one.method in (*ON_BLACK, *IN_COLOUR, *TWO_SIDED):
        return float(np.quantile(np.abs(one.values), QUANTILE))
    return float(one.values.max())


def painted(image: Picture, values: Values, scale: Scale) -> Picture:
    """A map of a picture in colours; `image` has the map's size.

    Heat lies over the picture; gradients are white on black, signals colours on grey, what speaks
    for and against a class hot and cold on a light ground, and what is left of it with a part
    hidden hot to cold.
    """
    shares = values / (scale.largest or 1)
    if scale.method in ON_BLACK:
        grey = (255 * shares.clip(0, 1)).round().astype(np.uint8)
        return np.stack([grey] * 3, 2)
    if scale.method in IN_COLOUR:
        return on_grey(shares)
    if scale.method in TWO_SIDED:
        return _two_sided(shares)
    if scale.method in HIDING:
        cold_to_hot = _two_sided(2 * shares.clip(0, 1) - 1)
        return _mixed(image, cold_to_hot)
    return lit(image, shares.clip(0, 1))


def on_grey(shares: np.ndarray) -> Picture:
    """Numbers from -1 to 1, [h, w, 3], as colours about mid-grey."""
    colours: Picture = (127.5 + 127.5 * shares.clip(-1, 1)).round().astype(np.uint8)
    return colours


def _two_sided(shares: np.ndarray) -> Picture:
    strength = np.abs(shares).clip(0, 1)[..., None]
    colour = np.where(shares[..., None] > 0, np.array(HOT), np.array(COLD))
    mixed: Picture = (GROUND * (1 - strength) + colour * strength).round().astype(np.uint8)
    return mixed


def colours_of(maps: Sequence[Map]) -> dict[int, tuple[int, int, int]]:
    """A colour for each class on maps of classes, the most frequent first."""
    numbers = [one.values.astype(np.int64).ravel() for one in maps if one.method == CLASSES]
    if not numbers:
        return {}
    labels, counts = np.unique(np.concatenate(numbers), return_counts=True)
    order = labels[np.argsort(-counts, kind="stable")].tolist()
    return {label: COLOURS[min(i, len(COLOURS) - 1)] for i, label in enumerate(order)}


def in_classes(
    image: Picture, values: Values, colours: dict[int, tuple[int, int, int]]
) -> UInt8[np.ndarray, "H W 3"]:
    """A map of classes in their colours, over the picture in grey."""
    table = np.zeros((max(colours) + 1, 3))
    for label, colour in colours.items():
        table[label] = colour
    return _mixed(image, table[values.astype(np.int64)])


def _mixed(image: Picture, colours: np.ndarray) -> Picture:
    """Colours over a picture in grey."""
    grey = image.mean(2, keepdims=True)
    mixed: Picture = (0.45 * grey + 0.55 * colours).round().astype(np.uint8)
    return mixed


def bar(scale: Scale, width: int = 160, height: int = 12) -> Picture:
    """What the colours of a scale stand for, from its least on the left to its largest."""
    along = np.linspace(scale.least, scale.largest, width, dtype=np.float32)
    values = np.tile(along, (height, 1))
    if scale.method in IN_COLOUR:
        values = np.stack([values] * 3, 2)
    return painted(np.full((height, width, 3), 128, np.uint8), values, scale)
