"""Plates: small pictures in rows of three, each in the middle of its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Patch = UInt8[np.ndarray, "_ _ 3"]
ACROSS, SIDE, GAP = 3, 76, 3
"""Pictures side by side, pixels of each and between them."""


def plate(pictures: Sequence[Patch], side: int = SIDE) -> Patch:
    """Pictures in rows, each in the middle of its place; small ones enlarged without smoothing."""
    rows = max(1, -(-len(pictures) // ACROSS))
    step = side + GAP
    canvas = np.full((rows * step - GAP, ACROSS * step - GAP, 3), 128, np.uint8)
    for i, picture in enumerate(pictures):
        fitted = _fitted(picture, side)
        y = i // ACROSS * step + (side - fitted.shape[0]) // 2
        x = i % ACROSS * step + (side - fitted.shape[1]) // 2
        canvas[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
    return canvas


def _fitted(picture: Patch, side: int) -> Patch:
    """A picture whose larger side is `side`."""
    factor = side / max(picture.shape[:2])
    size = [max(1, round(factor * n)) for n in picture.shape[:2]]
    how = Image.Resampling.NEAREST if factor > 2 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), how))
