"""Localised tests of a few pictures, made by hand for the tests of this room."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from verydeep.evaluation.views import Protocol
from verydeep.localisation.boxes_file import Localised
from verydeep.parts.annotations import FlatObjects, Objects


def box(x: float, y: float, width: float, height: float) -> list[float]:
    """A box by its first corner and its sides."""
    return [x, y, x + width, y + height]


def truth(*pictures: list[tuple[list[float], int]], difficult: tuple[int, ...] = ()) -> FlatObjects:
    """The objects of each picture, as (box, label); those numbered are difficult."""
    flat = [each for picture in pictures for each in picture]
    ends = np.cumsum([len(picture) for picture in pictures], dtype=np.int64)
    boxes = np.array([b for b, _ in flat], np.float64).reshape(-1, 4)
    labels = np.array([label for _, label in flat], np.int64)
    hard = np.isin(np.arange(len(flat)), difficult)
    return FlatObjects(Objects(boxes, labels, hard), ends)


def dense(**changes: Any) -> Localised:
    """Two pictures of 100 x 200, three classes, two candidates; 2 and 1 positions.

    The first is of class 0 with its box at (0, 0, 50, 50), the second of class 2 at (100, 0, 60,
    80). Both candidates of both pictures are placed where the object is, but for the second
    candidate of the second one.
    """
    near, far = box(0, 0, 50, 50), box(100, 0, 60, 80)
    rows = [[near, near], [near, near], [far, near]]
    found = Localised(
        boxes=np.array(rows, np.float32),
        ratings=np.full((3, 2), 0.5, np.float32),
        ends=np.array([2, 3]),
        candidates=np.array([[0, 1], [2, 0]]),
        posteriors=np.array([[0.75, 0.125], [0.5, 0.25]], np.float32),
        labels=np.array([0, 2]),
        sizes=np.array([[100, 200], [100, 200]]),
        truth=truth([(near, 0)], [(far, 2)]),
        names=("a.jpg", "ü.png"),
        classes=("cat", "dog", "owl"),
        protocol=Protocol("dense", 32, (64,)),
        weights="digest",
        data="print",
        classifier="another",
        candidates_by="dense, with mirror image, Q = 64",
        threshold=0.5,
    )
    return replace(found, **changes)


def centre(**changes: Any) -> Localised:
    """The same pictures with the box of their class in a centre crop, both where the object is."""
    found = dense(
        boxes=np.array([[box(0, 0, 50, 50)], [box(100, 0, 60, 80)]], np.float32),
        ratings=np.full((2, 1), 0.5, np.float32),
        ends=np.array([1, 2]),
        candidates=np.array([[0], [2]]),
        posteriors=np.array([[0.75], [0.5]], np.float32),
        protocol=Protocol("centre", 32, (64,)),
        threshold=None,
    )
    return replace(found, **changes)


def four() -> Localised:
    """Four pictures of 100 x 200 with one position, the errors of which are counted by hand.

    The first is right; of the second the second candidate is, and the first one has its place; the
    guess of the third has an IoU of 0.5, which is not above it; the fourth has neither. Objects
    fill 2,500, 2,000, 5,000 and 10,000 of the 20,000 pixels.
    """
    near, far, tall, wide = (
        box(0, 0, 50, 50), box(100, 0, 40, 50), box(0, 0, 50, 100), box(0, 0, 100, 100),
    )  # fmt: skip
    nowhere = box(150, 50, 50, 50)
    return dense(
        boxes=np.array([[near, nowhere], [far, far], [near, near], [nowhere] * 2], np.float32),
        ratings=np.full((4, 2), 0.5, np.float32),
        ends=np.arange(1, 5),
        candidates=np.array([[0, 1], [0, 2], [1, 0], [0, 2]]),
        posteriors=np.full((4, 2), 0.5, np.float32),
        labels=np.array([0, 2, 1, 1]),
        sizes=np.full((4, 2), (100, 200)),
        truth=truth([(near, 0)], [(far, 2)], [(tall, 1)], [(wide, 1)]),
        names=("a", "b", "c", "d"),
    )
