"""What every dataset is: named parts of pictures in a fixed order, and what is said of them.

A part knows how to find its pictures and reads none before it is asked; labels are indices into
the classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Int64

from verydeep.errors import UserError, escaped
from verydeep.parts.annotations import (
    UNLABELLED,
    Labels,
    LabelSets,
    Objects,
    ObjectsOf,
    Points,
    Truth,
    as_sets,
    joined_truth,
    relabelled,
    renamed,
    truth_of,
)
from verydeep.parts.entries import some
from verydeep.parts.names import Chained, Chosen
from verydeep.pictures.reading import Picture, Source
from verydeep.pictures.windows import Window

if TYPE_CHECKING:
    from verydeep.pictures.preprocessing import Pixels

Keys = Int64[np.ndarray, " N"]
T = TypeVar("T")
Marked = TypeVar("Marked", Objects, Points)
Asked = Callable[[int], T | None]
"""What there is of picture i, told when it is asked for; None where there is nothing."""

ROLES = ("train", "validation", "test")
"""What a part is for: to learn from, to choose the weights by, and to test on once, at the end."""


@dataclass(frozen=True)
class Part:
    """Pictures in a fixed order, and all that is said of them.

    `source(i)` gives what `read_picture` takes. `truth` says of which class pictures are: `labels`
    where each is of one. `objects(i)` and `points(i)` are those in picture i, in pixels of the
    upright original, and `masks(i)` a picture of its size whose pixels tell what is where; None of
    a picture of which nothing is said. `windows(i)` says what the source shows of the original,
    where it does not show it as it is; `keys` which pictures they are, whatever they are called,
    where their files have been looked into.
    """

    names: Sequence[str]
    truth: Truth
    source: Callable[[int], Source]
    objects: ObjectsOf | None = None
    masks: Asked[Source] | None = None
    windows: Asked[Window] | None = None
    keys: Keys | None = None
    points: Asked[Points] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        first = f", the first {escaped(self.names[0][:100])}" if len(self) else ""
        return f"Part({len(self):,} pictures{first})"

    @property
    def labels(self) -> Labels:
        """The class of each picture; UserError where not each is of one."""
        if isinstance(self.truth, np.ndarray) and self._all_labelled:
            return self.truth
        what = "several labels each" if isinstance(self.truth, LabelSets) else "no label"
        name = f", such as {self.names[0]}" if len(self) else ""
        raise UserError(f"there are pictures with {what}{name}; give data with one class for each")

    @cached_property
    def _all_labelled(self) -> bool:
        return not np.any(self.truth == UNLABELLED)

    def view(self, i: int, pixels: Pixels, smaller_side: int) -> tuple[Picture, Window]:
        """Picture i with that smaller side, and where its pixels lie in those of the original."""
        image, window = pixels.read_with_window(self.source(i), smaller_side)
        return image, self.of_original(i, window)

    def of_original(self, i: int, window: Window) -> Window:
        """A window of what `source(i)` gives as one of the original picture."""
        kept = self.windows and self.windows(i)
        return kept.then(window) if kept else window

    def only(self, indices: Sequence[int] | Labels) -> Part:
        """The part made of these of its pictures, in this order; itself where it is all of them."""
        chosen = np.asarray(indices, dtype=np.int64)
        if np.array_equal(chosen, np.arange(len(self))):
            return self

        def of(given: Callable[[int], T]) -> Callable[[int], T]:
            return lambda i: given(int(chosen[i]))

        return Part(
            Chosen(self.names, chosen),
            truth_of(self.truth, chosen),
            of(self.source),
            self.objects and of(self.objects),
            self.masks and of(self.masks),
            self.windows and of(self.windows),
            None if self.keys is None else self.keys[chosen],
            self.points and of(self.points),
        )

    def rescaled(self, source: Callable[[int], Source], windows: Asked[Window]) -> Part:
        """The same pictures in other pixels, which lie in those of the originals as windows say.

        Objects, points and masks are of the originals as before: `view` tells where they are.
        """
        return replace(self, source=source, windows=windows)

    def relabelled(self, places: Int64[np.ndarray, " K"]) -> Part:
        """The part with class k called `places[k]`, of pictures, of objects and of points.

        Raises UserError where it has masks, whose pixels nobody renames.
        """
        if self.masks is not None:
            raise UserError("masks cannot be read in another order of classes than their own")
        truth = relabelled(self.truth, places)
        objects, points = (_relabelled(self.objects, places), _relabelled(self.points, places))
        return replace(self, truth=truth, objects=objects, points=points)


def _relabelled(
    given: Asked[Marked] | None, places: Int64[np.ndarray, " K"]
) -> Asked[Marked] | None:
    """The same objects or points with class k called `places[k]`."""

    def of(i: int) -> Marked | None:
        found = given and given(i)
        return found and replace(found, labels=renamed(found.labels, places))

    return given and of


@dataclass(frozen=True)
class Dataset:
    """Pictures in parts by name, of which some have a role: train, validation and test.

    `where` opens it again; `made` are the roles of the parts that were drawn from the seed of the
    split, not found; `notes` tell in a line each how it was read and what was left out;
    `fingerprint` changes whenever a picture's name, size or label does, and what is marked in it
    where that is to be learnt (`fingerprints.py`). `roles` say which part has
    which; where nothing else is said, a part called after a role has it.
    """

    where: str
    kind: str
    classes: tuple[str, ...]
    parts: Mapping[str, Part]
    made: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str
    roles: Mapping[str, str] = field(default_factory=lambda: {role: role for role in ROLES})

    def __repr__(self) -> str:
        parts = ", ".join(f"{escaped(name)} {len(part):,}" for name, part in self.parts.items())
        return (
            f"Dataset({escaped(self.where)}, {self.kind}: {len(self.classes):,} classes "
            f"({some([name[:30] for name in self.classes])}); {parts or 'no parts'})"
        )

    @property
    def by_role(self) -> dict[str, Part]:
        """The parts that have a role, by it, in the order of `ROLES`."""
        named = ((role, self.roles.get(role, "")) for role in ROLES)
        return {role: self.parts[name] for role, name in named if name in self.parts}

    def role_of(self, name: str) -> str | None:
        """The role of the part of that name; None where it has none."""
        return next((role for role, part in self.roles.items() if part == name), None)

    def with_sets(self) -> Dataset:
        """The same with its labels as sets, of one where a picture has one.

        Raises UserError where a picture has no label.
        """
        parts = {n: replace(part, truth=as_sets(part.truth)) for n, part in self.parts.items()}
        return replace(self, parts=parts)

    @property
    def train(self) -> Part:
        """The part to learn from; empty where the data can only be tested on."""
        return self.by_role["train"]

    @property
    def validation(self) -> Part:
        """The part that chooses the weights."""
        return self.by_role["validation"]

    @property
    def held_out(self) -> str:
        """The role of the part that says most of a network: the test, or the validation."""
        return "test" if len(self.by_role.get("test", ())) else "validation"

    @property
    def everything(self) -> Part:
        """All pictures of the parts that have a role as one part."""
        return joined([*self.by_role.values()])


def joined(parts: Sequence[Part]) -> Part:
    """The pictures of several parts, one part after another, with all that is said of them.

    Raises UserError where that cannot be said of them together (`joined_truth`).
    """
    ends = np.cumsum([len(part) for part in parts])

    def place(i: int) -> tuple[int, int]:
        i = range(int(ends[-1]))[i]
        number = int(np.searchsorted(ends, i, side="right"))
        return number, i - int(ends[number]) + len(parts[number])

    def source(i: int) -> Source:
        number, k = place(i)
        return parts[number].source(k)

    def of_any(given: Sequence[Asked[T] | None]) -> Asked[T] | None:
        def own(i: int) -> T | None:
            number, k = place(i)
            asked = given[number]
            return asked and asked(k)

        return own if any(given) else None

    keys = [part.keys for part in parts if part.keys is not None]
    return Part(
        Chained([part.names for part in parts]),
        joined_truth([part.truth for part in parts], [len(part) for part in parts]),
        source,
        of_any([part.objects for part in parts]),
        of_any([part.masks for part in parts]),
        of_any([part.windows for part in parts]),
        np.concatenate(keys) if len(keys) == len(parts) else None,
        of_any([part.points for part in parts]),
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
