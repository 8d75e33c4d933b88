"""Multinomial logistic regression of features, beside the linear SVMs.

The weights W and intercepts b that make least |W|^2 / 2 + C sum_i -log p(class of i), where p is
the soft-max of W x_i + b; the intercepts are not regularised. Found by L-BFGS (Nocedal, 1980).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from verydeep.descriptors.linear import Features, Linear, blocks, checked, name_of
from verydeep.descriptors.svm import checked_cs
from verydeep.errors import UserError

MOST_STEPS, KEPT_STEPS = 2000, 20
TOLERANCE = 1e-6
"""The largest entry of the gradient at the end, over the larger of 1 and C."""

Weights = Float64[np.ndarray, "K D_and_1"]
"""The last column is the intercepts."""


def logistic(
    x: Features, labels: Int64[np.ndarray, " M"], c: float = 1.0, names: Sequence[str] | None = None
) -> Linear:
    """The classifier whose soft-max of decision values are the posteriors.

    Classes are numbered from 0. Raises UserError where one that others are numbered after has no
    picture, there are less than two, or features are no numbers.
    """
    checked(x)
    checked_cs([c])
    if len(labels) != len(x):
        raise UserError(f"{len(x)} pictures have features and {len(labels)} have labels")
    counts = np.bincount(labels)
    if not counts.all():
        raise UserError(f"{name_of(int(counts.argmin()), names)} has no picture to learn from")
    if len(counts) < 2:
        raise UserError("the pictures are all of one class; logistic regression wants two")
    weights = _minimised(x, labels, len(counts), c)
    return Linear(weights[:, :-1].copy(), weights[:, -1].copy())


def _minimised(x: Features, labels: Int64[np.ndarray, " N"], classes: int, c: float) -> Weights:
    weights = np.zeros((classes, x.shape[1] + 1))
    loss, gradient = _loss_and_gradient(weights, x, labels, c)
    steps: deque[tuple[Weights, Weights]] = deque(maxlen=KEPT_STEPS)
    for _ in range(MOST_STEPS):
        if abs(gradient).max() <= TOLERANCE * max(1, c):
            break
        step = -_by_inverse_hessian(gradient, steps)
        if not steps:
            step /= max(1, np.linalg.norm(step))
        promised = 1e-4 * float(np.vdot(step, gradient))
        while True:
            after, slope = _loss_and_gradient(weights + step, x, labels, c)
            if after <= loss + promised + 1e-14 * loss:
                break
            step, promised = step / 2, promised / 2
        steps.append((step, slope - gradient))
        weights, loss, gradient = weights + step, after, slope
    return weights


def _by_inverse_hessian(gradient: Weights, steps: deque[tuple[Weights, Weights]]) -> Weights:
    """The inverse Hessian, as far as the last steps tell of it, times the gradient."""
    found = gradient.copy()
    shares = []
    for step, change in reversed(steps):
        shares.append(np.vdot(step, found) / np.vdot(step, change))
        found -= shares[-1] * change
    if steps:
        step, change = steps[-1]
        found *= np.vdot(step, change) / np.vdot(change, change)
    for (step, change), share in zip(steps, reversed(shares), strict=True):
        found += (share - np.vdot(change, found) / np.vdot(step, change)) * step
    return found


def _loss_and_gradient(
    weights: Weights, x: Features, labels: Int64[np.ndarray, " N"], c: float
) -> tuple[float, Weights]:
    gradient = weights.copy()
    gradient[:, -1] = 0
    loss = float(np.vdot(gradient, gradient)) / 2
    for place, rows in blocks(x):
        scores = rows @ weights[:, :-1].T + weights[:, -1]
        scores -= scores.max(1, keepdims=True)
        own = np.arange(len(rows)), labels[place]
        loss -= c * float(scores[own].sum())
        np.exp(scores, out=scores)
        sums = scores.sum(1, keepdims=True)
        loss += c * float(np.log(sums).sum())
        # the soft-max less 1 at the true class
        scores /= sums
        scores[own] -= 1
        gradient[:, :-1] += c * scores.T @ rows
        gradient[:, -1] += c * scores.sum(0)
    return loss, gradient
