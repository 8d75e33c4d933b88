"""What a training that failed counts as: an answer that looks at no picture.

It has no network to be tested. Whoever trained so knows how many pictures of each class there were
to learn from, and nothing else: the largest class is named for all, and then the others by size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from verydeep.datasets import Dataset
from verydeep.evaluation.scores import Scores
from verydeep.evaluation.views import Protocol
from verydeep.studies.tables import Source, Table, sources_of
from verydeep.verbs.plans import Work

Tests = Mapping[str, Sequence[Scores]]
"""Those of each training, by its name."""


def with_failed(
    tests: Tests, work: Work, tables: Iterable[Table], seeds: Sequence[int], dataset: Dataset
) -> dict[str, tuple[Scores, ...]]:
    """The tests, and for trainings that failed what they count as wherever tables want a test."""
    found = {name: tuple(own) for name, own in tests.items()}
    for source in sources_of(tables):
        for name in (f"{source.training}-{seed}" for seed in seeds):
            boxes = work.plan.named(name).places_boxes  # of which none were placed
            if work.failure(name) is not None and not boxes:
                found[name] += (_without_looking(tests, work, name, source, dataset),)
    return found


def _without_looking(
    tests: Tests, work: Work, name: str, source: Source, dataset: Dataset
) -> Scores:
    """Posteriors that are the classes' shares of the pictures to learn from, whatever is shown.

    Of the pictures that other tests were of, without those that cannot be read.
    """
    others = (scores for own in tests.values() for scores in own if scores.role == "test")
    like, part = next(others, None), dataset.by_role["test"]
    names, labels = (like.names, like.labels) if like else (tuple(part.names), part.labels)
    shares = np.bincount(dataset.train.labels, minlength=len(dataset.classes))
    row = (shares / shares.sum()).astype(np.float32)
    training = work.plan.named(name)
    of_recipe = training.recipe.settings if training.recipe else {}
    crop = {**of_recipe, **training.settings, **work.given}["crop"]
    return Scores(
        np.tile(row, (len(names), 1)),
        labels,
        names,
        dataset.classes,
        Protocol(source.protocol, crop, source.scales),
        weights="",
        data=dataset.fingerprint,
        members=(f"no network, for {name} failed",),
    )
