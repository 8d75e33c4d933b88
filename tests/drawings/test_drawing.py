"""Drawn pictures. Expected boxes and areas are worked by hand; the visible shape is found a second
way, by drawing the same picture in black and in white and looking where the two differ.
"""

from math import pi

import numpy as np
import pytest
from PIL import Image

from verydeep.drawings import drawing
from verydeep.drawings.drawing import Drawing, draw, extent, filled
from verydeep.drawings.outlines import SHAPES, arc
from verydeep.errors import UserError

SIZE = (48, 48)


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    return [draw(3, index, SIZE) for index in range(800)]


def assert_same(one: Drawing, other: Drawing) -> None:
    assert np.array_equal(one.image, other.image)
    assert (one.label, one.box) == (other.label, other.box)


def test_classes_are_in_alphabetical_order() -> None:
    assert list(SHAPES) == sorted(SHAPES)
    assert len(set(SHAPES)) == 10


def test_same_seed_and_index_give_the_same_bits() -> None:
    assert_same(draw(5, 12), draw(5, 12))


def test_picture_alone_equals_picture_in_a_run(drawings: list[Drawing]) -> None:
    assert_same(draw(3, 123, SIZE), drawings[123])


@pytest.mark.parametrize(("seed", "index"), [(4, 123), (3, 133), (123, 3)])
def test_other_seed_or_index_gives_another_picture(
    seed: int, index: int, drawings: list[Drawing]
) -> None:
    assert not np.array_equal(draw(seed, index, SIZE).image, drawings[123].image)


def test_any_run_of_indices_is_balanced(drawings: list[Drawing]) -> None:
    labels = [drawing.label for drawing in drawings[13:43]]
    assert np.bincount(labels).tolist() == [3] * len(SHAPES)


@pytest.mark.parametrize("size", [(32, 32), (40, 90), (131, 64)])
def test_picture_has_the_size_asked_for_and_its_box_lies_within(size: tuple[int, int]) -> None:
    for index in range(2 * len(SHAPES)):
        picture = draw(0, index, size)
        x_min, y_min, x_max, y_max = picture.box
        assert picture.image.shape == (*size, 3)
        assert 0 <= x_min < x_max <= size[1]
        assert 0 <= y_min < y_max <= size[0]


@pytest.mark.parametrize("size", [(31, 96), (96, 31)])
def test_size_too_small_for_a_shape_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="at least 32"):
        draw(0, 0, size)


def test_box_of_an_upright_square_is_its_sides() -> None:
    square = np.array([3 + 2j, 8 + 2j, 8 + 6j, 3 + 6j])
    assert extent(filled([square], (12, 10))) == (3, 2, 8, 6)


def test_filled_disc_has_the_area_of_a_disc() -> None:
    disc = 32 + 30j + 20 * arc()
    area = np.asarray(filled([disc], (64, 64))).sum() / 255
    assert area == pytest.approx(pi * 20**2, rel=0.03)


def test_box_is_the_extent_of_what_is_seen_of_the_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_grey(level: int, index: int) -> Drawing:
        pair = ((level, level, level),) * 2
        monkeypatch.setattr(drawing, "outstanding_colours", lambda rng, scenery: pair)
        return draw(1, index, (64, 80))

    def ungrained(rng: np.random.Generator, picture: Image.Image) -> np.ndarray:
        return np.array(picture)

    monkeypatch.setattr(drawing, "photographed", ungrained)
    for index in range(5 * len(SHAPES)):
        black, white = in_grey(0, index), in_grey(255, index)
        seen = white.image[..., 0].astype(int) - black.image[..., 0] > 127
        rows, columns = np.nonzero(seen)
        assert black.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_shapes_are_of_widely_varying_size(drawings: list[Drawing]) -> None:
    boxes = np.array([drawing.box for drawing in drawings])
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / SIZE[0]
    assert 0.2 < sides.min() < 0.45
    assert 0.85 < sides.max() <= 0.95


def test_shapes_lie_all_over_the_picture(drawings: list[Drawing]) -> None:
    boxes = np.array([drawing.box for drawing in drawings])
    ninths = ((boxes[:, :2] + boxes[:, 2:]) / 2 / SIZE[0] * 3).astype(int)
    assert len(np.unique(ninths, axis=0)) == 9


def test_mean_colour_does_not_tell_the_class(drawings: list[Drawing]) -> None:
    colours = np.array([drawing.image.mean(axis=(0, 1)) for drawing in drawings])
    labels = np.array([drawing.label for drawing in drawings])
    means = np.stack([colours[:400][labels[:400] == label].mean(axis=0) for label in range(10)])
    guesses = np.square(colours[400:, None] - means).sum(axis=2).argmin(axis=1)
    # Chance is 0.1, and guessing 400 times scatters around it by 0.015.
    assert (guesses == labels[400:]).mean() < 0.16


def test_shape_is_most_often_of_other_colours_than_its_surroundings() -> None:
    rng = np.random.default_rng(0)
    contrasts = []
    for _ in range(100):
        scenery = [drawing.related_colours(rng) for _ in range(3)]
        contrasts.append(drawing.contrast(drawing.outstanding_colours(rng, scenery), scenery))
    # The weights sum to nine: a step of 30 of 255 in each channel.
    assert np.quantile(contrasts, 0.2) > 9 * 30**2
