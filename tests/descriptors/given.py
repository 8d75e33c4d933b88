"""Features that tests make up: descriptors in a plane, with labels, of two parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from verydeep.descriptors.features import Features, PartSaid, PieceSaid
from verydeep.parts.annotations import Truth


def made_up(
    rows: Sequence[Sequence[float]] | np.ndarray,
    truth: Truth = None,
    classes: Sequence[str] = ("a", "b", "c"),
    parts: Sequence[int] = (),
) -> Features:
    """Features with these rows, made of length one."""
    descriptors = np.asarray(rows, np.float64)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    count, size = descriptors.shape
    roles = ("train", "validation", "test")
    return Features(
        descriptors.astype(np.float32),
        np.arange(1, count + 1),
        truth,
        tuple(f"{i}.png" for i in range(count)),
        tuple(classes),
        tuple(PartSaid(role, n) for role, n in zip(roles, parts, strict=False))
        or (PartSaid("all", count),),
        (PieceSaid("0" * 64, "D", "pool5", (64,), size),),
    )
