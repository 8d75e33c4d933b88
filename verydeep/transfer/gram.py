"""Products with the Gram matrix of features, G = X X^T + 1, which is held, or never made.

The 1 stands for a feature that is 1 for every picture and has the intercept as its weight. Held, a
product with K vectors takes N^2 K multiply-adds whatever D is; by the rows of X it takes 2 N D K,
and as much memory as X. Vectors are rows here, [K, N], so that some of them are taken out in one
piece.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from verydeep.runtime import memory
from verydeep.transfer.linear import Features, blocks

MOST_HELD = 15_000
"""Pictures up to which G is held: 1.8 GB."""
KEPT = 2**27
"""Values up to which X is kept in float64 beside what was given: 1 GB."""
PRODUCTS = 6
"""Products that it takes to solve for a class by conjugate gradients, about: what solving outright
is weighed against."""

Vectors = Float64[np.ndarray, "K N"]


@dataclass(frozen=True)
class HeldGram:
    """G itself."""

    matrix: Float64[np.ndarray, "N N"]

    @property
    def outright(self) -> int:
        """Pictures up to which a system of theirs is solved faster outright: n^3 / 3 for it."""
        return int((6 * PRODUCTS * len(self.matrix) ** 2) ** (1 / 3))

    def times(self, vectors: Vectors) -> Vectors:
        """G times each vector."""
        products: Vectors = vectors @ self.matrix
        return products

    def among(self, rows: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, "n n"]:
        """G of these pictures alone, a copy."""
        some: Float64[np.ndarray, "n n"] = self.matrix[rows[:, None], rows]
        return some


@dataclass(frozen=True)
class GramByRows:
    """G through X, two products for one with G; `one` is 1, or 0 where there is no intercept."""

    x: Features
    one: float

    @property
    def outright(self) -> int:
        """Pictures up to which a system of theirs is made and solved faster outright.

        Half of what the products take is for making it, n^2 D, and half for solving, n^3 / 3.
        """
        count, length = self.x.shape
        return int(min((2 * PRODUCTS * count) ** 0.5, (6 * PRODUCTS * count * length) ** (1 / 3)))

    def times(self, vectors: Vectors) -> Vectors:
        """G times each vector."""
        weights = weighted(vectors, self.x)
        products = np.empty_like(vectors)
        for place, rows in blocks(self.x):
            products[:, place] = weights @ rows.T
        products += self.one * vectors.sum(1, keepdims=True)
        return products

    def among(self, rows: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, "n n"]:
        """G of these pictures alone."""
        some = self.x[rows].astype(np.float64)
        products: Float64[np.ndarray, "n n"] = some @ some.T
        products += self.one
        return products


Gram = HeldGram | GramByRows


def gram_of(x: Features, intercept: bool) -> Gram:
    """G of features: held where there are few pictures, and products with it take less than by X.

    Raises UserError where there is no memory for it.
    """
    one = float(intercept)
    count, length = x.shape
    if count > min(MOST_HELD, 2 * length):
        return GramByRows(x.astype(np.float64) if x.size <= KEPT else x, one)
    memory.refuse(8 * count**2, f"the Gram matrix of {count} pictures", "take fewer of them")
    matrix = np.empty((count, count))
    for here, rows in blocks(x):
        matrix[here, here] = rows @ rows.T  # half the work, as NumPy sees what it is
        for there, others in blocks(x[: here.start]):
            matrix[here, there] = rows @ others.T
            matrix[there, here] = matrix[here, there].T
    matrix += one
    return HeldGram(matrix)


def weighted(vectors: Vectors, x: Features) -> Float64[np.ndarray, "K D"]:
    """The rows of x, each so many times, summed: vectors X."""
    total = np.zeros((len(vectors), x.shape[1]))
    for place, rows in blocks(x):
        total += vectors[:, place] @ rows
    return total
