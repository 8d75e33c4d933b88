"""Sizes of studies changed by settings; what goes with what is worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.runtime.machine import Machine
from verydeep.studies import classification
from verydeep.studies.classification import FIXED, Net, trainings
from verydeep.studies.estimate import estimates
from verydeep.studies.sizes import SIZES

TINY = SIZES["tiny"]  # width 1/8, crop 48, S = 56, jittered 48 to 80, 8 epochs, trials of 3


def test_what_is_not_said_goes_with_what_is() -> None:
    assert TINY.changed({}) == TINY
    larger = replace(TINY, crop=96, scale=112, jitter=(96, 160))
    assert TINY.changed({"crop": 96}) == larger
    assert TINY.changed({"crop": 96, "scale": 98}) == replace(larger, scale=98, jitter=(96, 140))
    assert TINY.changed({"epochs": 16}) == replace(TINY, epochs=16, trial=6)
    assert TINY.changed({"epochs": 1}) == replace(TINY, epochs=1, trial=1)
    for rates in ("0.02,0.005", [0.02, 0.005], ("0.02", 0.005)):
        both = (0.02, 0.005)
        assert TINY.changed({"rate": rates}) == replace(TINY, rates=both, box_rates=both)


def test_one_rate_alone_is_not_tried() -> None:
    found = [*trainings([Net("D", FIXED)], TINY.changed({"rate": 0.01}), (0, 1))]
    assert [training.name for training in found] == ["D-0", "D-1"]
    assert {training.settings["rate"] for training in found} == {0.01}
    assert "8 epochs, a rate of 0.01" in str(TINY.changed({"rate": 0.01}))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"scale": "64-80"}, "scale is 64-80; a study trains at one S"),
        ({"rate": "0.02,x"}, "rate is 'x'; a number in"),
        ({"rate": "0.01,0.02,0.01"}, "rate has 0.01 twice; each is tried once"),
        ({"rate": [0.0100000001, 0.01]}, "rate has 0.01 twice"),
        ({"crop": 0}, "crop is 0; a whole number from 1"),
    ],
)
def test_what_no_training_can_have_is_refused(given: dict[str, object], line: str) -> None:
    with pytest.raises(UserError, match=line):
        TINY.changed(given)


def test_the_least_study_of_depth_is_reckoned_as_minutes() -> None:
    """Ten at the most on two cores, as docs/study.md has it, with three seeds of drawn pictures."""
    plan = classification.plan(classification.depth(TINY), TINY, (0, 1, 2))
    takes = estimates(plan, open_dataset("drawn"), Machine("cpu", 2))
    assert sum(one.seconds for one in takes.values()) < 600
