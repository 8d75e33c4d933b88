"""Errors in %, as the paper prints them, from posteriors and true labels.

With them go the interval that says how far an error can be trusted, and the calibration that says
how far the posteriors can.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float64, Int64

from verydeep.evaluation.posteriors import Posteriors
from verydeep.parts.annotations import Labels

Missed = Bool[np.ndarray, " N"]
Interval = tuple[float, float]
BLOCK = 2**22
"""Posteriors that are looked at together."""


def wrong(posteriors: Posteriors, labels: Labels, k: int = 1) -> Missed:
    """Pictures whose class is not among their k most probable ones; none where K <= k.

    Of classes with the same posterior the first ones count as the more probable. Pictures are
    looked at some at a time: of many classes what is worked out on the way would be large.
    """
    missed = np.zeros(len(labels), bool)
    step = max(1, BLOCK // max(1, posteriors.shape[1]))
    for start in range(0, len(labels), step):
        some, true = posteriors[start : start + step], labels[start : start + step, None]
        own = np.take_along_axis(some, true, 1)
        tied_before = (some == own) & (np.arange(some.shape[1]) < true)
        missed[start : start + step] = ((some > own) | tied_before).sum(1) >= k
    return missed


def top_error(posteriors: Posteriors, labels: Labels, k: int = 1) -> float:
    """Top-k error in %: the share of pictures whose class is not among the k most probable."""
    return 100 * float(wrong(posteriors, labels, k).mean())


def confusion(posteriors: Posteriors, labels: Labels) -> Int64[np.ndarray, "K K"]:
    """Number of pictures of class (row) that were taken for class (column)."""
    classes = posteriors.shape[1]
    taken_for = posteriors.argmax(1)
    return np.bincount(labels * classes + taken_for, minlength=classes**2).reshape(classes, classes)


def mistakes(posteriors: Posteriors, labels: Labels) -> list[tuple[int, int, int]]:
    """(pictures, their class, what they were taken for), the commonest mistake first.

    What is not 0 of `confusion` beside its diagonal, for classes so many that it is large.
    """
    classes = posteriors.shape[1]
    taken_for = posteriors.argmax(1)
    pairs = (labels * classes + taken_for)[taken_for != labels]
    found, counts = np.unique(pairs, return_counts=True)
    rows, columns = np.divmod(found, classes)
    return sorted(zip(counts.tolist(), rows.tolist(), columns.tolist(), strict=True), reverse=True)


def class_errors(posteriors: Posteriors, labels: Labels, k: int = 1) -> list[float | None]:
    """Top-k error of each class in %; None for a class without a picture."""
    classes = posteriors.shape[1]
    counts = np.bincount(labels, minlength=classes)
    missed = np.bincount(labels[wrong(posteriors, labels, k)], minlength=classes)
    return [
        100 * m / n if n else None for m, n in zip(missed.tolist(), counts.tolist(), strict=True)
    ]


def interval(missed: Missed, level: float = 0.95) -> Interval:
    """Where the error in % lies with this confidence: what other pictures of the kind would give.

    Wilson's score interval (1927): the errors p for which the misses that were counted are within
    z of their own deviations, sqrt(p (1 - p) / N), of p. Unlike a bootstrap's it has a width where
    none is missed. It is of pictures alone: another seed of the training is another network.
    """
    count, error = len(missed), float(missed.mean())
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (error + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * sqrt(error * (1 - error) / count + (z / (2 * count)) ** 2)
    return 100 * max(0.0, middle - reach), 100 * min(1.0, middle + reach)


def middle(values: Float64[np.ndarray, " draws"], level: float) -> Interval:
    """The values between which the middle share `level` of them lies."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Bin:
    """Pictures of like confidence: its mean and their accuracy, both in %, and their number."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class Calibration:
    """How far the largest posterior is the chance of being right.

    `error` is the expected calibration error in %. `bins` divide the confidences from 0 to 100 %
    evenly, None where there is no picture; drawn, they are the reliability diagram.
    """

    error: float
    bins: tuple[Bin | None, ...]


def calibration(posteriors: Posteriors, labels: Labels, bins: int = 15) -> Calibration:
    """Expected calibration error, and the bins it is summed over (Guo et al., 2017, Sect. 2).

    The mean over pictures of how far accuracy and mean confidence are apart in the picture's bin.
    Bin m of M holds the confidences above (m - 1) / M, up to m / M and with it (Eq. 3).
    """
    confidence = posteriors.max(1)
    edges = (np.arange(1, bins) / bins).astype(posteriors.dtype)
    places = np.searchsorted(edges, confidence)
    counts = np.bincount(places, minlength=bins)
    confident = 100 * np.bincount(places, confidence, bins)
    right = 100 * np.bincount(places, ~wrong(posteriors, labels), bins)
    found = tuple(
        Bin(float(c / n), float(r / n), int(n)) if n else None
        for c, r, n in zip(confident, right, counts, strict=True)
    )
    return Calibration(float(abs(right - confident).sum() / len(labels)), found)


def negative_log_likelihood(posteriors: Posteriors, labels: Labels) -> float:
    """The mean over pictures of -log of the true class's posterior, in nats: 0 is perfect.

    A posterior that was rounded to 0 counts as float32's smallest, for 87 nats instead of
    infinitely many.
    """
    own = np.take_along_axis(posteriors, labels[:, None], 1).astype(np.float64)
    return -float(np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean())
