"""Places as a net tells of them, in shares of the crop's side, and in pixels of the picture.

A box is centre x, centre y, width and height, a point x and y; (0, 0) is the upper left corner of
the crop, (1, 1) the lower right one. What a net tells may lie outside of the crop.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from verydeep.pictures.boxes import Boxes, into_window, out_of_window
from verydeep.pictures.windows import Window

Shares = Float[np.ndarray, "R 4"]
Points = Float[np.ndarray, "R 2"]


def boxes_in_shares(boxes: Boxes, crop: Window) -> Shares:
    """Boxes of a picture in shares of a crop of it.

    >>> crop = Window.whole((100, 100)).cropped(20, 40, (50, 50))
    >>> boxes_in_shares(np.array([[40.0, 20.0, 65.0, 70.0]]), crop).tolist()
    [[0.25, 0.5, 0.5, 1.0]]
    """
    corners = into_window(boxes, crop) / _sides(crop, 2)
    first, last = corners[:, :2], corners[:, 2:]
    return np.concatenate([(first + last) / 2, last - first], 1)


def boxes_of_shares(shares: Shares, crop: Window) -> Float64[np.ndarray, "R 4"]:
    """Boxes of a picture by those in shares of a crop of it: what `boxes_in_shares` was given.

    One that is told to be less than nothing wide or high is nothing so.
    """
    centres, halves = shares[:, :2], np.maximum(shares[:, 2:], 0) / 2
    corners = np.concatenate([centres - halves, centres + halves], 1, dtype=np.float64)
    return out_of_window(corners * _sides(crop, 2), crop)


def points_in_shares(points: Points, crop: Window) -> Points:
    """Points (x, y) of a picture in shares of a crop of it."""
    (sy, sx), (oy, ox) = crop.scale, crop.offset
    return np.asarray((points * np.array([sx, sy]) + np.array([ox, oy])) / _sides(crop))


def points_of_shares(shares: Points, crop: Window) -> Float64[np.ndarray, "R 2"]:
    """Points of a picture by those in shares of a crop of it."""
    (sy, sx), (oy, ox) = crop.scale, crop.offset
    return np.asarray((shares * _sides(crop) - np.array([ox, oy])) / np.array([sx, sy]))


def _sides(crop: Window, times: int = 1) -> Float64[np.ndarray, " n"]:
    """Width and height of a crop, so many times."""
    height, width = crop.size
    return np.tile(np.array([width, height], np.float64), times)
