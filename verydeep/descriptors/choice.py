"""The C of linear SVMs, chosen by pictures that were held out, and the machines learnt with it.

Either a fifth of the pictures is held out, or each of k folds in its turn, or those of a part that
is there to choose by. It is done by taking
away what they cost: the Gram matrix is worked out once, and the decision values of what was held
out come with the solution. Where each picture is of one class the share of right answers chooses,
and otherwise the mean average precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from verydeep.descriptors.linear import Features, name_of
from verydeep.descriptors.svm import (
    TOLERANCE,
    ClassWeights,
    Problem,
    Signs,
    SVMs,
    checked_cs,
)
from verydeep.errors import UserError
from verydeep.evaluation.average_precision import average_precisions
from verydeep.randomness import generator

Judge = Literal["accuracy", "mean average precision"]

GRID = tuple(10.0**exponent for exponent in (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2))
HELD_OUT = 5
"""Of so many pictures one is held out where there are no folds: 20 %."""
ENOUGH = 1e-6
"""The duality gap over P with which a C is tried."""


@dataclass(frozen=True)
class Trial:
    """What a C gave, in %: the mean over what was held out, and that of each fold."""

    c: float
    figure: float
    folds: tuple[float, ...]


@dataclass(frozen=True)
class Choice:
    """The C that was best by its figure in %, the smallest of several; what each of them gave."""

    c: float
    judged_by: Judge
    trials: tuple[Trial, ...]
    folds: int | None
    seed: int


def choose_and_fit(
    x: Features,
    signs: Signs,
    cs: Sequence[float] = GRID,
    folds: int | None = None,
    seed: int = 0,
    class_weights: ClassWeights = None,
    names: Sequence[str] | None = None,
    intercept: bool = True,
    chosen_by: Int64[np.ndarray, " held_out"] | None = None,
    judged_by: Judge | None = None,
) -> tuple[Choice, SVMs]:
    """What was chosen, and the machines of all pictures with that C.

    `folds` are so many, or None for a fifth held out, or for the pictures that it is `chosen_by`.
    Raises UserError as `svm.fit` does, and where a class is left without a picture to learn from.
    """
    checked_cs(cs)
    if folds is not None and not 2 <= folds <= len(x):
        raise UserError(f"{folds} folds of {len(x)} pictures; expected 2 or more, up to as many")
    problem = Problem.of(x, signs, class_weights, names, intercept)
    if chosen_by is None:
        dealt = dealt_out(signs, folds or HELD_OUT, seed)
        held_out = [np.flatnonzero(dealt == fold) for fold in range(folds or 1)]
    else:
        held_out = [chosen_by]
    judged_by = judged_by or ("accuracy" if one_label(signs) else "mean average precision")
    tried = [_tried(problem, signs, rows, cs, judged_by, names) for rows in held_out]
    trials = tuple(
        Trial(c, float(np.mean(figures)), figures)
        for c, figures in zip(sorted(cs), zip(*tried, strict=True), strict=True)
    )
    best = max(trials, key=lambda trial: trial.figure)  # the first of several, the smallest C
    ((_, found),) = problem.path([best.c], TOLERANCE)
    choice = Choice(best.c, judged_by, trials, folds, seed)
    return choice, SVMs(best.c, problem.classifier(found.point.beta), found.gaps.numpy())


def one_label(signs: Signs) -> bool:
    """Whether each picture is of one class; of two classes one is enough, with a sign for each."""
    if signs.shape[1] == 1:
        return bool(signs.all())
    return bool(((signs > 0).sum(1) == 1).all() and signs.all())


def dealt_out(signs: Signs, folds: int, seed: int) -> Int64[np.ndarray, " M"]:
    """The fold of each picture, drawn from the seed so that each class is spread evenly.

    Classes are dealt out one after another, the rarest first, each picture with the first of its
    classes, and those of none at the end.
    """
    of_class = signs > 0
    none_left = np.full(len(signs), True)
    fold = np.zeros(len(signs), np.int64)
    dealt = 0
    for k in (*np.argsort(of_class.sum(0), kind="stable"), None):
        rows = np.flatnonzero(none_left if k is None else none_left & of_class[:, k])
        sample = signs.shape[1] if k is None else int(k)
        rows = generator(seed, "split", sample=sample).permutation(rows)
        fold[rows] = (dealt + np.arange(len(rows))) % folds
        none_left[rows] = False
        dealt += len(rows)
    return fold


def _tried(
    problem: Problem,
    signs: Signs,
    held_out: Int64[np.ndarray, " held_out"],
    cs: Sequence[float],
    judged_by: Judge,
    names: Sequence[str] | None,
) -> list[float]:
    """The figure of each C on what was held out."""
    learnt_from = problem.without(held_out)
    for k, own in enumerate(learnt_from.signs):
        if own.max() < 1 or own.min() > -1:
            raise UserError(
                f"{name_of(k, names)} has too few pictures for some to be held out; give C, or "
                "more pictures"
            )
    return [
        _figure(found.point.values.T[held_out].numpy(), signs[held_out], judged_by)
        for _, found in learnt_from.path(cs, ENOUGH)
    ]


def _figure(values: Float64[np.ndarray, "M K"], signs: Signs, judged_by: Judge) -> float:
    if judged_by == "mean average precision":
        return average_precisions(values, signs).mean
    if signs.shape[1] == 1:
        return 100 * float(((values > 0) == (signs > 0)).mean())
    return 100 * float((values.argmax(1) == signs.argmax(1)).mean())
