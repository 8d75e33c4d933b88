"""Nearly the same pictures: encoded anew, resized, brighter, paler, mirrored or cut a little.

In comes a picture at 16 x 16 grey levels; out come groups of those that are alike, chains where
each is like another one. Two are where no more than 7 of 64 signs of their lowest frequencies
differ, and their grey levels, brought to one mean and contrast, are less than a quarter apart.
Signs alone take some other pictures for copies. Levels alone would be held against those of every
other picture; where 7 signs differ, one of their 8 bytes is equal, so that few pairs are looked at.

Of 300 photographs each of imagenette and Caltech 101, encoded anew as JPEG and WebP at quality 50,
made a half, a third or twice as large, darker by 30 %, paler by 20 %, or mirrored, all are found;
of those that lost a fiftieth of each side 99 %, a twentieth two thirds, a tenth one in 30. Of
imagenette's 13,394, which are all different, two skies at dusk are taken for one; of Caltech's
6,055, 69 groups are found, leopards in their mirror image among them, and but for two motorcycles
they are copies to the eye. 100,000 take 4 s.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64, UInt8, UInt64
from PIL import Image

from verydeep.pictures.reading import Picture
from verydeep.runtime.progress import SILENT, Progress

SIDE = 16
LOWEST = 8
"""Frequencies along each side whose signs are looked at."""
BITS = 7
"""Of the signs, how many may differ: at 7 one of 8 bytes is equal."""
NEAR = 1 / 4
"""Of the contrast of pictures, how far the grey levels of two may be apart."""
STILL = 0.01
"""Of the contrast, what a frequency is beyond the median to count as more: less is rounding."""
BLOCK = 512
"""Pictures that are held against others together."""

Small = UInt8[np.ndarray, "16 16"]
Shades = Float32[np.ndarray, "N 256"]
Signs = UInt64[np.ndarray, " N"]


def small(picture: Picture) -> Small:
    """A picture at 16 x 16 grey levels, each the mean of its part."""
    grey = Image.fromarray(picture).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def near_copies(
    smalls: UInt8[np.ndarray, "N 16 16"], progress: Progress = SILENT
) -> list[list[int]]:
    """Groups of pictures of which each is nearly the same as another one of its group.

    Those that are of one grey at this size are in none. Memory is for a block of pictures against
    those that share a byte of their signs.
    """
    levels = smalls.reshape(len(smalls), SIDE * SIDE).astype(np.float32)
    levels -= levels.mean(1, keepdims=True)
    contrast = np.linalg.norm(levels, axis=1)
    told = np.flatnonzero(contrast > SIDE)  # a deviation of one grey level
    first = np.arange(len(smalls))
    first[told] = told[_joined(levels[told] / contrast[told, None], progress)]
    groups: dict[int, list[int]] = {}
    for i, k in enumerate(first.tolist()):
        groups.setdefault(k, []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _joined(shades: Shades, progress: Progress) -> Int64[np.ndarray, " N"]:
    """One of the group that each picture is in."""
    count = len(shades)
    signs = np.concatenate([_signs(shades), _signs(_mirrored(shades))])
    leader = np.arange(count)
    for byte in range(LOWEST):
        told = signs.view(np.uint8).reshape(-1, LOWEST)[:, byte]
        order = np.argsort(told, kind="stable")
        for entries in np.split(order, np.cumsum(np.bincount(told, minlength=256))[:-1]):
            pictures = entries[entries < count]
            for start in range(0, len(pictures), BLOCK):
                here = pictures[start : start + BLOCK]
                apart = np.bitwise_count(signs[here, None] ^ signs[entries])
                alike = apart <= BITS
                alike &= _first(leader, here)[:, None] != _first(leader, entries % count)
                for row in np.flatnonzero(alike.any(1)).tolist():
                    _join_near(leader, shades, int(here[row]), entries[alike[row]])
        progress.step("comparing pictures", byte + 1, LOWEST)
    return _first(leader, leader)


def _signs(shades: Shades) -> Signs:
    """For each of the lowest frequencies of a picture whether it is above their median.

    The frequencies are those of the discrete cosine transform.
    """
    steps = np.arange(LOWEST)[:, None] * (2 * np.arange(SIDE) + 1) * np.pi / (2 * SIDE)
    waves = (np.cos(steps) * np.sqrt(2 / SIDE)).astype(np.float32)
    lowest = (waves @ shades.reshape(-1, SIDE, SIDE) @ waves.T).reshape(len(shades), -1)
    more = lowest > np.median(lowest, axis=1, keepdims=True) + STILL
    return np.packbits(more, axis=1).view(np.uint64)[:, 0]


def _mirrored(shades: Shades) -> Shades:
    return shades.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(shades.shape)


def _join_near(
    leader: Int64[np.ndarray, " N"], shades: Shades, i: int, entries: Int64[np.ndarray, " M"]
) -> None:
    """Makes one group of picture i and those that are near it; the entries from N on are mirrored.

    Those that are in its group already are not looked at.
    """
    ahead = _first(leader, entries % len(leader)) != _first(leader, np.array([i]))
    entries = entries[ahead]
    views = np.concatenate([shades[[i]], _mirrored(shades[[i]])])
    cosines = (shades[entries % len(leader)] * views[entries // len(leader)]).sum(1)
    near = entries[cosines >= 1 - NEAR**2 / 2] % len(leader)
    if len(near):
        _join(leader, np.append(near, i))


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
