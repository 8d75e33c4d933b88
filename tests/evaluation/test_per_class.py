"""Precision, recall and F1 of classes: by hand, and scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

from verydeep.errors import UserError
from verydeep.evaluation.per_class import ClassFigures, class_figures, mean_class_recall


def test_figures_of_three_classes_are_worked_out_by_hand() -> None:
    """Of 4 pictures of the first class 3 are found; 5 are taken for it: F1 is 6/9."""
    confusion = np.array([[3, 1, 0], [2, 2, 0], [0, 0, 0]])
    first, second, third = class_figures(confusion)
    assert (first.precision, first.recall, first.f1) == pytest.approx((60, 75, 200 / 3))
    assert (second.precision, second.recall, second.f1) == pytest.approx((200 / 3, 50, 400 / 7))
    assert third == ClassFigures(None, None, None)
    assert mean_class_recall(confusion) == 62.5


def test_figures_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 7, 200)
    taken = np.where(random.random(200) < 0.6, labels, random.integers(0, 7, 200))
    confusion = confusion_matrix(labels, taken)
    theirs = 100 * balanced_accuracy_score(labels, taken)
    assert mean_class_recall(confusion) == pytest.approx(theirs)
    f1 = [c.f1 for c in class_figures(confusion)]
    assert f1 == pytest.approx(100 * f1_score(labels, taken, average=None))


def test_no_picture_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="no class has a picture"):
        mean_class_recall(np.zeros((2, 2), int))
