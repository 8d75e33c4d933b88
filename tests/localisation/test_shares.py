"""Places in shares of a crop. Expected numbers are by hand."""

from __future__ import annotations

import numpy as np

from verydeep.localisation.shares import (
    boxes_in_shares,
    boxes_of_shares,
    points_in_shares,
    points_of_shares,
)
from verydeep.pictures.windows import Window

# a picture of 100 x 200 at half its size, cut to 40 x 40 from row 5 and column 30 on
CROP = Window.whole((100, 200)).rescaled((50, 100)).cropped(5, 30, (40, 40))


def test_a_box_is_its_centre_and_sides_in_shares_of_the_crop() -> None:
    # in the picture 80 to 120 wide, 30 to 50 high; in the crop 10 to 30, and 10 to 20, of 40
    shares = boxes_in_shares(np.array([[80.0, 30.0, 120.0, 50.0]]), CROP)
    np.testing.assert_allclose(shares, [[0.5, 0.375, 0.5, 0.25]])
    mirrored = boxes_in_shares(np.array([[60.0, 30.0, 120.0, 50.0]]), CROP.mirror())
    # 0 to 30 of 40 before it is mirrored, 10 to 40 after
    np.testing.assert_allclose(mirrored, [[0.625, 0.375, 0.75, 0.25]])


def test_what_a_net_tells_is_in_pixels_of_the_picture() -> None:
    told = np.array([[0.5, 0.375, 0.5, 0.25], [-0.25, 0.0, 0.5, 1.0]], np.float32)
    expected = [[80.0, 30.0, 120.0, 50.0], [20.0, -30.0, 60.0, 50.0]]
    np.testing.assert_allclose(boxes_of_shares(told, CROP), expected)


def test_a_box_of_less_than_no_width_is_a_line() -> None:
    told = np.array([[0.5, 0.5, -0.5, 0.5]])
    np.testing.assert_allclose(boxes_of_shares(told, CROP), [[100.0, 30.0, 100.0, 70.0]])


def test_points_go_into_a_crop_and_come_back() -> None:
    points = np.array([[100.0, 50.0], [60.0, 10.0]])
    np.testing.assert_allclose(points_in_shares(points, CROP), [[0.5, 0.5], [0.0, 0.0]])
    np.testing.assert_allclose(points_in_shares(points, CROP.mirror()), [[0.5, 0.5], [1.0, 0.0]])
    for crop in (CROP, CROP.mirror()):
        np.testing.assert_allclose(points_of_shares(points_in_shares(points, crop), crop), points)
