"""Differences over pictures and seeds.

Small layouts are worked by hand; Clark's min F' is put together from SciPy's t tests of picture
means and of seed means; and what intervals hold is counted on drawn losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from verydeep.errors import UserError
from verydeep.evaluation.comparison import exact_interval, mcnemar
from verydeep.studies.pooling import (
    Difference,
    Variances,
    difference_of_errors,
    difference_of_figures,
    difference_of_folds,
    difference_of_losses,
)

LAYOUT = np.array([[3.0, 1.0, 2.0], [2.0, 0.0, -2.0]])
"""Mean 1. Of pictures 2.5, 0.5, 0: 2 (1.5^2 + 0.5^2 + 1^2) = 7, on 2. Of seeds 2, 0: 3 (1 + 1) = 6,
on 1. Of all 9 + 1 + 4 + 4 + 0 + 4 - 6 = 16, which leaves 16 - 7 - 6 = 3 for the rest, on 2."""


def of_layout(most: float = 0.0) -> Difference:
    return difference_of_losses(LAYOUT, np.zeros((2, 3)), most)


def test_mean_squares_are_those_worked_by_hand() -> None:
    found = of_layout()
    assert found.mean == 1
    assert found.squares == pytest.approx((7 / 2, 6, 3 / 2))
    assert found.variances == pytest.approx(((3.5 - 1.5) / 2, (6 - 1.5) / 3, 1.5))
    assert found.deviation == pytest.approx(sqrt((3.5 + 6) / 6))


def test_p_is_that_of_two_degrees_of_freedom_worked_by_hand() -> None:
    """Satterthwaite's 9.5^2 / (3.5^2 / 2 + 6^2) are 2.14, more than the 2 of three pictures.

    With 2 the tails are 1 - t / sqrt(2 + t^2), here of t^2 = 6 / 9.5.
    """
    found = of_layout()
    assert found.df == 2
    assert found.p == pytest.approx(1 - sqrt(6 / 9.5) / sqrt(2 + 6 / 9.5))


def test_other_numbers_give_what_the_components_lead_one_to_expect() -> None:
    """Of 101 pictures and 3 seeds: 3 + 1.5 = 4.5 on 100, and 101 x 1.5 + 1.5 = 153 on 2."""
    found = of_layout().at(pictures=101, seeds=3)
    assert found.squares == pytest.approx((4.5, 153, 1.5))
    assert found.deviation == pytest.approx(sqrt(157.5 / 303))
    assert found.df == pytest.approx(157.5**2 / (4.5**2 / 100 + 153**2 / 2))
    assert of_layout().at() == of_layout()


def test_errors_are_in_points_and_a_picture_each_way_is_pretended() -> None:
    """The differences are 1 1 1 and 1 0 0: 1/6 for pictures on 2, 2/3 for seeds on 1, 1/6 for the
    rest; two pictures by which a and b differ by 1 in each of two seeds add 2 x 2 / 2 to the first.
    """
    missed = np.array([[True, True, True], [True, False, False]])
    found = difference_of_errors(missed, np.zeros((2, 3), bool))
    assert found.mean == pytest.approx(100 * 2 / 3)
    assert found.squares == pytest.approx((1e4 / 6, 2e4 / 3, 1e4 / 6))
    assert found.variances == pytest.approx((0, 1e4 / 6, 1e4 / 6))
    assert found.deviation == pytest.approx(100 * sqrt((1 / 6 + 2 + 2 / 3) / 6))
    assert found.interval() == (-100, 100)


def drawn(random: np.random.Generator, seeds: int, pictures: int, sd: float) -> np.ndarray:
    """Differences of which pictures, seeds and rest deviate by 30, sd and 30; the mean is 2."""
    rows, columns = random.standard_normal((seeds, 1)), random.standard_normal(pictures)
    rest = random.standard_normal((seeds, pictures))
    return np.asarray(2 + sd * rows + 30 * columns + 30 * rest)


def test_p_is_that_of_clarks_min_f() -> None:
    """Clark (1973), p. 347, from the F of pictures and that of seeds."""
    random = np.random.default_rng(0)
    for seeds, pictures in ((2, 20), (3, 50), (5, 200), (8, 30)):
        x = drawn(random, seeds, pictures, 5)
        f1, f2 = (float(stats.ttest_1samp(x.mean(axis), 0).statistic) ** 2 for axis in (0, 1))
        df = (f1 + f2) ** 2 / (f1**2 / (seeds - 1) + f2**2 / (pictures - 1))
        found = difference_of_losses(x, np.zeros_like(x), 0.0)
        assert found.df == pytest.approx(min(df, pictures - 1))
        assert found.p == pytest.approx(stats.f.sf(f1 * f2 / (f1 + f2), 1, found.df))


def test_an_interval_is_never_narrower_than_that_of_pictures_alone() -> None:
    random = np.random.default_rng(1)
    for seeds, pictures, sd in ((2, 3, 0), (2, 500, 0), (3, 40, 0), (3, 40, 20), (9, 4, 1)):
        x = drawn(random, seeds, pictures, sd)
        alone = stats.t.ppf(0.975, pictures - 1) * x.mean(0).std(ddof=1) / sqrt(pictures)
        found = difference_of_losses(x, np.zeros_like(x), 1.0)
        assert found.half_width() > alone


def of_seeds_alike(only_a: int, only_b: int, pictures: int) -> tuple[Difference, float]:
    """The difference of three seeds that all miss the same pictures, and McNemar's p of one."""
    a, b = np.zeros((2, pictures), bool)
    a[:only_a], b[only_a : only_a + only_b] = True, True
    return difference_of_errors(np.stack([a] * 3), np.stack([b] * 3)), mcnemar(a, b).p


@pytest.mark.parametrize(
    ("only_a", "only_b"), [(5, 0), (6, 0), (8, 0), (9, 1), (12, 2), (30, 14), (60, 40)]
)
def test_few_pictures_that_differ_tell_what_mcnemars_exact_test_tells(
    only_a: int, only_b: int
) -> None:
    found, exact = of_seeds_alike(only_a, only_b, 500)
    assert 0.8 * exact < found.p < 1.5 * exact


def test_where_nothing_differs_the_interval_is_no_point() -> None:
    """Between the exact one, of one side or the other, and three quarters of it."""
    for pictures in (50, 500, 50_000):
        found, _ = of_seeds_alike(0, 0, pictures)
        low, high = found.interval()
        _, exact = exact_interval(0, 0, pictures)
        assert 0.74 * exact < high == -low < exact
        assert found.p == 1


def test_of_a_few_pictures_no_difference_is_beyond_what_can_be() -> None:
    found, _ = of_seeds_alike(0, 0, 2)
    assert found.interval() == (-100, 100)


def misses(
    random: np.random.Generator, seeds: int, pictures: int, sd: float
) -> tuple[np.ndarray, np.ndarray]:
    """What a and b miss of pictures easy to hard: a 2 points more, with a deviation of seeds."""
    hard = random.choice([0.15, 0.3, 0.5], pictures)
    half = 0.01 + sd / 200 * random.standard_normal((seeds, 1))
    drawn_a, drawn_b = random.random((2, seeds, pictures))
    return drawn_a < hard + half, drawn_b < hard - half


@pytest.mark.parametrize("sd", [0, 1, 3])
def test_intervals_of_95_percent_hold_the_true_difference_as_often(sd: float) -> None:
    """Three seeds, 500 pictures, seeds that are 0, 1 and 3 points apart: 2,000 times each.

    Over pictures alone, as if these were the only networks, they hold as often as the variance that
    they leave out lets them, 82 times of 100 for 3 points. Theirs is that of two misses, p (1 - p)
    each, over pictures and seeds.
    """
    random = np.random.default_rng(2)
    held, naive = [], []
    for _ in range(2000):
        a, b = misses(random, 3, 500, sd)
        low, high = difference_of_errors(a, b).interval()
        held.append(low <= 2 <= high)
        of_pictures = 100 * (a.mean(0) - b.mean(0))
        reach = 1.965 * of_pictures.std(ddof=1) / sqrt(500)
        naive.append(abs(of_pictures.mean() - 2) <= reach)
    theirs = 1e4 * 2 * np.mean([p * (1 - p) for p in (0.15, 0.3, 0.5)]) / 1500
    expected = 1 - 2 * stats.norm.sf(1.96 * sqrt(theirs / (theirs + sd**2 / 3)))
    assert np.mean(held) > 0.95 - 3 * sqrt(0.95 * 0.05 / 2000)
    assert np.mean(held) < 0.995
    assert abs(np.mean(naive) - expected) < 3 * sqrt(expected * (1 - expected) / 2000)


@pytest.mark.parametrize(("seeds", "holds"), [(2, 0.87), (3, 0.92), (5, 0.94), (8, 0.95)])
def test_where_seeds_are_nearly_all_that_matters_intervals_hold_as_often_as_is_said(
    seeds: int, holds: float
) -> None:
    """Mean squares drawn as they come: 1 of pictures, 10 times as much of seeds, no rest."""
    random = np.random.default_rng(3)
    of_pictures = random.chisquare(499, 4000) / 499
    of_seeds = 10 * random.chisquare(seeds - 1, 4000) / (seeds - 1)
    means = random.standard_normal(4000) * sqrt(11 / (500 * seeds))
    held = [
        abs(mean) <= Difference(mean, Variances(one, other, 0.0), 500, seeds, 0.0).half_width()
        for mean, one, other in zip(
            means.tolist(), of_pictures.tolist(), of_seeds.tolist(), strict=True
        )
    ]
    assert np.mean(held) == pytest.approx(holds, abs=0.015)


FOLDS = ([True, True, False, True], [True, False, False, False])
"""Of two folds four pictures each, that a missed and b did not; 3/4 and 1/4. Within they vary by
3/4 and 3/4 on 6; between by 4 (1/4^2 + 1/4^2) = 1/2 on 1."""


def of_folds(a: Sequence[Sequence[bool]] = FOLDS) -> Difference:
    missed = [np.array(fold) for fold in a]
    return difference_of_folds(missed, [np.zeros(len(fold), bool) for fold in a])


def test_folds_are_a_nested_layout_worked_by_hand() -> None:
    """Two pictures pretended add 2 / 6 to the first. Other numbers: 16 pictures in 4 folds."""
    found = of_folds()
    assert (found.mean, found.pictures, found.seeds, found.losses) == (50, 8, 2, 8)
    assert found.squares == pytest.approx((1e4 / 4, 1e4 / 2, 0))
    assert found.variances == pytest.approx((1e4 / 4, 1e4 / 16, 0))
    of_pictures, of_folds_ = 1 / 4 + 1 / 3, 1 / 2
    assert found.deviation == pytest.approx(100 * sqrt((of_pictures + of_folds_) / 8))
    squares = (of_pictures + of_folds_) ** 2
    assert found.df == pytest.approx(squares / (of_pictures**2 / 6 + of_folds_**2))
    assert found.at() == found
    more = found.at(pictures=32, seeds=4)
    assert more.squares == pytest.approx((1e4 / 4, 1e4 / 4 + 8 * 1e4 / 16, 0))


def test_mean_squares_of_folds_are_those_of_scipys_analysis_of_variance() -> None:
    random = np.random.default_rng(5)
    folds = [(random.random(n) < p) for n, p in ((40, 0.3), (41, 0.5), (39, 0.2))]
    squares = of_folds([fold.tolist() for fold in folds]).squares
    theirs = stats.f_oneway(*[fold.astype(float) for fold in folds])
    assert squares.seeds / squares.pictures == pytest.approx(theirs.statistic)


@pytest.mark.parametrize(("sd", "holds"), [(0, 0.99), (1, 0.98), (8, 0.95)])
def test_intervals_of_five_folds_hold_as_often_as_is_said(sd: float, holds: float) -> None:
    """2,000 pictures, each in one fold; folds that are 0, 1 and 8 points apart, 4,000 times each.

    The mean squares drawn as they come, of differences that deviate by 40 points.
    """
    random = np.random.default_rng(4)
    of_pictures = 1600 * random.chisquare(1995, 4000) / 1995
    between = 1600 + 400 * sd**2
    of_folds_ = between * random.chisquare(4, 4000) / 4
    means = random.standard_normal(4000) * sqrt(between / 2000)
    held = [
        abs(mean) <= Difference(mean, Variances(p, f, 0.0), 2000, 5, nested=True).half_width()
        for mean, p, f in zip(means.tolist(), of_pictures.tolist(), of_folds_.tolist(), strict=True)
    ]
    assert np.mean(held) == pytest.approx(holds, abs=0.012)


def test_figures_alone_are_the_paired_t_test() -> None:
    a, b = np.array([89.7, 89.9, 89.2]), np.array([89.3, 89.0, 89.1])
    found, theirs = difference_of_figures(a, b), stats.ttest_rel(a, b)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.interval() == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert (found.df, found.pictures) == (2, None)


def test_more_seeds_of_figures_alone_narrow_as_the_root_of_their_number() -> None:
    found = difference_of_figures(np.array([2.0, 4.0]), np.array([1.0, 1.0]))
    more = found.at(seeds=8, pictures=50)
    assert more.half_width() == pytest.approx(stats.t.ppf(0.975, 7) * sqrt(2 / 8))
    assert more.pictures is None


def test_figures_that_differ_by_the_same_tell_nothing() -> None:
    """Three times 0.1 are 0.30000000000000004, a third of which is not 0.1: no spread of theirs."""
    found = difference_of_figures(np.full(3, 0.1), np.zeros(3))
    assert found.p == 1
    assert found.interval() == (-100, 100)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ((1, 5), (1, 5), "1 seed tells nothing of what seeds differ by; train with two or more"),
        (
            (3, 5),
            (2, 5),
            "3 seeds of one and 2 of the other are no pairs; test as many of each",
        ),
        ((2, 1), (2, 1), "1 picture tells nothing of others; test on two or more"),
    ],
)
def test_too_few_are_refused(a: tuple[int, int], b: tuple[int, int], said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}$"):
        difference_of_errors(np.zeros(a, bool), np.zeros(b, bool))
