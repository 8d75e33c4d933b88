"""When an answer is no answer: a picture that is of none of the classes, by the largest posterior.

In come the posteriors of a test of the validation part; out come a temperature, by which posteriors
say how often they are right (Guo et al., 2017), and the least that the largest of them must be.
Both are chosen on pictures of the classes alone: how many others are turned away nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from verydeep.errors import UserError
from verydeep.evaluation.metrics import BLOCK, wrong
from verydeep.evaluation.posteriors import Posteriors
from verydeep.evaluation.scores import Scores
from verydeep.evaluation.temperature import temperature
from verydeep.parts.annotations import Labels

KEPT = 0.95
"""Share of right answers that a chosen threshold keeps."""
COLDEST, HOTTEST = 0.2, 5.0
"""Temperatures between which one is chosen."""
TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Rejection:
    """A temperature, and the least that the largest posterior must be then for an answer."""

    threshold: float
    temperature: float = 1.0

    def tempered(self, posteriors: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
        """The posteriors at this temperature."""
        if self.temperature == 1:
            return posteriors
        return (posteriors.clamp_min(TINY).log() / self.temperature).softmax(0)

    def turns_away(self, tempered: Float[Tensor, " K"]) -> bool:
        """Whether a picture of these posteriors is taken for none of the classes."""
        return bool(tempered.max() < self.threshold)


@dataclass(frozen=True)
class Choice:
    """A rejection, and what it does to the answers that chose it."""

    rejection: Rejection
    right: int
    right_kept: int
    wrong: int
    wrong_turned_away: int

    def __str__(self) -> str:
        pictures, by = self.right + self.wrong, self.rejection
        return (
            f"none of these below {by.threshold:.3f}, at temperature {by.temperature:.2f}: of "
            f"{pictures:,} validation pictures, which chose this, {self.right_kept:,} of "
            f"{self.right:,} right answers are kept and {self.wrong_turned_away:,} of "
            f"{self.wrong:,} wrong ones turned away"
        )


def chosen(scores: Scores) -> Choice:
    """The rejection that keeps 95 % of the right answers of a test, at the best temperature.

    Raises UserError where none is right.
    """
    missed = wrong(scores.posteriors, scores.labels)
    if missed.all():
        raise UserError("no answer is right on the validation part, so that none is to be kept")
    best = temperature_of(scores.posteriors, scores.labels)
    largest = _tempered(scores.posteriors, best).max(1)
    right = np.sort(largest[~missed])
    threshold = float(right[int((1 - KEPT) * len(right))])
    return Choice(
        Rejection(threshold, best),
        right=len(right),
        right_kept=int((right >= threshold).sum()),
        wrong=int(missed.sum()),
        wrong_turned_away=int((largest[missed] < threshold).sum()),
    )


def temperature_of(posteriors: Posteriors, labels: Labels) -> float:
    """The temperature at which the true classes are the most probable, from 0.2 to 5."""
    found = temperature(np.log(np.maximum(posteriors, TINY)), labels)
    return min(max(found, COLDEST), HOTTEST)


def _tempered(posteriors: Posteriors, heat: float) -> Posteriors:
    """Posteriors at a temperature, some at a time."""
    found, step = np.empty_like(posteriors), max(1, BLOCK // posteriors.shape[1])
    for start in range(0, len(posteriors), step):
        some = np.log(np.maximum(posteriors[start : start + step], TINY)) / heat
        powers = np.exp(some - some.max(1, keepdims=True))
        found[start : start + step] = powers / powers.sum(1, keepdims=True)
    return found
