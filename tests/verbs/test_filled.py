"""Places of tables filled by hand: which of them have learnt something."""

from __future__ import annotations

import numpy as np
import pytest

from verydeep.studies.misses import Misses
from verydeep.studies.tables import Cell
from verydeep.verbs.filled import Filled

LABELS = np.repeat(np.arange(10), 40)


@pytest.mark.parametrize(("right", "at_chance"), [(40, True), (44, True), (120, False)])
def test_a_net_has_learnt_something_where_it_is_better_than_one_name_for_all(
    right: int, at_chance: bool
) -> None:
    """One name is right on 40 of 400; four more are no more than luck, eighty are."""
    names = tuple(f"{i:03}" for i in range(len(LABELS)))
    blind = LABELS != 0
    tests = []
    for seed in (0, 1):
        missed = np.ones(len(LABELS), bool)
        missed[np.random.default_rng(seed).permutation(len(LABELS))[:right]] = False
        tests.append(Misses(names, "print", {1: missed}, blind))
    assert Filled(Cell("A", "one S", ()), tuple(tests)).is_at_chance == at_chance


def test_of_boxes_there_is_no_such_answer() -> None:
    nothing = Misses.of_nothing(("a", "b"), "print")
    assert not Filled(Cell("PCR", "one Q", ()), (nothing, nothing)).is_at_chance
