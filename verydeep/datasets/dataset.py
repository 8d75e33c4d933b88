"""What every dataset is: named parts of labelled pictures in a fixed order.

A part knows how to find its pictures and reads none before it is asked; labels are indices into
the classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from verydeep.datasets.names import Chosen
from verydeep.pictures import Source

Labels = Int64[np.ndarray, "N"]
Boxes = Float[np.ndarray, "R 4"]


@dataclass(frozen=True)
class Part:
    """Labelled pictures in a fixed order.

    `source(i)` gives what `read_picture` takes; `boxes(i)` the boxes of picture i, (x_min, y_min,
    x_max, y_max) in its own pixels, where the dataset has boxes.
    """

    names: Sequence[str]
    labels: Labels
    source: Callable[[int], Source]
    boxes: Callable[[int], Boxes] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, indices: Sequence[int] | Labels) -> Part:
        """The part made of these of its pictures, in this order; itself where it is all of them."""
        chosen = np.asarray(indices, dtype=np.int64)
        if np.array_equal(chosen, np.arange(len(self))):
            return self
        boxes = self.boxes
        return Part(
            Chosen(self.names, chosen),
            self.labels[chosen],
            lambda i: self.source(int(chosen[i])),
            None if boxes is None else lambda i: boxes(int(chosen[i])),
        )


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures, in a part to train on and a part to test on.

    `where` opens it again; `made_split` says that the parts were drawn from the seed, not found;
    `notes` tell in a line each how it was read and what was left out; `fingerprint` changes
    whenever a picture's name, size or label does.
    """

    where: str
    kind: str
    classes: tuple[str, ...]
    train: Part
    test: Part
    made_split: bool
    notes: tuple[str, ...]
    fingerprint: str

    @property
    def parts(self) -> dict[str, Part]:
        """The parts by name."""
        return {"train": self.train, "test": self.test}

    @property
    def everything(self) -> Part:
        """All pictures of all parts as one part."""
        first, second = self.train, self.test
        cut = len(first)
        return Part(
            [*first.names, *second.names],
            np.concatenate([first.labels, second.labels]),
            lambda i: first.source(i) if i < cut else second.source(i - cut),
        )


MARKS = 64
"""Pictures of a training part that its networks remember, to know them again."""


def marks(part: Part, places: Iterable[int]) -> list[str]:
    """A short hash of the name and the size of each of these pictures."""
    return [fingerprint([f"{part.names[i]} {_bytes_of(part.source(i))}"])[:8] for i in places]


def _bytes_of(source: Source) -> int:
    if isinstance(source, np.ndarray):
        return source.nbytes
    return len(source) if isinstance(source, bytes) else Path(source).stat().st_size


def fingerprint(lines: Iterable[str]) -> str:
    """A short hash of what identifies a dataset, line by line."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode(errors="surrogateescape") + b"\n")
    return digest.hexdigest()[:16]
