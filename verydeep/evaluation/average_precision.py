"""Average precision in %: how well pictures of a class are ranked before the others.

There are four definitions of it in use, and one for another moves a result by more than a point, so
each goes by its name:

- "voc2007": the mean over recalls 0, 0.1 ... 1 of the best precision at that recall or more;
- "area": the area under all points of the precision, made to fall (PASCAL VOC since 2010);
- "scikit-learn": the mean of the precision at each picture of the class, not made to fall;
- "oxford": trapezoids between the points (Oxford and Paris Buildings).

Of pictures with equal scores the earlier one is ranked first, but by scikit-learn's definition,
which counts them as one point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from verydeep.errors import UserError, one_line

Definition = Literal["voc2007", "area", "scikit-learn", "oxford"]
DEFINITIONS: tuple[Definition, ...] = get_args(Definition)

Signs = Int[np.ndarray, " N"]
"""1 for a picture of the class, -1 for another, 0 for one that does not count (VOC's difficult)."""
Ranks = Int64[np.ndarray, " P"]


@dataclass(frozen=True)
class Curve:
    """Precision and recall in % after each picture that counts, in falling order of `scores`."""

    precision: Float64[np.ndarray, " M"]
    recall: Float64[np.ndarray, " M"]
    scores: Float64[np.ndarray, " M"]


@dataclass(frozen=True)
class AveragePrecisions:
    """Average precision in % by one definition: of each class, None for one without a picture."""

    definition: Definition
    classes: tuple[float | None, ...]

    @property
    def mean(self) -> float:
        """The mean over the classes that have pictures (mAP)."""
        return mean_of(self.classes)


def named(definition: str) -> Definition:
    """The definition of that name; UserError for an unknown one."""
    for known in DEFINITIONS:
        if known == definition:
            return known
    there = ", ".join(DEFINITIONS)
    raise UserError(f"no average precision '{one_line(definition)}'; there are {there}")


def average_precision(
    scores: Float[np.ndarray, " N"], signs: Signs, definition: Definition = "area"
) -> float | None:
    """Average precision in % of one class; None where no picture is of it.

    Raises UserError for an unknown definition, or a score that is no number.

    >>> average_precision(np.array([0.9, 0.8, 0.7, 0.6]), np.array([-1, 1, 1, -1]), "oxford")
    41.66...
    """
    definition = named(definition)
    ranked, found = _ranking(scores, signs)
    ranks = np.flatnonzero(found) + 1
    if not len(ranks):
        return None
    if definition == "voc2007":
        return 100 * _eleven_points(ranks)
    if definition == "area":
        return 100 * float(_falling(ranks).mean())
    if definition == "oxford":
        return 100 * _trapezoids(ranks)
    last_tied = np.searchsorted(-ranked, -ranked[ranks - 1], side="right")
    return 100 * float((found.cumsum()[last_tied - 1] / last_tied).mean())


def of_each_class(
    scores: Float[np.ndarray, "N K"], signs: Int[np.ndarray, "N K"], definition: Definition = "area"
) -> tuple[float | None, ...]:
    """That of each class in %, by the pictures that count for it; None for one without a picture.

    Raises UserError as `average_precision` does.
    """
    pairs = zip(scores.T, signs.T, strict=True)
    return tuple(average_precision(own, truth, definition) for own, truth in pairs)


def mean_of(figures: Sequence[float | None]) -> float:
    """The mean of those that there are; 0 of none."""
    there = [figure for figure in figures if figure is not None]
    return sum(there) / len(there) if there else 0.0


def average_precisions(
    scores: Float[np.ndarray, "N K"], signs: Int[np.ndarray, "N K"], definition: Definition = "area"
) -> AveragePrecisions:
    """That of each class, and the definition it goes by.

    Raises UserError as `average_precision` does, and where no class has a picture.
    """
    classes = of_each_class(scores, signs, definition)
    if all(found is None for found in classes):
        raise UserError("no class has a picture; average precision wants one with sign 1")
    return AveragePrecisions(definition, classes)


def precision_recall_curve(scores: Float[np.ndarray, " N"], signs: Signs) -> Curve:
    """The curve of one class, a point after each picture; UserError where no picture is of it."""
    ranked, found = _ranking(scores, signs)
    if not found.any():
        raise UserError("no picture is of the class; a curve wants one with sign 1")
    so_far = found.cumsum()
    return Curve(
        100 * so_far / np.arange(1, len(found) + 1), 100 * so_far / so_far[-1], ranked.astype(float)
    )


def _ranking(
    scores: Float[np.ndarray, " N"], signs: Signs
) -> tuple[Float[np.ndarray, " M"], Int64[np.ndarray, " M"]]:
    """Scores of the pictures that count, in falling order, and 1 for each that is of the class."""
    if np.isnan(scores).any():
        raise UserError(f"the score of picture {np.isnan(scores).argmax()} is no number (NaN)")
    counted = np.flatnonzero(signs)
    order = counted[np.argsort(-scores[counted], kind="stable")]
    return scores[order], (signs[order] > 0).astype(np.int64)


def _falling(ranks: Ranks) -> Float64[np.ndarray, " P"]:
    """The best precision at the recall of each picture of the class, or at a higher one."""
    precision = np.arange(1, len(ranks) + 1) / ranks
    return np.maximum.accumulate(precision[::-1])[::-1]


def _eleven_points(ranks: Ranks) -> float:
    # the first picture of the class at which i tenths of them are found, in whole numbers
    at = [max(0, -(-i * len(ranks) // 10) - 1) for i in range(11)]
    return float(_falling(ranks)[at].mean())


def _trapezoids(ranks: Ranks) -> float:
    before = np.arange(len(ranks))
    precision_before = np.divide(before, ranks - 1, out=np.ones(len(ranks)), where=ranks > 1)
    return float((precision_before + (before + 1) / ranks).mean() / 2)
