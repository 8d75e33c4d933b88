"""What is said of pictures: labels, objects in boxes, points, and whatever else there is of each.

Labels are in one array, or in flat arrays with a place for the end of each picture's own; objects
are given picture by picture, when they are asked for, or lie in flat arrays too. Where nothing is
said of a picture, that is another thing than that there is nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int8, Int64

from verydeep.errors import UserError
from verydeep.pictures.boxes import Boxes

Labels = Int64[np.ndarray, " N"]
Ends = Int64[np.ndarray, " N"]

UNLABELLED = -1
"""In the place of a label, where nothing is said of a picture."""


def flat_places(ends: Ends, chosen: Int64[np.ndarray, " M"]) -> Int64[np.ndarray, " P"]:
    """Where what is said of these pictures lies in flat arrays, one picture after another.

    >>> flat_places(np.array([2, 2, 5]), np.array([2, 0])).tolist()
    [2, 3, 4, 0, 1]
    """
    counts = np.diff(ends, prepend=0)[chosen]
    before = np.cumsum(counts) - counts
    return np.repeat(ends[chosen] - counts - before, counts) + np.arange(counts.sum())


@dataclass(frozen=True)
class Objects:
    """The objects in a picture: a box, a label and whether it is difficult, for each.

    Boxes are in pixels of the upright original picture; those who test do not count the difficult.
    """

    boxes: Boxes
    labels: Int64[np.ndarray, " R"]
    difficult: Bool[np.ndarray, " R"]

    @classmethod
    def of_class(cls, boxes: Boxes, label: int) -> Objects:
        """Objects of one class, none of them difficult."""
        count = len(boxes)
        return cls(boxes, np.full(count, label, np.int64), np.zeros(count, bool))

    def __len__(self) -> int:
        return len(self.labels)


ObjectsOf = Callable[[int], Objects | None]
"""The objects of picture i; None where nothing is said of them."""
ObjectsIn = Callable[[str, tuple[str, ...]], Objects | None]
"""The objects in the picture of a name, their labels places in the classes."""


@dataclass(frozen=True)
class Points:
    """Points in a picture, as the joints of a body are: a place and a label for each.

    Places are (x, y) in pixels of the upright original picture, continuous and from 0, as corners
    of boxes are: the middle of its first pixel is at (0.5, 0.5).
    """

    places: Float[np.ndarray, "P 2"]
    labels: Int64[np.ndarray, " P"]

    def __len__(self) -> int:
        return len(self.labels)


PointsIn = Callable[[str, tuple[str, ...]], Points | None]
"""The points in the picture of a name, their labels places in the classes."""


@dataclass(frozen=True)
class FlatObjects:
    """Objects of many pictures in one piece; those of picture i are before `ends[i]`.

    Called with a picture's number it gives views of these arrays, as `ObjectsOf` is to.
    """

    objects: Objects
    ends: Ends

    def __call__(self, i: int) -> Objects:
        """The objects of picture i."""
        i = range(len(self.ends))[i]
        here = slice(int(self.ends[i - 1]) if i else 0, int(self.ends[i]))
        found = self.objects
        return Objects(found.boxes[here], found.labels[here], found.difficult[here])

    def only(self, chosen: Int64[np.ndarray, " M"]) -> FlatObjects:
        """Those of these pictures, in this order."""
        here, found = flat_places(self.ends, chosen), self.objects
        objects = Objects(found.boxes[here], found.labels[here], found.difficult[here])
        return FlatObjects(objects, np.cumsum(np.diff(self.ends, prepend=0)[chosen]))


@dataclass(frozen=True)
class LabelSets:
    """Several labels a picture, or none, in one piece; those of picture i are before `ends[i]`.

    An `uncertain` label says that nobody can tell whether the picture is of that class: it is
    neither to be learnt nor to be tested by. Without the array none is.
    """

    labels: Int64[np.ndarray, " L"]
    ends: Ends
    uncertain: Bool[np.ndarray, " L"] | None = None

    @classmethod
    def of(cls, sets: Iterable[Sequence[int]]) -> LabelSets:
        """Those of pictures one by one, all of them certain.

        >>> LabelSets.of([[2, 0], [], [1]])[0].tolist()
        [2, 0]
        """
        each = [np.asarray(labels, np.int64) for labels in sets]
        ends = np.cumsum([len(labels) for labels in each], dtype=np.int64)
        return cls(np.concatenate([np.zeros(0, np.int64), *each]), ends)

    @classmethod
    def of_signs(cls, signs: Int8[np.ndarray, "N K"]) -> LabelSets:
        """Those that `signs` tells of: 1 a label, 0 an uncertain one, -1 none."""
        rows, labels = np.nonzero(signs >= 0)
        ends = np.cumsum((signs >= 0).sum(1), dtype=np.int64)
        uncertain = signs[rows, labels] == 0
        return cls(labels.astype(np.int64), ends, uncertain if uncertain.any() else None)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, i: int) -> Int64[np.ndarray, " l"]:
        """The labels of picture i, with those that are uncertain."""
        i = range(len(self))[i]
        return self.labels[int(self.ends[i - 1]) if i else 0 : int(self.ends[i])]

    @property
    def pictures(self) -> Int64[np.ndarray, " L"]:
        """Of which picture each label is."""
        return np.repeat(np.arange(len(self)), np.diff(self.ends, prepend=0))

    @property
    def certain(self) -> Int64[np.ndarray, " C"]:
        """The labels of all pictures that are certain, in one piece."""
        return self.labels if self.uncertain is None else self.labels[~self.uncertain]

    def signs(self, classes: int) -> Int8[np.ndarray, "N K"]:
        """Whether each picture is of each of so many classes: 1 it is, -1 it is not, 0 uncertain.

        >>> LabelSets.of([[2, 0], [], [1]]).signs(3).tolist()
        [[1, -1, 1], [-1, -1, -1], [-1, 1, -1]]
        """
        signs = np.full((len(self), classes), -1, np.int8)
        said = 1 if self.uncertain is None else np.where(self.uncertain, 0, 1)
        signs[self.pictures, self.labels] = said
        return signs

    def only(self, chosen: Int64[np.ndarray, " M"]) -> LabelSets:
        """Those of these pictures, in this order."""
        ends = np.cumsum(np.diff(self.ends, prepend=0)[chosen], dtype=np.int64)
        here = flat_places(self.ends, chosen)
        uncertain = None if self.uncertain is None else self.uncertain[here]
        return LabelSets(self.labels[here], ends, uncertain)

    @classmethod
    def joined(cls, pieces: Sequence[LabelSets]) -> LabelSets:
        """Those of all the pieces, one after another."""
        before = np.cumsum([0, *(len(piece.labels) for piece in pieces[:-1])])
        ends = [piece.ends + start for piece, start in zip(pieces, before, strict=True)]
        flags = [piece.uncertain for piece in pieces]
        uncertain = None
        if any(flag is not None for flag in flags):
            none = [np.zeros(len(piece.labels), bool) for piece in pieces]
            uncertain = np.concatenate(
                [other if flag is None else flag for flag, other in zip(flags, none, strict=True)]
            )
        labels = np.concatenate([piece.labels for piece in pieces])
        return cls(labels, np.concatenate(ends), uncertain)


Truth = Int64[np.ndarray, " _"] | LabelSets | None
"""Of which class pictures are: of one each, of several, or nothing is said of any."""


def classes_in(truth: Truth, i: int) -> frozenset[int]:
    """The classes that picture i is certainly of; empty where nothing is said of it."""
    if truth is None:
        return frozenset()
    if isinstance(truth, LabelSets):
        return frozenset(truth.only(np.array([i])).certain.tolist())
    return frozenset({int(truth[i])} - {UNLABELLED})


def counts_of(truth: Truth, classes: int) -> Int64[np.ndarray, " K"]:
    """Pictures that are certainly of each of so many classes.

    >>> counts_of(LabelSets.of([[2, 0], [], [2]]), 3).tolist()
    [1, 0, 2]
    """
    if truth is None:
        return np.zeros(classes, np.int64)
    labels = truth.certain if isinstance(truth, LabelSets) else truth[truth != UNLABELLED]
    return np.bincount(labels, minlength=classes)


def has_several(truth: Truth) -> bool:
    """Whether a picture is of more than one class."""
    return isinstance(truth, LabelSets) and bool((np.diff(truth.ends, prepend=0) > 1).any())


def members_of(truth: Truth, label: int) -> Labels:
    """The pictures that are certainly of a class.

    >>> members_of(LabelSets.of([[2, 0], [], [2]]), 2).tolist()
    [0, 2]
    """
    if truth is None:
        return np.zeros(0, np.int64)
    if not isinstance(truth, LabelSets):
        return np.flatnonzero(truth == label)
    here = truth.labels == label
    here = here if truth.uncertain is None else here & ~truth.uncertain
    members: Labels = truth.pictures[here]
    return members


def truth_of(truth: Truth, chosen: Int64[np.ndarray, " M"]) -> Truth:
    """That of these pictures, in this order."""
    if truth is None:
        return None
    return truth.only(chosen) if isinstance(truth, LabelSets) else truth[chosen]


def joined_truth(pieces: Sequence[Truth], counts: Sequence[int]) -> Truth:
    """That of several parts of so many pictures, one after another.

    Raises UserError where it can only be told of some of the pictures that they have several
    labels.
    """
    if all(piece is None for piece in pieces):
        return None
    if not any(isinstance(piece, LabelSets) for piece in pieces):
        return np.concatenate(
            [
                np.full(count, UNLABELLED) if piece is None else piece
                for piece, count in zip(pieces, counts, strict=True)
            ]
        )
    return LabelSets.joined([as_sets(piece) for piece in pieces])


def as_sets(truth: Truth) -> LabelSets:
    """One label each as sets of one, and sets as they are.

    Raises UserError where a picture is not labelled.
    """
    if isinstance(truth, LabelSets):
        return truth
    if truth is None or np.any(truth == UNLABELLED):
        raise UserError(
            "pictures with several labels each cannot be joined to pictures of which none is said; "
            "take the parts one by one"
        )
    return LabelSets(truth, np.arange(1, len(truth) + 1))


def relabelled(truth: Truth, places: Int64[np.ndarray, " K"]) -> Truth:
    """The same with label k called `places[k]`."""
    if truth is None:
        return None
    if isinstance(truth, LabelSets):
        return replace(truth, labels=places[truth.labels])
    return renamed(truth, places)


def renamed(
    labels: Int64[np.ndarray, " L"], places: Int64[np.ndarray, " K"]
) -> Int64[np.ndarray, " L"]:
    """Labels with k called `places[k]`; what is unlabelled stays so."""
    return np.where(labels == UNLABELLED, UNLABELLED, places[labels])
