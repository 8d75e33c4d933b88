"""What a test of verification came to, whole: pairs, their distances, figures and how sure."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from verydeep.errors import UserError
from verydeep.files import atomic_file
from verydeep.verification.distances import FARTHEST, Distances
from verydeep.verification.figures import Accuracy, accuracy_in_folds, curve, error_of, rate_at
from verydeep.verification.intervals import Intervals, intervals
from verydeep.verification.pairs import Pairs


@dataclass(frozen=True)
class Told:
    """Pairs and the squared distances of their pictures."""

    pairs: Pairs
    distances: Distances


@dataclass(frozen=True)
class Verified:
    """A test of verification: how well distances of descriptors tell who is the same.

    `accuracy` is of pairs in folds; None where there are too few identities for folds. `eer`, the
    equal error rate, and `val`, the validation rate at the false accept rate `far`, are of all
    `told` pairs. `far` is the one that was found, up to the one `asked`. Rates are from 0 to 1, and
    thresholds of squared distances. `title` says how pictures were described; `part` and `role`
    which they are of `where`.
    """

    told: Told
    names: tuple[str, ...]
    accuracy: Accuracy | None
    eer: float
    threshold: float
    val: float
    far: float
    asked: float
    intervals: Intervals
    title: str
    where: str
    part: str
    role: str
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        told = "no folds" if self.accuracy is None else f"accuracy {100 * self.accuracy.mean:.1f} %"
        return (
            f"Verified({len(self.told.pairs):,} pairs of {self.identities:,} identities: {told}, "
            f"equal error rate {100 * self.eer:.1f} %)"
        )

    @property
    def identities(self) -> int:
        """How many identities the pairs are of."""
        return len(np.unique(self.told.pairs.identities))

    @property
    def pictures(self) -> int:
        """How many pictures the pairs are of."""
        return len(np.union1d(self.told.pairs.left, self.told.pairs.right))

    @property
    def counts(self) -> tuple[int, int]:
        """Pairs of one identity, and pairs of two."""
        same = int(self.told.pairs.same.sum())
        return same, len(self.told.pairs) - same

    @property
    def tells(self) -> float:
        """The threshold below which two pictures are told to be of one identity.

        Of folds the mean of theirs, and else that of the equal error rate.
        """
        found = self.threshold if self.accuracy is None else self.accuracy.threshold
        return float(np.clip(found, 0, FARTHEST))

    def save(self, path: Path) -> None:
        """Writes the pairs as a table: names, whether of one identity, squared distance, fold.

        Raises UserError where it cannot.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                self._write(csv.writer(_Text(file)))
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None

    def _write(self, text: Any) -> None:
        pairs = self.told.pairs
        folds = [""] * len(pairs) if pairs.fold is None else pairs.fold.tolist()
        text.writerow(("left", "right", "same", "distance", "fold"))
        for i, j, same, far, fold in zip(
            pairs.left.tolist(), pairs.right.tolist(), pairs.same.tolist(),
            self.told.distances.tolist(), folds, strict=True,
        ):  # fmt: skip
            text.writerow((self.names[i], self.names[j], int(same), f"{far:.6f}", fold))

    def as_data(self) -> dict[str, Any]:
        """The figures as plain data; rates in %."""
        folds = self.accuracy
        same, others = self.counts
        return {
            "accuracy": folds and 100 * folds.mean,
            "accuracy_error": folds and 100 * folds.error,
            "folds": folds and [100 * fold for fold in folds.folds],
            "thresholds": folds and [*folds.thresholds],
            "eer": 100 * self.eer,
            "eer_interval": [100 * end for end in self.intervals.eer],
            "eer_threshold": self.threshold,
            "val": 100 * self.val,
            "val_interval": [100 * end for end in self.intervals.val],
            "far": 100 * self.far,
            "far_asked": 100 * self.asked,
            "pairs_of_one": same,
            "pairs_of_two": others,
            "identities": self.identities,
            "pictures": self.pictures,
            "described": self.title,
            "where": self.where,
            "part": self.part,
            "role": self.role,
            "left_out": [*self.left_out],
        }


class _Text:
    """A file of bytes as csv wants it, of text."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, text: str) -> None:
        self._file.write(text.encode(errors="surrogateescape"))


def verified(
    told: Told, folds: Told | None, asked: float, seed: int, names: tuple[str, ...], **about: Any
) -> Verified:
    """The figures of pairs, with the accuracy of those in folds where there are any.

    Raises UserError where there are no pairs of one identity, or none of two.
    """
    same = told.pairs.same
    if not same.any() or same.all():
        kind = "two identities" if same.all() else "one identity"
        raise UserError(f"there are no pairs of {kind}; give pictures of several, two of some each")
    found = curve(told.distances, same)
    accuracy = accuracy_in_folds(folds.distances, folds.pairs) if folds is not None else None
    eer, threshold = error_of(found)
    val, far = rate_at(found, asked)
    return Verified(
        told, names, accuracy, eer, threshold, val, far, asked,
        intervals(told.distances, told.pairs, asked, seed), **about,
    )  # fmt: skip
