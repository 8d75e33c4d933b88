"""Newton's method for linear SVMs with squared hinge loss, all classes at once.

Of each class the function f = G beta is sought that has the least

    P = beta' G beta / 2 + sum_i c_i max(0, 1 - y_i f_i)^2,

where G = X X^T + 1 is the Gram matrix and X^T beta are the weights: what is regularised is their
square and the intercept's. In the inner product of G the gradient is g = beta - alpha y with
alpha_i = 2 c_i max(0, 1 - y_i f_i), and the Hessian d + 2 c [1 - y f > 0] G d: one product a step.
P is quadratic in pieces, so Newton's method ends after finitely many steps (Mangasarian, 2002;
Keerthi & DeCoste, 2005). A step is found by conjugate gradients for all classes together, or, where
few pictures are within the margin, outright: beta is 0 beyond them, and there solves
(G + 1 / 2c) beta = y (Chapelle, 2007).

The alpha are feasible in the dual problem, and its gap to P is g' G g / 2, half of the gradient's
square. As P is strongly convex, no decision value of features x is further from the least P's than
sqrt(2 gap) |x, 1|.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from verydeep.descriptors.gram import Gram, Vectors
from verydeep.errors import UserError

MOST_STEPS, MOST_PRODUCTS = 100, 1000
"""Newton steps, and conjugate gradients in one; a handful and some tens are usual."""
ROUNDING = 1e-15
"""What a step promises of P, below which rounding is all that is left."""
INEXACT = 0.1
"""How much smaller the gradient is to become in a step; more so as the end is near."""

OfClasses = Float64[Tensor, " K"]
Chosen = slice | Int64[Tensor, " k"] | Bool[Tensor, " K"]


@dataclass(frozen=True)
class Margins:
    """Signs of pictures for each class, 1 or -1, and what a slack costs: 0 where it does not."""

    signs: Vectors
    costs: Vectors

    def only(self, chosen: Chosen) -> Margins:
        """Those of these classes."""
        return Margins(self.signs[chosen], self.costs[chosen])

    def slack(self, values: Vectors) -> Vectors:
        """How far each picture is from the margin, where that costs; 0 beyond it."""
        slack = 1 - self.signs * values
        slack *= self.costs > 0
        return slack.clamp_(min=0)


@dataclass(frozen=True)
class Point:
    """Coefficients of each class, and the decision values G beta that they give."""

    beta: Vectors
    values: Vectors

    def only(self, chosen: Chosen) -> Point:
        """Those of these classes."""
        return Point(self.beta[chosen], self.values[chosen])

    @classmethod
    def origin(cls, like: Vectors) -> Point:
        """All coefficients 0, of as many classes and pictures."""
        return cls(torch.zeros_like(like), torch.zeros_like(like))


@dataclass(frozen=True)
class Solution:
    """The point of least P, and the duality gap over P that was reached."""

    point: Point
    gaps: OfClasses


def solve(gram: Gram, margins: Margins, start: Point, tolerance: float) -> Solution:
    """The point of least P, from a start near it, to a duality gap of so much of P.

    Classes that are there drop out of what is worked on. The gap is larger than asked for where
    rounding does not let it be smaller.
    """
    point = Point(start.beta.clone(), start.values.clone())
    gaps = torch.zeros(len(point.beta), dtype=torch.float64)
    live = torch.arange(len(gaps))
    for _ in range(MOST_STEPS):
        some, here = margins.only(live), point.only(live)
        slack = some.slack(here.values)
        loss = dots(here.beta, here.values) / 2 + dots(some.costs, slack**2)
        gradient = here.beta - 2 * some.costs * some.signs * slack
        slope = Point(gradient, gram.times(gradient))
        gaps[live] = dots(slope.beta, slope.values) / (2 * loss)
        left = gaps[live] > tolerance
        if not left.any():
            break
        live, some, here = live[left], some.only(left), here.only(left)
        slope, slack, loss = slope.only(left), slack[left], loss[left]
        step = _step(gram, some, here, slope, slack > 0, loss, tolerance)
        promised = -dots(slope.beta, step.values)
        lengths = _lengths(some, here, step, loss, promised)
        point.beta[live] += lengths[:, None] * step.beta
        point.values[live] += lengths[:, None] * step.values
        live = live[promised > ROUNDING * loss]
        if not len(live):
            break
    return Solution(point, gaps)


def dots(a: Vectors, b: Vectors) -> OfClasses:
    """The inner product of each two rows."""
    products: OfClasses = torch.linalg.vecdot(a, b)
    return products


def _step(
    gram: Gram,
    margins: Margins,
    here: Point,
    slope: Point,
    active: Bool[Tensor, "K N"],
    loss: OfClasses,
    tolerance: float,
) -> Point:
    """Newton's step of each class, by what takes it less."""
    step = Point.origin(here.beta)
    few = active.sum(1) <= gram.outright
    if few.any():
        solved = _outright(gram, margins.only(few), active[few])
        step.beta[few] = solved - here.beta[few]
        step.values[few] = gram.times(step.beta[few])
    many = ~few
    if many.any():
        curvature = 2 * margins.costs[many] * active[many]
        # r' G r: how small the gradient is to be, which makes the gap after it half of that
        square = dots(slope.beta[many], slope.values[many])
        nearness = (square / (2 * loss[many])).clamp(max=INEXACT**2)
        goal = torch.maximum(nearness * square, tolerance * loss[many] / 2)
        found = _conjugate_gradients(gram, curvature, slope.only(many), goal)
        step.beta[many], step.values[many] = found.beta, found.values
    return step


def _outright(gram: Gram, margins: Margins, active: Bool[Tensor, "K N"]) -> Vectors:
    """The beta of least P if just these pictures are within the margin, class by class."""
    solved = torch.zeros_like(margins.signs)
    for k, within in enumerate(active):
        rows = within.nonzero()[:, 0]
        system = gram.among(rows)
        system.diagonal().add_(0.5 / margins.costs[k, rows])
        factor, failed = torch.linalg.cholesky_ex(system)
        if failed:
            raise UserError(
                "C is so large for features of this size that rounding is larger than 1/2C; take a "
                "smaller C, or bring the features to unit length"
            )
        solved[k, rows] = torch.cholesky_solve(margins.signs[k, rows, None], factor)[:, 0]
    return solved


def _conjugate_gradients(gram: Gram, curvature: Vectors, slope: Point, goal: OfClasses) -> Point:
    """The step d with d + curvature G d = -gradient, to a residual r with r' G r below the goal."""
    step = Point.origin(slope.beta)
    live = torch.arange(len(goal))
    residual = Point(-slope.beta, -slope.values)
    direction = residual
    square = dots(residual.beta, residual.values)
    for _ in range(MOST_PRODUCTS):
        along = direction.beta + curvature * direction.values  # the Hessian times the direction
        lengths = (square / dots(direction.values, along))[:, None]
        step.beta[live] += lengths * direction.beta
        step.values[live] += lengths * direction.values
        beta = residual.beta - lengths * along
        residual = Point(beta, gram.times(beta))
        before, square = square, dots(residual.beta, residual.values)
        turn = (square / before)[:, None]
        direction = Point(
            residual.beta + turn * direction.beta, residual.values + turn * direction.values
        )
        left = square > goal[live]
        if not left.any():
            break
        if not left.all():
            live, square, curvature = live[left], square[left], curvature[left]
            residual, direction = residual.only(left), direction.only(left)
    return step


def _lengths(
    margins: Margins, here: Point, step: Point, loss: OfClasses, promised: OfClasses
) -> OfClasses:
    """How far to go along the step: 1, or the first half of a half at which P falls enough."""
    lengths = torch.ones_like(loss)
    # beta' G beta / 2 along the step
    linear, square = dots(here.beta, step.values), dots(step.beta, step.values)
    norm = dots(here.beta, here.values) / 2
    live = torch.arange(len(loss))
    while len(live):
        length = lengths[live]
        some = margins.only(live)
        slack = some.slack(here.values[live] + length[:, None] * step.values[live])
        there = norm[live] + length * (linear[live] + length * square[live] / 2)
        there += dots(some.costs, slack**2)
        enough = loss[live] - 1e-4 * length * promised[live] + 1e-12 * loss[live]
        live = live[there > enough]
        lengths[live] /= 2
    return lengths
