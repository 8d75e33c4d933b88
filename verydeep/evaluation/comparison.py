"""Two score files of the same pictures, held against each other picture by picture.

In go the pictures that each has missed; out come the difference of the two errors, how far it can
be trusted, and the chance of one as large had neither been better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from verydeep.evaluation.metrics import Interval, Missed, middle, wrong
from verydeep.evaluation.scores import Scores, aligned, titles_of
from verydeep.randomness import generator

LEVEL = 0.95
"""Confidence of the intervals; what is left of 1 is the p below which one is called better."""
COUNTED = 300
"""Tosses up to which probabilities are worked out in whole numbers, in under 1 ms."""


class McNemar(NamedTuple):
    """Pictures that a alone and that b alone has missed, and the p of McNemar's exact test."""

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """Top-k errors of a and b in % on the same pictures, and whether they can be told apart.

    `difference` is that of a less that of b, in points, below 0 where a is better; `interval` is
    where it lies with 95 % confidence. `only_a` pictures were missed by a alone, `only_b` by b
    alone; `p` is McNemar's.
    """

    name_a: str
    name_b: str
    k: int
    error_a: float
    error_b: float
    difference: float
    interval: Interval
    only_a: int
    only_b: int
    p: float

    @property
    def told_apart(self) -> bool:
        """Whether one is better than chance explains; the exact test decides, not the interval."""
        return self.p < 1 - LEVEL

    def __str__(self) -> str:
        if self.difference > 0:
            return str(self._turned())
        verdict = "is better than" if self.told_apart else "cannot be told apart from"
        by = " by" if self.told_apart else ":"
        low, high = (points(-end) for end in reversed(self.interval))
        p = f"p = {self.p:.2g}" if self.p >= 0.001 else "p < 0.001"
        return (
            f"{self.name_a} {verdict} {self.name_b}{by} {points(-self.difference)} points of "
            f"top-{self.k} error (95 % interval {low} to {high}; "
            f"McNemar {p}, {self.only_b} against {self.only_a} pictures)"
        )

    def _turned(self) -> Comparison:
        """The same comparison with a and b in each other's place."""
        low, high = self.interval
        return Comparison(
            name_a=self.name_b,
            name_b=self.name_a,
            k=self.k,
            error_a=self.error_b,
            error_b=self.error_a,
            difference=-self.difference,
            interval=(-high, -low),
            only_a=self.only_b,
            only_b=self.only_a,
            p=self.p,
        )


def points(value: float) -> str:
    """One digit after the point, and no -0.0."""
    return f"{round(value, 1) + 0.0:.1f}"


def compare(a: Scores, b: Scores, k: int = 1) -> Comparison:
    """Two score files of the same pictures compared by top-k error; see Comparison.

    Pictures in another order are matched by name. Raises UserError where classes, pictures, labels
    or data are others.
    """
    a, b = aligned([a, b])
    missed_a, missed_b = (wrong(scores.posteriors, scores.labels, k) for scores in (a, b))
    name_a, name_b = titles_of((a, b))
    only_a, only_b, p = mcnemar(missed_a, missed_b)
    return Comparison(
        name_a=name_a,
        name_b=name_b,
        k=k,
        error_a=100 * float(missed_a.mean()),
        error_b=100 * float(missed_b.mean()),
        difference=100 * (only_a - only_b) / len(missed_a),
        interval=paired_interval(missed_a, missed_b),
        only_a=only_a,
        only_b=only_b,
        p=p,
    )


def mcnemar(missed_a: Missed, missed_b: Missed) -> McNemar:
    """The pictures that one alone has missed, and the p of McNemar's exact two-sided test.

    Were neither better, each such picture would be missed by a or by b with even chances (McNemar,
    1947); p is the probability of counts as uneven as these or more so. Exact, so that p comes out
    below 0.05 by chance in 5 % of comparisons at most, and in fewer where such pictures are few.
    """
    only_a, only_b = int((missed_a & ~missed_b).sum()), int((missed_b & ~missed_a).sum())
    return McNemar(only_a, only_b, min(1.0, 2 * _tail(min(only_a, only_b), only_a + only_b)))


def _tail(most: int, tosses: int) -> float:
    """Probability of so many heads at most in so many tosses of a fair coin; most <= tosses / 2.

    In whole numbers where they are few. Else the last term by its logarithm, and each earlier one
    by its ratio to the next, i / (tosses - i + 1) < 1: right to 8 digits at a million tosses.
    """
    if tosses <= COUNTED:
        return sum(math.comb(tosses, i) for i in range(most + 1)) / (1 << tosses)
    ways = math.lgamma(tosses + 1) - math.lgamma(most + 1) - math.lgamma(tosses - most + 1)
    i = np.arange(most, 0, -1)
    others = float(np.cumprod(i / (tosses - i + 1)).sum())
    return math.exp(ways - tosses * math.log(2)) * (1 + others)


def paired_interval(
    missed_a: Missed,
    missed_b: Missed,
    level: float = LEVEL,
    draws: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Where the error of a less that of b lies with this confidence, in points.

    Percentile bootstrap over pictures, each drawn with what both made of it. How many of a
    resample are missed by a alone, by b alone or by neither alone is multinomial, so those counts
    are drawn, exactly as in `metrics.interval`; it is too narrow where they are few, as that is.
    """
    count = len(missed_a)
    only_a, only_b, _ = mcnemar(missed_a, missed_b)
    shares = np.array([only_a, only_b, count - only_a - only_b]) / count
    drawn = generator(seed, "resample").multinomial(count, shares, draws)
    return middle(100 * (drawn[:, 0] - drawn[:, 1]) / count, level)
