"""Verdicts on claims: each case of the rule, worked by hand, and what would decide it.

Errors of the paper are those of its Table 3.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from verydeep.studies.claims import WORTH, Claim, Kind
from verydeep.studies.pooling import Difference, Variances, difference_of_figures
from verydeep.studies.verdicts import (
    Evidence,
    Verdict,
    evidence_of_errors,
    evidence_of_figures,
    verdicts,
)

DEEPER = Claim("F2, A > B", "better", (28.7, 29.6))
NORMS = Claim("F1, A-LRN = A", "alike", (29.7, 29.6))


def test_the_effect_is_the_papers_share_of_our_error() -> None:
    """0.9 of 29.6 are 3.04 %, and 0.3 of 10."""
    assert DEEPER.effect(10) == pytest.approx(0.304, abs=5e-4)
    assert NORMS.effect(29.6) == pytest.approx(-0.1)
    assert Claim("F14", "no better").effect(10) == 0


@pytest.mark.parametrize("errors", [None, (29.6, 28.7), (28.7, 28.7)])
def test_no_claim_is_of_something_better_that_the_paper_found_no_better(
    errors: tuple[float, float] | None,
) -> None:
    with pytest.raises(ValueError, match="F2 is claimed to be better"):
        Claim("F2", "better", errors)


@pytest.mark.parametrize(
    ("low", "high", "better", "alike", "no_better"),
    [
        (-9.0, -2.1, "not seen", "not seen", "seen"),
        (-9.0, -1.9, "not seen", "undecided", "seen"),
        (-9.0, 0.1, "not seen", "undecided", "seen"),
        (-9.0, 2.1, "not seen", "undecided", "undecided"),
        (-9.0, 3.1, "undecided", "undecided", "undecided"),
        (-1.9, -0.1, "not seen", "seen", "seen"),
        (-1.9, 1.9, "not seen", "seen", "seen"),
        (-1.9, 2.9, "not seen", "undecided", "undecided"),
        (-1.9, 9.0, "undecided", "undecided", "undecided"),
        (0.1, 1.9, "seen", "seen", "seen"),
        (0.1, 2.9, "seen", "undecided", "undecided"),
        (0.1, 9.0, "seen", "undecided", "undecided"),
        (2.1, 2.9, "seen", "not seen", "not seen"),
        (2.1, 9.0, "seen", "not seen", "not seen"),
        (3.1, 9.0, "seen", "not seen", "not seen"),
    ],
)
def test_every_place_of_an_interval_has_its_finding(
    low: float, high: float, better: str, alike: str, no_better: str
) -> None:
    """Of an error of 2 / WORTH, where 2 points are worth the name, and an effect of 3 of them."""
    error = 2 / WORTH
    kinds: list[tuple[Kind, str]] = [
        ("better", better),
        ("alike", alike),
        ("no better", no_better),
    ]
    for kind, expected in kinds:
        claim = Claim("", kind, (error - 3, error))
        assert claim.outcome((low, high), error) == expected, kind


def test_what_is_worth_the_name_parts_the_papers_depths_as_the_paper_does() -> None:
    """C is better than B, 28.1 and 28.7; E is not worse than D, 27.3 and 27.0."""
    smallest, none = (28.7 - 28.1) / 28.7, (27.3 - 27.0) / 27.0
    assert none < 0.6 * WORTH < WORTH <= smallest + 1e-9


def varying(
    mean: float, pictures: float, seeds: float, rest: float, count: int = 1000, trained: int = 3
) -> Difference:
    """A difference whose components of variance are these squares of deviations, in points."""
    squares = Variances(trained * pictures**2 + rest**2, count * seeds**2 + rest**2, rest**2)
    return Difference(mean, squares, count, trained)


def verdict(claim: Claim, difference: Difference, error: float = 30.0) -> Verdict:
    (found,) = verdicts([Evidence(claim, difference, error)])
    return found


def test_where_seeds_do_not_differ_pictures_are_as_many_as_the_normal_distribution_says() -> None:
    """1.96^2 of (30 points)^2 and of the two that are pretended, over the square of the mean."""
    found = verdict(DEEPER, varying(1.0, 30, 0, 0))
    assert found.outcome == "undecided"
    assert found.pictures == pytest.approx((1.96 * 30) ** 2, rel=0.01)


def test_where_seeds_differ_too_much_no_number_of_pictures_decides() -> None:
    """With seeds 1 point apart, three of them reach t(2) / sqrt(3) points, 2.48, however tested."""
    reach = stats.t.ppf(0.975, 2) / sqrt(3)
    short, enough = (verdict(DEEPER, varying(reach + off, 36, 1, 5)) for off in (-0.1, 0.1))
    assert short.outcome == enough.outcome == "undecided"
    assert short.pictures is None
    assert "no number of pictures: what seeds differ by decides" in short.reason
    assert enough.pictures is not None
    assert short.seeds is not None
    assert short.seeds > 3


def test_where_pictures_are_too_few_no_number_of_seeds_decides() -> None:
    """500 pictures that differ by 30 points reach 1.965 x 30 / sqrt(500), 2.64 points, or more."""
    short = verdict(DEEPER, varying(2.5, 30, 0.5, 30, count=500))
    assert short.seeds is None
    assert short.pictures is not None
    assert short.reason.endswith("pictures would decide it, and no number of seeds")
    enough = verdict(DEEPER, varying(2.9, 30, 0.5, 30, count=500))
    assert enough.seeds is not None


def test_the_number_that_decides_is_the_least_that_does() -> None:
    found = verdict(DEEPER, varying(1.7, 25, 0.3, 20))
    assert found.pictures is not None
    assert found.seeds is not None
    difference, error = found.evidence.difference, found.evidence.error
    for less, expected in ((1, "undecided"), (0, "seen")):
        for other in (
            difference.at(pictures=found.pictures - less),
            difference.at(seeds=found.seeds - less),
        ):
            assert DEEPER.outcome(other.interval(found.level), error) == expected


def test_what_is_decided_needs_no_more() -> None:
    found = verdict(DEEPER, varying(9.0, 30, 0.1, 5))
    assert (found.outcome, found.pictures, found.seeds) == ("seen", None, None)


def test_claims_are_corrected_together() -> None:
    """p = 0.03 is seen of one claim; beside one that shows nothing it is held against 0.025."""
    one = varying(4.35, 63.2, 0, 0)
    assert one.p == pytest.approx(0.03, abs=0.002)
    nothing = varying(0.0, 63.2, 0, 0)
    alone = verdict(DEEPER, one)
    first, second = verdicts([Evidence(DEEPER, each, 30.0) for each in (one, nothing)])
    assert (alone.outcome, first.outcome) == ("seen", "undecided")
    assert first.p == pytest.approx(2 * one.p)
    assert (first.level, second.level) == (0.975, 0.975)


def test_errors_and_figures_are_taken_as_how_much_better_the_first_is() -> None:
    """The first misses 1 and 1 of 4, the second 3 and 2; mAPs of 90 and 91 beside 88 and 90."""
    first = np.array([[True, False, False, False]] * 2)
    second = np.array([[True, True, True, False], [True, True, False, False]])
    of_errors = evidence_of_errors(DEEPER, first, second)
    assert (of_errors.difference.mean, of_errors.error) == (37.5, 62.5)
    of_figures = evidence_of_figures(DEEPER, np.array([90.0, 91.0]), np.array([88.0, 90.0]))
    assert (of_figures.difference.mean, of_figures.error) == (1.5, 11.0)


@pytest.mark.parametrize(
    ("claim", "difference", "error", "said"),
    [
        (
            DEEPER,
            varying(1.9, 20, 0, 0),
            23.0,
            "F2, A > B: seen: 1.9 points (0.6 to 3.2), 3 seeds, 1,000 pictures; the paper's 0.9 of "
            "29.6 would be 0.7 here; better, and that is in the interval",
        ),
        (
            DEEPER,
            varying(-0.5, 20, 0, 0),
            90.0,
            "F2, A > B: not seen: -0.5 points (-1.8 to 0.8), 3 seeds, 1,000 pictures; the paper's "
            "0.9 of 29.6 would be 2.7 here; less than that, if anything",
        ),
        (
            DEEPER,
            varying(0.5, 20, 0, 0),
            30.0,
            "F2, A > B: undecided: 0.5 points (-0.8 to 1.8), 3 seeds, 1,000 pictures; the paper's "
            "0.9 of 29.6 would be 0.9 here; that is not ruled out, nor is 0; 6,200 pictures would "
            "decide it, and no number of seeds",
        ),
        (
            NORMS,
            varying(0.1, 20, 0, 0),
            80.0,
            "F1, A-LRN = A: seen: 0.1 points (-1.2 to 1.4), 3 seeds, 1,000 pictures; the paper's "
            "-0.1 of 29.6 would be -0.3 here; apart by less than the 1.7 points that would be "
            "worth the name",
        ),
        (
            Claim("F14", "no better"),
            varying(-5, 20, 0, 1),
            30.0,
            "F14: seen: -5.0 points (-6.3 to -3.7), 3 seeds, 1,000 pictures; not better by the 0.6 "
            "points that would be worth the name",
        ),
        (
            DEEPER,
            difference_of_figures(np.array([89.7, 89.9, 89.2]), np.array([89.3, 89.7, 89.1])),
            10.0,
            "F2, A > B: undecided: 0.2 points (-0.1 to 0.6), 3 seeds; the paper's 0.9 of 29.6 "
            "would be 0.3 here; that is not ruled out, nor is 0; 5 seeds would decide it",
        ),
    ],
)
def test_a_verdict_in_words(claim: Claim, difference: Difference, error: float, said: str) -> None:
    assert str(verdict(claim, difference, error)) == said


def test_reasons_say_how_large_an_effect_is_and_which_way() -> None:
    assert verdict(DEEPER, varying(1.9, 20, 0, 0), 10.0).reason == "better, by more than that"
    small = verdict(DEEPER, varying(1.0, 10, 0, 0), 90.0)
    assert small.reason == "better, by less than that"
    assert verdict(DEEPER, varying(-1.9, 20, 0, 0)).reason == "the other way round"
    open_ = verdict(NORMS, varying(1.8, 20, 0, 0), 80.0).reason
    assert open_.startswith("they differ, but whether apart by more than the 1.7 points")
    nothing = verdict(DEEPER, varying(0, 0, 0, 0), 0.0)
    assert nothing.reason.endswith("the second misses nothing: too easy to tell")


def test_nothing_is_judged_by_what_is_at_chance() -> None:
    """The interval would say so otherwise: both miss nine pictures of ten, and none is better."""
    missed = np.arange(2000).reshape(2, 1000) % 10 > 0
    evidence = evidence_of_errors(Claim("F1", "no better", (29.7, 29.6)), missed, missed)
    (seen,) = verdicts([evidence])
    assert seen.outcome == "seen"
    (verdict,) = verdicts([replace(evidence, at_chance=("A-LRN, one S", "A, one S"))])
    assert verdict.outcome == "undecided"
    assert verdict.reason == "at chance: A-LRN, one S and A, one S"
    assert (verdict.pictures, verdict.seeds) == (None, None)
