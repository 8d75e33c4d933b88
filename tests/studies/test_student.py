"""Student's t: numbers of SciPy, and of Table III of Fisher & Yates, Statistical Tables (1963)."""

from __future__ import annotations

import pytest
from scipy import stats

from verydeep.studies.student import quantile, tails

FREEDOM = (0.6, 1, 1.3, 2, 2.7, 5, 30, 499, 1234.5, 1e5, 1e7)


@pytest.mark.parametrize(
    ("level", "df", "t"),
    [(0.95, 1, 12.706), (0.95, 2, 4.303), (0.99, 4, 4.604), (0.95, 30, 2.042), (0.999, 10, 4.587)],
)
def test_quantiles_are_those_of_the_printed_table(level: float, df: int, t: float) -> None:
    assert quantile(level, df) == pytest.approx(t, abs=5e-4)


@pytest.mark.parametrize("df", FREEDOM)
def test_quantiles_are_those_of_scipy(df: float) -> None:
    for level in (0.01, 0.5, 0.9, 0.95, 0.99, 1 - 0.05 / 14, 0.9999, 1 - 1e-8):
        assert quantile(level, df) == pytest.approx(stats.t.isf((1 - level) / 2, df), rel=2e-8)


@pytest.mark.parametrize("df", FREEDOM)
def test_tails_are_those_of_scipy(df: float) -> None:
    for t in (0, 1e-3, 0.5, 1, 1.9, 3, 7, 15, 30):
        expected = 2 * stats.t.sf(t, df)
        assert tails(t, df) == pytest.approx(expected, rel=2e-8, abs=1e-300)
        assert tails(-t, df) == tails(t, df)


def test_a_quantile_has_the_tails_that_it_was_asked_for() -> None:
    for df in FREEDOM:
        for level in (0.2, 0.95, 0.9999):
            assert tails(quantile(level, df), df) == pytest.approx(1 - level, rel=1e-8)
