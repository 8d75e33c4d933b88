"""Studies of the nets beside VGG, as plans. Printed errors are those of He et al. (2016), Tables 2
and 6, and of Xie et al. (2016).
"""

from __future__ import annotations

import pytest

from verydeep.datasets import open_dataset
from verydeep.runtime.machine import Machine
from verydeep.studies import classification
from verydeep.studies.estimate import estimates
from verydeep.studies.findings import claims
from verydeep.studies.neighbours import STUDIES, plan
from verydeep.studies.plan import Plan, Training, joined
from verydeep.studies.sizes import SIZES
from verydeep.training.duration import seconds_a_picture
from verydeep.training.settings import Settings

SEEDS = (0, 1, 2)
TINY = SIZES["tiny"]


def whole(found: Plan) -> list[Training]:
    """The trainings of the plan that are no trials."""
    return [t for t in found.trainings if "-rate-" not in t.name]


@pytest.mark.parametrize("name", STUDIES)
def test_each_place_of_a_table_has_a_training_with_each_seed(name: str) -> None:
    found = plan(name, TINY, SEEDS)
    asked = {
        f"{source.training}-{seed}"
        for table in STUDIES[name](TINY)
        for cell in table.cells
        for source in cell.sources
        for seed in SEEDS
    }
    assert asked == {training.name for training in whole(found)}


@pytest.mark.parametrize("name", STUDIES)
def test_nothing_differs_but_what_is_asked_about(name: str) -> None:
    asked = {"degradation": {"net"}, "neighbours": {"net"}, "labels": {"dropout", "disturb"}}
    found = plan(name, TINY, SEEDS)
    alike = [
        {k: v for k, v in t.settings.items() if k not in {*asked[name], "seed"}}
        for t in whole(found)
    ]
    assert alike == [alike[0]] * len(alike)
    assert {len(t.tried) for t in whole(found)} == {len(TINY.rates)}
    for training in whole(found):
        for trial, rate in zip(training.tried, TINY.rates, strict=True):
            tried = found.named(trial)
            assert tried.settings["rate"] == rate
            assert tried.settings["epochs"] == TINY.trial
            assert tried.whole.net == training.whole.net


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_nets_of_vgg_are_those_of_the_study_of_depth(size: object) -> None:
    assert isinstance(size, type(TINY))
    tables = classification.depth(size)
    both = joined([classification.plan(tables, size, SEEDS), plan("neighbours", size, SEEDS)])
    assert {"A-0", "D-2", "D-BN-1", "ResNet-18-0", "GoogLeNet-2"} <= {
        t.name for t in both.trainings
    }


def test_nets_of_cifar_have_as_many_channels_as_vggs_of_that_width() -> None:
    """16, 32 and 64 at a quarter of VGG's 64, 128 and 256: at 1/8 of those, 1/2 of these."""
    assert {t.whole.width for t in whole(plan("degradation", TINY, SEEDS))} == {0.5}
    assert {t.whole.width for t in whole(plan("degradation", SIZES["medium"], SEEDS))} == {1.0}


def test_at_full_size_nets_are_trained_as_their_papers_print() -> None:
    full = SIZES["full"]
    by_name = {t.name: t.whole for t in plan("degradation", full, (0,)).trainings}
    assert by_name["Plain-32-0"].at_steps == (32000, 48000, 64000)
    assert by_name["ResNet-20-0"].rate == 0.1
    alike = {t.name: t.whole for t in plan("neighbours", full, (0,)).trainings}
    assert (alike["ResNet-18-0"].rate, alike["ResNet-18-0"].batch) == (0.1, 256)
    assert alike["GoogLeNet-0"].net == "GoogLeNet-aux"
    assert (alike["D-BN-0"].net, alike["D-BN-0"].scale) == ("D-BN", (256, 256))
    assert {t.whole.width for t in plan("labels", full, (0,)).trainings} == {Settings.width}


def test_time_is_reckoned_of_a_recipes_steps() -> None:
    """64,000 steps of 128 are 8.192 million pictures; of 2,000 drawn, 15 steps an epoch, 4,267."""
    one, size = Machine("cpu", 1), SIZES["full"]
    whole_plan = plan("degradation", size, (0,))
    found = estimates(whole_plan, open_dataset("drawn:2000x32"), one)["Plain-8-0"].seconds
    table = whole_plan.named("Plain-8-0").whole.sizes.table(("FC-10", "soft-max"))
    each = seconds_a_picture(table, 1, passes=3)
    assert found == pytest.approx(4267 * 2000 * each, rel=0.01)  # tests take the rest


def test_what_is_claimed_is_what_was_printed() -> None:
    tables = [table for study in STUDIES.values() for table in study(TINY)]
    found = {finding.key: [one.claim.errors for one in asked] for finding, asked in claims(tables)}
    assert found == {
        "N1": [(27.94, 28.54)],
        "N2": [(7.51, 8.75), (25.03, 28.54)],
        "N3": [(0.68, 0.86), (0.66, 0.86), (0.63, 0.86), (0.63, 0.68), (0.63, 0.66)],
    }
