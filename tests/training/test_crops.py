"""Crops with a border, and patches of any area and aspect: pixels and windows by hand."""

from __future__ import annotations

import numpy as np
import pytest

from verydeep.errors import UserError
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.windows import Window
from verydeep.training.crops import crop, drawn_patch, patch, patch_size
from verydeep.training.loader import CropSource, augmentation, read_crop
from verydeep.training.settings import Settings

PIXELS = Pixels((4, 4), (10.4, 20.6, 300.0))
COUNTED = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, 2)


def settings(**given: object) -> Settings:
    return Settings(**{"crop": 4, "scale": (4, 4), "colour": 0.0, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "rows", "columns", "at", "first"),
    [
        ((0.0, 0.0), slice(1, 4), slice(1, 4), (-1, -1), 0),  # a corner: one row and column of it
        ((0.5, 0.5), slice(0, 4), slice(0, 4), (0, 0), 0),  # the picture itself
        ((1.0, 0.5), slice(0, 3), slice(0, 4), (1, 0), 4),  # one lower: its first row is away
    ],
)
def test_a_border_of_one_pixel_gives_three_by_three_places(
    place: tuple[float, float], rows: slice, columns: slice, at: tuple[int, int], first: int
) -> None:
    out = np.zeros((4, 4, 3), np.uint8)
    view = COUNTED, Window.whole((4, 4))
    window = crop(view, PIXELS, settings(border=1), place, out)
    assert out[rows, columns][0, 0].tolist() == [first] * 3
    outside = np.ones((4, 4), bool)
    outside[rows, columns] = False
    assert (out[outside] == (10, 21, 255)).all()  # the mean, rounded, as far as a byte goes
    shown = COUNTED[max(0, at[0]) :, max(0, at[1]) :, 0]
    part = out[rows, columns, 0]
    assert np.array_equal(part, shown[: part.shape[0], : part.shape[1]])
    assert window.shown == (at[1], at[0], at[1] + 4, at[0] + 4)


def test_all_nine_places_of_a_border_of_one_are_met() -> None:
    part = Part(["a"], np.array([0]), lambda i: COUNTED)
    source, out = CropSource(part, PIXELS), np.zeros((4, 4, 3), np.uint8)
    given = settings(border=1, mirror=False)
    seen = {read_crop(source, given, epoch, 0, out)[2].offset for epoch in range(200)}
    assert seen == {(float(y), float(x)) for y in (-1, 0, 1) for x in (-1, 0, 1)}


def test_digits_are_not_mirrored_where_that_is_asked_for() -> None:
    drawn = [augmentation(settings(), 0, i) for i in range(60)]
    kept = [augmentation(settings(mirror=False), 0, i) for i in range(60)]
    assert 20 < sum(draw.mirrored for draw in drawn) < 40
    assert not any(draw.mirrored for draw in kept)
    assert [draw.place for draw in kept] == [draw.place for draw in drawn]


def test_a_patch_has_the_area_and_the_aspect_that_are_drawn() -> None:
    """Of 100 x 200: a share of 0.5 is 10,000 pixels, 100 x 100; with 4 to 1, 200 x 50 or 50 x 200,
    of which the first is higher than the picture, so that the next draw counts."""
    half = (0.5 - 0.08) / 0.92
    assert patch_size((100, 200), 0.08, 4, np.array([[half, 0.5]])) == (100, 100)
    assert patch_size((100, 200), 0.08, 4, np.array([[half, 1.0]])) == (50, 200)
    assert patch_size((100, 200), 0.08, 4, np.array([[half, 0.0], [0, 0.5]])) == (40, 40)
    assert patch_size((100, 200), 0.08, 4, np.array([[half, 0.0]])) == (100, 100)  # none fits


def test_areas_and_aspects_of_patches_keep_their_bounds() -> None:
    given = settings(area=0.08, aspect=4 / 3)
    sizes = np.array([drawn_patch((240, 240), given, 0, i) for i in range(400)])
    shares = sizes.prod(1) / 240**2
    ratios = sizes[:, 1] / sizes[:, 0]
    assert 0.075 < shares.min() < 0.12
    assert 0.9 < shares.max() <= 1
    assert 0.73 < ratios.min() < 0.78
    assert 1.29 < ratios.max() < 1.37
    assert abs(np.log(ratios).mean()) < 0.03  # as often wide as high
    again = [drawn_patch((240, 240), given, 0, i) for i in (7, 3)]
    assert again == [tuple(sizes[7]), tuple(sizes[3])]


def test_a_patch_is_made_as_large_as_the_crop_and_its_window_says_so() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[2:6, 4:6] = 200  # the part of 4 x 2 that is cut out
    out = np.zeros((8, 8, 3), np.uint8)
    place = 2.5 / 5, 4.5 / 7  # of 5 places down the third, of 7 across the fifth
    window = patch((picture, Window.whole((8, 8))), PIXELS, (4, 2), place, out)
    assert (out == 200).all()
    assert (window.shown, window.size, window.scale) == ((4, 2, 6, 6), (8, 8), (2, 4))


def test_a_crop_is_a_patch_or_has_a_border() -> None:
    with pytest.raises(UserError, match="a border is for crops, area and aspect are of patches"):
        settings(border=4, area=0.5)
