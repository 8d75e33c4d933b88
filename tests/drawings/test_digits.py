"""Drawn digits. Where ink should be is known from how MNIST is made; what a digit looks like, from
the strokes themselves, drawn by hand on squared paper.
"""

from __future__ import annotations

import numpy as np
import pytest

from verydeep.datasets import open_dataset
from verydeep.drawings.digits import DIGITS, STROKES, draw_digit
from verydeep.errors import UserError


def test_a_digit_is_grey_as_long_as_mnists_and_its_mass_in_the_middle() -> None:
    for index in range(60):
        found = draw_digit(1, index, (64, 64))
        assert found.image.shape == (64, 64, 3)
        assert (found.image == found.image[..., :1]).all()
        x_min, y_min, x_max, y_max = found.box
        longer = max(x_max - x_min, y_max - y_min)
        assert 40 <= longer <= 40 * 1.13 + 2, index  # 20 of 32 parts, and what the pen is broad
        ink = found.image[..., 0].astype(np.float64)
        rows, columns = np.indices(ink.shape) + 0.5
        assert np.average(columns, weights=ink) == pytest.approx(32, abs=5)
        assert np.average(rows, weights=ink) == pytest.approx(32, abs=5)


def test_the_same_seed_and_number_give_the_same_bits_and_others_another_digit() -> None:
    assert np.array_equal(draw_digit(5, 12).image, draw_digit(5, 12).image)
    assert not np.array_equal(draw_digit(5, 12).image, draw_digit(5, 22).image)
    assert not np.array_equal(draw_digit(5, 12).image, draw_digit(6, 12).image)


@pytest.mark.parametrize("digit", range(10))
def test_the_nearest_mean_of_others_tells_a_digit(digit: int) -> None:
    """So a digit looks like its kind, whatever hand wrote it: far above a guess's tenth."""
    means = np.stack(
        [np.mean([draw_digit(2, d + 10 * i).image for i in range(30)], axis=0) for d in range(10)]
    )
    asked = np.stack([draw_digit(3, digit + 10 * i).image for i in range(20)]).astype(np.float64)
    nearest = ((asked[:, None] - means) ** 2).sum((2, 3, 4)).argmin(1)
    assert (nearest == digit).mean() >= 0.5


def test_the_holes_of_a_steady_hand_are_a_digits_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted by filling the ground from outside: 0, 4, 6 and 9 have one, 8 two, others none."""
    monkeypatch.setattr("verydeep.drawings.digits.SHAKE", 0.0)
    expected = {0: 1, 1: 0, 2: 0, 3: 0, 5: 0, 7: 0, 8: 2}
    for digit, holes in expected.items():
        ink = draw_digit(0, digit, (96, 96)).image[..., 0] > 127
        assert grounds(~ink) - 1 == holes, digit


def grounds(open_: np.ndarray) -> int:
    """Regions of True that hang together by sides."""
    left = {(int(y), int(x)) for y, x in np.argwhere(open_)}
    count = 0
    while left:
        count, front = count + 1, [left.pop()]
        while front:
            y, x = front.pop()
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if near in left:
                    left.remove(near)
                    front.append(near)
    return count


def test_the_built_in_set_of_digits_is_opened_by_its_name() -> None:
    found = open_dataset("drawn-digits:40")
    assert found.classes == DIGITS == tuple("0123456789")
    assert len(STROKES) == 10
    assert len(found.train) == 40
    assert np.asarray(found.train.source(7)).shape == (32, 32, 3)
    assert found.train.labels.tolist()[:12] == [*range(10), 0, 1]
    assert found.fingerprint != open_dataset("drawn:40x32").fingerprint


def test_no_digits_are_drawn_that_could_not_be_read() -> None:
    with pytest.raises(UserError, match="too small"):
        draw_digit(0, 0, (20, 32))
    with pytest.raises(UserError, match="32 to 4,096 pixels a side"):
        open_dataset("drawn-digits:40x28")
    with pytest.raises(UserError, match="no drawn set; there are drawn, .* and drawn-digits alike"):
        open_dataset("drawn-digits:many")
