"""OverFeat's greedy merging: boxes of one class in one picture in, a few rated boxes out.

Of all pairs the one with the least match score is replaced by the average of its coordinates, rated
by the sum of both ratings, until no pair scores as little as the threshold (Sermanet et al., 2014,
Sect. 4.4; Appendix A of the paper).

Many problems are merged side by side, a step of each at a time, in arrays that stay in the caches.
No matrix of scores is kept. Each box knows the closest of those after it; once that was merged with
another, its score is a lower bound still, and the box is looked at again only when no pair has less
(after Müllner, 2011, Sect. 3.1). So a step looks at one box of each problem, and time grows with
the square of the boxes of a problem, where a search among all pairs would take their cube.
"""

# numpy's arithmetic is Any to mypy; jaxtyping checks what comes out instead.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Int64

from verydeep.localisation.matching import FAR, X, closest_after, measured, scores
from verydeep.parts.annotations import Ends

Boxes64 = Float64[np.ndarray, "B 4"]
Ratings = Float64[np.ndarray, " B"]
Places = Int[np.ndarray, " G"]
Found = Float64[np.ndarray, "G W"]

TOGETHER = 2**15
"""Boxes that are worked on side by side, of however many problems."""
STALE = -1
"""In the place of a box's best partner, where that is one no longer."""


@dataclass(frozen=True)
class RatedBoxes:
    """Boxes of many problems in one piece, each with a rating; those of p are before `ends[p]`.

    A problem is what is merged by itself: the boxes of one class in one picture.
    """

    boxes: Boxes64
    ratings: Ratings
    ends: Ends

    @property
    def counts(self) -> Int64[np.ndarray, " P"]:
        """How many boxes each problem has."""
        return np.diff(self.ends, prepend=0)

    def strongest(self) -> RatedBoxes:
        """The one box of each problem with the highest rating, the first of equals.

        Every problem has to have one.
        """
        problem = np.repeat(np.arange(len(self.ends)), self.counts)
        order = np.lexsort((np.arange(len(problem)), -self.ratings, problem))
        first = order[self.ends - self.counts]
        return RatedBoxes(self.boxes[first], self.ratings[first], np.arange(1, len(self.ends) + 1))


def merged(given: RatedBoxes, threshold: float) -> RatedBoxes:
    """What is left of each problem once its closest boxes score more than the threshold.

    The order of what is given does not matter: boxes are merged, and given back, by their upper
    edges, lower edges, widths, ratings and centres, a merged one in the place of the first of its
    two. Of pairs that score the same the first ones come first. Mirrored boxes are merged into
    mirrored ones, but where two pairs that score the same differ by where they lie from left to
    right alone.

    >>> pair = np.array([[0.0, 0.0, 10.0, 10.0], [2.0, 0.0, 12.0, 10.0]])
    >>> merged(RatedBoxes(pair, np.array([0.5, 0.25]), np.array([2])), 0.6).boxes.tolist()
    [[1.0, 0.0, 11.0, 10.0]]
    """
    return merged_at(given, [threshold])[0]


def merged_at(given: RatedBoxes, thresholds: Sequence[float]) -> list[RatedBoxes]:
    """What `merged` gives at each of some ascending thresholds, in little more time than for one.

    Greedy merging goes the same way whatever the threshold, which only says where it ends.
    """
    found = _in_order(given)
    pieces = [_Left.none()]
    for problems in _groups(found.counts):
        pieces += _left_of(_Group(found, problems), np.array(thresholds, np.float64))
    left = _Left.joined(pieces)
    return [left.at(level) for level in range(len(thresholds))]


def _in_order(given: RatedBoxes) -> RatedBoxes:
    """The boxes of each problem in an order that neither theirs nor mirroring changes."""
    x0, y0, x1, y1 = given.boxes.T
    problem = np.repeat(np.arange(len(given.ends)), given.counts)
    order = np.lexsort((x0 + x1, given.ratings, x1 - x0, y1, y0, problem))
    return RatedBoxes(given.boxes[order], given.ratings[order], given.ends)


def _groups(counts: Int64[np.ndarray, " P"]) -> Iterator[Int64[np.ndarray, " G"]]:
    """Problems that are merged side by side, of about as many boxes each."""
    order = np.argsort(-counts, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, TOGETHER // int(counts[order[start]]))
        yield order[start : start + size]
        start += size


@dataclass(frozen=True)
class _Left:
    """Boxes that are left of some problems at some thresholds: each with the numbers of both."""

    level: Int64[np.ndarray, " B"]
    problem: Int64[np.ndarray, " B"]
    boxes: Boxes64
    ratings: Ratings

    @classmethod
    def none(cls) -> _Left:
        """No boxes."""
        numbers = np.zeros(0, np.int64)
        return cls(numbers, numbers, np.zeros((0, 4)), np.zeros(0))

    @classmethod
    def joined(cls, pieces: Sequence[_Left]) -> _Left:
        """Those of all the pieces."""
        each = ((one.level, one.problem, one.boxes, one.ratings) for one in pieces)
        return cls(*map(np.concatenate, zip(*each, strict=True)))

    def at(self, level: int) -> RatedBoxes:
        """Those of one threshold, in the order of the problems."""
        here = np.flatnonzero(self.level == level)
        here = here[np.argsort(self.problem[here], kind="stable")]
        ends = np.cumsum(np.bincount(self.problem[here]))
        return RatedBoxes(self.boxes[here], self.ratings[here], ends)


def _left_of(group: _Group, thresholds: Float64[np.ndarray, " T"]) -> Iterator[_Left]:
    """What is left of problems side by side, each time that one has reached its next threshold."""
    level = np.zeros(len(group.problems), np.int64)
    while len(level):
        i, least = group.closest()
        done = (least > thresholds[level]) | (group.counts == 1)
        if done.any():
            yield group.left(done, level)
            level = level + done
            over = level == len(thresholds)
            group.leave_out(over)
            level = level[~over]
        else:
            group.step(i)


class _Group:
    """Problems side by side, padded to one width: arrays [G, W], where boxes are `here` or gone.

    `best` is the least score of a box with those after it, and `partner` which of them has it, or
    STALE where that is gone, and `best` is a lower bound of what is left.
    """

    def __init__(self, given: RatedBoxes, problems: Int64[np.ndarray, " G"]) -> None:
        self.problems, self.counts = problems, given.counts[problems]
        column = np.arange(self.counts.max())
        self.here = column < self.counts[:, None]
        source = np.where(self.here, (given.ends[problems] - self.counts)[:, None] + column, 0)
        self.ratings = given.ratings[source]
        self.boxes = measured(given.boxes[source].transpose(2, 0, 1))
        self.boxes[X][~self.here] = FAR
        self.best, partner = closest_after(self.boxes)
        self.best[~self.here] = np.inf
        self.partner = partner.astype(np.int32)
        self.space = np.empty((4, *source.shape))

    @property
    def _rows(self) -> Int64[np.ndarray, " G"]:
        return np.arange(len(self.problems))

    @property
    def _columns(self) -> Int32[np.ndarray, " W"]:
        return np.arange(self.best.shape[1], dtype=np.int32)

    def closest(self) -> tuple[Places, Float64[np.ndarray, " G"]]:
        """The first box of the closest pair of each problem, or one that may be, and the score."""
        i = self.best.argmin(1)
        return i, self.best[self._rows, i]

    def step(self, i: Places) -> None:
        """Merges box i of each problem with its partner, or finds it one where that is gone."""
        rows, j = self._rows, self.partner[self._rows, i]
        merges = j != STALE
        ends = self.boxes[:4, rows, i]
        ends = np.where(merges, (ends + self.boxes[:4, rows, j]) / 2, ends)
        self.boxes[:, rows, i] = one = measured(ends)
        self._take_away(rows[merges], i[merges], j[merges])
        mine, gone = np.where(merges, i, STALE).astype(np.int32)[:, None], j[:, None]
        stale = self.partner == mine
        stale |= self.partner == gone
        np.copyto(self.partner, STALE, where=stale)
        found = scores(one[:, :, None], self.boxes, self.space)
        self._look_back(found, i.astype(np.int32)[:, None])
        self._look_ahead(found, i)
        if 4 * self.counts.max() <= 3 * self.here.shape[1]:
            self._narrow()

    def _take_away(self, rows: Places, i: Places, j: Places) -> None:
        """Leaves of boxes i and j, which were merged, i alone."""
        self.ratings[rows, i] += self.ratings[rows, j]
        self.counts[rows] -= 1
        self.here[rows, j] = False
        self.boxes[X, rows, j] = FAR
        self.best[rows, j] = np.inf

    def _look_back(self, found: Found, i: Int32[np.ndarray, "G 1"]) -> None:
        """Makes box i the partner of those before it that have none as close."""
        closer = found < self.best
        closer |= (found == self.best) & (self.partner > i)
        closer &= self._columns < i
        np.copyto(self.best, found, where=closer)
        np.copyto(self.partner, i, where=closer)

    def _look_ahead(self, found: Found, i: Places) -> None:
        """Finds the partner of box i among those after it."""
        np.copyto(found, np.inf, where=self._columns <= i.astype(np.int32)[:, None])
        self.partner[self._rows, i] = partner = found.argmin(1)
        self.best[self._rows, i] = found[self._rows, partner]

    def left(self, done: Bool[np.ndarray, " G"], level: Int64[np.ndarray, " G"]) -> _Left:
        """The boxes of the problems that are done with this level."""
        here = self.here & done[:, None]
        of = np.repeat(np.flatnonzero(done), self.counts[done])
        return _Left(level[of], self.problems[of], self.boxes[:4, here].T, self.ratings[here])

    def leave_out(self, done: Bool[np.ndarray, " G"]) -> None:
        """Goes on without the problems that are done."""
        if not done.any():
            return
        self.problems, self.counts = self.problems[~done], self.counts[~done]
        self.here, self.ratings = self.here[~done], self.ratings[~done]
        self.best, self.partner = self.best[~done], self.partner[~done]
        self.boxes, self.space = self.boxes[:, ~done], np.empty((4, *self.best.shape))

    def _narrow(self) -> None:
        """Takes the gone from between the others, whose order stays."""
        column = np.argsort(~self.here, axis=1, kind="stable")[:, : self.counts.max()]
        place = np.pad(np.cumsum(self.here, 1) - 1, ((0, 0), (0, 1)), constant_values=STALE)
        partner = np.take_along_axis(place, self.partner, 1).astype(np.int32)
        self.partner = np.take_along_axis(partner, column, 1)
        self.here = np.take_along_axis(self.here, column, 1)
        self.ratings = np.take_along_axis(self.ratings, column, 1)
        self.best = np.take_along_axis(self.best, column, 1)
        self.boxes = np.take_along_axis(self.boxes, column[None], 2)
        self.space = np.empty((4, *column.shape))
