"""What a training that failed counts as: an answer that looks at no picture.

It has no network to be tested. Whoever trained so knows how many pictures of each class there were
to learn from, and nothing else: the largest class is named for all, and then the others by size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from verydeep.datasets import Dataset
from verydeep.evaluation.scores import Scores
from verydeep.evaluation.views import Protocol
from verydeep.studies.plan import Measurement
from verydeep.verbs.plans import Work

Tests = Mapping[Measurement, Scores]


def without_looking(
    failed: Iterable[Measurement], tests: Tests, work: Work, dataset: Dataset
) -> dict[Measurement, Scores]:
    """What tests of trainings that failed count as, beside the `tests` of others."""
    return {test: _of_failed(test, tests, work, dataset) for test in failed}


def _of_failed(test: Measurement, tests: Tests, work: Work, dataset: Dataset) -> Scores:
    """Posteriors that are the classes' shares of the pictures to learn from, whatever is shown.

    Of the pictures that other tests were of, without those that cannot be read.
    """
    like, part = next(iter(tests.values()), None), dataset.by_role["test"]
    names, labels = (like.names, like.labels) if like else (tuple(part.names), part.labels)
    shares = np.bincount(dataset.train.labels, minlength=len(dataset.classes))
    row = (shares / shares.sum()).astype(np.float32)
    training = work.plan.named(test.of)
    of_recipe = training.recipe.settings if training.recipe else {}
    crop = {**of_recipe, **training.settings, **work.given}["crop"]
    return Scores(
        np.tile(row, (len(names), 1)),
        labels,
        names,
        dataset.classes,
        Protocol(test.protocol, crop, test.scales),
        weights="",
        data=dataset.fingerprint,
        members=(f"no network, for {test.of} failed",),
    )
