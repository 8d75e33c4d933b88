"""What answers err that look at no picture, and whether a network does better than they.

Two need none: a guess among the classes, and the name of one class for all. An error rate says
little without them: of 96 pictures of one class and 4 of another, one word errs on 4 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verydeep.evaluation.metrics import interval, top_error, wrong
from verydeep.evaluation.posteriors import Posteriors
from verydeep.parts.annotations import Labels


@dataclass(frozen=True)
class Blind:
    """Top-1 errors in % of answers that look at no picture, on one part of a dataset.

    `guessing` is what a guess among all classes errs on average, `naming` what it errs to name
    `largest`, the class with the most pictures of the part, for every one of them.
    """

    guessing: float
    naming: float
    largest: str

    def __str__(self) -> str:
        guess = f"without looking: a guess errs on {self.guessing:.1f} %"
        if self.guessing - self.naming < 0.05:
            return guess
        return f"{guess}, naming '{self.largest}' for all on {self.naming:.1f} %"


def blind(labels: Labels, classes: Sequence[str]) -> Blind:
    """What blind answers err on a part with these labels; the naming one never errs on more.

    >>> blind(np.array([0, 0, 0, 1]), ["cat", "dog"])
    Blind(guessing=50.0, naming=25.0, largest='cat')
    """
    counts = np.bincount(labels, minlength=len(classes))
    largest = int(counts.argmax())
    naming = 100 * (1 - float(counts[largest]) / len(labels))
    return Blind(100 * (1 - 1 / len(classes)), naming, classes[largest])


def no_better(posteriors: Posteriors, labels: Labels, classes: Sequence[str]) -> str | None:
    """What to say of a network that cannot be told from a blind answer; None where it can.

    That is where the 95 % interval of its top-1 error reaches the error of naming one class.
    """
    answer = blind(labels, classes)
    low, high = interval(wrong(posteriors, labels))
    if high < answer.naming:
        return None
    return (
        f"no better than naming '{answer.largest}' for all, which errs on {answer.naming:.1f} %: "
        f"top-1 error {top_error(posteriors, labels):.1f} % (95 % interval {low:.1f} to "
        f"{high:.1f})"
    )
