"""Guesses: the boxes of a test merged, one box left for each candidate, held against the truth.

A guess is the strongest of the merged boxes of a class (Appendix A), less what of it lies outside
the picture. Pictures are worked on some at a time, so that memory is that of the file.
"""

# numpy's arithmetic is Any to mypy; jaxtyping checks what comes out instead.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64

from verydeep.evaluation.metrics import Missed
from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.merging import RatedBoxes, merged_at
from verydeep.parts.annotations import flat_places
from verydeep.pictures.boxes import areas

OVERLAP = 0.5
"""A guess is at the right place where its IoU is above this."""
AT_ONCE = 2**17
"""Boxes that are merged together, which may all be left at each of some thresholds."""

Places = Int64[np.ndarray, " P"]
Pairs = Float64[np.ndarray, "P 4"]


@dataclass(frozen=True)
class Guesses:
    """A box for each candidate of each picture, its rating, and its IoU with the truth.

    `overlaps` are the largest IoU with a box of the picture's own class that is not difficult,
    whatever the candidate is; `is_label` says whether the candidate is the picture's class.
    """

    boxes: Float64[np.ndarray, "N J 4"]
    ratings: Float64[np.ndarray, "N J"]
    overlaps: Float64[np.ndarray, "N J"]
    is_label: Bool[np.ndarray, "N J"]

    def wrong(self, k: int) -> Missed:
        """Pictures of which none of the first k guesses has both the class and the place."""
        right = self.is_label & (self.overlaps > OVERLAP)
        return np.logical_not(right[:, :k].any(1))

    @property
    def own_overlaps(self) -> Float64[np.ndarray, " M"]:
        """The IoU of the guess of the true class, of each picture that has it as a candidate."""
        return self.overlaps[self.is_label]


def guesses(found: Localised, threshold: float | None = None) -> Guesses:
    """The guesses of a test, its boxes merged up to its own threshold or another one."""
    pictures, candidates = found.candidates.shape
    of = np.repeat(np.arange(pictures), candidates)
    column = np.tile(np.arange(candidates), pictures)
    at = threshold if threshold is not None else found.threshold
    boxes, ratings = (each[0] for each in guessed(found, of, column, [at or 0.0]))
    overlaps = overlaps_of(found, of, boxes).reshape(pictures, candidates)
    shape = pictures, candidates
    is_label = found.candidates == found.labels[:, None]
    return Guesses(boxes.reshape(*shape, 4), ratings.reshape(shape), overlaps, is_label)


def guessed(
    found: Localised, pictures: Places, columns: Places, thresholds: Sequence[float]
) -> tuple[Float64[np.ndarray, "T P 4"], Float64[np.ndarray, "T P"]]:
    """The guesses of some candidates of pictures at ascending thresholds, and their ratings."""
    boxes = np.empty((len(thresholds), len(pictures), 4))
    ratings = np.empty((len(thresholds), len(pictures)))
    for here in _pieces(found.counts[pictures]):
        given = _rated(found, pictures[here], columns[here])
        for i, merged in enumerate(merged_at(given, thresholds)):
            strongest = merged.strongest()
            boxes[i, here], ratings[i, here] = strongest.boxes, strongest.ratings
    height, width = found.sizes[pictures].T
    return np.clip(boxes, 0, np.stack([width, height, width, height], 1)), ratings


def _pieces(counts: Places) -> Iterator[slice]:
    """Problems of so many boxes cut into pieces that are merged together."""
    piece = (np.cumsum(counts) - 1) // AT_ONCE
    edges = [0, *(np.flatnonzero(np.diff(piece)) + 1).tolist(), len(counts)]
    for start, end in pairwise(edges):
        yield slice(start, end)


def _rated(found: Localised, pictures: Places, columns: Places) -> RatedBoxes:
    """All boxes of each of these candidates of pictures."""
    counts = found.counts[pictures]
    rows, column = flat_places(found.ends, pictures), np.repeat(columns, counts)
    boxes, ratings = found.boxes[rows, column], found.ratings[rows, column]
    return RatedBoxes(boxes.astype(np.float64), ratings.astype(np.float64), np.cumsum(counts))


def overlaps_of(found: Localised, pictures: Places, boxes: Pairs) -> Float64[np.ndarray, " P"]:
    """The largest IoU of a box of each picture with one of its own class that is not difficult."""
    picture, truth = own_truth(found)
    counts = np.bincount(picture, minlength=len(found))
    objects = flat_places(np.cumsum(counts), pictures)
    which = np.repeat(np.arange(len(pictures)), counts[pictures])
    best = np.zeros(len(pictures))
    np.maximum.at(best, which, iou_of_pairs(boxes[which], truth[objects]))
    return best


def own_truth(found: Localised) -> tuple[Int64[np.ndarray, " R"], Float64[np.ndarray, "R 4"]]:
    """Objects of their picture's class that are not difficult: of which picture, and the boxes."""
    picture = np.repeat(np.arange(len(found)), np.diff(found.truth.ends, prepend=0))
    objects = found.truth.objects
    own = (objects.labels == found.labels[picture]) & ~objects.difficult
    return picture[own], objects.boxes[own]


def iou_of_pairs(boxes: Pairs, others: Pairs) -> Float64[np.ndarray, " P"]:
    """Intersection over union of each with the one beside it; 0 of two without area."""
    first, last = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    shared = areas(np.hstack([first, last]))
    union = areas(boxes) + areas(others) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
