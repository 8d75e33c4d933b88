"""How sure rates of pairs are: identities drawn again and again (bootstrap).

Pairs that share an identity are not independent, so identities are what is drawn, with replacement:
a pair of one counts as often as it was drawn, a pair of two as often as both were, multiplied
(Bolle, Ratha & Pankanti, 2004, draw whole subjects for the same reason).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verydeep import randomness
from verydeep.verification.distances import Distances
from verydeep.verification.figures import curve_in_order, error_of, rate_at
from verydeep.verification.pairs import Pairs

DRAWS = 500
LEVEL = 0.95
WORK = 10**8
"""Pairs times draws, about: of more pairs there are fewer draws, `FEWEST` at the least."""
FEWEST = 100


@dataclass(frozen=True)
class Intervals:
    """The middle 95 % of what draws of identities come to, (low, high), from 0 to 1."""

    eer: tuple[float, float]
    val: tuple[float, float]


def intervals(distances: Distances, pairs: Pairs, far: float, seed: int = 0) -> Intervals:
    """Those of the equal error rate, and of the validation rate at a false accept rate.

    What is drawn depends on the seed alone. Draws without a pair of either kind are left out.
    """
    order = np.argsort(distances, kind="stable")
    distances, same = distances[order], pairs.same[order]
    names, places = np.unique(pairs.identities[order], return_inverse=True)
    places = places.reshape(-1, 2)
    random = randomness.generator(seed, "resample")
    found = []
    for _ in range(max(FEWEST, min(DRAWS, WORK // max(1, len(pairs))))):
        drawn = random.integers(0, len(names), len(names))
        times = np.bincount(drawn, minlength=len(names)).astype(np.float64)
        weights = np.where(same, times[places[:, 0]], times[places[:, 0]] * times[places[:, 1]])
        if weights[same].any() and weights[~same].any():
            again = curve_in_order(distances, same, weights)
            found.append((error_of(again)[0], rate_at(again, far)[0]))
    ends = np.quantile(np.array(found), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    (eer, val) = ends.T.tolist()
    return Intervals(tuple(eer), tuple(val))
