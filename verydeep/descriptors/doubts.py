"""What descriptors tell of the data itself: labels that neighbours doubt, and near-duplicates.

A picture's neighbours are those of all parts most like it, itself left out. Each says its own
classes, as loud as its cosine; where they are louder for a class that the picture has not than for
each of its own, one of the labels may be wrong, or the picture is hard: somebody has to look.
Of 2,000 pictures of imagenette, relu5_3 of D at Q = 128, a twentieth were given wrong labels: of
293 doubted, those are 99 % of the wrong ones, and of the first 100, 72 are wrong ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int8, Int64

from verydeep.descriptors.features import Features
from verydeep.descriptors.search import Cosines, Places, nearest
from verydeep.errors import UserError
from verydeep.parts.annotations import UNLABELLED, LabelSets, truth_of

NEIGHBOURS = 10
BLOCK = 1024
"""Pictures whose neighbours are asked together."""
NEAR = 0.95
"""The cosine from which on pictures are shown to somebody as near-duplicates.

By relu5_3 of D at Q = 128, a photograph of imagenette and what is left of it when a tenth of each
side is cut off have 0.96 (the median of 25), a fifth 0.90; of 2,000 different ones no two have so
much.
"""


@dataclass(frozen=True)
class Doubt:
    """A picture whose neighbours say another class than is said of it.

    `own` are its classes, `rather` is the one that they say; `share` and `own_share` are theirs of
    all that the neighbours say, from 0 to 1.
    """

    place: int
    own: tuple[int, ...]
    rather: int
    share: float
    own_share: float

    @property
    def margin(self) -> float:
        """How sure the neighbours are, from 0 to 1."""
        return self.share - self.own_share


@dataclass(frozen=True)
class Pair:
    """Two pictures nearly the same, by place; `across`, where they are of two parts."""

    first: int
    second: int
    cosine: float
    across: bool


@dataclass(frozen=True)
class Told:
    """What features tell of the data that they are of."""

    features: Features
    pairs: Sequence[Pair]
    doubts: Sequence[Doubt]

    def groups(self) -> list[tuple[str, list[str]]]:
        """Titles, each with a line for each pair or doubt, for a terminal."""
        across = [self._pair(pair) for pair in self.pairs if pair.across]
        return [
            (f"pairs of like pictures by descriptors, from a cosine of {NEAR} on",
             [self._pair(pair) for pair in self.pairs]),
            ("of them in two parts, so that testing flatters", across),
            (f"labels that {NEIGHBOURS} neighbours doubt", [*map(self._doubt, self.doubts)]),
        ]  # fmt: skip

    def as_data(self) -> dict[str, Any]:
        """The same as plain data."""
        names, classes = self.features.names, self.features.classes
        return {
            "alike_by_features": [
                {"pictures": [names[pair.first], names[pair.second]], "cosine": pair.cosine,
                 "across": pair.across}
                for pair in self.pairs
            ],
            "doubtful_labels": [
                {"picture": names[doubt.place], "classes": [classes[c] for c in doubt.own],
                 "rather": classes[doubt.rather], "share": doubt.share,
                 "own_share": doubt.own_share}
                for doubt in self.doubts
            ],
        }  # fmt: skip

    def _pair(self, pair: Pair) -> str:
        return f"{self._name(pair.first)} = {self._name(pair.second)}, {pair.cosine:.3f}"

    def _doubt(self, doubt: Doubt) -> str:
        own, rather = (
            " and ".join(self.features.classes[c] for c in some)
            for some in (doubt.own, (doubt.rather,))
        )
        return (
            f"{self._name(doubt.place)}: {own}, and of its neighbours {doubt.share:.0%} say "
            f"{rather}, {doubt.own_share:.0%} {own}"
        )

    def _name(self, place: int) -> str:
        return f"{self.features.names[place]} ({self.features.part_of(place)})"


def told_by(features: Features) -> Told:
    """Near-duplicates and doubtful labels by features; no doubts of pictures without labels."""
    doubts = [] if features.truth is None else doubtful(features)
    return Told(features, near_duplicates(features), doubts)


def doubtful(features: Features, k: int = NEIGHBOURS) -> list[Doubt]:
    """Pictures whose k neighbours say another class, the surest first.

    Those of which nothing is said are not doubted, and say nothing. Raises UserError where that is
    all of them.
    """
    if features.truth is None:
        raise UserError("nothing is said of these pictures; describe labelled ones")
    places, cosines = others(features, k)
    loudness = cosines.clip(np.finfo(np.float32).tiny)
    loudness /= loudness.sum(1, keepdims=True)
    found: list[Doubt] = []
    for start in range(0, len(features) if places.shape[1] else 0, BLOCK):
        here = slice(start, start + BLOCK)
        theirs = (_signs(features, places[here].reshape(-1)) > 0).astype(np.float32)
        shape = *places[here].shape, len(features.classes)
        shares = np.einsum("bk,bkc->bc", loudness[here], theirs.reshape(shape)).clip(max=1)
        own = _signs(features, np.arange(start, start + len(shares))) >= 0
        found += _doubts(shares, own, start)
    return sorted(found, key=lambda doubt: (-doubt.margin, doubt.place))


def _doubts(
    shares: Float32[np.ndarray, "B K"], own: Bool[np.ndarray, "B K"], start: int
) -> Iterator[Doubt]:
    """Those of some pictures, of which the first is at `start`."""
    own_share = np.where(own, shares, 0).max(1)
    of_others = np.where(own, -1, shares)
    rather = of_others.argmax(1)
    share = of_others.max(1)
    for i in np.flatnonzero(own.any(1) & (share > own_share)).tolist():
        classes = tuple(np.flatnonzero(own[i]).tolist())
        yield Doubt(start + i, classes, int(rather[i]), float(share[i]), float(own_share[i]))


def _signs(features: Features, chosen: Int64[np.ndarray, " M"]) -> Int8[np.ndarray, "M K"]:
    """Whether these pictures are of each class: 1 they are, 0 nobody can tell, -1 they are not."""
    truth, classes = truth_of(features.truth, chosen), len(features.classes)
    if isinstance(truth, LabelSets):
        return truth.signs(classes)
    found = np.full((len(chosen), classes), -1, np.int8)
    if truth is not None:
        said = np.flatnonzero(truth != UNLABELLED)
        found[said, truth[said]] = 1
    return found


def others(features: Features, k: int = NEIGHBOURS) -> tuple[Places, Cosines]:
    """The k nearest of each picture but itself; all others where there are fewer."""
    places, cosines = nearest(features, features.descriptors, k + 1)
    kept = places != np.arange(len(places))[:, None]
    kept[kept.all(1), -1:] = False  # more than k are equal to it, and stand before it
    shape = len(places), max(0, places.shape[1] - 1)
    return places[kept].reshape(shape), cosines[kept].reshape(shape)


def near_duplicates(features: Features, least: float = NEAR) -> list[Pair]:
    """Pictures with the one most like them of each part, from a cosine on, the nearest first."""
    found: dict[tuple[int, int], Pair] = {}
    ends = np.cumsum([part.count for part in features.parts]).tolist()
    parts = [slice(end - part.count, end) for part, end in zip(features.parts, ends, strict=True)]
    for number, later in enumerate(parts):
        for earlier in parts[: number + 1]:
            for pair in _pairs(features, earlier, later, least):
                found[pair.first, pair.second] = pair
    return sorted(found.values(), key=lambda pair: (-pair.cosine, pair.first, pair.second))


def _pairs(features: Features, earlier: slice, later: slice, least: float) -> Iterator[Pair]:
    """Each picture of a part with the one most like it of an earlier one, or of its own."""
    if earlier == later:
        own = features.only(np.arange(later.start, later.stop))
        places, cosines = others(own, 1)
    else:
        rows, queries = features.descriptors[earlier], features.descriptors[later]
        places, cosines = nearest(rows, queries, 1)
    for i in np.flatnonzero((cosines >= least).any(1)).tolist():
        first, second = sorted((earlier.start + int(places[i, 0]), later.start + i))
        yield Pair(first, second, float(cosines[i, 0]), across=earlier != later)
