"""A drawn set with several labels a picture: two shapes side by side, or one, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from verydeep.drawings.drawing import draw
from verydeep.drawings.outlines import SHAPES
from verydeep.parts.annotations import LabelSets
from verydeep.parts.dataset import Dataset, Part, fingerprint
from verydeep.pictures.reading import Picture

CLASSES = ("arrow", "crescent", "cross", "disc")
SIDE = 40


def pair(number: int) -> tuple[Picture, list[int]]:
    """A picture twice as wide as high, and which classes it shows; every fifth is of none."""
    random = np.random.default_rng(number)
    halves, labels = [], set()
    for half in range(2):
        label = int(random.integers(len(CLASSES)))
        image = draw(5, (2 * number + half) * len(SHAPES) + label, (SIDE, SIDE)).image
        if number % 5 == 0:
            image = random.integers(0, 255, image.shape, np.uint8)
        else:
            labels.add(label)
        halves.append(image)
    return np.hstack(halves), sorted(labels)


def part_of_pairs(first: int, count: int, name: str = "pair") -> Part:
    """So many of them from a number on."""
    found = [pair(number) for number in range(first, first + count)]
    names = [f"{name}-{first + i}.png" for i in range(count)]
    return Part(names, LabelSets.of([labels for _, labels in found]), lambda i: found[i][0])


def pairs(train: int = 40, held_out: int = 20) -> Dataset:
    """Three parts of them, for a folder called pairs."""
    parts = {
        "train": part_of_pairs(0, train),
        "validation": part_of_pairs(1000, held_out),
        "test": part_of_pairs(2000, held_out),
    }
    names = (name for part in parts.values() for name in part.names)
    return Dataset("pairs", "pairs", CLASSES, parts, (), (), fingerprint(names))


def opened_as(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has verbs open that dataset, wherever it is told to look."""
    Path(dataset.where).mkdir(exist_ok=True)
    monkeypatch.setattr("verydeep.verbs.parts.open_dataset", lambda *_: dataset)
