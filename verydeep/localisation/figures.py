"""What a localisation test came to: errors in % as the paper has them, and what lies behind them.

A picture is right at top-k where one of its first k guesses has its class and, with an IoU above
0.5, the place of an object of that class (Appendix A; any of several is enough, as in ILSVRC).
Beside errors stands what they would be of boxes that look at no picture.
"""

# numpy's arithmetic is Any to mypy; jaxtyping checks what comes out instead.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from verydeep.evaluation.metrics import Interval, interval
from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.guesses import (
    OVERLAP,
    Guesses,
    guesses,
    iou_of_pairs,
    own_truth,
)
from verydeep.pictures.boxes import areas

BINS = 10
"""Of IoU from 0 to 1, each with its upper end."""
SIZES = {"small": 1 / 9, "medium": 4 / 9, "large": 1.0}
"""Shares of the picture that objects fill at most: a third, and two thirds of it each way."""
STEPS = 20
"""Widths and heights that a box is tried at which looks at no picture, in shares of it."""


@dataclass(frozen=True)
class Mistakes:
    """Of the first k guesses of each picture, what is wrong with them, in % of all pictures.

    `place`: the true class is among them, its box is not where an object is. `name`: the true class
    is not among them, but one of the boxes is in the right place. `both`: neither. Together they
    are the error.
    """

    place: float
    name: float
    both: float


@dataclass(frozen=True)
class OfSize:
    """Pictures whose largest object of their class is of like size, and the error on them in %."""

    pictures: int
    error: float | None


@dataclass(frozen=True)
class BlindBox:
    """The best box that looks at no picture: in the middle, of the same shares of every picture.

    It is the best of its kind for these very pictures with their classes given, so that no answer
    of this kind errs less. `top1` and `top5` are the errors of the same candidates with that box.
    """

    width: float
    height: float
    top1: float
    top5: float | None

    def __str__(self) -> str:
        box = f"{100 * self.width:.0f} x {100 * self.height:.0f} % of every picture"
        errs = f"{self.top1:.1f} %" if self.top5 is None else f"{self.top1:.1f} / {self.top5:.1f} %"
        return f"without looking: a box in the middle of {box} errs on {errs}"


@dataclass(frozen=True)
class Figures:
    """Errors of a test in %, their 95 % intervals, and what lies behind them.

    `top5`, and the mistakes of the first five guesses, are None where the class was given; with
    fewer candidates than five they are of all. `named1` and `named5` are the errors of the classes
    alone. `mean_iou` and `histogram` are of the guesses of the true class, where that is among the
    candidates: the mean, and how many are up to each tenth. `by_size` is of the last of the errors.
    """

    top1: float
    interval1: Interval
    top5: float | None
    interval5: Interval | None
    named1: float
    named5: float | None
    mean_iou: float
    histogram: tuple[int, ...]
    by_size: Mapping[str, OfSize]
    mistakes1: Mistakes
    mistakes5: Mistakes | None
    blind: BlindBox

    @property
    def error(self) -> float:
        """The error by which tests are told apart: top-5, or top-1 where the class was given."""
        return self.top1 if self.top5 is None else self.top5

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def last_k(found: Localised) -> int:
    """The k of the error by which such tests are told apart: 5, or 1 where the class was given."""
    return 1 if found.is_given_class else 5


def figures(found: Localised, threshold: float | None = None) -> Figures:
    """What a test came to, its boxes merged up to its own threshold or another one."""
    made, given = guesses(found, threshold), found.is_given_class
    top1, top5 = made.wrong(1), made.wrong(5)
    own = made.own_overlaps
    return Figures(
        top1=100 * float(top1.mean()),
        interval1=interval(top1),
        top5=None if given else 100 * float(top5.mean()),
        interval5=None if given else interval(top5),
        named1=_unnamed(made, 1),
        named5=None if given else _unnamed(made, 5),
        mean_iou=float(own.mean()) if len(own) else 0.0,
        histogram=histogram(own),
        by_size=_by_size(found, made),
        mistakes1=mistakes(made, 1),
        mistakes5=None if given else mistakes(made, 5),
        blind=blind_box(found),
    )


def _unnamed(made: Guesses, k: int) -> float:
    """Pictures whose class is not among the first k candidates, in %."""
    return 100 * float((~made.is_label[:, :k].any(1)).mean())


def histogram(overlaps: Float64[np.ndarray, " M"]) -> tuple[int, ...]:
    """How many IoU are in each tenth, its upper end with it; the first one has 0 too.

    >>> histogram(np.array([0.0, 0.1, 0.11, 0.5, 1.0]))
    (2, 1, 0, 0, 1, 0, 0, 0, 0, 1)
    """
    edges = np.arange(1, BINS) / BINS
    counts = np.bincount(np.searchsorted(edges, overlaps), minlength=BINS)
    return tuple(counts.tolist())


def mistakes(made: Guesses, k: int) -> Mistakes:
    """What is wrong with the first k guesses of each picture."""
    wrong, named = made.wrong(k), made.is_label[:, :k].any(1)
    placed = (made.overlaps > OVERLAP)[:, :k].any(1)
    each = wrong & named, ~named & placed, ~named & ~placed
    place, name, both = (100 * float(some.mean()) for some in each)
    return Mistakes(place, name, both)


def _by_size(found: Localised, made: Guesses) -> dict[str, OfSize]:
    """The errors on pictures whose objects are small, medium and large."""
    wrong, shares = made.wrong(last_k(found)), _shares(found)
    group = np.searchsorted(list(SIZES.values())[:-1], shares)
    return {
        name: OfSize(
            int((group == i).sum()),
            100 * float(wrong[group == i].mean()) if (group == i).any() else None,
        )
        for i, name in enumerate(SIZES)
    }


def _shares(found: Localised) -> Float64[np.ndarray, " N"]:
    """The share of each picture that the largest object of its class fills."""
    picture, boxes = own_truth(found)
    largest = np.zeros(len(found))
    np.maximum.at(largest, picture, areas(boxes))
    return largest / found.sizes.prod(1)


def blind_box(found: Localised) -> BlindBox:
    """The best box in the middle of every picture, and what the same candidates err with it.

    Of boxes that miss as few, the one with the largest mean IoU.
    """
    picture, boxes = own_truth(found)
    sizes, shares = found.sizes[picture], [step / STEPS for step in range(1, STEPS + 1)]
    best: tuple[float, float, float, float] = (np.inf, 0, 0, 0)
    placed = np.zeros(len(found), bool)
    for width, height in product(shares, shares):
        overlaps = np.zeros(len(found))
        np.maximum.at(overlaps, picture, iou_of_pairs(_middle(sizes, width, height), boxes))
        there = overlaps > OVERLAP
        tried = int((~there).sum()), -float(overlaps.mean()), width, height
        best, placed = min((best, placed), (tried, there), key=lambda each: each[0])
    is_label = found.candidates == found.labels[:, None]
    top1, top5 = (100 * float((~(placed & is_label[:, :k].any(1))).mean()) for k in (1, 5))
    return BlindBox(best[2], best[3], top1, None if found.is_given_class else top5)


def _middle(
    sizes: Int64[np.ndarray, "R 2"], width: float, height: float
) -> Float64[np.ndarray, "R 4"]:
    """The boxes in the middle of pictures of (height, width) that fill such shares of them."""
    low = np.array([1 - width, 1 - height]) / 2
    return np.hstack([low, 1 - low]) * sizes[:, [1, 0, 1, 0]]
