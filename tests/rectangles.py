"""A picture with one sharp rectangle, and a look at pixels that finds it again.

Nothing of ours is asked where it is: its sides are told by how much of the rectangle's colour a
line through it holds, and by where the middle of that lies, to a small part of a pixel.
"""

from __future__ import annotations

import numpy as np

BESIDE, INSIDE = (30, 40, 190), (250, 240, 50)
Box = tuple[float, float, float, float]


def with_rectangle(size: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """A picture of (height, width) with a rectangle at x_min, y_min, x_max, y_max."""
    image = np.full((*size, 3), BESIDE, np.uint8)
    x_min, y_min, x_max, y_max = box
    image[y_min:y_max, x_min:x_max] = INSIDE
    return image


def found_in(image: np.ndarray) -> Box | None:
    """Where the rectangle is in pixels that were made of such a picture; None where it is not."""
    share = (image[..., 1].astype(float) - BESIDE[1]) / (INSIDE[1] - BESIDE[1])
    if share.max() < 0.9:
        return None
    x_min, x_max = _ends(share.max(0))
    y_min, y_max = _ends(share.max(1))
    return x_min, y_min, x_max, y_max


def _ends(line: np.ndarray) -> tuple[float, float]:
    """Where a line that is 1 inside and 0 outside begins and ends."""
    line = np.where(line > 0.05, line, 0).clip(max=1)  # less what a JPEG leaves about an edge
    length = line.sum()
    middle = (line * (np.arange(len(line)) + 0.5)).sum() / length
    return middle - length / 2, middle + length / 2
