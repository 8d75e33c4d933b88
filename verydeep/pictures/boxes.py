"""Boxes in pictures: into a window and out of it, clipped, mirrored, and how far two of them agree.

A box is (x_min, y_min, x_max, y_max) in pixels of its picture, continuous and from 0: one round the
pixels of columns 3 to 5 has x_min 3 and x_max 6. Formats that count from 1, or name the last pixel
of a box and not where it ends, are converted where they are read and nowhere else.
"""

# numpy's arithmetic is Any to mypy; jaxtyping checks what comes out instead.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from verydeep.pictures.windows import Size, Window

Boxes = Float[np.ndarray, "R 4"]
FARTHEST = 1_000_000
"""Pixels from the corner of a picture up to which coordinates are read; no picture has as many."""


def are_places(numbers: Iterable[float]) -> bool:
    """Whether numbers may be coordinates: none is infinite or none, or beyond any picture.

    >>> are_places([-1.5, 80.0]), are_places([1e300]), are_places([float("nan")])
    (True, False, False)
    """
    return all(-FARTHEST <= number <= FARTHEST for number in numbers)


def no_boxes() -> Boxes:
    """None at all, [0, 4]."""
    return np.zeros((0, 4))


def areas(boxes: Boxes) -> Float[np.ndarray, " R"]:
    """Pixels in each; 0 of one that ends before it begins.

    >>> areas(np.array([[3.0, 0.0, 6.0, 2.0]])).tolist()
    [6.0]
    """
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def iou(boxes: Boxes, others: Float[np.ndarray, "S 4"]) -> Float[np.ndarray, "R S"]:
    """Intersection over union of each with each of the others; 0 of two without area."""
    first = np.maximum(boxes[:, None, :2], others[None, :, :2])
    last = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    sides = np.maximum(last - first, 0)  # [R, S, 2]
    shared = sides[..., 0] * sides[..., 1]
    union = areas(boxes)[:, None] + areas(others)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clipped(boxes: Boxes, size: Size) -> Boxes:
    """What of them lies in a picture of (height, width); without area where nothing does."""
    height, width = size
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))


def mirrored(boxes: Boxes, width: float) -> Boxes:
    """Those of the mirror image of a picture of that width."""
    x_min, y_min, x_max, y_max = boxes.T
    return np.stack([width - x_max, y_min, width - x_min, y_max], 1)


def rescaled(boxes: Boxes, told: Size | None, there: Size) -> Boxes:
    """Boxes of a picture that was told to be of one (height, width) in the pixels of what is there.

    As they are where no size was told.
    """
    if told is None or told == there:
        return boxes
    (height, width), (now_height, now_width) = told, there
    scale = np.array([now_width / width, now_height / height], boxes.dtype)
    return boxes * np.tile(scale, 2)  # x, y, x, y


def into_window(boxes: Boxes, window: Window) -> Boxes:
    """Boxes of a picture in the pixels of a view of it; they may lie outside of it, or half."""
    (sy, sx), (oy, ox) = window.scale, window.offset
    return _ordered(boxes * np.array([sx, sy, sx, sy]) + np.array([ox, oy, ox, oy]), window)


def out_of_window(boxes: Boxes, window: Window) -> Boxes:
    """Boxes of a view in the pixels of the picture: what `into_window` was given."""
    (sy, sx), (oy, ox) = window.scale, window.offset
    return _ordered((boxes - np.array([ox, oy, ox, oy])) / np.array([sx, sy, sx, sy]), window)


def _ordered(boxes: Boxes, window: Window) -> Boxes:
    """The same with x_min and x_max in each other's place where left is right."""
    return boxes[:, [2, 1, 0, 3]] if window.mirrored else boxes
