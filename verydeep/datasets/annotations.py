"""What is said of pictures: labels, objects in boxes, and whatever else there is of each.

Labels are in one array, or in flat arrays with a place for the end of each picture's own; objects
are given picture by picture, when they are asked for, or lie in flat arrays too. Where nothing is
said of a picture, that is another thing than that there is nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int8, Int64

from verydeep.errors import UserError
from verydeep.pictures.boxes import Boxes

Labels = Int64[np.ndarray, " N"]
Ends = Int64[np.ndarray, " N"]

UNLABELLED = -1
"""In the place of a label, where nothing is said of a picture."""


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


@dataclass(frozen=True)
class LabelSets:
    """Several labels a picture, or none, in one piece; those of picture i are before `ends[i]`."""

    labels: Int64[np.ndarray, " L"]
    ends: Ends

    @classmethod
    def of(cls, sets: Iterable[Sequence[int]]) -> LabelSets:
        """Those of pictures one by one.

        >>> LabelSets.of([[2, 0], [], [1]])[0].tolist()
        [2, 0]
        """
        each = [np.asarray(labels, np.int64) for labels in sets]
        ends = np.cumsum([len(labels) for labels in each], dtype=np.int64)
        return cls(np.concatenate([np.zeros(0, np.int64), *each]), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, i: int) -> Int64[np.ndarray, " l"]:
        i = range(len(self))[i]
        return self.labels[int(self.ends[i - 1]) if i else 0 : int(self.ends[i])]

    def signs(self, classes: int) -> Int8[np.ndarray, "N K"]:
        """Whether each picture is of each of so many classes: 1 it is, -1 it is not.

        >>> LabelSets.of([[2, 0], [], [1]]).signs(3).tolist()
        [[1, -1, 1], [-1, -1, -1], [-1, 1, -1]]
        """
        signs = np.full((len(self), classes), -1, np.int8)
        signs[np.repeat(np.arange(len(self)), np.diff(self.ends, prepend=0)), self.labels] = 1
        return signs

    def only(self, chosen: Int64[np.ndarray, " M"]) -> LabelSets:
        """Those of these pictures, in this order."""
        counts = np.diff(self.ends, prepend=0)
        ends = np.cumsum(counts[chosen], dtype=np.int64)
        shift = (self.ends - counts)[chosen] - (ends - counts[chosen])
        here = np.repeat(shift, counts[chosen]) + np.arange(counts[chosen].sum())
        return LabelSets(self.labels[here], ends)

    @classmethod
    def joined(cls, pieces: Sequence[LabelSets]) -> LabelSets:
        """Those of all the pieces, one after another."""
        before = np.cumsum([0, *(len(piece.labels) for piece in pieces[:-1])])
        ends = [piece.ends + start for piece, start in zip(pieces, before, strict=True)]
        return cls(np.concatenate([piece.labels for piece in pieces]), np.concatenate(ends))


Truth = Int64[np.ndarray, " _"] | LabelSets | None
"""Of which class pictures are: of one each, of several, or nothing is said of any."""


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
    return LabelSets.joined([_as_sets(piece) for piece in pieces])


def _as_sets(truth: Truth) -> LabelSets:
    """One label each as sets of one; UserError where something is not labelled."""
    if isinstance(truth, LabelSets):
        return truth
    if truth is None or (truth == UNLABELLED).any():
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
    return np.where(truth == UNLABELLED, UNLABELLED, places[truth])
