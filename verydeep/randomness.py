"""Randomness as a function: every draw is fixed by (seed, purpose, epoch, sample) alone.

No state is carried, so a run can be taken up at any step, and neither threads nor processes can
change what is drawn.
"""

from typing import Literal

import numpy as np
from jaxtyping import Int64

Purpose = Literal[
    "split",
    "order",
    "crop",
    "dropout",
    "initial",
    "drawing",
    "choice",
    "substitute",
    "resample",
    "shuffle",
    "codes",
    "ascent",
]

_PURPOSES: dict[Purpose, int] = {
    "split": 1,
    "order": 2,
    "crop": 3,
    "dropout": 4,
    "initial": 5,
    "drawing": 6,
    "choice": 7,
    "substitute": 8,
    "resample": 9,
    "shuffle": 10,
    "codes": 11,
    "ascent": 14,
}


def generator(seed: int, purpose: Purpose, epoch: int = 0, sample: int = 0) -> np.random.Generator:
    """A generator of its own for this purpose, epoch and sample.

    Philox, a counter-based generator: the four words of its counter are the place within the
    stream, then sample, epoch and purpose, so no two streams overlap.
    """
    counter = [0, sample, epoch, _PURPOSES[purpose]]
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


def words(
    seed: int, purpose: Purpose, epoch: int, samples: Int64[np.ndarray, " B"]
) -> Int64[np.ndarray, " B"]:
    """A word of 32 bits for each sample, drawn the same way."""
    drawn = [generator(seed, purpose, epoch, sample).integers(2**32) for sample in samples.tolist()]
    return np.array(drawn, dtype=np.int64)
