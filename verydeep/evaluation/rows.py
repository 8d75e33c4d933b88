"""Rows of numbers of pictures: one of posteriors, one of features, or any number of boxes each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

UNREAD = -1
"""Count of a picture that could not be read, which has no rows."""


@dataclass(frozen=True)
class Rows:
    """The rows of some pictures, one picture's after another's, and how many each has.

    A picture that could be read may have none; one that could not has a count of `UNREAD`.
    """

    values: Float32[np.ndarray, "T C"]
    counts: Int64[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def readable(self) -> Bool[np.ndarray, " N"]:
        """Which of the pictures could be read."""
        return np.asarray(self.counts != UNREAD)

    def each(self) -> list[Float32[np.ndarray, "_ C"]]:
        """The rows of each picture, as views."""
        return np.split(self.values, np.cumsum(self.counts.clip(0))[:-1]) if len(self) else []

    @classmethod
    def of(cls, each: Sequence[Float32[np.ndarray, "_ C"] | None], columns: int) -> Rows:
        """Those of pictures one by one, None for one that could not be read."""
        counts = np.array([UNREAD if rows is None else len(rows) for rows in each], np.int64)
        values = [np.zeros((0, columns), np.float32), *(rows for rows in each if rows is not None)]
        return cls(np.concatenate(values), counts)
