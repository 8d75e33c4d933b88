"""The lecture's stack, against what the lecture printed, other reruns of it, and theory.

Printed figures are the lecture's. Other reruns were 50, of a program that is not this one. Theory:
of z ~ N(0, v) ReLU gives the mean sqrt(v / 2 pi) and the second moment v / 2.
"""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from verydeep.errors import UserError
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import SILENT
from verydeep.runtime.runtime import Runtime
from verydeep.studies.deep_stack import CASES, Printed, Quantity, Reruns, Verdict, draws, reruns

SMALL, LARGE, XAVIER, XAVIER_RELU, HE = range(5)
COUNT = 6


@pytest.fixture(scope="module")
def lecture() -> tuple[Reruns, ...]:
    return reruns(0, COUNT, Runtime(Machine("cpu", 2), progress=SILENT))


def test_every_figure_that_the_lecture_printed_holds(lecture: tuple[Reruns, ...]) -> None:
    assert [len(each.verdicts) for each in lecture] == [10, 2, 10, 4, 4]
    wrong = [(each.case.name, v) for each in lecture for v in each.verdicts if not v.holds]
    assert not wrong


@pytest.mark.parametrize(
    ("case", "quantity", "layer", "mean", "spread"),
    [
        (XAVIER, "std", 1, 0.6277, 0.0006),
        (XAVIER, "std", 10, 0.2282, 0.0017),
        (XAVIER_RELU, "std", 10, 0.0254, 0.0032),
        (HE, "mean", 10, 0.555, 0.077),
        (HE, "std", 10, 0.814, 0.10),
    ],
)
def test_draws_are_spread_as_other_reruns_are(
    lecture: tuple[Reruns, ...], case: int, quantity: Quantity, layer: int, mean: float,
    spread: float,
) -> None:  # fmt: skip
    ours, of_ours = lecture[case].over_draws(quantity, layer)
    assert ours == pytest.approx(mean, abs=4 * spread * math.sqrt(1 / COUNT + 1 / 50))
    assert spread / 3 < of_ours < 3 * spread  # of 6 draws it is known no better


@pytest.mark.parametrize(("case", "variance"), [(XAVIER_RELU, 1.0), (HE, 2.0)])
def test_the_first_layer_is_as_theory_has_it(
    lecture: tuple[Reruns, ...], case: int, variance: float
) -> None:
    mean = math.sqrt(variance / (2 * math.pi))
    std = math.sqrt(variance / 2 - mean**2)
    assert lecture[case].over_draws("mean", 1)[0] == pytest.approx(mean, rel=0.01)
    assert lecture[case].over_draws("std", 1)[0] == pytest.approx(std, rel=0.01)


def test_where_tanh_is_linear_each_layer_has_the_gain_of_its_weights(
    lecture: tuple[Reruns, ...],
) -> None:
    """0.01 x sqrt(500), and means of 0, tanh being odd."""
    stds = [lecture[SMALL].over_draws("std", layer)[0] for layer in range(3, 11)]
    for before, after in pairwise(stds):
        assert after / before == pytest.approx(0.01 * math.sqrt(500), rel=0.02)
    means = [m for draw in lecture[SMALL].draws for m in draw.means]
    assert max(map(abs, means)) < 0.002


def test_large_weights_saturate(lecture: tuple[Reruns, ...]) -> None:
    """All values near -1 or 1 have a deviation near 1."""
    assert all(std > 0.98 for draw in lecture[LARGE].draws for std in draw.stds)


def test_a_draw_is_a_function_of_seed_and_number_whatever_thread_works_it_out(
    lecture: tuple[Reruns, ...],
) -> None:
    assert draws(0, 3) == tuple(each.draws[3] for each in lecture)
    alone = draws(0, 3, CASES[HE:])
    assert alone == (lecture[HE].draws[3],)
    assert len({each.draws for each in lecture}) == len(CASES)
    assert draws(1, 3, CASES[HE:]) != alone


def test_a_figure_beyond_the_spread_does_not_hold() -> None:
    def holds(value: float, spread: float = 0.0006) -> bool:
        return Verdict(Printed("std", 1, value), 0.6277, spread).holds

    assert holds(0.6277 + 4 * 0.0006)
    assert not holds(0.6277 + 4.1 * 0.0006)
    assert not holds(0.6277 - 4.1 * 0.0006)
    assert holds(0.6277004, spread=0)  # printed with six decimals
    assert not holds(0.627701, spread=0)


def test_too_few_draws_are_refused() -> None:
    with pytest.raises(UserError, match=r"4 rerun\(s\) have no spread .*; 5 or more are needed"):
        reruns(0, 4)
