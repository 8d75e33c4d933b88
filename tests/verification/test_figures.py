"""Figures of distances: small ones by hand, random ones as scikit-learn's roc_curve gives them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from verydeep.verification.distances import distances
from verydeep.verification.figures import (
    accuracy_in_folds,
    best_threshold,
    curve,
    curve_in_order,
    equal_error_rate,
    validation_rate,
)
from verydeep.verification.intervals import intervals
from verydeep.verification.pairs import Pairs, all_pairs

FAR = np.array([0.1, 0.2, 0.6, 0.3, 0.7, 0.8])
SAME = np.array([True, True, True, False, False, False])


def test_squared_distances_of_length_one_are_by_hand() -> None:
    given = np.array([[1, 0], [0.6, 0.8], [-1, 0]], np.float32)
    pairs = Pairs.of(np.array([0, 0]), np.array([1, 2]), np.array([0, 0, 1]))
    assert distances(given, pairs) == pytest.approx([0.8, 4.0])


def test_rates_are_by_hand() -> None:
    """Up to 0.3, two of three of one are accepted and one of three others: a third each is wrong.

    What is below 0.45, in the middle between 0.3 and 0.6, is accepted then. A false accept rate
    below a third lets no other pass: what is nearer than 0.3 are two.
    """
    assert equal_error_rate(FAR, SAME) == pytest.approx((1 / 3, 0.45))
    assert validation_rate(FAR, SAME, 0.3) == pytest.approx((2 / 3, 0.0))
    assert validation_rate(FAR, SAME, 0.34) == pytest.approx((1.0, 1 / 3))
    assert validation_rate(np.array([0.5, 0.4]), np.array([True, False]), 0.9)[0] == 0


def test_equally_far_is_accepted_together() -> None:
    """Half of each kind is at 1, the rest at 2: no threshold tells them, and half is wrong."""
    apart, same = np.array([1.0, 1, 2, 2]), np.array([True, False, True, False])
    assert equal_error_rate(apart, same)[0] == pytest.approx(0.5)
    assert curve(apart, same).val.tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decimals", [1, 8])
def test_rates_are_those_of_scikit_learns_curve(seed: int, decimals: int) -> None:
    random = np.random.default_rng(seed)
    same = random.random(200) < 0.4
    apart = (random.normal(1, 0.4, 200) + 0.5 * ~same).round(decimals)
    fpr, tpr, _ = roc_curve(same, -apart, drop_intermediate=False)
    ours = curve(apart, same)
    np.testing.assert_allclose((ours.far, ours.val), (fpr, tpr))
    # where the straight lines between its points meet far = 1 - val, on a fine grid
    grid = np.linspace(0, 1, 2_000_001)
    drawn = np.interp(grid, fpr + 1e-9 * np.arange(len(fpr)), tpr)
    crossed = grid[np.argmin(np.abs(drawn - (1 - grid)))]
    assert equal_error_rate(apart, same)[0] == pytest.approx(crossed, abs=2e-6)
    assert validation_rate(apart, same, 0.1)[0] == pytest.approx(tpr[fpr <= 0.1].max())


def test_the_best_threshold_is_in_the_middle_and_the_least() -> None:
    """Five of six are right below 0.25, where 0.6 is missed, and below 0.65, where 0.3 is not."""
    assert best_threshold(FAR, SAME) == pytest.approx(0.25)
    right = ((FAR < 0.65) == SAME).sum(), ((FAR < 0.25) == SAME).sum()
    assert right == (5, 5)
    assert best_threshold(np.array([1.0, 2.0]), np.array([False, False])) < 1
    assert best_threshold(np.array([1.0, 2.0]), np.array([True, True])) > 2


def test_accuracy_of_a_fold_is_by_the_threshold_of_the_others() -> None:
    """Fold 0 says 0.5, by which both of fold 1 are wrong; fold 1 says 3, by which half of 0 is.

    The mean of 0.5 and 0 is 0.25; the deviation of the two, over their root, 0.25.
    """
    apart = np.array([0.2, 0.8, 2.0, 4.0])
    same = [True, False, True, False]
    identities = np.array([[0, 0 if one else 9] for one in same])
    pairs = Pairs(np.arange(4), np.arange(4), identities, np.array([0, 0, 1, 1]))
    found = accuracy_in_folds(apart, pairs)
    assert found.thresholds == pytest.approx((3.0, 0.5))
    assert found.folds == (0.5, 0.5)
    assert (found.mean, found.error) == (0.5, 0)
    worse = accuracy_in_folds(np.array([0.2, 0.8, 2.0, 1.9]), pairs)
    assert worse.folds[1] == 0.5
    assert worse.error == pytest.approx(abs(worse.folds[0] - worse.folds[1]) / 2)


def test_a_pair_of_weight_three_counts_like_three() -> None:
    order = np.argsort(FAR)
    times = np.array([3, 1, 0, 2, 1, 1])
    ours = curve_in_order(FAR[order], SAME[order], times[order].astype(float))
    repeated = curve(np.repeat(FAR, times), np.repeat(SAME, times))
    assert [*zip(ours.far, ours.val, strict=True)][-1] == (1, 1)
    for point in zip(repeated.far, repeated.val, strict=True):
        gap = np.abs(ours.far - point[0]) + np.abs(ours.val - point[1])
        assert gap.min() == pytest.approx(0)


def identities(count: int, seed: int) -> tuple[np.ndarray, Pairs]:
    """Distances of pictures of so many identities, five each, which overlap."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(count), 5)
    given = random.normal(0, 1, (count, 6))[labels] + random.normal(0, 0.8, (len(labels), 6))
    given /= np.linalg.norm(given, axis=1, keepdims=True)
    pairs = all_pairs(labels)
    return distances(given.astype(np.float32), pairs), pairs


def test_an_interval_holds_the_rate_and_shrinks_with_identities() -> None:
    widths = []
    for count in (6, 36):
        apart, pairs = identities(count, 1)
        low, high = intervals(apart, pairs, 0.1).eer
        assert low <= equal_error_rate(apart, pairs.same)[0] <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    assert intervals(apart, pairs, 0.1) == intervals(apart, pairs, 0.1)
    assert intervals(apart, pairs, 0.1) != intervals(apart, pairs, 0.1, seed=1)


def test_an_interval_draws_identities_and_not_pairs() -> None:
    """Draws worked out again, pair by pair, from pictures of drawn identities."""
    from verydeep import randomness
    from verydeep.verification.intervals import DRAWS

    apart, pairs = identities(6, 2)
    random, found = randomness.generator(0, "resample"), []
    for _ in range(DRAWS):
        drawn = random.integers(0, 6, 6)
        times = [int((drawn == k).sum()) for k in range(6)]
        chosen = [
            i
            for i, (a, b) in enumerate(pairs.identities.tolist())
            for _ in range(times[a] if a == b else times[a] * times[b])
        ]
        if len({*pairs.same[chosen].tolist()}) == 2:
            found.append(equal_error_rate(apart[chosen], pairs.same[chosen])[0])
    assert intervals(apart, pairs, 0.1).eer == pytest.approx(
        tuple(np.quantile(found, [0.025, 0.975])), abs=1e-9
    )
