"""Multinomial logistic regression of features, beside the linear SVMs.

The weights W and intercepts b that make least |W|^2 / 2 + C sum_i -log p(class of i), where p is
the soft-max of W x_i + b; the intercepts are not regularised. Found by L-BFGS.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64

from verydeep.errors import UserError
from verydeep.transfer.linear import Features, Linear, blocks, checked, name_of
from verydeep.transfer.svm import checked_cs

MOST_STEPS = 2000
TOLERANCE = 1e-6
"""The largest entry of the gradient at the end, over the larger of 1 and C."""


def logistic(
    x: Features, labels: Int64[np.ndarray, " N"], c: float = 1.0, names: Sequence[str] | None = None
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
    return _minimised(x, torch.from_numpy(labels), len(counts), c)


def _minimised(x: Features, labels: torch.Tensor, classes: int, c: float) -> Linear:
    # the last column is the intercepts
    weights = torch.zeros(classes, x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights],
        max_iter=MOST_STEPS,
        max_eval=2 * MOST_STEPS,
        tolerance_grad=TOLERANCE * max(1.0, c),
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        with torch.no_grad():
            found, weights.grad = _loss_and_gradient(weights, x, labels, c)
        return found

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    found: Float64[np.ndarray, "K D"] = weights.detach().numpy()
    return Linear(found[:, :-1].copy(), found[:, -1].copy())


def _loss_and_gradient(
    weights: torch.Tensor, x: Features, labels: torch.Tensor, c: float
) -> tuple[torch.Tensor, torch.Tensor]:
    gradient = weights.clone()
    gradient[:, -1] = 0
    loss = gradient.square().sum() / 2
    for place, rows in blocks(x):
        some, true = torch.from_numpy(rows), labels[place, None]
        log_posteriors = (some @ weights[:, :-1].T + weights[:, -1]).log_softmax(1)
        loss -= c * log_posteriors.gather(1, true).sum()
        # the soft-max less 1 at the true class
        errors = log_posteriors.exp()
        errors.scatter_add_(1, true, torch.full(true.shape, -1.0, dtype=torch.float64))
        gradient[:, :-1] += c * errors.T @ some
        gradient[:, -1] += c * errors.sum(0)
    return loss, gradient
