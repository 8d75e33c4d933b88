"""A wrong order of the classes, against simulated networks: good, weak, collapsed, confused.

Probabilities are checked against counts over all orders of few classes; the order of the
development kit stands in as a shuffled one, which it is.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from verydeep.errors import UserError
from verydeep.evaluation.class_order import (
    BY_NAME,
    Numbering,
    by_chance,
    refuse_other_order,
)
from verydeep.parts.annotations import Labels

SEEDS = range(100)


def devkit(seed: int, classes: int = 1000) -> Labels:
    return np.random.default_rng(1000 + seed).permutation(classes)


def both_ways(order: Labels) -> list[Numbering]:
    return [
        Numbering("the order of the devkit", places, "name them", BY_NAME)
        for places in (order, np.argsort(order))
    ]


def some_labels(rng: np.random.Generator, count: int = 200, classes: int = 1000) -> Labels:
    return rng.integers(0, classes, count)


def right_in(share: float, labels: Labels, rng: np.random.Generator, classes: int = 1000) -> Labels:
    """Predictions of which this share is right, the others anything."""
    anything = rng.integers(0, classes, len(labels))
    return np.where(rng.random(len(labels)) < share, labels, anything)


def refused(predictions: Labels, labels: Labels, order: Labels) -> bool:
    try:
        refuse_other_order(predictions, labels, both_ways(order))
    except UserError:
        return True
    return False


@pytest.mark.parametrize("forwards", [True, False])
@pytest.mark.parametrize(("count", "share"), [(200, 0.7), (200, 0.25), (50, 0.6), (50_000, 0.1)])
def test_a_network_in_another_order_is_refused(count: int, share: float, forwards: bool) -> None:
    for seed in range(10 if count > 200 else 100):
        rng, order = np.random.default_rng(seed), devkit(seed)
        labels = some_labels(rng, count)
        numbered = order[labels] if forwards else np.argsort(order)[labels]
        assert refused(right_in(share, numbered, rng), labels, order)


@pytest.mark.parametrize("share", [0.7, 0.11, 0.05, 0.01, 0.0])
def test_a_network_in_the_right_order_is_scored_however_bad(share: float) -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        labels = some_labels(rng)
        assert not refused(right_in(share, labels, rng), labels, devkit(seed))


@pytest.mark.parametrize("outputs", [1, 2, 5, 20])
@pytest.mark.parametrize("seen", [1, 2, 10, 100, 1000])
def test_a_network_that_knows_few_answers_is_scored(outputs: int, seen: int) -> None:
    """It says one of few things, always the same of a class; pictures are of few classes too."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        labels = rng.choice(1000, seen)[rng.integers(0, seen, 500)]
        answer = rng.choice(1000, outputs)[rng.integers(0, outputs, 1000)]
        assert not refused(answer[labels], labels, devkit(seed))


def test_a_network_that_confuses_neighbours_is_scored() -> None:
    """It takes every class for one of the next ten, as it may dogs for other dogs."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        labels = some_labels(rng, 5000)
        near = (labels + rng.integers(1, 10, 1000)[labels]) % 1000
        assert not refused(near, labels, devkit(seed))


def test_even_a_constant_answer_that_the_order_makes_right_is_scored() -> None:
    order, labels = devkit(0), np.full(500, 3)
    assert not refused(order[labels], labels, order)


@pytest.mark.parametrize(
    ("as_is", "by_order", "expected"),
    [(0.0, 0.2, True), (0.08, 0.4, True), (0.08, 0.14, False), (0.25, 0.7, False)],
)
def test_only_what_the_order_explains_far_better_is_refused(
    as_is: float, by_order: float, expected: bool
) -> None:
    """Shares of pictures that are right as they are, and by the order; of each class 20."""
    for seed in range(10):
        rng, order = np.random.default_rng(seed), devkit(seed)
        labels = np.repeat(np.arange(1000), 20)
        draws = rng.random(len(labels))
        predictions = np.where(draws < as_is, labels, rng.integers(0, 1000, len(labels)))
        predictions = np.where(draws > 1 - by_order, order[labels], predictions)
        assert refused(predictions, labels, order) == expected


def test_the_refusal_names_both_errors() -> None:
    order, labels = devkit(0), np.arange(1000)
    predictions = order.copy()
    predictions[:280] = (order[:280] + 1) % 1000
    expected = (
        r"error is \d+\.\d\d %, but 28\.00 % with the classes in the order of the devkit: name"
    )
    with pytest.raises(UserError, match=expected) as error:
        refuse_other_order(predictions, labels, both_ways(order))
    assert "\n" not in str(error.value)


def test_nothing_is_said_of_no_pictures() -> None:
    none = np.zeros(0, dtype=np.int64)
    refuse_other_order(none, none, both_ways(devkit(0)))


@pytest.mark.parametrize("taken_for", [[1, 2, 3, 4, 0], [4, 2], [1, 1, 1, 0, 2], [3, 0, 1]])
def test_chance_is_no_smaller_than_in_a_count_of_all_orders(taken_for: list[int]) -> None:
    """And the very share of orders, where one picture of each of all classes is right."""
    labels, predictions = np.arange(len(taken_for)), np.array(taken_for)
    orders = [np.array(order) for order in permutations(range(5))]
    right = [(order[labels] == predictions) & (order[labels] != labels) for order in orders]
    following = np.array(right).sum(axis=1)
    for order, count in zip(orders, following, strict=True):
        share = (following >= count).mean()
        assert share <= by_chance(predictions, labels, order) * (1 + 1e-9)
    if taken_for == [1, 2, 3, 4, 0]:
        assert by_chance(predictions, labels, predictions) == pytest.approx(1 / 120)


def test_pictures_of_one_class_count_once() -> None:
    order = devkit(0)
    labels = np.repeat([1, 2, 3], 100)
    assert by_chance(order[labels], labels, order) == pytest.approx(1 / (1000 * 999 * 998))
    assert by_chance(order[labels], labels, order) == by_chance(
        order[[1, 2, 3]], np.array([1, 2, 3]), order
    )
