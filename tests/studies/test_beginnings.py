"""The study of initialisation as a plan: equal epochs, alike but for how the nets begin.

Multiply-adds are those of the paper's whole nets at a crop of 224: 7.609 G of A, 15.470 G of D.
"""

from __future__ import annotations

import pytest

from verydeep.studies import classification
from verydeep.studies.beginnings import FROM_A, PLAINLY, RANDOM, WITH_NORMS, plan, tables
from verydeep.studies.findings import claims
from verydeep.studies.plan import Plan, Training, joined
from verydeep.studies.sizes import SIZES
from verydeep.training.recipes import RECIPES

SEEDS = (0, 1, 2)


def counted(of: Plan, end: Training) -> list[Training]:
    """A training and all that it stands on by its weights."""
    return [end] if end.after is None else [*counted(of, of.named(end.after)), end]


def ends(of: Plan, seed: int, column: str = PLAINLY) -> list[Training]:
    """What the places of a column are tests of."""
    (table,) = tables(SIZES["tiny"])
    cells = [table.cell(row, column) for row in table.rows]
    return [of.named(f"{cell.sources[0].training}-{seed}") for cell in cells if cell]


@pytest.mark.parametrize("column", [PLAINLY, WITH_NORMS])
def test_all_have_the_same_epochs_and_the_same_rates_to_choose_from(column: str) -> None:
    size = SIZES["tiny"]
    found = plan(size, SEEDS)
    for end in ends(found, 1, column):
        whole = counted(found, end)
        assert sum(t.settings["epochs"] for t in whole) == size.epochs
        assert len({t.tried for t in whole}) == 1  # A and D at one rate
        trials = [found.named(name) for name in end.tried]
        assert [t.settings["rate"] for t in trials] == [*size.rates]
        for trial in trials:
            assert sum(t.settings["epochs"] for t in counted(found, trial)) == size.trial


def test_nothing_else_differs_than_how_they_begin() -> None:
    found = plan(SIZES["small"], SEEDS)
    alike = {"initial", "epochs", "warm_up", "tune"}
    settings = [{k: v for k, v in t.settings.items() if k not in alike} for t in ends(found, 0)]
    assert settings == [settings[0]] * (len(RANDOM) + 1)
    assert [t.settings["initial"] for t in ends(found, 0)] == [*RANDOM, "glorot"]
    assert all(t.settings["bad_start"] == "train" and t.may_fail for t in found.trainings)


def test_nets_with_norms_begin_with_layers_of_a_net_with_norms() -> None:
    found = plan(SIZES["tiny"], SEEDS)
    *_, end = ends(found, 2, WITH_NORMS)
    assert [t.settings["net"] for t in counted(found, end)] == ["A-BN", "D-BN"]


def test_whole_nets_are_trained_by_the_papers_recipes() -> None:
    found = plan(SIZES["full"], SEEDS)
    first, second = counted(found, found.named("D-from-A-1"))
    assert (first.recipe, second.recipe) == (
        RECIPES["A-256"], RECIPES["D-256"],
    )  # fmt: skip
    assert [first.settings["epochs"], second.settings["epochs"]] == [37, 37]
    assert {t.settings["initial"] for t in (first, second)} == {"gaussian:0.01"}
    assert found.named("D-he-1").settings["bad_start"] == "train"
    assert len(found.trainings) == 2 * 3 * (len(RANDOM) + 2)  # no rates are tried


def test_what_a_training_from_a_costs_is_said() -> None:
    (table,) = tables(SIZES["full"])
    share = (37 * 7.609 + 37 * 15.470) / (74 * 15.470)
    assert f"{share:.2f} of the others' multiply-adds" in table.note
    assert "A for 37 of the 74 epochs that all have, then D for 37" in table.note


def test_nets_that_depth_trains_as_well_are_trained_once() -> None:
    size = SIZES["tiny"]
    depth = classification.plan(classification.depth(size), size, SEEDS)
    both = joined([depth, plan(size, SEEDS)])
    names = [t.name for t in both.trainings]
    assert len(names) == len({*names})
    assert len(names) == len(depth.trainings) + len(plan(size, SEEDS).trainings) - 5
    # five: the trials of D at two rates, and D with three seeds


def test_the_finding_is_that_layers_of_a_are_no_better_than_glorots_weights() -> None:
    ((finding, (asked,)),) = claims(tables(SIZES["tiny"]))
    assert (finding.key, asked.claim.kind) == ("F14", "no better")
    assert asked.first == ("Sect. 3.1", FROM_A, PLAINLY)
    assert asked.second == ("Sect. 3.1", "glorot", PLAINLY)
