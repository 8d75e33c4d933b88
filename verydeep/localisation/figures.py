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
from typing import Any

import numpy as np
from jaxtyping import Float64

from verydeep.evaluation.metrics import Interval, interval
from verydeep.localisation.blind import BlindBox, blind_box
from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.guesses import (
    OVERLAP,
    Guesses,
    guesses,
    own_truth,
)
from verydeep.pictures.boxes import areas

BINS = 10
"""Of IoU from 0 to 1, each with its upper end."""
SIZES = {"small": 1 / 9, "medium": 4 / 9, "large": 1.0}
"""Shares of the picture that objects fill at most: a third, and two thirds of it each way."""


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

    @property
    def no_better(self) -> str | None:
        """What to say where it cannot be told from boxes that look at nothing; None where it can.

        That is where the 95 % interval of the error reaches theirs.
        """
        low, high = self.interval5 or self.interval1
        blind = self.blind.top1 if self.blind.top5 is None else self.blind.top5
        if high < blind:
            return None
        return (
            f"no better than a box in the middle of every picture, which errs on {blind:.1f} %: "
            f"{self.error:.1f} % (95 % interval {low:.1f} to {high:.1f})"
        )

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {**asdict(self), "no_better": self.no_better}


def last_k(found: Localised) -> int:
    """The k of the error by which such tests are told apart: 5, or 1 where the class was given."""
    return 1 if found.is_given_class else 5


def figures(found: Localised, threshold: float | None = None) -> Figures:
    """What a test came to, its boxes merged up to its own threshold or another one."""
    return figures_of(found, guesses(found, threshold))


def figures_of(found: Localised, made: Guesses) -> Figures:
    """What the guesses of a test came to."""
    given = found.is_given_class
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
