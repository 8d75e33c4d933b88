"""What is learnt from descriptors: linear SVMs, their C by folds, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from verydeep.descriptors.choice import Choice, choose_and_fit, dealt_out, one_label
from verydeep.descriptors.linear import Features, Linear
from verydeep.descriptors.nearest_mean import nearest_mean
from verydeep.descriptors.svm import ClassWeights, Signs, fit
from verydeep.evaluation.temperature import temperature, temperature_of_signs

FOLDS = 5
CS = (0.01, 0.1, 1.0, 10.0, 100.0)
"""The C that are tried: of vectors of length one the best is among them, and the choice is flat."""


@dataclass(frozen=True)
class Learnt:
    """Linear SVMs of descriptors, how their C was chosen, and the nearest class mean beside them.

    Decision values over the `temperature` are scores whose posteriors are as sure as they are
    right, on pictures of folds that the machines had not learnt from. `choice` is None where C was
    given.
    """

    classifier: Linear
    c: float
    choice: Choice | None
    temperature: float
    nearest: Linear


def learnt_from(
    x: Features,
    signs: Signs,
    names: Sequence[str],
    c: float | Sequence[float] | None = None,
    class_weights: ClassWeights = None,
    seed: int = 0,
) -> Learnt:
    """The SVMs of descriptors, one class against the rest.

    Without a `c`, and of several, the best in five folds, drawn from the seed, is taken. Raises
    UserError for a class without pictures, or with too few for folds, and for values that are no
    numbers.
    """
    cs = CS if c is None else (c,) if isinstance(c, float | int) else tuple(c)
    choice = None
    if len(cs) == 1:
        (machines,) = fit(x, signs, cs, class_weights, names)
    else:
        choice, machines = choose_and_fit(x, signs, cs, FOLDS, seed, class_weights, names)
    values = _out_of_fold(x, signs, machines.c, class_weights, names, seed)
    if one_label(signs):
        hot = temperature(values, signs.argmax(1))
    else:
        hot = temperature_of_signs(values, signs)
    nearest = nearest_mean(x, signs, names)
    return Learnt(machines.classifier, machines.c, choice, hot, nearest)


def _out_of_fold(
    x: Features,
    signs: Signs,
    c: float,
    class_weights: ClassWeights,
    names: Sequence[str],
    seed: int,
) -> Float64[np.ndarray, "N K"]:
    """Decision values of each picture, by machines that have learnt from the other folds."""
    dealt, values = dealt_out(signs, FOLDS, seed), np.zeros(signs.shape)
    for fold in np.unique(dealt):
        own = dealt == fold
        (machines,) = fit(x[~own], signs[~own], [c], class_weights, names)
        values[own] = machines.classifier.decision(x[own])
    return values
