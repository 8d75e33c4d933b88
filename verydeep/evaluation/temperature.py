"""The temperature of scores: by what to divide them, that their soft-max is as sure as it is right.

Temperature scaling (Guo et al., 2017): one number, by which no answer changes, of the least
negative log-likelihood on pictures that the classifier has not learnt from.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

Scores = Float[np.ndarray, "N K"]
COLDEST, HOTTEST = 2.0**-10, 2.0**10
"""Temperatures that are looked at."""
STEPS = 60
"""Of a golden section: the logarithm is found to 1e-11 of the range."""
GOLDEN = (math.sqrt(5) - 1) / 2


def temperature(scores: Scores, labels: Int[np.ndarray, " N"]) -> float:
    """The temperature of the least mean -log soft-max(scores / T) at pictures' own classes."""
    rows = np.arange(len(labels))

    def loss(scaled: Scores) -> float:
        largest = scaled.max(1)
        total = np.log(np.exp(scaled - largest[:, None]).sum(1)) + largest
        return float((total - scaled[rows, labels]).mean())

    return _least(lambda t: loss(scores / t))


def temperature_of_signs(scores: Scores, signs: Int[np.ndarray, "N K"]) -> float:
    """The same for classes each by itself: of the least mean -log sigmoid(y scores / T).

    `signs` are 1 and -1, and 0 where a picture does not count for a class.
    """
    along = (scores * signs)[signs != 0]
    return _least(lambda t: float(np.logaddexp(0, -along / t).mean()))


def _least(loss: Callable[[float], float]) -> float:
    """Where a function of the temperature is least, by golden section over its logarithm.

    It is convex in 1/T, and so has one least value.
    """
    low, high = math.log(COLDEST), math.log(HOTTEST)
    first, second = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_first, at_second = loss(math.exp(first)), loss(math.exp(second))
    for _ in range(STEPS):
        if at_first <= at_second:
            high, second, at_second = second, first, at_first
            first = high - GOLDEN * (high - low)
            at_first = loss(math.exp(first))
        else:
            low, first, at_first = first, second, at_second
            second = low + GOLDEN * (high - low)
            at_second = loss(math.exp(second))
    return math.exp((low + high) / 2)
