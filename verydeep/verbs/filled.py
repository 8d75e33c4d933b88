"""The tables of a study with the tests that stand in their places, read from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool

from verydeep.datasets import Dataset
from verydeep.evaluation.fusion import fuse
from verydeep.evaluation.metrics import Missed
from verydeep.evaluation.scores import load_scores
from verydeep.localisation.boxes_file import load_boxes
from verydeep.localisation.fusion import fuse_boxes
from verydeep.parts.boxed import with_boxes
from verydeep.studies.findings import Place
from verydeep.studies.misses import Misses, together
from verydeep.studies.pooling import difference_of_errors
from verydeep.studies.tables import Cell, Table, sources_of
from verydeep.verbs.failures import Tests, without_looking
from verydeep.verbs.plans import Work, path_of, test_of


@dataclass(frozen=True)
class Filled:
    """A place of a table with the tests that stand there, one for each seed.

    `k` is that of the errors in that table.
    """

    cell: Cell
    tests: tuple[Misses, ...]
    k: int = 1

    def errors(self, k: int | None = None) -> tuple[float, ...]:
        """The top-k error in % with each seed, the table's own k if none is asked for.

        Empty where these tests do not tell of it.
        """
        found = [test.error(k or self.k) for test in self.tests]
        return tuple(error for error in found if error is not None)

    @property
    def missed(self) -> Bool[np.ndarray, "R N"]:
        """Whether each picture was missed at the table's k, a row for each seed."""
        return together(self.tests, self.k)

    @cached_property
    def is_at_chance(self) -> bool:
        """Whether it is not better than an answer that always names the largest class.

        By the interval of their difference: half of all nets that have learnt nothing are better
        than that by luck. Of boxes there is no such answer.
        """
        blind = [test.blind for test in self.tests if test.blind is not None]
        if not blind or self.k != 1:
            return False
        low, _ = difference_of_errors(np.array(blind), self.missed).interval()
        return low <= 0

    @property
    def missed_each(self) -> list[Missed]:
        """The same where each seed has pictures of its own."""
        return [test.missed[self.k] for test in self.tests]


def filled(
    tables: Sequence[Table], seeds: Sequence[int], work: Work, datasets: Sequence[Dataset]
) -> dict[Place, Filled]:
    """Every place of the tables with its tests; what failed counts as `without_looking` has it.

    There is a dataset for each seed.
    """
    wanted = [source.with_seed(seed) for source in sources_of(tables) for seed in seeds]
    wanted = [test for test in wanted if not work.plan.named(test.of).places_boxes]
    made = [test for test in wanted if work.failure(test.of) is None]
    tests = {test: load_scores(test_of(work, test)) for test in made}
    tests |= without_looking([t for t in wanted if t not in tests], tests, work, datasets[0])
    pairs = [*zip(seeds, datasets, strict=True)]
    return {
        (table.name, cell.row, cell.column): Filled(
            cell, tuple(_came_to(cell, seed, work, tests, data) for seed, data in pairs), table.k
        )
        for table in tables
        for cell in table.cells
    }


def _came_to(cell: Cell, seed: int, work: Work, tests: Tests, dataset: Dataset) -> Misses:
    """What the tests that stand in a place came to with one seed, put together."""
    asked = [source.with_seed(seed) for source in cell.sources]
    if work.plan.named(asked[0].of).places_boxes:
        return _boxes_came_to(cell, seed, work, dataset)
    found = [tests[test] for test in asked]
    return Misses.of_scores(found[0] if len(found) == 1 else fuse(found))


def _boxes_came_to(cell: Cell, seed: int, work: Work, dataset: Dataset) -> Misses:
    """The same of tests of boxes, all of which are merged as those of one net.

    A training that failed has none; where all have failed every picture is missed.
    """
    steps = (source.with_seed(seed) for source in cell.sources)
    found = [load_boxes(path_of(work, step)) for step in steps if work.failure(step.of) is None]
    if not found:
        boxed = with_boxes(dataset)
        return Misses.of_nothing(boxed.by_role["test"].names, boxed.fingerprint)
    return Misses.of_boxes(found[0] if len(found) == 1 else fuse_boxes(found))
