"""Average precision by its four definitions.

Small rankings were worked out by hand; VOC's two are held against its development kit's loops, and
Oxford's against its `compute_ap`, as they are described, written here plainly; scikit-learn's
against scikit-learn.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from verydeep.errors import UserError
from verydeep.evaluation import average_precision as ap
from verydeep.evaluation.average_precision import Definition


def falling(count: int) -> np.ndarray:
    return np.arange(count, 0, -1.0)


def found(labels: list[int], definition: Definition) -> float | None:
    """That of pictures in falling order of score, 1 or 0 for each."""
    return ap.average_precision(falling(len(labels)), 2 * np.array(labels) - 1, definition)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        # precision 1/2, 2/3; made to fall 2/3, 2/3; trapezoids (0 + 1/2 + 1/2 + 2/3) / 4
        ([0, 1, 1, 0], {"voc2007": 2 / 3, "area": 2 / 3, "scikit-learn": 7 / 12, "oxford": 5 / 12}),
        # 1, 2/3: six points of 1 and five of 2/3; trapezoids (1 + 1 + 1/2 + 2/3) / 4
        ([1, 0, 1, 0, 0],
         {"voc2007": 28 / 33, "area": 5 / 6, "scikit-learn": 5 / 6, "oxford": 19 / 24}),
        ([1, 1, 0], {"voc2007": 1, "area": 1, "scikit-learn": 1, "oxford": 1}),
        ([0, 0, 1], {"voc2007": 1 / 3, "area": 1 / 3, "scikit-learn": 1 / 3, "oxford": 1 / 6}),
    ],
)  # fmt: skip
def test_small_rankings_are_worked_out_by_hand(
    labels: list[int], expected: dict[Definition, float]
) -> None:
    for definition in ap.DEFINITIONS:
        assert found(labels, definition) == pytest.approx(100 * expected[definition])


def rankings(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [
        (random.random(random.integers(5, 60)) < random.uniform(0.1, 0.9)).astype(int).clip(0, 1)
        for _ in range(count)
    ]


def vocs(labels: np.ndarray, eleven: bool) -> float:
    """Of VOC's development kit: precision and recall after each picture, then a loop."""
    precision = labels.cumsum() / np.arange(1, len(labels) + 1)
    recall = labels.cumsum() / labels.sum()
    if eleven:
        steps = [precision[recall >= i / 10 - 1e-12].max() for i in range(11)]
        return 100 * float(np.mean(steps))
    area, before = 0.0, 0.0
    for i, reached in enumerate(recall):
        area += (reached - before) * precision[i:].max()
        before = reached
    return 100 * area


def oxfords(labels: np.ndarray) -> float:
    """Of Oxford's: a trapezoid from the last point to each next one, from (0, 1) on."""
    area, recall, precision, hits = 0.0, 0.0, 1.0, 0
    for i, label in enumerate(labels):
        hits += label
        area += (hits / labels.sum() - recall) * (precision + hits / (i + 1)) / 2
        recall, precision = hits / labels.sum(), hits / (i + 1)
    return 100 * area


def test_the_definitions_are_those_of_their_makers() -> None:
    for labels in rankings(200):
        if not labels.sum():
            continue
        scores = falling(len(labels))
        signs = 2 * labels - 1
        assert ap.average_precision(scores, signs, "voc2007") == pytest.approx(vocs(labels, True))
        assert ap.average_precision(scores, signs, "area") == pytest.approx(vocs(labels, False))
        assert ap.average_precision(scores, signs, "oxford") == pytest.approx(oxfords(labels))
        theirs = 100 * average_precision_score(labels, scores)
        assert ap.average_precision(scores, signs, "scikit-learn") == pytest.approx(theirs)


def test_scikit_learns_counts_equal_scores_as_one_point() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        labels = np.append(random.integers(0, 2, 30), 1)
        scores = random.integers(0, 6, 31).astype(np.float32)
        theirs = 100 * average_precision_score(labels, scores)
        assert ap.average_precision(scores, 2 * labels - 1, "scikit-learn") == pytest.approx(theirs)


@pytest.mark.parametrize(("place", "expected"), [(0, 100), (3, 25), (199, 0.5)])
def test_of_equal_scores_the_earlier_picture_is_first(place: int, expected: float) -> None:
    signs = np.where(np.arange(200) == place, 1, -1)
    assert ap.average_precision(np.ones(200), signs, "area") == pytest.approx(expected)


@pytest.mark.parametrize("definition", ap.DEFINITIONS)
def test_pictures_that_do_not_count_are_as_if_they_were_not_there(definition: Definition) -> None:
    random = np.random.default_rng(1)
    scores, signs = random.normal(size=(40, 3)), random.integers(-1, 2, (40, 3))
    expected = []
    for k in range(3):
        counted = signs[:, k] != 0
        expected.append(
            ap.average_precision(scores[counted, k], signs[counted, k], definition) or 0.0
        )
    all_of_them = ap.average_precisions(scores, signs, definition)
    assert all_of_them.classes == pytest.approx(expected)
    assert all_of_them.mean == pytest.approx(np.mean(expected))


def test_a_class_without_a_picture_has_none_and_counts_for_no_mean() -> None:
    signs = np.array([[1, -1], [-1, -1], [1, 0]])
    per_class = ap.average_precisions(np.array([[3.0, 1], [2, 2], [1, 3]]), signs)
    assert per_class.classes[1] is None
    assert per_class.mean == pytest.approx(100 * (1 + 2 / 3) / 2)
    with pytest.raises(UserError, match="no class has a picture"):
        ap.average_precisions(np.zeros((2, 1)), -np.ones((2, 1), int))


def test_a_curve_has_scikit_learns_points() -> None:
    labels = rankings(1)[0]
    curve = ap.precision_recall_curve(falling(len(labels)), 2 * labels - 1)
    precision, recall, _ = precision_recall_curve(labels, falling(len(labels)))
    count = len(precision) - 1  # theirs ends with (1, 0) and begins where all are found
    np.testing.assert_allclose(curve.precision[:count], 100 * precision[:-1][::-1])
    np.testing.assert_allclose(curve.recall[:count], 100 * recall[:-1][::-1])
    assert (np.diff(curve.scores) <= 0).all()


def test_what_is_no_ranking_is_refused_in_a_line() -> None:
    with pytest.raises(UserError, match="the score of picture 1 is no number"):
        ap.average_precision(np.array([1.0, np.nan]), np.array([1, -1]))
    with pytest.raises(UserError, match="no average precision 'map'; there are voc2007, area"):
        ap.named("map")
    with pytest.raises(UserError, match="no picture is of the class"):
        ap.precision_recall_curve(np.ones(2), np.array([0, -1]))
