"""Holm's correction: the worked example is that of R's p.adjust; the rest is worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from verydeep.studies.correction import holm


def test_corrected_p_are_those_of_r() -> None:
    """p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02."""
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert [own.p for own in found] == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_each_interval_is_drawn_at_the_step_that_tested_it() -> None:
    """0.005 is below 0.05 / 4 and 0.01 below 0.05 / 3; 0.03 is not below 0.05 / 2, and ends it."""
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert [1 - own.level for own in found] == pytest.approx([0.05 / 3, 0.025, 0.025, 0.05 / 4])


def test_one_test_is_not_corrected() -> None:
    (found,) = holm([0.03])
    assert (found.p, found.level) == pytest.approx((0.03, 0.95))
    assert holm([]) == ()


def test_where_all_or_none_show_something_the_steps_are_as_many_as_the_tests() -> None:
    assert [own.level for own in holm([0.001, 0.002])] == pytest.approx([0.975, 0.95])
    assert [own.level for own in holm([0.9, 0.3])] == pytest.approx([0.975, 0.975])
    assert [own.p for own in holm([0.9, 0.3])] == pytest.approx([0.9, 0.6])


def test_equal_p_are_treated_alike() -> None:
    found = holm([0.02, 0.001, 0.02, 0.02])
    assert found[0] == found[2] == found[3]
    assert found[0].p == pytest.approx(0.06)
    assert [own.level for own in holm([0.01, 0.01])] == pytest.approx([0.975, 0.975])


def test_an_interval_leaves_0_out_just_where_the_corrected_p_is_below_5_percent() -> None:
    random = np.random.default_rng(0)
    shown = 0
    for _ in range(300):
        ps = random.choice([1.0, 0.1, 0.01]) * random.random(random.integers(1, 9))
        found = holm(ps.tolist())
        for p, own in zip(ps, found, strict=True):
            assert (p < 1 - own.level) == (own.p < 0.05)
        levels = [own.level for _, own in sorted(zip(ps, found, strict=True), key=lambda x: x[0])]
        assert levels == sorted(levels, reverse=True)
        shown += sum(own.p < 0.05 for own in found)
    assert 100 < shown < 1200


def test_some_true_nothing_is_found_in_5_percent_of_studies() -> None:
    """Eight tests of nothing and four of something that is always found."""
    random = np.random.default_rng(1)
    wrong = [
        any(own.p < 0.05 for own in holm([*random.random(8).tolist(), *[1e-9] * 4])[:8])
        for _ in range(2000)
    ]
    assert 0.035 < np.mean(wrong) < 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5
