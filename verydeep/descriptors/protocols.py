"""The protocols by which features are tested on other datasets (Appendix B of the paper).

In come descriptors of all pictures, made once, and what is known of these; the rest is places in
them. In draws so many pictures of each class are learnt from and others tested on, again and again,
and the mean of the class recalls counts. In rankings the pictures of a part are ranked by each
class, and the average precision counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from verydeep.descriptors.choice import GRID, Choice, Judge, choose_and_fit
from verydeep.descriptors.linear import Features, signs_of
from verydeep.descriptors.nearest_mean import nearest_mean
from verydeep.descriptors.svm import Signs, SVMs, fit
from verydeep.evaluation.average_precision import (
    AveragePrecisions,
    Definition,
    average_precisions,
)
from verydeep.evaluation.metrics import confusion, top_error
from verydeep.evaluation.per_class import mean_class_recall
from verydeep.parts.annotations import Labels

Rows = Int64[np.ndarray, " _"]
"""Places of pictures among the descriptors."""
VOCS: tuple[Definition, ...] = ("voc2007", "area")
"""PASCAL VOC's average precisions, to 2009 and since."""
OF_ONE = 1.0
"""The C where there is one picture of a class, so that none can be held out to choose it by."""


@dataclass(frozen=True)
class DrawTested:
    """A draw: pictures learnt from and tested on, the C, and what that comes to in %.

    `recall` is the mean of the class recalls, `top1` the error over all pictures, `nearest` the
    mean class recall of the nearest class mean. Without a `choice` C was given, or is `OF_ONE`.
    """

    number: int
    train: int
    test: int
    c: float
    choice: Choice | None
    recall: float
    top1: float
    nearest: float


@dataclass(frozen=True)
class Spread:
    """The mean over draws, and their deviation with n - 1 in the denominator; None of one draw."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """That of these figures.

        >>> Spread.of([1.0, 2.0, 3.0])
        Spread(mean=2.0, deviation=1.0)
        """
        deviation = float(np.std(figures, ddof=1)) if len(figures) > 1 else None
        return cls(float(np.mean(figures)), deviation)


@dataclass(frozen=True)
class DrawsTested:
    """The draws of so many pictures a class to train on, and so many to test on, None for all.

    `how` says in words by what they were drawn.
    """

    train: int
    test: int | None
    draws: tuple[DrawTested, ...]
    how: str = ""

    @property
    def recall(self) -> Spread:
        """The mean class recall."""
        return Spread.of([draw.recall for draw in self.draws])

    @property
    def top1(self) -> Spread:
        """The top-1 error."""
        return Spread.of([draw.top1 for draw in self.draws])

    @property
    def nearest(self) -> Spread:
        """The mean class recall of the nearest class mean."""
        return Spread.of([draw.nearest for draw in self.draws])


@dataclass(frozen=True)
class Ranked:
    """A part ranked by each class: by which descriptors, the C, and average precisions in %.

    `precisions` and `nearest`, those of the nearest class mean, are by each definition of `VOCS`;
    `values` are decision values, a row for each picture of the part.
    """

    of: str
    c: float
    choice: Choice | None
    values: Float64[np.ndarray, "N K"]
    precisions: tuple[AveragePrecisions, ...]
    nearest: tuple[AveragePrecisions, ...]


def scored_draw(
    x: Features,
    labels: Labels,
    names: Sequence[str],
    train: Rows,
    test: Rows,
    *,
    number: int = 0,
    cs: Sequence[float] = GRID,
    seed: int = 0,
) -> DrawTested:
    """What a draw comes to; of several C the best on a fifth of its training pictures is taken.

    Raises UserError, by its name, for a class without pictures to learn from.
    """
    signs = signs_of(labels, len(names))
    if (signs[train] > 0).sum(0).min() == 1 and len(cs) > 1:
        cs = [OF_ONE]
    choice, machines = machines_of(x, signs, names, train, cs=cs, seed=seed, judged_by="accuracy")
    values, truth = machines.classifier.decision(x[test]), labels[test]
    nearest = nearest_mean(x[train], signs[train], names).decision(x[test])
    return DrawTested(
        number,
        len(train),
        len(test),
        machines.c,
        choice,
        mean_class_recall(confusion(values, truth)),
        top_error(values, truth),
        mean_class_recall(confusion(nearest, truth)),
    )


def ranked(
    of: str,
    x: Features,
    signs: Signs,
    names: Sequence[str],
    learn: Rows,
    test: Rows,
    *,
    chosen_by: Rows | None = None,
    cs: Sequence[float] = GRID,
    seed: int = 0,
) -> Ranked:
    """How a part is ranked by machines that have learnt from others.

    C is the best by the mean average precision of those of `learn` that it is `chosen_by`, or of a
    fifth of `learn`; then all of it is learnt from. What does not count (sign 0) is neither learnt
    nor scored. Raises UserError, by its name, for a class without pictures to learn from.
    """
    choice, machines = machines_of(x, signs, names, learn, chosen_by=chosen_by, cs=cs, seed=seed)
    values = machines.classifier.decision(x[test])
    nearest = nearest_mean(x[learn], signs[learn], names).decision(x[test])
    precisions, beside = (
        tuple(average_precisions(scores, signs[test], definition) for definition in VOCS)
        for scores in (values, nearest)
    )
    return Ranked(of, machines.c, choice, values, precisions, beside)


def machines_of(
    x: Features,
    signs: Signs,
    names: Sequence[str],
    learn: Rows,
    *,
    chosen_by: Rows | None = None,
    cs: Sequence[float] = GRID,
    seed: int = 0,
    judged_by: Judge = "mean average precision",
) -> tuple[Choice | None, SVMs]:
    """What was chosen, and the machines of the pictures in `learn`; of one C nothing is chosen.

    It is chosen as `ranked` says. Raises UserError as `choose_and_fit` does.
    """
    if len(cs) == 1:
        (machines,) = fit(x[learn], signs[learn], cs, names=names)
        return None, machines
    rows = None if chosen_by is None else np.flatnonzero(np.isin(learn, chosen_by))
    return choose_and_fit(
        x[learn], signs[learn], cs, seed=seed, names=names, chosen_by=rows, judged_by=judged_by
    )


def alone(x: Features, columns: int) -> Float[np.ndarray, "N E"]:
    """The first columns of descriptors as descriptors of their own, of length one."""
    part = x[:, :columns]
    lengths = np.sqrt(np.einsum("nd,nd->n", part, part, dtype=np.float64))
    return (part / np.where(lengths == 0, 1, lengths)[:, None]).astype(x.dtype)
