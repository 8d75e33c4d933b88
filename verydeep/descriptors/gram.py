"""Products with the Gram matrix of features, G = X X^T + 1, which is held, or never made.

The 1 stands for a feature that is 1 for every picture and has the intercept as its weight. Held, a
product with K vectors takes N^2 K multiply-adds whatever D is; by the rows of X it takes 2 N D K,
and as much memory as X. Vectors are rows here, [K, N], so that some of them are taken out in one
piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from verydeep.descriptors.linear import Features, blocks
from verydeep.runtime import memory
from verydeep.runtime.machine import cores
from verydeep.runtime.threads import in_order, one_thread_each

MOST_HELD = 15_000
"""Pictures up to which G is held: 1.8 GB."""
KEPT = 2**27
"""Values up to which X is kept in float64 beside what was given: 1 GB."""
PRODUCTS = 6
"""Products that it takes to solve for a class by conjugate gradients, about: what solving outright
is weighed against."""
TILE = 512
"""Rows and columns of G that are worked out together."""

Vectors = Float64[Tensor, "K N"]


@dataclass(frozen=True)
class HeldGram:
    """G itself."""

    matrix: Float64[Tensor, "N N"]

    @property
    def outright(self) -> int:
        """Pictures up to which a system of theirs is solved faster outright: n^3 / 3 for it."""
        return int((6 * PRODUCTS * len(self.matrix) ** 2) ** (1 / 3))

    def times(self, vectors: Vectors) -> Vectors:
        """G times each vector."""
        return vectors @ self.matrix

    def among(self, rows: Int64[Tensor, " n"]) -> Float64[Tensor, "n n"]:
        """G of these pictures alone, a copy."""
        return self.matrix[rows[:, None], rows]


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
        products = torch.empty_like(vectors)
        for place, rows in _tensors(self.x):
            products[:, place] = weights @ rows.T
        products += self.one * vectors.sum(1, keepdim=True)
        return products

    def among(self, rows: Int64[Tensor, " n"]) -> Float64[Tensor, "n n"]:
        """G of these pictures alone."""
        some = torch.from_numpy(self.x[rows.numpy()].astype(np.float64))
        return some @ some.T + self.one


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
    matrix = torch.empty(count, count, dtype=torch.float64)
    for here, rows in _tensors(x):
        for there, others in _tensors(x[: here.stop]):
            _fill(matrix, rows, here.start, others, there.start)
    matrix += one
    return HeldGram(matrix)


def weighted(vectors: Vectors, x: Features) -> Float64[Tensor, "K D"]:
    """The rows of x, each so many times, summed: vectors X."""
    total = torch.zeros(len(vectors), x.shape[1], dtype=torch.float64)
    for place, rows in _tensors(x):
        total += vectors[:, place] @ rows
    return total


def _tensors(x: Features) -> Iterator[tuple[slice, Float64[Tensor, "n D"]]]:
    for place, rows in blocks(x):
        yield place, torch.from_numpy(rows)


def _fill(
    matrix: Float64[Tensor, "N N"],
    rows: Float64[Tensor, "n D"],
    first: int,
    others: Float64[Tensor, "m D"],
    first_other: int,
) -> None:
    """Writes the products of these rows with those that are not after them, at both their places.

    They are worked out in tiles, each by one thread.
    """

    def fill(tile: tuple[int, int]) -> None:
        i, j = tile
        products = rows[i : i + TILE] @ others[j : j + TILE].T
        down = slice(first + i, first + i + products.shape[0])
        across = slice(first_other + j, first_other + j + products.shape[1])
        matrix[down, across] = products
        matrix[across, down] = products.T

    tiles = [
        (i, j)
        for i in range(0, len(rows), TILE)
        for j in range(0, len(others), TILE)
        if first_other + j <= first + i
    ]
    with one_thread_each():
        for _ in in_order(fill, tiles, cores(), 2 * cores()):
            pass
