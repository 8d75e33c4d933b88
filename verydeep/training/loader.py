"""Batches of random crops; what is in them is a pure function of (seed, epoch, sample).

In comes a part of a dataset; out come batches of uint8 crops with their labels, made by threads
while the network works on earlier ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from verydeep import randomness
from verydeep.datasets.dataset import Labels, Part
from verydeep.errors import PictureError
from verydeep.pictures import Picture
from verydeep.preprocessing import Pixels, crop_at
from verydeep.progress import Watch
from verydeep.threads import in_order
from verydeep.training.settings import Settings

MEMORY = 3 * 2**29
"""Bytes that rescaled pictures may take: 1.5 GiB, 38,000 pictures of 112 x 120."""


@dataclass(frozen=True)
class Batch:
    """Crops and the classes of the pictures that they were cut from."""

    images: UInt8[Tensor, "B H W 3"]
    labels: Int64[Tensor, B]


def batches(
    part: Part, pixels: Pixels, settings: Settings, epoch: int, threads: int
) -> Iterator[Batch]:
    """The batches of one epoch, each of the same size; the few pictures left over wait their turn.

    Raises PictureError, naming the file, where a picture cannot be read.
    """
    chosen = np.array_split(order(len(part), settings, epoch), steps(len(part), settings))
    chosen = [numbers[: settings.batch] for numbers in chosen]

    def make(numbers: Labels) -> Batch:
        crops = [crop(part, pixels, settings, epoch, int(i)) for i in numbers]
        return Batch(torch.from_numpy(np.stack(crops)), torch.from_numpy(part.labels[numbers]))

    yield from in_order(make, chosen, threads, ahead=2 * threads)


def steps(pictures: int, settings: Settings) -> int:
    """Number of batches in an epoch."""
    return max(1, pictures // settings.batch)


def order(pictures: int, settings: Settings, epoch: int) -> Labels:
    """The order in which an epoch goes through the pictures."""
    return randomness.generator(settings.seed, "order", epoch).permutation(pictures)


def crop(part: Part, pixels: Pixels, settings: Settings, epoch: int, sample: int) -> Picture:
    """The crop of picture `sample` in this epoch: a random place, mirrored every other time."""
    draw = randomness.generator(settings.seed, "crop", epoch, sample)
    y, x, mirrored = draw.random(3)
    image = crop_at(pixels.read(part.source(sample), settings.scale), y, x, settings.crop)
    return image[:, ::-1] if mirrored < 0.5 else image


def remember(
    part: Part, pixels: Pixels, threads: int, watch: Watch, limit: int = MEMORY
) -> tuple[Part, list[str]]:
    """The part with its pictures rescaled in memory, less those that cannot be read; and why.

    Once `limit` bytes are taken the rest are read whenever they are asked for, as before.
    """
    rescaled: dict[int, Picture] = {}
    faults: dict[int, str] = {}
    taken = 0

    def read(i: int) -> Picture | str:
        try:
            return pixels.read(part.source(i), pixels.test_scale)
        except PictureError as error:
            return str(error)

    for i, found in enumerate(in_order(read, range(len(part)), threads, ahead=8 * threads)):
        watch.step("reading pictures", i + 1, len(part))
        if isinstance(found, str):
            faults[i] = found
        elif (taken := taken + found.nbytes + sys.getsizeof(found)) > limit:
            break
        else:
            rescaled[i] = found
    kept = Part(part.names, part.labels, lambda i: rescaled[i] if i in rescaled else part.source(i))
    return kept.only([i for i in range(len(part)) if i not in faults]), list(faults.values())
