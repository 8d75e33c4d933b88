"""Positions of Go in all eight symmetries, as AlphaGo's policy network learnt from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from verydeep.go.coding import Code
from verydeep.go.planes import symmetric, symmetric_point
from verydeep.go.positions import SIZE
from verydeep.parts.dataset import Dataset, Keys, Part
from verydeep.parts.names import MadeNames

SYMMETRIES = 8
TURN = 0xC2B2AE3D27D4EB4F
"""An odd number of 64 bits, by whose multiples keys of one position's symmetries differ."""


def with_symmetries(dataset: Dataset) -> Dataset:
    """The dataset with each position to learn from in all eight symmetries, one after another."""
    name = dataset.roles["train"]
    parts = {**dataset.parts, name: in_symmetries(dataset.parts[name])}
    note = f"positions to learn from come in all {SYMMETRIES} symmetries"
    return replace(dataset, parts=parts, notes=(*dataset.notes, note))


def in_symmetries(part: Part) -> Part:
    """Positions i of a part as 8 i to 8 i + 7, turned and mirrored with their moves."""

    def source(i: int) -> Code:
        place, turned = divmod(i, SYMMETRIES)
        code = np.asarray(part.source(place)).transpose(2, 0, 1)
        return np.ascontiguousarray(symmetric(code, turned).transpose(1, 2, 0))

    turned = np.array(
        [[symmetric_point(point, k) for k in range(SYMMETRIES)] for point in range(SIZE * SIZE)]
    )
    turns = np.arange(SYMMETRIES, dtype=np.uint64) * np.uint64(TURN)
    assert part.keys is not None
    keys: Keys = (part.keys.view(np.uint64)[:, None] + turns).reshape(-1).view(np.int64)
    return Part(_Turned(part.names), turned[part.labels].reshape(-1), source, keys=keys)


class _Turned(MadeNames):
    """Such names of positions in all symmetries, one after another."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __len__(self) -> int:
        return SYMMETRIES * len(self.names)

    def _one(self, i: int) -> str:
        place, turned = divmod(i, SYMMETRIES)
        return f"{self.names[place]} in symmetry {turned}" if turned else self.names[place]
