"""Whether a network numbers its classes in another order than the labels do.

ILSVRC's classes are numbered in two orders: by sorted wnid, and as the development kit has them.
Labels of one order and a network of the other give an error of a chance guess, from which nobody
learns why. Here predictions and labels come in, and orders that are known; nothing goes out, or a
refusal that names the errors.

What counts as evidence are classes, not pictures: pictures of one class are mistaken for the same
other one by any network. A class speaks for an order where most of its pictures are taken for what
that order makes of it. Were the order any other, each of all K! being as likely, s or more of C
classes would do so with a probability of at most C! (K - s)! / (s! (C - s)! K!), the expected
number of sets of s such classes. Of a thousand classes, 4 of 10 seen or 13 of all are enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, lgamma

import numpy as np
from jaxtyping import Int64

from verydeep.datasets.dataset import Labels
from verydeep.errors import UserError

Order = Int64[np.ndarray, "K"]
"""What each class is numbered in an order: a permutation."""

WRONG = 0.9
"""Share of pictures that must be wrong by the labels as they are, before anything is suspected."""
CHANCE = 1e-9
"""Most probable that agreement with an order may be by chance, for that order to be named."""


def refuse_other_order(predictions: Labels, labels: Labels, orders: Mapping[str, Order]) -> None:
    """Raises UserError where the predictions follow another order of the classes than the labels.

    `predictions` are top-1, `posteriors.argmax(1)`. Each of `orders` gives, by its name, what
    every class is numbered in that order; it is tried forwards and backwards. It is refused if
    more than nine tenths are wrong as they are, at least twice as many are right by the order, and
    no chance explains it: not because a network is bad, and not for a few classes only.
    """
    as_is = float((predictions != labels).mean()) if len(labels) else 0.0
    if as_is <= WRONG:
        return
    for name, order in orders.items():
        for places in (order, np.argsort(order)):
            other = float((predictions != places[labels]).mean())
            if 1 - other >= 2 * (1 - as_is) and by_chance(predictions, labels, places) < CHANCE:
                raise UserError(
                    f"top-1 error is {100 * as_is:.2f} %, but {100 * other:.2f} % with the classes "
                    f"in {name}: network and labels number them differently; give the network "
                    f"its class names in the order of its own outputs, or labels in that order"
                )


def by_chance(predictions: Labels, labels: Labels, places: Order) -> float:
    """Bound on the probability that so many classes follow `places` where nothing is behind it.

    >>> by_chance(np.array([3, 2, 0, 1]), np.array([0, 1, 2, 3]), np.array([3, 2, 0, 1]))
    0.0416...
    """
    classes = len(places)
    pairs, counts = np.unique(labels * classes + predictions, return_counts=True)
    own, taken_for = np.divmod(pairs, classes)
    best = np.lexsort((taken_for, -counts, own))  # of each class the commonest first
    seen, firsts = np.unique(own[best], return_index=True)
    following = int((taken_for[best][firsts] == places[seen]).sum())
    return min(1.0, exp(_log_choose(len(seen), following) - _log_orders(classes, following)))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _log_orders(classes: int, places: int) -> float:
    """Logarithm of the number of ways to fill so many places with different classes."""
    return lgamma(classes + 1) - lgamma(classes - places + 1)
