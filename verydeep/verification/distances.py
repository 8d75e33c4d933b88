"""Distances of descriptors of length one: squared and Euclidean, as FaceNet has them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64

from verydeep.verification.pairs import Pairs

AT_ONCE = 2**14
"""Pairs whose descriptors are put side by side at once."""
FARTHEST = 4.0
"""The squared distance of two vectors of length one that are opposite."""
Distances = Float64[np.ndarray, " M"]


def distances(descriptors: Float32[np.ndarray, "N D"], pairs: Pairs) -> Distances:
    """The squared Euclidean distance of the two of each pair: 0 of the same numbers, up to 4."""
    found = np.empty(len(pairs))
    for start in range(0, len(pairs), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        left, right = descriptors[pairs.left[some]], descriptors[pairs.right[some]]
        found[some] = ((left.astype(np.float64) - right) ** 2).sum(1)
    return found
