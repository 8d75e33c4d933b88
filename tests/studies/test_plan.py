"""Plans as data: what stands on what is by hand, numbers of trainings are of the paper's tables."""

from __future__ import annotations

import pytest

from verydeep.studies import classification
from verydeep.studies.classification import STUDIES, plan
from verydeep.studies.findings import claims
from verydeep.studies.plan import Measurement, Plan, Training, joined
from verydeep.studies.sizes import SIZES
from verydeep.studies.tables import Table

SEEDS = (0, 1, 2)


def tables(size: str, *names: str) -> list[Table]:
    return [table for name in names or STUDIES for table in STUDIES[name](SIZES[size])]


def test_a_step_is_after_what_it_stands_on() -> None:
    a, b = Training("a"), Training("b", after="a")
    assert Plan((a, b)).trainings == (a, b)
    for steps in ((b, a), (a, a), (Measurement("a", "dense", (64,)), a)):
        with pytest.raises(ValueError, match="there twice, or before"):
            Plan(steps)


def test_two_plans_together_have_what_they_share_once() -> None:
    a, b, c = Training("a"), Training("b", after="a"), Training("c", after="a")
    assert joined([Plan((a, b)), Plan((a, c))]).steps == (a, b, c)
    with pytest.raises(ValueError, match="another a each"):
        joined([Plan((a,)), Plan((Training("a", {"epochs": 2}),))])


def test_whole_nets_are_trained_as_the_paper_did() -> None:
    """Sect. 3.1: deeper nets from A; S = 384 from S = 256; jittered S from S = 384."""
    found = plan(tables("full"), SIZES["full"], SEEDS)
    of = {training.name: training for training in found.trainings}
    after = {name: of[name].after for name in ("A-1", "D-1", "D-384-1", "D-jitter-1")}
    assert after == {"A-1": None, "D-1": "A-1", "D-384-1": "D-1", "D-jitter-1": "D-384-1"}
    assert of["D-jitter-1"].recipe is not None
    assert of["D-jitter-1"].recipe.settings["scale"] == "256-512"
    # six nets of Table 3 and the shallow one, at S = 256; three at 384; three jittered
    assert len(found.trainings) == 3 * (7 + 3 + 3)


@pytest.mark.parametrize("size", ["tiny", "small", "medium"])
def test_smaller_nets_are_all_trained_alike(size: str) -> None:
    found = plan(tables(size), SIZES[size], SEEDS)
    trials = [t for t in found.trainings if "-rate-" in t.name]
    others = [t for t in found.trainings if "-rate-" not in t.name]
    assert len(trials) == 7 * len(SIZES[size].rates)
    assert len(others) == 3 * (7 + 3)
    for same in ("epochs", "width", "crop", "batch", "initial", "fall", "dropout"):
        assert len({str(t.settings[same]) for t in others}) == 1, same
    for training in others:
        net = training.settings["net"]
        assert training.after is None  # all epochs are its own
        assert training.tried == tuple(t.name for t in trials if t.settings["net"] == net)


def test_a_study_alone_trains_what_its_tables_are_of() -> None:
    found = plan(tables("tiny", "protocols"), SIZES["tiny"], SEEDS)
    nets = {t.name for t in found.trainings if "-rate-" not in t.name}
    assert nets == {f"{net}-jitter-{seed}" for net in "DE" for seed in SEEDS}
    tests = [step for step in found.steps if isinstance(step, Measurement)]
    assert len(tests) == 2 * 2 * 3  # D and E, dense and crops; both is arithmetic


def test_the_tables_print_what_the_paper_did() -> None:
    """Tables 3 to 6, some of their places by hand."""
    of = {(t.name, c.row, c.column): c.published for t in tables("full") for c in t.cells}
    assert of["Table 3", "A-LRN", classification.FIXED] == (29.7, 10.5)
    assert of["Table 3", "E", classification.JITTERED] == (25.5, 8.0)
    assert of["Table 4", "D", classification.LARGER] == (26.5, 8.6)
    assert of["Table 5", "E", "both"] == (24.4, 7.1)
    assert of["Table 6", "D and E", "crops"] == (23.9, 7.2)
    assert of["Table 6", classification.ALL, "dense"] == (24.7, 7.5)


def test_the_seven_nets_of_table_6_are_those_of_the_paper() -> None:
    """D at 256, 384 and jittered, C and E at 256 and 384 (Sect. 4.5)."""
    (table,) = tables("full", "fusion")
    cell = table.cell(classification.ALL, "dense")
    assert cell is not None
    assert {source.training for source in cell.sources} == {
        "C", "C-384", "D", "D-384", "D-jitter", "E", "E-384",
    }  # fmt: skip


def test_every_finding_of_classification_has_claims_that_the_paper_bears_out() -> None:
    found = claims(tables("full"))
    assert [finding.key for finding, _ in found] == [f"F{number}" for number in range(1, 9)]
    asked = {one.claim.name: one.claim for _, of in found for one in of}
    assert asked["B better than A (Table 3, one S)"].errors == (28.7, 29.6)
    assert asked["D, S jittered: Table 4 better than Table 3"].errors == (24.8, 25.6)
    assert asked["E no better than D (Table 3, one S)"].errors == (27.3, 27.0)
    assert asked["D: both better than crops (Table 5)"].errors == (24.4, 24.6)


def test_what_whole_chains_have_learnt_for_stands_under_the_papers_tables() -> None:
    """74 epochs each: D of one S after A, at 384 after that, jittered after that."""
    notes = {table.name: table.note for table in tables("full")}
    assert "74 A, A-LRN; 148 B, C, D, E; 222 C-384, D-384, E-384; 296 C-jitter" in notes["Table 3"]
    assert notes["Sect. 4.1"].endswith("up to 74 B-shallow; 148 B.")
    assert notes["Table 5"].endswith("up to 296 D-jitter, E-jitter.")
    assert {table.note for table in tables("tiny")} == {""}
