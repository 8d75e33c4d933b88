"""Nearly the same pictures: one re-encoded or resized, whatever its format and size.

In comes a picture at 16 x 16 grey levels; out come groups of those that differ by less than an
eighth of their own contrast, chains where each is like another one. What was cut,
mirrored, turned or made brighter is another picture.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from PIL import Image

from verydeep.pictures.reading import Picture
from verydeep.runtime.progress import SILENT, Progress

SIDE = 16
NEAR = 1 / 8
"""Of the contrast of a picture, how far another one's grey levels may be from its own.

Of 400 photographs of imagenette, encoded anew as JPEG and WebP at quality 50 and made half, a
third and twice as large, all are found (at a twelfth, 397 to 400). Of its 13,394, which are all
different, none is found like another, nor at a sixth; of Caltech 101's 6,055, 36 groups, copies to
the eye but for one of drawn stop signs.
"""
BLOCK = 1024
"""Pictures that are held against others together."""

Small = UInt8[np.ndarray, "16 16"]


def small(picture: Picture) -> Small:
    """A picture at 16 x 16 grey levels, each the mean of its part."""
    grey = Image.fromarray(picture).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def near_copies(
    smalls: UInt8[np.ndarray, "N 16 16"], progress: Progress = SILENT
) -> list[list[int]]:
    """Groups of pictures of which each is nearly the same as another one of its group.

    Those that are of one grey at this size are in none. Memory is for a block of pictures against
    another, as float32.
    """
    levels = smalls.reshape(len(smalls), SIDE * SIDE).astype(np.float32)
    centred = levels - levels.mean(1, keepdims=True)
    contrast = np.linalg.norm(centred, axis=1)
    told = np.flatnonzero(contrast > SIDE)  # a deviation of one grey level
    order = told[np.argsort(levels[told].mean(1), kind="stable")]
    first = np.arange(len(smalls))
    first[order] = order[_joined(levels[order], contrast[order], progress)]
    groups: dict[int, list[int]] = {}
    for i, k in enumerate(first.tolist()):
        groups.setdefault(k, []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _joined(
    levels: Float32[np.ndarray, "N D"], contrast: Float32[np.ndarray, " N"], progress: Progress
) -> Int64[np.ndarray, " N"]:
    """One of the group that each is in, of pictures in the order of their mean levels.

    Means are no further apart than the levels are, so that few blocks are held against each other.
    """
    means, squares = levels.mean(1), (levels**2).sum(1)
    leader = np.arange(len(levels))
    for start in range(0, len(levels), BLOCK):
        here = slice(start, start + BLOCK)
        furthest = means[here][-1] + NEAR * float(contrast[here].max()) / SIDE
        end = int(np.searchsorted(means, furthest, side="right"))
        for other in range(start, end, BLOCK):
            there = slice(other, min(other + BLOCK, end))
            apart = squares[here, None] + squares[there] - 2 * levels[here] @ levels[there].T
            most = NEAR * np.minimum(contrast[here, None], contrast[there])
            near = apart <= most**2
            near &= _first(leader, leader[here])[:, None] != _first(leader, leader[there])
            for i in np.flatnonzero(near.any(1)).tolist():
                _join(leader, np.append(other + np.flatnonzero(near[i]), start + i))
        progress.step("comparing pictures", min(start + BLOCK, len(levels)), len(levels))
    return _first(leader, leader)


def _first(
    leader: Int64[np.ndarray, " N"], pictures: Int64[np.ndarray, " M"]
) -> Int64[np.ndarray, " M"]:
    """The first of the group that each of the pictures is in."""
    while (leader[pictures] != pictures).any():
        pictures = leader[pictures]
    return pictures


def _join(leader: Int64[np.ndarray, " N"], pictures: Int64[np.ndarray, " M"]) -> None:
    """Makes one group of those that the pictures are in."""
    firsts = _first(leader, pictures)
    leader[firsts] = leader[pictures] = firsts.min()
