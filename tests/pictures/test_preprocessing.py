"""Preprocessing: expected sizes and pixels were worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from verydeep.errors import PictureError, UserError
from verydeep.pictures.preprocessing import (
    IMAGENET,
    Pixels,
    centre_crop,
    crop_place,
    rescaled_size,
    with_mirror,
)

PLAIN = Pixels(scale=(8, 8), mean=(0.0, 0.0, 0.0))


def numbered(height: int, width: int) -> np.ndarray:
    """A picture whose red is the row and whose green is the column."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.mgrid[:height, :width]
    return image


@pytest.mark.parametrize(
    ("size", "smaller_side", "expected"),
    [
        ((500, 375), 256, (341, 256)),  # 500 * 256 / 375 = 341.33
        ((375, 500), 256, (256, 341)),
        ((100, 100), 64, (64, 64)),
        ((1, 1000), 32, (32, 32000)),
        ((256, 320), 256, (256, 320)),
    ],
)
def test_rescaling_keeps_the_aspect(
    size: tuple[int, int], smaller_side: int, expected: tuple[int, int]
) -> None:
    assert rescaled_size(size, smaller_side) == expected
    image = np.zeros((*size, 3), np.uint8)
    assert PLAIN.rescale(image, smaller_side).shape[:2] == expected


def test_rescaling_averages_over_what_a_pixel_covers() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(PLAIN.rescale(stripes, 8)[:, 1:-1].astype(int) - 127).max() <= 12


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    image = numbered(8, 12)
    assert PLAIN.rescale(image, 8) is image


def test_pixels_are_ordered_ranged_and_shifted() -> None:
    """BGR, 0-1: (51, 102, 255) is (1.0, 0.4, 0.2), less the mean, over the deviation."""
    pixels = Pixels((8, 8), (0.5, 0.4, 0.1), (0.5, 1.0, 0.1), order="BGR", maximum=1)
    image = torch.tensor([51, 102, 255], dtype=torch.uint8).expand(1, 2, 2, 3)
    expected = torch.tensor([1.0, 0.0, 1.0])
    torch.testing.assert_close(pixels.normalise(image)[0, :, 1, 0], expected)


def test_imagenet_mean_is_subtracted_in_rgb() -> None:
    grey = torch.full((1, 2, 2, 3), 124, dtype=torch.uint8)
    shown = IMAGENET.normalise(grey)[0, :, 0, 0]
    torch.testing.assert_close(shown, torch.tensor([0.32, 7.221, 20.061]))


def test_crops_reach_every_place_and_no_further() -> None:
    last = np.nextafter(1, 0)
    places = {
        crop_place((10, 12), y, x, 8)
        for y in np.linspace(0, last, 50)
        for x in np.linspace(0, last, 50)
    }
    assert places == {(y, x) for y in range(3) for x in range(5)}
    assert crop_place((10, 12), 1.0, 1.0, 8) == (2, 4)


def test_centre_crop_is_in_the_middle() -> None:
    assert centre_crop(numbered(10, 13), 8)[0, 0].tolist() == [1, 2, 0]


def test_mirror_image_reverses_columns_only() -> None:
    image = numbered(4, 6)
    upright, mirrored = with_mirror(image)
    assert (upright == image).all()
    assert (mirrored == image[:, ::-1]).all()


def test_a_picture_smaller_than_the_crop_is_refused() -> None:
    with pytest.raises(UserError, match="8 x 20 is smaller than the crop of 16"):
        centre_crop(numbered(8, 20), 16)
    with pytest.raises(UserError, match="8 x 20 is smaller than the crop of 16"):
        crop_place((8, 20), 0, 0, 16)


def test_test_scale_is_s_or_the_middle_of_its_range() -> None:
    assert Pixels((256, 512), (0.0, 0.0, 0.0)).test_scale == 384
    assert IMAGENET.test_scale == 256


def test_a_picture_too_narrow_to_rescale_is_refused_by_name(tmp_path: Path) -> None:
    """2 x 20,000 pixels would be 256 x 2,560,000."""
    path = tmp_path / "strip.png"
    Image.fromarray(np.zeros((2, 20_000, 3), np.uint8)).save(path)
    line = r"strip.png: 20000 x 2 is so narrow that it would be 2,560,000 x 256 with a smaller"
    with pytest.raises(PictureError, match=line):
        IMAGENET.read(path, 256)
