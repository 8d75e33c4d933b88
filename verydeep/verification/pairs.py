"""Pairs of pictures, of one identity or of two: all of a part, or some in folds as LFW has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from verydeep import randomness
from verydeep.parts.annotations import Labels

MOST = 500_000
"""Pairs of one identity, and as many of two, that are looked at where there are more."""
FOLDS, A_FOLD = 10, 300
"""LFW's: folds, and pairs of one identity in each beside as many of two (Huang et al., 2007)."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures of a part, by their places in it: of the same identity or not.

    `identities` are those of the two. `fold` says of which fold each is, where there are some:
    folds have no identity in common.
    """

    left: Int64[np.ndarray, " M"]
    right: Int64[np.ndarray, " M"]
    identities: Int64[np.ndarray, "M 2"]
    fold: Int64[np.ndarray, " M"] | None = None

    @classmethod
    def of(
        cls,
        left: Int64[np.ndarray, " M"],
        right: Int64[np.ndarray, " M"],
        labels: Labels,
        fold: Int64[np.ndarray, " M"] | None = None,
    ) -> Pairs:
        """The pairs of these pictures, of parts with these labels."""
        return cls(left, right, np.stack([labels[left], labels[right]], 1), fold)

    def __len__(self) -> int:
        return len(self.left)

    @property
    def same(self) -> Bool[np.ndarray, " M"]:
        """Which are of one identity."""
        found: Bool[np.ndarray, " M"] = self.identities[:, 0] == self.identities[:, 1]
        return found

    def only(self, chosen: Int64[np.ndarray, " K"]) -> Pairs:
        """These of the pairs, in this order."""
        fold = None if self.fold is None else self.fold[chosen]
        return Pairs(self.left[chosen], self.right[chosen], self.identities[chosen], fold)


def all_pairs(labels: Labels, seed: int = 0, most: int = MOST) -> Pairs:
    """All pairs of pictures with these labels; of more than `most` of a kind, so many drawn.

    Those of one identity come first. What is drawn depends on the seed alone.
    """
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    random = randomness.generator(seed, "pairs")
    same = _of_one(groups, most, random)
    others = _of_two(labels, most, random)
    both = np.concatenate([same, others])
    return Pairs.of(both[:, 0], both[:, 1], labels)


def _of_one(
    groups: list[Int64[np.ndarray, " _"]], most: int, random: np.random.Generator
) -> Int64[np.ndarray, "M 2"]:
    """Pairs within groups, all of them or so many, each another."""
    counts = np.array([len(group) * (len(group) - 1) // 2 for group in groups], np.int64)
    ends, total = np.cumsum(counts), int(counts.sum())
    chosen = np.arange(total) if total <= most else _drawn(total, most, random)
    found = np.empty((len(chosen), 2), np.int64)
    whose = np.searchsorted(ends, chosen, side="right")
    for number in np.unique(whose).tolist():
        here = whose == number
        i, j = _of_number(chosen[here] - (ends[number] - counts[number]))
        found[here] = np.stack([groups[number][j], groups[number][i]], 1)
    return found


def _of_number(numbers: Int64[np.ndarray, " M"]) -> tuple[np.ndarray, np.ndarray]:
    """(i, j) with j < i of pairs that are counted (1, 0), (2, 0), (2, 1), (3, 0) and so on."""
    i = ((1 + np.sqrt(8.0 * numbers + 1)) / 2).astype(np.int64)
    i -= i * (i - 1) // 2 > numbers  # where the root was rounded up
    i += (i + 1) * i // 2 <= numbers
    return i, numbers - i * (i - 1) // 2


def _of_two(labels: Labels, most: int, random: np.random.Generator) -> Int64[np.ndarray, "M 2"]:
    """Pairs of two identities, all of them or so many, each another."""
    count = len(labels)
    total = count * (count - 1) // 2
    are_few = total <= 4 * most
    i, j = _of_number(np.arange(total) if are_few else _drawn(total, 2 * most, random))
    found: Int64[np.ndarray, "M 2"] = np.stack([j, i], 1)[labels[i] != labels[j]]
    if len(found) > most:
        return found[np.sort(random.permutation(len(found))[:most])]
    return found if are_few else _of_two_alone(labels, most, random)


def _of_two_alone(
    labels: Labels, most: int, random: np.random.Generator
) -> Int64[np.ndarray, "M 2"]:
    """The same where most pairs are of one: those of two are counted, in the order of labels."""
    order = np.argsort(labels, kind="stable")
    others = np.searchsorted(labels[order], labels[order], side="right")  # where they begin
    ends = np.cumsum(len(labels) - others)
    total = int(ends[-1])
    chosen = np.arange(total) if total <= most else _drawn(total, most, random)
    first = np.searchsorted(ends, chosen, side="right")
    second = len(labels) - (ends[first] - chosen)
    return np.sort(np.stack([order[first], order[second]], 1), 1)


def _drawn(total: int, count: int, random: np.random.Generator) -> Int64[np.ndarray, " M"]:
    """So many numbers below a total, each another, in order."""
    found = np.unique(random.integers(0, total, 2 * count))
    if len(found) < count:  # of few more than are wanted
        found = np.arange(total)
    chosen: Int64[np.ndarray, " M"] = np.sort(random.permutation(found)[:count])
    return chosen


def fold_count(labels: Labels, folds: int = FOLDS) -> int:
    """As many folds as there can be up to so many, each with pairs of one identity and of two."""
    counts = np.bincount(labels)
    return int(min(folds, (counts > 0).sum() // 2, (counts > 1).sum()))


def pairs_in_folds(
    labels: Labels, seed: int = 0, folds: int = FOLDS, a_fold: int = A_FOLD
) -> Pairs:
    """Pairs in folds without an identity in common, in each as many of one identity as of two.

    Up to `a_fold` of either, as LFW has them, drawn from the seed. Identities are dealt out in
    random order, those of several pictures first, to as many folds as `fold_count` says.
    """
    count = fold_count(labels, folds)
    random = randomness.generator(seed, "pairs", epoch=1)
    counts = np.bincount(labels)
    order = random.permutation(np.flatnonzero(counts))
    order = order[np.argsort(counts[order] < 2, kind="stable")]
    fold_of = np.zeros(len(counts), np.int64)
    fold_of[order] = np.arange(len(order)) % count
    left, right, fold = [], [], []
    for number in range(count):
        members = np.flatnonzero(fold_of[labels] == number)
        found = all_pairs(labels[members], seed, MOST)
        kinds = [np.flatnonzero(found.same), np.flatnonzero(~found.same)]
        size = min(a_fold, *(len(kind) for kind in kinds))
        for kind in kinds:
            chosen = random.permutation(kind)[:size]
            left.append(members[found.left[chosen]])
            right.append(members[found.right[chosen]])
            fold.append(np.full(size, number))
    return Pairs.of(np.concatenate(left), np.concatenate(right), labels, np.concatenate(fold))
