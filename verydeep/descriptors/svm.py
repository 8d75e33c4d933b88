"""Linear SVMs of features, one class against the rest, for all classes and all C in one go.

Of each class and each C the weights w and the intercept b that make least

    |w|^2 / 2 + b^2 / 2 + sum_i c_ik max(0, 1 - y_ik (w . x_i + b))^2,

liblinear's `-s 1` and `-s 2`: c_ik is C, times the weight of the class where the picture is of it.
The products of all features with each other (`gram.py`) are worked out once; then C goes from the
smallest to the largest, each begun where the one before it ended (`newton.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64, Int

from verydeep.descriptors.gram import Gram, Vectors, gram_of, weighted
from verydeep.descriptors.linear import Features, Linear, checked, name_of
from verydeep.descriptors.newton import Margins, Point, Solution, solve
from verydeep.errors import UserError
from verydeep.runtime.machine import cores
from verydeep.runtime.threads import in_order, one_thread_each

Signs = Int[np.ndarray, "M K"]
"""1 for a picture of the class, -1 for another, 0 for one that does not count (VOC's difficult)."""
ClassWeights = Literal["balanced"] | Sequence[float] | None

FEWEST = 8
"""Classes that a core has to have for itself: of fewer, products with G would only read G."""
TOGETHER = 2**21
"""Pictures times classes that all threads work on at once; some thirty numbers are kept of each."""
TOLERANCE = 1e-10
"""The duality gap over P at which a class is done."""


@dataclass(frozen=True)
class SVMs:
    """The machines of all classes for one C, and the duality gap over P that each has reached."""

    c: float
    classifier: Linear
    gaps: Float64[np.ndarray, " K"]


@dataclass(frozen=True)
class Problem:
    """Pictures, of which classes they are, and what is the same for every C."""

    x: Features
    gram: Gram
    signs: Vectors
    weights: Vectors
    intercept: bool

    @classmethod
    def of(
        cls,
        x: Features,
        signs: Signs,
        class_weights: ClassWeights = None,
        names: Sequence[str] | None = None,
        intercept: bool = True,
    ) -> Problem:
        """That of these features; `class_weights` are factors of C for pictures of each class.

        "balanced" has those of a class weigh as much together as all others. Raises UserError,
        naming the picture or the class, where features are no numbers, shapes do not fit, or a
        class has no picture, or all of them.
        """
        checked(x)
        if signs.shape[0] != len(x):
            raise UserError(f"{len(x)} pictures have features and {len(signs)} have signs")
        _check(signs, names)
        by_class = torch.from_numpy(signs.T.astype(np.float64, order="C"))
        weights = _weights(by_class, class_weights)
        return cls(x, gram_of(x, intercept), by_class, weights, intercept)

    def without(self, held_out: Int[np.ndarray, " M"]) -> Problem:
        """The same, in which these pictures do not count; G stays as it is."""
        signs, weights = self.signs.clone(), self.weights.clone()
        signs[:, held_out] = weights[:, held_out] = 0
        return Problem(self.x, self.gram, signs, weights, self.intercept)

    def path(self, cs: Sequence[float], tolerance: float) -> Iterator[tuple[float, Solution]]:
        """The solutions for each C, from the smallest on."""
        point = Point.origin(self.signs)
        for c in sorted(cs):
            found = self._solved(c, point, tolerance)
            point = found.point
            yield c, found

    def _solved(self, c: float, start: Point, tolerance: float) -> Solution:
        """The solution for one C, by groups of classes with a thread each.

        Where there are too few classes for that, all cores work on each product.
        """
        classes, count = self.signs.shape
        threads = cores() if classes >= FEWEST * cores() else 1
        # a group for each thread, or several where all of them together would keep too much
        groups = threads * -(-classes * count // TOGETHER)
        each = [slice(first, None, groups) for first in range(min(groups, classes))]

        def solved(group: slice) -> Solution:
            margins = Margins(self.signs[group], c * self.weights[group])
            return solve(self.gram, margins, start.only(group), tolerance)

        found = Solution(Point.origin(self.signs), torch.zeros(classes, dtype=torch.float64))
        with one_thread_each() if threads > 1 else nullcontext():
            for group, part in zip(each, in_order(solved, each, threads, threads), strict=True):
                found.point.beta[group] = part.point.beta
                found.point.values[group] = part.point.values
                found.gaps[group] = part.gaps
        return found

    def classifier(self, beta: Vectors) -> Linear:
        """The weights that coefficients of pictures stand for."""
        intercepts = beta.sum(1) if self.intercept else torch.zeros_like(beta[:, 0])
        return Linear(weighted(beta, self.x).numpy(), intercepts.numpy())


def fit(
    x: Features,
    signs: Signs,
    cs: Sequence[float],
    class_weights: ClassWeights = None,
    names: Sequence[str] | None = None,
    intercept: bool = True,
    tolerance: float = TOLERANCE,
) -> list[SVMs]:
    """The machines of all classes for each C, from the smallest on; as `Problem.of` says.

    Without an intercept it is 0. To a relative duality gap of 1e-10 decision values are those of a
    liblinear run to its own end to some 1e-6.

    >>> x = np.array([[1, 0], [-1, 0]], np.float32)
    >>> fit(x, np.array([[1], [-1]]), [1.0])[0].classifier.weights
    array([[0.8, 0. ]])
    """
    checked_cs(cs)
    problem = Problem.of(x, signs, class_weights, names, intercept)
    return [
        SVMs(c, problem.classifier(found.point.beta), found.gaps.numpy())
        for c, found in problem.path(cs, tolerance)
    ]


def checked_cs(cs: Sequence[float]) -> None:
    """Raises UserError where one of these is no C."""
    if not len(cs):
        raise UserError("no C to try; give some numbers above 0, such as 0.01, 1, 100")
    for c in cs:
        if not 0 < c < np.inf:
            raise UserError(f"C is {c}; expected a number above 0")


def _check(signs: Signs, names: Sequence[str] | None) -> None:
    strange = np.argwhere(~np.isin(signs, (-1, 0, 1)))
    if len(strange):
        i, k = map(int, strange[0])
        raise UserError(
            f"the sign of picture {i} for {name_of(k, names)} is {signs[i, k]}; expected 1, -1 or 0"
        )
    for sign, what in ((1, "no picture of it"), (-1, "no picture that is not of it")):
        missing = np.flatnonzero(~(signs == sign).any(0))
        if len(missing):
            raise UserError(
                f"{name_of(int(missing[0]), names)} has {what} that counts; a linear SVM wants both"
            )


def _weights(signs: Vectors, class_weights: ClassWeights) -> Vectors:
    """What each slack costs, over C."""
    classes = len(signs)
    if class_weights is None:
        return signs.abs()
    if isinstance(class_weights, str):
        factors = (signs < 0).sum(1) / (signs > 0).sum(1).double()
    else:
        factors = torch.tensor(class_weights, dtype=torch.float64)
    if factors.shape != (classes,) or not (factors > 0).all():
        raise UserError(f"class weights: expected a number above 0 for each of {classes} classes")
    return torch.where(signs > 0, factors[:, None], signs.abs())
