"""The 48 planes of a position in three bytes a point, as a picture of a board has room for.

Much of what planes tell is told of stones alone, or of empty points alone, and of eight planes at
most one is set. So three bytes hold them all:

    red     1 own stone, 2 other stone, 0 empty; + 4 ladder capture + 8 ladder escape + 16 sensible
    green   of a stone its turns; of an empty point stones taken + 16 times those in self-atari
    blue    liberties of a stone, or after a move

That is what datasets of positions hand out, and the row `planes` of a net undoes it
(`nets/special_layers.py`). Pixels of such a picture are never rescaled, shifted or mirrored.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from verydeep.go import planes as p
from verydeep.go.planes import Planes

Code = UInt8[np.ndarray, "size size 3"]


def coded(planes: Planes) -> Code:
    """The picture of a position's planes."""
    numbers = np.arange(1, p.MOST + 1, dtype=np.uint8)[:, None, None]

    def number(first: int) -> np.ndarray:
        """The number that eight planes tell at each point, 0 for none."""
        found: np.ndarray = (planes[first : first + p.MOST] * numbers).sum(0, dtype=np.uint8)
        return found

    red = planes[p.OWN] + 2 * planes[p.OTHER]
    red = red + 4 * planes[p.CATCHES] + 8 * planes[p.FREES] + 16 * planes[p.SENSIBLE]
    green = number(p.TURNS) + number(p.TAKES) + 16 * number(p.SELF_ATARI)
    blue = number(p.LIBERTIES) + number(p.AFTER)
    return np.stack([red, green, blue], 2).astype(np.uint8)
