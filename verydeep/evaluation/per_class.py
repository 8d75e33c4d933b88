"""Precision, recall and F1 of each class in %, where each picture has one class.

They are worked out from the confusion matrix of `metrics.confusion`: rows are true classes, columns
what pictures were taken for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from verydeep.errors import UserError

Confusion = Int[np.ndarray, "K K"]


@dataclass(frozen=True)
class ClassFigures:
    """In % of one class: how many of those taken for it are of it, and how many of it were found.

    `precision` is None where nothing was taken for the class, `recall` where no picture is of it;
    `f1`, their harmonic mean, where neither is there.
    """

    precision: float | None
    recall: float | None
    f1: float | None


def class_figures(confusion: Confusion) -> list[ClassFigures]:
    """Precision, recall and F1 of each class, in their order."""
    right, are, taken = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    return [
        ClassFigures(share(r, t), share(r, a), share(2 * r, t + a))
        for r, a, t in zip(right.tolist(), are.tolist(), taken.tolist(), strict=True)
    ]


def mean_class_recall(confusion: Confusion) -> float:
    """The mean over classes of the share of their pictures that was found, in %.

    It is what is printed of Caltech-101 and Caltech-256. Classes without a picture do not count;
    UserError where there is no other.
    """
    recalls = [c.recall for c in class_figures(confusion) if c.recall is not None]
    if not recalls:
        raise UserError("no class has a picture; a mean class recall wants one")
    return float(np.mean(recalls))


def share(some: int, of: int) -> float | None:
    """The share in %; None of nothing."""
    return 100 * some / of if of else None
