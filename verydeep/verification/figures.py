"""What distances of pairs come to: accuracy in folds, validation rate, equal error rate.

A pair is told to be of one identity where its distance is less than a threshold. Of pairs that are,
the validation rate (VAL) is the share told so; of those that are not, the false accept rate (FAR)
is (Schroff et al., CVPR 2015, Sect. 4). The equal error rate is where as many pairs of one
identity are refused as others are accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from verydeep.verification.distances import Distances
from verydeep.verification.pairs import Pairs

Same = Bool[np.ndarray, " M"]
Weights = Float64[np.ndarray, " M"]


@dataclass(frozen=True)
class Curve:
    """Rates at every threshold between distances, from none accepted to all, from 0 to 1.

    `accepted` is the largest distance that is accepted, -inf for none.
    """

    accepted: Float64[np.ndarray, " T"]
    val: Float64[np.ndarray, " T"]
    far: Float64[np.ndarray, " T"]


def curve(distances: Distances, same: Same, weights: Weights | None = None) -> Curve:
    """Both rates where more and more is accepted; what is equally far is accepted together.

    With weights each pair counts so often.
    """
    order = np.argsort(distances, kind="stable")
    return curve_in_order(
        distances[order], same[order], None if weights is None else weights[order]
    )


def curve_in_order(distances: Distances, same: Same, weights: Weights | None = None) -> Curve:
    """The same of distances that rise."""
    counts = np.ones(len(distances)) if weights is None else weights
    last = np.append(np.diff(distances) > 0, True)  # of those equally far
    true, false = (np.cumsum(np.where(which, counts, 0)) for which in (same, ~same))
    rates = [np.append(0.0, sums[last] / max(sums[-1], 1e-300)) for sums in (true, false)]
    return Curve(np.append(-np.inf, distances[last]), *rates)


def validation_rate(distances: Distances, same: Same, far: float) -> tuple[float, float]:
    """The highest validation rate at a false accept rate up to `far`, and that rate."""
    return rate_at(curve(distances, same), far)


def rate_at(found: Curve, far: float) -> tuple[float, float]:
    """The same of a curve."""
    place = int(np.searchsorted(found.far, far * (1 + 1e-12), side="right")) - 1
    return float(found.val[place]), float(found.far[place])


def equal_error_rate(distances: Distances, same: Same) -> tuple[float, float]:
    """The error rate at which both are equal, from 0 to 1, and the threshold below which to accept.

    Between thresholds rates change along straight lines, as they do where some of the pairs in
    question are drawn.
    """
    return error_of(curve(distances, same))


def error_of(found: Curve) -> tuple[float, float]:
    """The same of a curve."""
    gap = found.far - (1 - found.val)
    place = int(np.argmax(gap > -1e-12))  # never the first, where nothing is accepted
    share = -gap[place - 1] / (gap[place] - gap[place - 1])
    rate = found.far[place - 1] + share * (found.far[place] - found.far[place - 1])
    return float(rate), _middle(found, place)


def _middle(found: Curve, place: int) -> float:
    """The threshold between the last distance that is accepted and the first that is not."""
    low = found.accepted[place] if place else found.accepted[1] - 1
    high = found.accepted[place + 1] if place + 1 < len(found.accepted) else low + 1
    return float(low + high) / 2


def best_threshold(distances: Distances, same: Same) -> float:
    """The threshold below which most pairs are told rightly, in the middle between distances.

    Of several as good the least. It is below all distances where nothing is to be accepted, and
    above all where all is.
    """
    found = curve(distances, same)
    right = found.val * same.sum() + (1 - found.far) * (~same).sum()
    return _middle(found, int(np.argmax(right > right.max() - 0.5)))


@dataclass(frozen=True)
class Accuracy:
    """The share of pairs told rightly, from 0 to 1, fold by fold, by thresholds of the others."""

    folds: tuple[float, ...]
    thresholds: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over folds."""
        return float(np.mean(self.folds))

    @property
    def error(self) -> float:
        """The standard error of that mean, as LFW has it: the folds' deviation over their root."""
        return float(np.std(self.folds, ddof=1) / np.sqrt(len(self.folds)))

    @property
    def threshold(self) -> float:
        """The mean of the thresholds."""
        return float(np.mean(self.thresholds))


def accuracy_in_folds(distances: Distances, pairs: Pairs) -> Accuracy:
    """The accuracy of each fold by the threshold that is best for all others (LFW's protocol)."""
    assert pairs.fold is not None
    folds, thresholds, same = [], [], pairs.same
    for number in np.unique(pairs.fold).tolist():
        here = pairs.fold == number
        threshold = best_threshold(distances[~here], same[~here])
        thresholds.append(threshold)
        folds.append(float(((distances[here] < threshold) == same[here]).mean()))
    return Accuracy(tuple(folds), tuple(thresholds))
