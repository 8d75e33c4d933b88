"""Holm's correction: of many tests of one study, each has its share of the 5 %.

Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 65-70.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verydeep.evaluation.comparison import LEVEL


@dataclass(frozen=True)
class Corrected:
    """The p of one of several tests, corrected for all, and the level of the interval beside it.

    An interval of the same t at this level leaves 0 out where `p` is below 1 - LEVEL, only there.
    """

    p: float
    level: float


def holm(ps: Sequence[float]) -> tuple[Corrected, ...]:
    """The p of each test corrected for all of them, so that any is below 0.05 by chance in 5 %.

    The smallest p of m is held against 0.05 / m, the next against 0.05 / (m - 1) and so on, up to
    the first that is not below; that one and all after it show nothing. So each p is multiplied by
    the number of those that are not smaller, and is never below a smaller p's. Equal ones are all
    treated as the first of them.

    Intervals follow the steps: each that shows something is drawn at the step at which it was
    tested, and all others at the step that ended it, 0.05 / (m - shown). Of those others the
    intervals hold all at once with 95 %, beside the signs of what was shown (Strassburger & Bretz,
    2008); of one that was shown this holds for the sign alone, and its width is that of a single
    test.
    """
    if not ps:
        return ()
    p = np.asarray(ps, np.float64)
    held = np.array([(p >= own).sum() for own in p])
    corrected = np.array([min(1.0, (held * p)[p <= own].max()) for own in p])
    shown = corrected < 1 - LEVEL
    tests = np.where(shown, held, len(p) - shown.sum())
    return tuple(
        Corrected(float(own), float(1 - (1 - LEVEL) / max(1, of)))
        for own, of in zip(corrected, tests, strict=True)
    )
