"""How far errors and posteriors can be trusted.

Intervals come from tables of the binomial distribution, from plain resampling written here, and
from the definition: one of 95 % covers the true error about 95 times in 100. Calibration and
likelihood of small tables were worked out by hand.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from verydeep.evaluation import metrics


def missed(count: int, of: int) -> np.ndarray:
    return np.arange(of) < count


def drawn_posteriors(count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors, and labels drawn from them: what they promise is true."""
    random = np.random.default_rng(1)
    posteriors = random.dirichlet(np.full(classes, 0.5), count)
    labels = (random.random((count, 1)) > posteriors.cumsum(1)).sum(1)
    return posteriors, np.minimum(labels, classes - 1)


@pytest.mark.parametrize("k", [3, 4, 5])
def test_with_k_classes_or_fewer_nothing_is_missed(k: int) -> None:
    posteriors, labels = drawn_posteriors(50, 3)
    assert metrics.top_error(posteriors, labels, k) == 0
    assert metrics.top_error(posteriors, labels, 2) > 0


@pytest.mark.parametrize("k", range(1, 5))
def test_of_tied_classes_the_first_k_are_taken(k: int) -> None:
    tied = np.full((5, 5), 0.2, np.float32)
    assert metrics.wrong(tied, np.arange(5), k).tolist() == [i >= k for i in range(5)]


# The first four are Table I, method 3, of Newcombe, Statistics in Medicine 17 (1998) 857; 2 of 100
# by hand: (0.02 + 1.92073 / 100 -+ 1.95996 sqrt(0.02 x 0.98 / 100 + 1.92073 / 20000)) / 1.0384146
@pytest.mark.parametrize(
    ("count", "of", "expected"),
    [
        (81, 263, (25.53, 36.62)),
        (15, 148, (6.24, 16.05)),
        (0, 20, (0, 16.11)),
        (1, 29, (0.61, 17.18)),
        (2, 100, (0.55, 7.00)),
        (20, 20, (100 - 16.11, 100)),
    ],
)
def test_intervals_are_wilsons(count: int, of: int, expected: tuple[float, float]) -> None:
    assert metrics.interval(missed(count, of)) == pytest.approx(expected, abs=0.006)


def test_an_interval_is_that_of_pictures_drawn_one_by_one() -> None:
    pictures = missed(80, 400)
    random = np.random.default_rng(0)
    errors = 100 * pictures[random.integers(0, 400, (10_000, 400))].mean(1)
    plain = np.quantile(errors, [0.025, 0.975])
    assert metrics.interval(pictures) == pytest.approx(plain, abs=0.5)


@pytest.mark.parametrize(
    ("pictures", "error"), [(200, 0.2), (500, 0.5), (1000, 0.07), (200, 0.01), (50, 0.04)]
)
def test_an_interval_of_95_percent_covers_the_true_error_as_often(
    pictures: int, error: float
) -> None:
    """Summed over every number of misses there can be, each with its probability."""
    covered = 0.0
    for m in range(pictures + 1):
        chance = math.comb(pictures, m) * error**m * (1 - error) ** (pictures - m)
        if chance > 1e-9:
            low, high = metrics.interval(missed(m, pictures))
            covered += chance * (low <= 100 * error <= high)
    assert covered == pytest.approx(0.95, abs=0.02)


# Two classes; confidences 0.9, 0.9, 0.7, 0.7, and the second picture is wrong.
POSTERIORS = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.7, 0.3]])
LABELS = np.array([0, 1, 1, 0])


def test_calibration_is_worked_out_by_bins() -> None:
    """Bins of a fifth: |50 - 90| for one half of the pictures, |100 - 70| for the other."""
    found = metrics.calibration(POSTERIORS, LABELS, bins=5)
    assert found.error == pytest.approx(35)
    assert found.bins[:3] == (None, None, None)
    for found_bin, expected in zip(found.bins[3:], [(70, 100, 2), (90, 50, 2)], strict=True):
        assert found_bin is not None
        assert (found_bin.confidence, found_bin.accuracy) == pytest.approx(expected[:2])
        assert found_bin.count == expected[2]


def test_with_one_bin_calibration_is_confidence_against_accuracy() -> None:
    assert metrics.calibration(POSTERIORS, LABELS, bins=1).error == pytest.approx(80 - 75)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("bins", [5, 10, 15])
def test_a_confidence_between_two_bins_is_in_the_lower_one(kind: type, bins: int) -> None:
    for m in range(1, bins + 1):
        found = metrics.calibration(np.array([[m / bins, 0]], kind), np.array([0]), bins)
        assert [i for i, b in enumerate(found.bins) if b] == [m - 1]


def test_a_confidence_rounded_above_one_is_in_the_last_bin() -> None:
    above = np.nextafter(np.ones((1, 1), np.float32), np.float32(2))
    assert metrics.calibration(above, np.array([0])).bins[14] is not None


def test_posteriors_that_keep_their_promise_are_calibrated() -> None:
    posteriors, labels = drawn_posteriors(40_000, 5)
    true = metrics.calibration(posteriors, labels)
    assert true.error < 1
    assert sum(b.count for b in true.bins if b) == 40_000
    sharper = posteriors**2 / (posteriors**2).sum(1, keepdims=True)
    assert metrics.calibration(sharper, labels).error > 10


def test_likelihoods_are_worked_out_by_hand() -> None:
    """The true classes' posteriors are 0.9, 0.1, 0.7, 0.7: a product of 0.0441."""
    found = metrics.negative_log_likelihood(POSTERIORS, LABELS)
    assert found == pytest.approx(-math.log(0.0441) / 4)
    certain = np.eye(3, dtype=np.float32)
    assert metrics.negative_log_likelihood(certain, np.arange(3)) == 0
    assert metrics.negative_log_likelihood(certain[:1], np.array([1])) == pytest.approx(
        87.3, abs=0.1
    )


def test_likelihoods_are_the_loss_of_training() -> None:
    scores = torch.randn(50, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 7
    found = metrics.negative_log_likelihood(scores.softmax(1).numpy(), labels.numpy())
    assert found == pytest.approx(F.cross_entropy(scores, labels).item())
