"""Fusion: score files of several networks, or of several protocols, made into one answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from verydeep.evaluation.posteriors import Posteriors
from verydeep.evaluation.scores import Scores, aligned


def fuse(scores: Sequence[Scores]) -> Posteriors:
    """The mean of the posteriors, in the order of the first scores' pictures, as float32.

    Equal weights, as in the paper, over protocols (Sect. 4.4) or networks (Sect. 4.5). Summed in
    float64 in the order given. Raises UserError where classes, pictures, labels or data differ.
    """
    first, *others = aligned(scores)
    total = first.posteriors.astype(np.float64)
    for other in others:
        total += other.posteriors
    return (total / len(scores)).astype(np.float32)
