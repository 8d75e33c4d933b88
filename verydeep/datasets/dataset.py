"""What every dataset is: named parts of labelled pictures in a fixed order.

A part knows how to find its pictures and reads none before it is asked; labels are indices into
the classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from verydeep.datasets.names import Chained, Chosen
from verydeep.pictures.reading import Source

Labels = Int64[np.ndarray, " N"]
Boxes = Float[np.ndarray, "R 4"]
Keys = Int64[np.ndarray, " N"]

ROLES = ("train", "validation", "test")
"""What a part is for: to learn from, to choose the weights by, and to test on once, at the end."""


@dataclass(frozen=True)
class Part:
    """Labelled pictures in a fixed order.

    `source(i)` gives what `read_picture` takes; `boxes(i)` the boxes of picture i, (x_min, y_min,
    x_max, y_max) in its own pixels, where the dataset has boxes; `keys` say which pictures they
    are, whatever they are called, where their files have been looked into.
    """

    names: Sequence[str]
    labels: Labels
    source: Callable[[int], Source]
    boxes: Callable[[int], Boxes] | None = None
    keys: Keys | None = None

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
            None if self.keys is None else self.keys[chosen],
        )


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures, in parts by role: train, validation, and test where there is one.

    `where` opens it again; `made` are the roles of the parts that were drawn from the seed of the
    split, not found; `notes` tell in a line each how it was read and what was left out;
    `fingerprint` changes whenever a picture's name, size or label does.
    """

    where: str
    kind: str
    classes: tuple[str, ...]
    parts: Mapping[str, Part]
    made: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str

    @property
    def train(self) -> Part:
        """The part to learn from; empty where the data can only be tested on."""
        return self.parts["train"]

    @property
    def validation(self) -> Part:
        """The part that chooses the weights."""
        return self.parts["validation"]

    @property
    def held_out(self) -> str:
        """The name of the part that says most of a network: the test, or the validation."""
        return "test" if len(self.parts.get("test", ())) else "validation"

    @property
    def everything(self) -> Part:
        """All pictures of all parts as one part."""
        return together([*self.parts.values()])


def together(parts: Sequence[Part]) -> Part:
    """The pictures of several parts, one part after another; those without boxes have none."""
    ends = np.cumsum([len(part) for part in parts])

    def place(i: int) -> tuple[Part, int]:
        number = int(np.searchsorted(ends, i, side="right"))
        return parts[number], i - int(ends[number]) + len(parts[number])

    def source(i: int) -> Source:
        part, k = place(i)
        return part.source(k)

    def boxes(i: int) -> Boxes:
        part, k = place(i)
        return np.zeros((0, 4)) if part.boxes is None else part.boxes(k)

    keys = [part.keys for part in parts if part.keys is not None]
    return Part(
        Chained([part.names for part in parts]),
        np.concatenate([part.labels for part in parts]),
        source,
        boxes if any(part.boxes for part in parts) else None,
        np.concatenate(keys) if len(keys) == len(parts) else None,
    )


def marks(part: Part, places: Iterable[int]) -> list[str]:
    """A short hash of the name and the size of each of these pictures.

    Weights of earlier versions have 64 of them, where later ones have the keys of all pictures.
    """
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
