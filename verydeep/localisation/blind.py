"""What boxes err that look at no picture: the best one in the middle, the same of every picture.

An error of localisation says little without it: of objects that fill their pictures, the whole
picture is right.
"""

# numpy's arithmetic is Any to mypy; jaxtyping checks what comes out instead.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64

from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.guesses import OVERLAP, overlaps_of, own_truth
from verydeep.pictures.boxes import areas

STEPS = 20
"""Widths and heights that a box is tried at, in shares of the picture."""
TOGETHER = 2**12
"""Objects that are tried together."""


@dataclass(frozen=True)
class BlindBox:
    """The best box that looks at no picture: in the middle, of the same shares of every picture.

    It is the best of its kind for these very pictures with their classes given, so that no answer
    of this kind errs less. `top1` and `top5` are the errors of the same candidates with that box.
    """

    width: float
    height: float
    top1: float
    top5: float | None

    def __str__(self) -> str:
        box = f"{100 * self.width:.0f} x {100 * self.height:.0f} % of every picture"
        errs = "" if self.top5 is None else f" at top-1, {self.top5:.1f} % at top-5"
        return f"without looking: a box in the middle, {box}, errs on {self.top1:.1f} %{errs}"


def blind_box(found: Localised) -> BlindBox:
    """The best box in the middle of every picture, and what the same candidates err with it.

    Of boxes that miss as few pictures, the one with the largest mean IoU.
    """
    shares = np.arange(1, STEPS + 1) / STEPS
    missed, total = np.zeros((STEPS, STEPS), np.int64), np.zeros((STEPS, STEPS))
    picture, boxes = own_truth(found)
    for some in _pieces(picture):
        overlaps = _overlaps(boxes[some], found.sizes[picture[some]], shares)
        first = np.flatnonzero(np.diff(picture[some], prepend=-1))
        best = np.maximum.reduceat(overlaps, first)  # of the objects of each picture
        missed += (best <= OVERLAP).sum(0)
        total += best.sum(0)
    chosen = np.lexsort((-total.ravel(), missed.ravel()))[0]
    width, height = (float(shares[i]) for i in divmod(int(chosen), STEPS))
    top1, top5 = _errors(found, width, height)
    return BlindBox(width, height, top1, None if found.is_given_class else top5)


def _pieces(picture: Int64[np.ndarray, " R"]) -> list[slice]:
    """Objects in pieces, those of a picture in one."""
    last = np.flatnonzero(np.diff(picture, append=-1)) + 1  # where those of each picture end
    ends = [0, *last[np.flatnonzero(np.diff(last // TOGETHER, append=-1))].tolist()]
    return [slice(start, end) for start, end in pairwise(ends)]


def _overlaps(
    boxes: Float64[np.ndarray, "R 4"],
    sizes: Int64[np.ndarray, "R 2"],
    shares: Float64[np.ndarray, " S"],
) -> Float64[np.ndarray, "R S S"]:
    """The IoU of objects with boxes in the middle of their pictures, by width and by height."""
    sides = sizes[:, ::-1].astype(np.float64)  # width, height
    low = sides[:, :, None] * (1 - shares) / 2  # [R, 2, S]
    high = sides[:, :, None] - low
    shared = np.minimum(high, boxes[:, 2:, None]) - np.maximum(low, boxes[:, :2, None])
    across, down = np.maximum(shared, 0).transpose(1, 0, 2)
    both = across[:, :, None] * down[:, None]
    wide, tall = (high - low).transpose(1, 0, 2)
    union = wide[:, :, None] * tall[:, None] + areas(boxes)[:, None, None] - both
    return both / union


def _errors(found: Localised, width: float, height: float) -> tuple[float, float]:
    """Top-1 and top-5 error of the candidates with a box in the middle of such shares."""
    low = np.array([1 - width, 1 - height]) / 2
    boxes = np.hstack([low, 1 - low]) * found.sizes[:, [1, 0, 1, 0]]
    placed = overlaps_of(found, np.arange(len(found)), boxes) > OVERLAP
    right = placed[:, None] & (found.candidates == found.labels[:, None])
    top1, top5 = (100 * float((~right[:, :k].any(1)).mean()) for k in (1, 5))
    return top1, top5
