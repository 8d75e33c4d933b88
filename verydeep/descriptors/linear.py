"""Linear classifiers of features, whatever they were learnt by, and features looked at before.

Features are rows of numbers, one for each picture, in float32 or float64; all work is done in
float64, some rows at a time where there are many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from verydeep.errors import UserError, one_line

Features = Float[np.ndarray, "N D"]

BLOCK = 2**23
"""Values that are made float64 together, 64 MB."""


@dataclass(frozen=True)
class Linear:
    """K linear functions of features, one for each class: weights . x + intercept."""

    weights: Float64[np.ndarray, "K D"]
    intercepts: Float64[np.ndarray, " K"]

    def decision(self, x: Features) -> Float64[np.ndarray, "N K"]:
        """Decision values: the largest of a row is the class that the picture is taken for.

        Raises UserError where features are of another length, or no numbers.
        """
        checked(x)
        if x.shape[1] != self.weights.shape[1]:
            raise UserError(
                f"features of {x.shape[1]} values; this was learnt from {self.weights.shape[1]}"
            )
        values = np.concatenate([rows @ self.weights.T for _, rows in blocks(x)])
        values += self.intercepts
        return values


def checked(x: Features) -> None:
    """Raises UserError, naming the picture, where features are none or no numbers."""
    if x.ndim != 2 or 0 in x.shape:
        raise UserError(
            f"features of shape {list(x.shape)}; expected a row for each picture, [N, D]"
        )
    for place, rows in blocks(x):
        bad = np.flatnonzero(~np.isfinite(rows).all(1))
        if len(bad):
            raise UserError(
                f"the features of picture {place.start + bad[0]} have values that are no finite "
                "numbers (NaN); leave it out, or make them again"
            )


def blocks(x: Features) -> Iterator[tuple[slice, Float64[np.ndarray, "n D"]]]:
    """Rows in float64, some at a time, and which they are."""
    step = max(1, BLOCK // x.shape[1])
    for start in range(0, len(x), step):
        place = slice(start, min(start + step, len(x)))
        yield place, x[place].astype(np.float64)


def name_of(k: int, names: Sequence[str] | None) -> str:
    """How a class is called in a message: its name, or else its number."""
    return f"class {k}" if names is None else f"class '{one_line(names[k])}'"


def signs_of(labels: Int64[np.ndarray, " N"], classes: int) -> Int64[np.ndarray, "N K"]:
    """Labels of one class each as signs: 1 at the picture's class and -1 at all others."""
    return np.where(labels[:, None] == np.arange(classes), 1, -1)
