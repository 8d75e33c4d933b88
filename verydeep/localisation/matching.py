"""The match score of OverFeat's merging, of many boxes at once (Appendix A).

The score is our reading of what OverFeat prints (Sermanet et al., 2014, Sect. 4.4),

    distance between the centres / mean side of the two boxes + 1 - IoU,

0 of two boxes that are the same, 1 and more of two that share nothing. Printed is the sum of the
distance and of the area that the two share, which read literally would merge what does not overlap.
The mean side is that of all four, widths and heights. Which of two boxes comes first does not
matter, nor does mirroring, to the last bit.
"""

# numpy's arithmetic is Any to mypy; jaxtyping checks what comes out instead.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

X0, Y0, X1, Y1, X, Y, SIDE, AREA = range(8)
"""What is kept of a box: its ends, their sums, its mean side and its area."""
NOTHING = 1e-100
"""In the place of a side or an area of 0, by which cannot be divided."""
FAR = 1e150
"""Where a box is that is none any more: so far away that its distance can still be squared."""
AT_ONCE = 2**14
"""Scores that are worked out at once where all pairs are wanted, so that they stay in the cache."""


def measured(ends: Float64[np.ndarray, "4 ..."]) -> Float64[np.ndarray, "8 ..."]:
    """The ends of boxes with all else that their scores are worked out of."""
    x0, y0, x1, y1 = ends
    width, height = np.maximum(x1 - x0, 0), np.maximum(y1 - y0, 0)
    side, area = np.maximum((width + height) / 2, NOTHING), np.maximum(width * height, NOTHING)
    return np.stack([x0, y0, x1, y1, x0 + x1, y0 + y1, side, area])


def scores(
    some: Float64[np.ndarray, "8 ..."],
    others: Float64[np.ndarray, "8 ..."],
    space: Float64[np.ndarray, "4 ..."],
) -> Float64[np.ndarray, ...]:
    """The match scores of boxes with others, which are broadcast; they lie in the space given.

    Twice the distance is divided by the sum of the mean sides.
    """
    score, down, shared, height = space
    np.subtract(others[X], some[X], out=score)
    np.subtract(others[Y], some[Y], out=down)
    score *= score
    down *= down
    score += down
    np.sqrt(score, out=score)
    score /= np.add(others[SIDE], some[SIDE], out=down)
    score += 1
    np.minimum(others[X1], some[X1], out=shared)
    shared -= np.maximum(others[X0], some[X0], out=down)
    np.minimum(others[Y1], some[Y1], out=height)
    height -= np.maximum(others[Y0], some[Y0], out=down)
    np.maximum(shared, 0, out=shared)
    shared *= np.maximum(height, 0, out=height)
    union = np.add(others[AREA], some[AREA], out=down)
    union -= shared
    shared /= union
    score -= shared
    return score


def closest_after(
    boxes: Float64[np.ndarray, "8 G W"],
) -> tuple[Float64[np.ndarray, "G W"], Int64[np.ndarray, "G W"]]:
    """The least score of each box with those after it in its row, and which of them has it.

    The score of the last box of each row is infinite.
    """
    _, count, width = boxes.shape
    best, partner = np.empty((count, width)), np.empty((count, width), np.int64)
    high = min(width, max(1, AT_ONCE // width))
    deep = max(1, AT_ONCE // (high * width))
    for row in range(0, count, deep):
        for first in range(0, width, high):
            here = slice(row, row + deep), slice(first, first + high)
            best[here], partner[here] = _closest(boxes[:, row : row + deep, first:], high)
            partner[here] += first
    return best, partner


def _closest(
    boxes: Float64[np.ndarray, "8 G W"], high: int
) -> tuple[Float64[np.ndarray, "G h"], Int64[np.ndarray, "G h"]]:
    """The same of the first so many boxes of each row."""
    some, others = boxes[:, :, :high, None], boxes[:, :, None]
    _, count, high, _ = some.shape
    found = scores(some, others, np.empty((4, count, high, boxes.shape[2])))
    np.copyto(found, np.inf, where=np.tri(high, boxes.shape[2], dtype=bool))
    return found.min(2), found.argmin(2)
