"""The threshold up to which boxes are merged, chosen by a test on other pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from verydeep.errors import UserError
from verydeep.localisation.boxes_file import LARGEST, Localised
from verydeep.localisation.guesses import OVERLAP, guessed, overlaps_of

THRESHOLD = 0.6
"""Where there was nothing to choose by."""
GRID = tuple(round(0.05 * i, 2) for i in range(29))
"""From 0, which merges what is the same alone, to 1.4, at which boxes that share nothing merge."""


def threshold_of(asked: float | None) -> float:
    """The threshold that is asked for, or the usual one; UserError for one that is no threshold."""
    if asked is not None and not 0 <= asked <= LARGEST:
        raise UserError(
            f"--threshold {asked:g} is no match score, up to which boxes would be merged; give one "
            f"from 0 to {LARGEST:,.0f}, such as {THRESHOLD:g}"
        )
    return THRESHOLD if asked is None else asked


class Trial(NamedTuple):
    """A threshold, and what guesses come to with it: errors in %, and the mean IoU of the class.

    `mean_iou` is over the pictures whose class is among the candidates, 0 where there is none.
    """

    threshold: float
    top5: float
    top1: float
    mean_iou: float

    @property
    def rank(self) -> tuple[float, float, float, float]:
        """What is least for the best: by top-5 error, top-1 error, mean IoU, and the threshold."""
        return self.top5, self.top1, -self.mean_iou, self.threshold


def choose_threshold(
    found: Localised, grid: Sequence[float] = GRID
) -> tuple[float, tuple[Trial, ...]]:
    """The best threshold of a grid, and what each of them came to.

    The best has the least top-5 error; of equals the least top-1 error, then the largest mean IoU,
    then the least threshold. All are tried in little more time than the largest takes. Raises
    UserError where nothing is merged.
    """
    if found.is_given_class:
        raise UserError("a centre crop has one box, and nothing to merge; test with dense boxes")
    trials = _trials(found, sorted(set(grid)))
    return min(trials, key=lambda trial: trial.rank).threshold, trials


def _trials(found: Localised, thresholds: Sequence[float]) -> tuple[Trial, ...]:
    """By the guesses of the true class alone, which are all that errors depend on."""
    pictures, place = np.nonzero(found.candidates == found.labels[:, None])
    if not len(pictures):
        return tuple(Trial(threshold, 100.0, 100.0, 0.0) for threshold in thresholds)
    boxes, _ = guessed(found, pictures, place, thresholds)
    return tuple(
        _trial(threshold, overlaps_of(found, pictures, some), place, len(found))
        for threshold, some in zip(thresholds, boxes, strict=True)
    )


def _trial(threshold: float, overlaps: np.ndarray, place: np.ndarray, pictures: int) -> Trial:
    right = overlaps > OVERLAP
    wrong1, wrong5 = (pictures - int((right & (place < k)).sum()) for k in (1, 5))
    top1, top5 = (100 * (wrong / pictures) for wrong in (wrong1, wrong5))
    return Trial(threshold, top5, top1, float(overlaps.mean()))
