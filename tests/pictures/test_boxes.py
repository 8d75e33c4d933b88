"""Boxes: numbers by hand, and torchvision's IoU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from verydeep.pictures.boxes import (
    areas,
    clipped,
    into_window,
    iou,
    mirrored,
    no_boxes,
    out_of_window,
    rescaled,
)
from verydeep.pictures.windows import Window


def some(count: int, seed: int) -> np.ndarray:
    """Boxes of all sizes and places about a picture of 200 x 100."""
    x, y = np.random.default_rng(seed).uniform((-20,), (220,), (2, count, 2))
    x.sort(1)
    y.sort(1)
    return np.stack([x[:, 0], y[:, 0] / 2, x[:, 1], y[:, 1] / 2], 1)


def test_areas_and_iou_are_torchvisions() -> None:
    boxes, others = some(40, 0), some(30, 1)
    ops = pytest.importorskip("torchvision").ops
    found, theirs = iou(boxes, others), ops.box_iou(*map(torch.from_numpy, (boxes, others)))
    assert found.shape == (40, 30)
    assert 100 < (found > 0).sum() < 1200
    np.testing.assert_allclose(found, theirs, atol=1e-12)
    np.testing.assert_allclose(areas(boxes), ops.box_area(torch.from_numpy(boxes)), atol=1e-12)


def test_iou_is_by_hand_a_seventh() -> None:
    """2 x 2 pixels each, one of them shared: 1 / (4 + 4 - 1); a box that only touches has none."""
    boxes = np.array([[0.0, 0, 2, 2]])
    assert iou(boxes, np.array([[1.0, 1, 3, 3], [2, 0, 4, 2], [0, 0, 2, 2]])).tolist() == [
        [pytest.approx(1 / 7), 0.0, 1.0]
    ]


def test_boxes_without_area_agree_with_nothing() -> None:
    point, inverted = np.array([[3.0, 3, 3, 3]]), np.array([[5.0, 5, 1, 1]])
    assert areas(np.concatenate([point, inverted])).tolist() == [0, 0]
    assert iou(point, point).tolist() == iou(inverted, inverted).tolist() == [[0]]
    assert iou(no_boxes(), point).shape == (0, 1)
    assert iou(point, no_boxes()).shape == (1, 0)


def test_what_is_clipped_lies_in_the_picture() -> None:
    """A picture of 10 rows and 20 columns; the last box is beside it."""
    boxes = np.array([[-3.0, 2, 5, 30], [1, 1, 4, 4], [25, 2, 30, 4]])
    assert clipped(boxes, (10, 20)).tolist() == [[0, 2, 5, 10], [1, 1, 4, 4], [20, 2, 20, 4]]
    assert areas(clipped(boxes, (10, 20)))[2] == 0


def test_a_box_in_the_mirror_is_as_far_from_the_other_side() -> None:
    assert mirrored(np.array([[3.0, 1, 6, 2]]), 10).tolist() == [[4, 1, 7, 2]]


def test_a_box_goes_into_a_window_as_by_hand() -> None:
    """100 x 200 at half the size, cut from row 10 and column 20 on, then mirrored.

    The box of columns 60 to 80 and rows 40 to 60 has columns 30 to 40 and rows 20 to 30 of the
    half, 10 to 20 and 10 to 20 of the crop, and of its 30 columns 10 to 20 from the right.
    """
    crop = Window.whole((100, 200)).rescaled((50, 100)).cropped(10, 20, (30, 30))
    box = np.array([[60.0, 40, 80, 60]])
    assert into_window(box, crop).tolist() == [[10, 10, 20, 20]]
    assert into_window(box, crop.mirror()).tolist() == [[10, 10, 20, 20]]
    wide = np.array([[60.0, 40, 90, 60]])
    assert into_window(wide, crop.mirror()).tolist() == [[5, 10, 20, 20]]
    assert out_of_window(np.array([[5.0, 10, 20, 20]]), crop.mirror()).tolist() == wide.tolist()


def test_no_boxes_go_in_and_out_as_none() -> None:
    assert into_window(no_boxes(), Window.whole((3, 4)).mirror()).shape == (0, 4)
    assert out_of_window(no_boxes(), Window.whole((3, 4))).shape == (0, 4)


def test_boxes_of_another_size_are_scaled_each_side_by_its_own_factor() -> None:
    """Half as wide and three times as high."""
    boxes = np.array([[2.0, 1, 6, 2]])
    assert rescaled(boxes, (10, 40), (30, 20)).tolist() == [[1, 3, 3, 6]]
    assert rescaled(boxes, None, (30, 20)) is boxes
