"""Guesses and errors, counted by hand on four pictures; see `made.four`."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.localisation.made import box, centre, dense, four, truth
from verydeep.errors import UserError
from verydeep.evaluation.metrics import interval
from verydeep.localisation import blind as blind_module
from verydeep.localisation import guesses as module
from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.choosing import Trial, choose_threshold
from verydeep.localisation.figures import Figures, Mistakes, OfSize, figures, histogram
from verydeep.localisation.guesses import guesses, iou_of_pairs
from verydeep.pictures.boxes import iou


def test_errors_are_counted() -> None:
    found = figures(four())
    assert (found.top1, found.top5) == (75.0, 50.0)
    assert (found.named1, found.named5) == (50.0, 25.0)
    assert found.interval1 == interval(np.array([False, True, True, True]))
    assert found.interval5 == interval(np.array([False, False, True, True]))
    assert found.error == 50.0


def test_what_is_wrong_is_told_apart() -> None:
    found = figures(four())
    assert found.mistakes1 == Mistakes(place=25.0, name=25.0, both=25.0)
    assert found.mistakes5 == Mistakes(place=25.0, name=0.0, both=25.0)


def test_the_iou_of_the_true_class_is_of_pictures_that_have_it_as_a_candidate() -> None:
    found = figures(four())
    assert found.mean_iou == pytest.approx((1 + 1 + 0.5) / 3)
    assert found.histogram == (0, 0, 0, 0, 1, 0, 0, 0, 0, 2)


def test_an_iou_is_counted_in_the_tenth_that_it_ends() -> None:
    assert histogram(np.array([0, 0.1, 0.100001, 0.95, 1])) == (2, 1, 0, 0, 0, 0, 0, 0, 0, 2)


def test_errors_are_told_by_the_share_that_objects_fill() -> None:
    """A ninth of the picture is 2,222 pixels, four ninths 8,889."""
    expected = {"small": OfSize(1, 0.0), "medium": OfSize(2, 50.0), "large": OfSize(1, 100.0)}
    assert figures(four()).by_size == expected
    small = replace(four(), sizes=np.full((4, 2), (1000, 1000)))
    assert figures(small).by_size["large"] == OfSize(0, None)


def test_with_the_class_given_there_is_a_top_1_error_alone() -> None:
    found = figures(centre())
    assert (found.top1, found.top5, found.interval5, found.mistakes5) == (0.0, None, None, None)
    assert found.error == found.named1 == 0.0
    elsewhere = np.array([[box(0, 0, 50, 50)], [box(0, 0, 60, 80)]], np.float32)
    assert figures(centre(boxes=elsewhere)).top1 == 50.0


def test_any_object_of_the_class_is_enough_unless_it_is_difficult() -> None:
    objects = [(box(150, 50, 50, 50), 0), (box(0, 0, 50, 50), 0)], [(box(100, 0, 60, 80), 2)]
    assert figures(dense(truth=truth(*objects))).top1 == 0.0
    assert figures(dense(truth=truth(*objects, difficult=(1,)))).top1 == 50.0


def test_an_object_of_another_class_in_the_place_is_none() -> None:
    objects = [(box(150, 50, 50, 50), 0), (box(0, 0, 50, 50), 1)], [(box(100, 0, 60, 80), 2)]
    found = figures(dense(truth=truth(*objects)))
    assert (found.top1, found.top5) == (50.0, 50.0)


def test_boxes_of_all_positions_are_merged_into_the_guess() -> None:
    """Two that agree, rated 0.2 and 0.25, outweigh one of 0.4."""
    here = [[box(0, 0, 50, 50)], [box(10, 0, 50, 50)], [box(150, 50, 50, 50)]]
    found = dense(
        boxes=np.array([*here, *here], np.float32),
        ratings=np.array([[0.2], [0.25], [0.4]] * 2, np.float32),
        ends=np.array([3, 6]),
        candidates=np.array([[0], [2]]),
        posteriors=np.full((2, 1), 0.5, np.float32),
        threshold=0.6,
    )
    made = guesses(found)
    assert made.boxes[:, 0].tolist() == [box(5, 0, 50, 50)] * 2
    assert made.ratings[:, 0] == pytest.approx([0.45, 0.45])
    assert guesses(found, 0.1).boxes[0, 0].tolist() == box(150, 50, 50, 50)


def test_candidates_are_merged_each_by_itself_and_cut_at_the_picture() -> None:
    far = box(100, 0, 60, 80)
    rows = [[box(0, -50, 50, 100), far], [box(0, -50, 50, 100), far], [far, far]]
    made = guesses(dense(boxes=np.array(rows, np.float32)))
    assert made.boxes[0].tolist() == [box(0, 0, 50, 50), far]
    assert made.overlaps.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    assert made.is_label.tolist() == [[True, False], [True, False]]


def test_pictures_in_pieces_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = guesses(four())
    monkeypatch.setattr(module, "AT_ONCE", 1)
    pieces = guesses(four())
    assert np.array_equal(pieces.boxes, whole.boxes)
    assert np.array_equal(pieces.overlaps, whole.overlaps)


def test_iou_of_pairs_is_that_of_each_with_each() -> None:
    random = np.random.default_rng(0)
    boxes, others = (np.sort(random.uniform(0, 9, (2, 30, 2)), 0) for _ in range(2))
    boxes, others = (np.hstack([low, high]) for low, high in (boxes, others))
    boxes[0] = others[0] = [3, 3, 3, 3]
    assert iou_of_pairs(boxes, others) == pytest.approx(np.diag(iou(boxes, others)))


def test_a_box_that_looks_at_no_picture_is_the_best_of_its_kind() -> None:
    """Half of each picture, in the middle, is where two of three objects are."""
    middle, corner = box(50, 25, 100, 50), box(0, 0, 20, 10)
    found = centre(
        boxes=np.zeros((3, 1, 4), np.float32),
        ratings=np.ones((3, 1), np.float32),
        ends=np.arange(1, 4),
        candidates=np.zeros((3, 1), np.int64),
        posteriors=np.ones((3, 1), np.float32),
        labels=np.zeros(3, np.int64),
        sizes=np.array([[100, 200], [50, 100], [100, 200]]),
        truth=truth([(middle, 0)], [(box(25, 12.5, 50, 25), 0)], [(corner, 0)]),
        names=("a", "b", "c"),
    )
    blind = figures(found).blind
    assert (blind.width, blind.height, blind.top5) == (0.5, 0.5, None)
    assert blind.top1 == pytest.approx(100 / 3)
    said = "without looking: a box in the middle, 50 x 50 % of every picture, errs on 33.3 %"
    assert str(blind) == said


def test_of_all_boxes_in_the_middle_the_best_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against each of them tried by itself, on objects of pictures of all sizes, some with two."""
    random = np.random.default_rng(0)
    sizes = random.integers(50, 300, (40, 2))
    objects = []
    for height, width in sizes.tolist():
        sides = np.array([width, height])
        middle, half = (sides * random.uniform(*ends, (2, 2)) for ends in ((0.4, 0.6), (0.1, 0.4)))
        both = np.hstack([middle - half, middle + half])[: random.integers(1, 3)]
        objects.append([(one, 0) for one in both.tolist()])
    names = tuple(map(str, range(40)))
    found = centre().only(np.zeros(40, np.int64))
    found = replace(found, names=names, sizes=sizes, truth=truth(*objects))
    shares = [i / 20 for i in range(1, 21)]
    tried = []
    for w, h in product(shares, shares):
        low = np.array([1 - w, 1 - h]) / 2
        boxes = np.hstack([low, 1 - low]) * sizes[:, [1, 0, 1, 0]]
        best = np.array(
            [
                iou(b[None], np.array([o for o, _ in each])).max()
                for b, each in zip(boxes, objects, strict=True)
            ]
        )
        tried.append((int((best <= 0.5).sum()), -best.mean(), w, h))
    missed, _, width, height = min(tried)
    for together in (1, 7, 2**12):
        monkeypatch.setattr(blind_module, "TOGETHER", together)
        blind = figures(found).blind
        assert (blind.width, blind.height) == (width, height)
        assert blind.top1 == pytest.approx(100 * missed / 40)


def test_a_blind_box_goes_with_the_same_candidates() -> None:
    """It is where the object of the fourth is at best, which is not among the candidates."""
    blind = figures(four()).blind
    assert blind.top5 is not None
    assert blind.top1 >= 50.0
    assert blind.top5 >= 25.0
    assert str(blind).endswith(f"on {blind.top1:.1f} % at top-1, {blind.top5:.1f} % at top-5")


def test_a_test_that_blind_boxes_reach_is_told_of() -> None:
    """Of a hundred objects in one place the box in the middle misses none."""
    places = np.zeros(100, np.int64)
    one = centre(truth=truth([(box(50, 25, 100, 50), 0)], [(box(0, 0, 1, 1), 2)]))
    many = replace(one.only(places), names=tuple(map(str, range(100))))
    found = figures(many)
    assert (found.top1, found.blind.top1) == (100.0, 0.0)
    assert found.no_better == (
        "no better than a box in the middle of every picture, which errs on 0.0 %: 100.0 % (95 % "
        "interval 96.3 to 100.0)"
    )
    corner = replace(many, truth=centre().truth.only(places))
    assert figures(corner).no_better is None


def row_of_three() -> Localised:
    """Boxes at 0, 2 and 5, and an object at 2: merged at 0.533 to 1, at 0.971 to 3, in 10 x 10."""
    rows = [[box(x, 0, 10, 10)] for x in (0, 2, 5)]
    far = [[box(100, 0, 60, 80)]]
    return dense(
        boxes=np.array([*rows, *far], np.float32),
        ratings=np.array([[0.3], [0.3], [0.4], [1]], np.float32),
        ends=np.array([3, 4]),
        candidates=np.array([[0], [2]]),
        posteriors=np.full((2, 1), 0.5, np.float32),
        truth=truth([(box(2, 0, 10, 10), 0)], [(box(100, 0, 60, 80), 2)]),
    )


def test_the_threshold_with_the_least_errors_is_chosen() -> None:
    """The surest alone is at 5, IoU 7 / 13; two merged are at 1, 9 / 11, and all at 3, 9 / 11."""
    best, trials = choose_threshold(row_of_three(), [0.98, 0.6, 0.1])
    assert [trial[:3] for trial in trials] == [(at, 0.0, 0.0) for at in (0.1, 0.6, 0.98)]
    expected = [(7 / 13 + 1) / 2, (9 / 11 + 1) / 2, (9 / 11 + 1) / 2]
    assert [trial.mean_iou for trial in trials] == pytest.approx(expected)
    assert best == 0.6


def test_trials_are_what_tests_come_to_at_each_threshold() -> None:
    for found in (row_of_three(), four(), dense()):
        _, trials = choose_threshold(found)
        made = [figures(found, trial.threshold) for trial in trials]
        assert [trial[1:3] for trial in trials] == [(one.top5, one.top1) for one in made]
        expected = [one.mean_iou for one in made]
        assert [trial.mean_iou for trial in trials] == pytest.approx(expected)


def test_errors_count_before_the_mean_iou() -> None:
    worse, better = Trial(0.1, 50.0, 60.0, 0.9), Trial(0.2, 50.0, 59.0, 0.1)
    assert min(worse, better, key=lambda trial: trial.rank) == better
    assert min(Trial(0.1, 49.0, 99.0, 0.0), better, key=lambda trial: trial.rank).top5 == 49.0


def test_there_is_nothing_to_choose_where_nothing_is_merged() -> None:
    with pytest.raises(UserError, match="a centre crop has one box"):
        choose_threshold(centre())


def test_no_class_among_the_candidates_is_all_wrong() -> None:
    found = replace(four(), candidates=np.array([[1, 2], [0, 1], [0, 2], [0, 2]]))
    made: Figures = figures(found)
    assert (made.top1, made.top5, made.mean_iou) == (100.0, 100.0, 0.0)
    assert choose_threshold(found, [0.5])[1] == (Trial(0.5, 100.0, 100.0, 0.0),)
