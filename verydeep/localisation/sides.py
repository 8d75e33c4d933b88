"""Things on the left and on the right, by their names: in a mirror image each is the other one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}
_WORD = re.compile(r"left|right|(?<![a-z])[lr](?![a-z])", re.IGNORECASE)


def other_sides(names: Sequence[str]) -> Int64[np.ndarray, " K"]:
    """The place of each name's other side among the names; its own where it has none.

    >>> other_sides(["nose", "left ear", "right_eye", "Right ear", "left_eye"]).tolist()
    [0, 3, 4, 1, 2]
    """
    places = {name.lower(): i for i, name in enumerate(names)}
    others = [_WORD.sub(lambda word: OTHER[word[0].lower()], name.lower()) for name in names]
    return np.array([places.get(other, i) for i, other in enumerate(others)], np.int64)
