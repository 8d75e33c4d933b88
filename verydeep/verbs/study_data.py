"""The pictures of a study: tested on by each seed alike, or in folds, each seed on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from verydeep.datasets import Dataset, open_dataset, refuse_too_small
from verydeep.errors import UserError
from verydeep.parts.boxed import with_boxes
from verydeep.parts.splitting import has_own_parts
from verydeep.runtime.runtime import Runtime
from verydeep.verbs.parts import opened
from verydeep.verbs.study_asked import FOLDS, SEEDS, not_learnt, refuse_few, refuse_other_seeds

Datasets = tuple[Dataset, ...]
"""The data in the parts that each seed has: the same for all, or another fold for each."""


def datasets_of(
    data: str | Path, split: int, seeds: int | None, begun: Path | None, runtime: Runtime
) -> tuple[Datasets, int | None]:
    """The data for each seed, and the number of folds where each has one of its own.

    Nets that have `begun` with weights are few and good, so that of data that nobody has split
    every picture is tested once. What those weights have learnt from is not set aside. Raises
    UserError for too few seeds or pictures.
    """
    folded = begun is not None and not has_own_parts(open_dataset(data, split))
    usual = FOLDS if folded else SEEDS
    count = usual if seeds is None else seeds
    refuse_other_seeds(count)
    folds = count if folded else None
    parts = {"split": split, "validation": "drawn"}
    found = [opened(data, {**parts, **fold_of(i, folds)}) for i in range(folds or 1)]
    paths = [] if begun is None else [begun]
    found = [not_learnt(dataset, paths, runtime) for dataset in found]
    refuse_too_small(found[0])
    refuse_few(found)
    return (tuple(found) if folded else (found[0],) * count), folds


def fold_of(seed: int, folds: int | None) -> dict[str, tuple[int, int]]:
    """The fold of a training with that seed as a setting, where there are any."""
    return {} if folds is None else {"fold": (seed, folds)}


def without_boxes(datasets: Datasets) -> tuple[UserError | None, Sequence[str]]:
    """Why the data is none to learn boxes from, if it is none; and notes on those that it has."""
    try:
        boxed = [with_boxes(dataset) for dataset in _each_once(datasets)]
        refuse_too_small(boxed[0])
        refuse_few(boxed, "pictures with boxes")
    except UserError as error:
        return error, ()
    return None, boxed[0].notes[len(datasets[0].notes) :]


def _each_once(datasets: Datasets) -> Sequence[Dataset]:
    return datasets[:1] if datasets[0] is datasets[-1] else datasets


def noted(datasets: Datasets, notes: Sequence[str]) -> Datasets:
    """The same with more notes on the first."""
    first, *others = datasets
    return replace(first, notes=(*first.notes, *notes)), *others
