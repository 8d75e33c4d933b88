"""Two score files of the same pictures, held against each other picture by picture.

In go the pictures that each has missed; out come the difference of the two errors, how far it can
be trusted, and the chance of one as large had neither been better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from verydeep.evaluation.metrics import Interval, Missed, middle, wrong
from verydeep.evaluation.same_pictures import titles_of
from verydeep.evaluation.scores import Scores, aligned
from verydeep.evaluation.several import paired_map_interval
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
    alone; `p` is McNemar's. Both are corrected for so many `pairs` of tests, any of which might
    have been the one to be looked at: the interval leaves 0 out where p is below 0.05, only there.
    `what` says which error it is of.
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
    pairs: int = 1
    what: str = "error"

    @property
    def told_apart(self) -> bool:
        """Whether one is better than chance explains, which p and the interval agree about."""
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
            f"top-{self.k} {self.what} (95 % interval {low} to {high}; "
            f"McNemar {p}, {self.only_b} against {self.only_a} pictures"
            f"{f'; corrected for {self.pairs} pairs' if self.pairs > 1 else ''})"
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
            pairs=self.pairs,
            what=self.what,
        )


@dataclass(frozen=True)
class MapComparison:
    """The mAP of a and b in % on the same pictures, and whether they can be told apart.

    `difference` is that of a less that of b, in points, above 0 where a is better; `interval` is
    where it lies with 95 % confidence, by a bootstrap over pictures, corrected for so many `pairs`
    of tests as that of errors is.
    """

    name_a: str
    name_b: str
    map_a: float
    map_b: float
    difference: float
    interval: Interval
    pairs: int = 1

    @property
    def told_apart(self) -> bool:
        """Whether one is better than chance explains."""
        low, high = self.interval
        return low > 0 or high < 0

    def __str__(self) -> str:
        if self.difference < 0:
            return str(self._turned())
        verdict = "is better than" if self.told_apart else "cannot be told apart from"
        low, high = map(points, self.interval)
        return (
            f"{self.name_a} {verdict} {self.name_b}{' by' if self.told_apart else ':'} "
            f"{points(self.difference)} points of mAP (95 % interval {low} to {high}"
            f"{f'; corrected for {self.pairs} pairs' if self.pairs > 1 else ''})"
        )

    def _turned(self) -> MapComparison:
        """The same comparison with a and b in each other's place."""
        low, high = self.interval
        return MapComparison(
            self.name_b, self.name_a, self.map_b, self.map_a, -self.difference, (-high, -low),
            self.pairs,
        )  # fmt: skip


def points(value: float) -> str:
    """One digit after the point, and no -0.0."""
    return f"{round(value, 1) + 0.0:.1f}"


def compare(a: Scores, b: Scores, k: int = 1, pairs: int = 1) -> Comparison:
    """Two score files of the same pictures compared by top-k error; see Comparison.

    Of several `pairs` of tests each has its share of the 5 % (Bonferroni), in p and interval.
    Pictures in another order are matched by name. Raises UserError where classes, pictures, labels
    or data are others.
    """
    a, b = aligned([a, b])
    missed_a, missed_b = (wrong(scores.posteriors, scores.labels, k) for scores in (a, b))
    return compare_missed(missed_a, missed_b, titles_of((a, b)), k, pairs)


def compare_missed(
    missed_a: Missed,
    missed_b: Missed,
    names: Sequence[str],
    k: int,
    pairs: int = 1,
    what: str = "error",
) -> Comparison:
    """Two tests of the same pictures in one order compared by those that each has missed."""
    name_a, name_b = names
    only_a, only_b, p = mcnemar(missed_a, missed_b)
    return Comparison(
        name_a=name_a,
        name_b=name_b,
        k=k,
        error_a=100 * float(missed_a.mean()),
        error_b=100 * float(missed_b.mean()),
        difference=100 * (only_a - only_b) / len(missed_a),
        interval=_agreeing(missed_a, missed_b, 1 - (1 - LEVEL) / pairs),
        only_a=only_a,
        only_b=only_b,
        p=min(1.0, pairs * p),
        pairs=pairs,
        what=what,
    )


def compare_maps(a: Scores, b: Scores, pairs: int = 1) -> MapComparison:
    """Two score files of the same pictures with several labels compared by mAP.

    See MapComparison. Raises UserError as `compare` does.
    """
    a, b = aligned([a, b])
    name_a, name_b = titles_of((a, b))
    level = 1 - (1 - LEVEL) / pairs
    found = paired_map_interval(a.posteriors, b.posteriors, a.signs, level)
    return MapComparison(name_a, name_b, a.map, b.map, a.map - b.map, found, pairs)


def _agreeing(missed_a: Missed, missed_b: Missed, level: float) -> Interval:
    """The interval of the difference that leaves 0 out just where the exact test does.

    The wider of the bootstrap's, which is too narrow where few pictures part the two, and of the
    test's own; where that leaves 0 out, its end near 0 holds.
    """
    only_a, only_b, _ = mcnemar(missed_a, missed_b)
    drawn = paired_interval(missed_a, missed_b, level)
    exact = exact_interval(only_a, only_b, len(missed_a), level)
    low, high = min(drawn[0], exact[0]), max(drawn[1], exact[1])
    return (exact[0] if exact[0] > 0 else low), (exact[1] if exact[1] < 0 else high)


def exact_interval(only_a: int, only_b: int, count: int, level: float = LEVEL) -> Interval:
    """The differences in points that McNemar's exact test would not refuse at this level.

    Of the pictures that one alone has missed, the share that is a's lies within Clopper and
    Pearson's (1934) interval; the number of such pictures is taken as it is. Where there is none,
    it is as large as it could be for none to be seen, all of one side.
    """
    parted = only_a + only_b
    if not parted:
        most = 100 * (1 - ((1 - level) / 2) ** (1 / count))
        return -most, most
    low = _least_share(only_a, parted, (1 - level) / 2)
    high = 1 - _least_share(only_b, parted, (1 - level) / 2)
    return 100 * (2 * low - 1) * parted / count, 100 * (2 * high - 1) * parted / count


def _least_share(some: int, tosses: int, chance: float) -> float:
    """The least share by which so many heads or more come with at least this chance."""
    if some == 0:
        return 0.0
    heads = np.arange(some, tosses + 1)
    total = math.lgamma(tosses + 1)
    ways = total - np.array([math.lgamma(i + 1) + math.lgamma(tosses - i + 1) for i in heads])
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        logs = ways + heads * math.log(share) + (tosses - heads) * math.log1p(-share)
        low, high = (share, high) if np.exp(logs).sum() < chance else (low, share)
    return high


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
    are drawn, exactly. It is too narrow where they are few.
    """
    count = len(missed_a)
    only_a, only_b, _ = mcnemar(missed_a, missed_b)
    shares = np.array([only_a, only_b, count - only_a - only_b]) / count
    drawn = generator(seed, "resample").multinomial(count, shares, draws)
    return middle(100 * (drawn[:, 0] - drawn[:, 1]) / count, level)
