"""Whether a network numbers its classes in another order than the labels do.

ILSVRC's classes are numbered in two orders: by sorted wnid, and as the development kit has them.
Folders called 0 to 11 are numbered by their numbers, or by their letters: 0, 1, 10, 11, 2. Labels
of one order and a network of the other give an error from which nobody learns why. Here predictions
and labels come in, and orders that are known; nothing goes out, or a refusal that names the errors.

What counts as evidence are classes, not pictures: pictures of one class are mistaken for the same
other one by any network. A class speaks for an order where most of its pictures are taken for what
that order makes of it; classes that both orders number alike speak for neither. Were the order any
other, each of all K! being as likely, s or more of C classes would do so with a probability of at
most C! (K - s)! / (s! (C - s)! K!), the expected number of sets of s such classes. Where all
classes are seen that is 1 / s!: 13 classes are enough for a chance of 1e-9, and 7 for one of 1e-3;
of 10 seen of a thousand, 4 and 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import exp, lgamma

import numpy as np
from jaxtyping import Int64

from verydeep.errors import UserError
from verydeep.parts.annotations import Labels

Order = Int64[np.ndarray, " K"]
"""What each class is numbered in an order: a permutation."""

WRONG = 0.8
"""Share of the pictures in question that must be wrong by the labels as they are."""
BY_NAME, BY_NUMBER = 1e-9, 1e-3
"""Most probable that agreement with an order may be by chance, for that order to be named: where
classes have names that would have to be wrong; and where they have none, and any order is a guess.
"""


@dataclass(frozen=True)
class Numbering:
    """Another order of the classes: what each label would be in it, and what mends it.

    `chance` is the share of networks with nothing to do with it that are refused for it, at most.
    """

    name: str
    places: Order
    remedy: str
    chance: float


def refuse_other_order(
    predictions: Labels, labels: Labels, orders: Iterable[Numbering] = ()
) -> None:
    """Raises UserError where the predictions follow another order of the classes than the labels.

    `predictions` are top-1, `posteriors.argmax(1)`. An order is named if more than four fifths of
    the pictures that it numbers otherwise are wrong as they are, at least twice as many are right
    by it, and no chance explains it: not because a network is bad, and not for a few classes only.
    """
    for order in orders:
        asked = order.places[labels] != labels
        as_is, other = (_right(predictions, by, asked) for by in (labels, order.places[labels]))
        if not asked.any() or as_is >= 1 - WRONG or other < 2 * as_is:
            continue
        if by_chance(predictions, labels, order.places) < order.chance:
            raise UserError(f"{_errors(predictions, labels, order)}: {order.remedy}")


def doubts(predictions: Labels, labels: Labels, orders: Iterable[Numbering]) -> Iterator[str]:
    """A line for each order with the smaller error, though that may be by chance."""
    for order in orders:
        if (predictions == order.places[labels]).sum() > (predictions == labels).sum():
            yield f"{_errors(predictions, labels, order)}, which may be by chance: {order.remedy}"


def _right(predictions: Labels, labels: Labels, asked: np.ndarray) -> float:
    """Share of the pictures that are asked that is right."""
    return float((predictions == labels)[asked].mean()) if asked.any() else 0.0


def _errors(predictions: Labels, labels: Labels, order: Numbering) -> str:
    as_is, other = (100 * (predictions != by).mean() for by in (labels, order.places[labels]))
    return f"top-1 error is {as_is:.2f} %, but {other:.2f} % with the classes in {order.name}"


def by_chance(predictions: Labels, labels: Labels, places: Order) -> float:
    """Bound on the probability that so many classes follow `places` where nothing is behind it.

    Classes that `places` numbers as the labels do are not looked at.

    >>> by_chance(np.array([3, 2, 0, 1]), np.array([0, 1, 2, 3]), np.array([3, 2, 0, 1]))
    0.0416...
    """
    classes = len(places)
    pairs, counts = np.unique(labels * classes + predictions, return_counts=True)
    own, taken_for = np.divmod(pairs, classes)
    best = np.lexsort((taken_for, -counts, own))  # of each class the commonest first
    seen, firsts = np.unique(own[best], return_index=True)
    follows = (taken_for[best][firsts] == places[seen]) & (places[seen] != seen)
    following = int(follows.sum())
    return min(1.0, exp(_log_choose(len(seen), following) - _log_orders(classes, following)))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _log_orders(classes: int, places: int) -> float:
    """Logarithm of the number of ways to fill so many places with different classes."""
    return lgamma(classes + 1) - lgamma(classes - places + 1)
