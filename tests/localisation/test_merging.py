"""Merging against a plain one that looks at all pairs each time, and against examples by hand.

Two boxes of 10 x 10 that are 2 apart have the score 2 / 10 + 1 - 80 / 120 = 0.5333.
"""

from __future__ import annotations

import tracemalloc
from math import hypot

import numpy as np
import pytest

from tests.localisation.made import box
from verydeep.localisation import matching, merging
from verydeep.localisation.merging import RatedBoxes, merged, merged_at

Box = tuple[float, float, float, float, float]
"""Its ends and its rating."""


def problem(boxes: list[list[float]], ratings: list[float] | None = None) -> RatedBoxes:
    """Boxes of one problem, rated 1 each where nothing is said."""
    rated = np.ones(len(boxes)) if ratings is None else np.array(ratings)
    return RatedBoxes(np.array(boxes, np.float64), rated, np.array([len(boxes)]))


def in_a_row(*lefts: float, rating: float = 1.0) -> RatedBoxes:
    """Boxes of 10 x 10 that begin there."""
    return problem([box(x, 0, 10, 10) for x in lefts], [rating] * len(lefts))


def crowd(count: int, seed: int, places: int = 3) -> RatedBoxes:
    """Boxes about a few places, in float32's numbers, as networks give them."""
    random = np.random.default_rng(seed)
    which = random.integers(0, places, count)
    middle = random.uniform(100, 300, (places, 2))[which] + random.normal(0, 15, (count, 2))
    half = random.uniform(30, 80, (places, 2))[which] * np.exp(random.normal(0, 0.2, (count, 2)))
    boxes = np.hstack([middle - half, middle + half]).astype(np.float32).astype(np.float64)
    return RatedBoxes(boxes, random.uniform(0, 1, count), np.array([count]))


def plain(given: RatedBoxes, threshold: float) -> list[Box]:
    """One problem merged by looking at all pairs again and again."""

    def before(b: Box) -> tuple[float, ...]:
        return b[1], b[3], b[2] - b[0], b[4], b[0] + b[2]

    def score(a: Box, b: Box) -> float:
        apart = hypot((a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2)
        sides = (a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1])
        shared = max(0, min(a[2], b[2]) - max(a[0], b[0]))
        shared *= max(0, min(a[3], b[3]) - max(a[1], b[1]))
        iou = shared / (sides[0] * sides[1] + sides[2] * sides[3] - shared)
        return apart / (sum(sides) / 4) + 1 - iou

    rows = np.column_stack([given.boxes, given.ratings]).tolist()
    boxes: list[Box] = sorted((tuple(row) for row in rows), key=before)
    while len(boxes) > 1:
        pairs = [(i, j) for j in range(len(boxes)) for i in range(j)]
        least, i, j = min((score(boxes[i], boxes[j]), i, j) for i, j in pairs)
        if least > threshold:
            break
        x0, y0, x1, y1 = ((a + b) / 2 for a, b in zip(boxes[i][:4], boxes[j][:4], strict=True))
        boxes[i] = (x0, y0, x1, y1, boxes[i][4] + boxes[j][4])
        del boxes[j]
    return boxes


def rows(found: RatedBoxes) -> list[list[float]]:
    pairs = zip(found.boxes.tolist(), found.ratings.tolist(), strict=True)
    return [[*ends, rating] for ends, rating in pairs]


def joined(problems: list[RatedBoxes]) -> RatedBoxes:
    return RatedBoxes(
        np.concatenate([each.boxes for each in problems]),
        np.concatenate([each.ratings for each in problems]),
        np.cumsum([len(each.ratings) for each in problems]),
    )


@pytest.mark.parametrize("seed", range(12))
def test_boxes_are_merged_as_by_looking_at_all_pairs(seed: int) -> None:
    given = crowd(5 + 4 * seed, seed)
    for threshold in (0.2, 0.5, 0.8, 1.2):
        assert rows(merged(given, threshold)) == pytest.approx(np.array(plain(given, threshold)))


@pytest.mark.parametrize("seed", range(12))
def test_of_pairs_that_score_the_same_the_first_is_merged_first(seed: int) -> None:
    """On a grid many pairs do."""
    rough = crowd(24, seed)
    boxes = np.round(rough.boxes / 20) * 20 + [0, 0, 20, 20]
    given = RatedBoxes(boxes, np.round(rough.ratings * 2) / 2, rough.ends)
    for threshold in (0.4, 0.8, 1.2):
        assert rows(merged(given, threshold)) == np.array(plain(given, threshold)).tolist()


@pytest.mark.parametrize(("threshold", "left"), [(0.533, 2), (0.534, 1)])
def test_two_boxes_are_merged_up_to_their_score(threshold: float, left: int) -> None:
    assert len(merged(in_a_row(0, 2), threshold).boxes) == left


def test_a_box_inside_another_is_as_far_from_it_as_their_areas_say() -> None:
    """One middle, a quarter of the area: 0 + 1 - 1/4."""
    given = problem([box(0, 0, 20, 20), box(5, 5, 10, 10)])
    assert len(merged(given, 0.749).boxes) == 2
    assert rows(merged(given, 0.751)) == [[2.5, 2.5, 17.5, 17.5, 2.0]]


def test_a_merged_box_counts_as_one_when_it_is_merged_again() -> None:
    """0 and 2 make 1, and that with 5, at 0.4 + 1 - 60 / 140 = 0.971, makes 3, not 7 / 3."""
    given = in_a_row(0, 2, 5, rating=0.25)
    assert rows(merged(given, 0.97)) == [[*box(1, 0, 10, 10), 0.5], [*box(5, 0, 10, 10), 0.25]]
    assert rows(merged(given, 0.98)) == [[*box(3, 0, 10, 10), 0.75]]


def test_a_merged_box_comes_before_one_that_is_as_close() -> None:
    """Second and last make (12, 12), as far from the first as (-12, 12): 1.346, and then 1.44."""
    given = problem([box(x, y, 30, 30) for x, y in ((0, 0), (15, 9), (-12, 12), (9, 15))])
    expected = [[*box(6, 6, 30, 30), 3.0], [*box(-12, 12, 30, 30), 1.0]]
    assert rows(merged(given, 1.4)) == expected


def test_two_boxes_that_agree_outweigh_one_that_is_surer() -> None:
    given = problem([box(0, 0, 10, 10), box(2, 0, 10, 10), box(90, 0, 10, 10)], [0.4, 0.3, 0.6])
    assert rows(merged(given, 0.6).strongest()) == [[*box(1, 0, 10, 10), pytest.approx(0.7)]]
    assert rows(merged(given, 0.5).strongest()) == [[*box(90, 0, 10, 10), 0.6]]


def test_of_boxes_rated_the_same_the_first_is_the_strongest() -> None:
    given = joined([in_a_row(50, 0), in_a_row(7)])
    assert merged(given, 0.1).strongest().boxes[:, 0].tolist() == [0, 7]


def test_boxes_without_area_are_merged_with_none_but_by_distance() -> None:
    """Two points at one place score 0 + 1 - 0; one that is elsewhere is infinitely far."""
    given = problem([box(5, 5, 0, 0), box(5, 5, 0, 0), box(6, 5, 0, 0), box(0, 0, 10, 0)])
    assert len(merged(given, 0.99).boxes) == 4
    assert len(merged(given, 1.01).boxes) == 3
    ends_before_it_begins = problem([[10, 10, 0, 0], [10, 10, 0, 0]])
    assert len(merged(ends_before_it_begins, 0.9).boxes) == 2


def test_a_single_box_stays_as_it_is() -> None:
    assert rows(merged(in_a_row(3), 9)) == [[*box(3, 0, 10, 10), 1.0]]
    assert (
        len(merged(RatedBoxes(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)), 1).ends) == 0
    )


@pytest.mark.parametrize("grid", [1, 20])
def test_the_order_of_boxes_does_not_matter(grid: int) -> None:
    rough = crowd(60, 7)
    given = RatedBoxes(np.round(rough.boxes / grid) * grid, rough.ratings, rough.ends)
    expected = rows(merged(given, 0.7))
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(60)
        shuffled = RatedBoxes(given.boxes[order], given.ratings[order], given.ends)
        assert rows(merged(shuffled, 0.7)) == expected


@pytest.mark.parametrize("threshold", [0.3, 0.6, 1.0])
def test_mirrored_boxes_are_merged_into_mirrored_ones(threshold: float) -> None:
    given, width = crowd(60, 3), 500

    def mirror(found: RatedBoxes) -> RatedBoxes:
        x0, y0, x1, y1 = found.boxes.T
        mirrored = np.stack([width - x1, y0, width - x0, y1], 1)
        return RatedBoxes(mirrored, found.ratings, found.ends)

    assert rows(merged(mirror(given), threshold)) == rows(mirror(merged(given, threshold)))


@pytest.mark.parametrize("together", [1, 100, 2**15])
def test_many_problems_come_to_what_each_comes_to_by_itself(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [crowd(count, count, places=2) for count in (1, 40, 3, 17, 64, 2, 64, 1)]
    alone = [merged(each, 0.6) for each in problems]
    monkeypatch.setattr(merging, "TOGETHER", together)
    monkeypatch.setattr(matching, "AT_ONCE", together)
    found = merged(joined(problems), 0.6)
    assert rows(found) == rows(joined(alone))
    assert found.ends.tolist() == joined(alone).ends.tolist()


def test_ascending_thresholds_come_to_what_each_comes_to_by_itself() -> None:
    given = joined([crowd(50, 1), crowd(20, 2), in_a_row(0, 2, 4, 6, 8, 10)])
    thresholds = [0.1, 0.3, 0.5, 0.8, 1.1, 3.0]
    found = [rows(each) for each in merged_at(given, thresholds)]
    assert found == [rows(merged(given, threshold)) for threshold in thresholds]


def test_memory_does_not_grow_with_the_pairs() -> None:
    """The scores of all pairs of 1,500 boxes would take 18 MB."""
    given = crowd(1500, 0)
    tracemalloc.start()
    merged(given, 0.1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6
