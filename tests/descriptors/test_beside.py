"""What stands beside SVMs, nearest means and logistic regression, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from tests.descriptors.problems import features
from verydeep.descriptors.linear import signs_of
from verydeep.descriptors.logistic import logistic
from verydeep.descriptors.nearest_mean import nearest_mean
from verydeep.errors import UserError


def test_the_nearest_mean_is_worked_out_by_hand() -> None:
    """Means (1, 0) and (0, 4): m . x - |m|^2 / 2 at (1, 1) is 0.5 and -4."""
    x = np.array([[0, 0], [2, 0], [0, 4]], np.float32)
    found = nearest_mean(x, np.array([[1, -1], [1, -1], [-1, 1]]))
    assert found.decision(np.array([[1, 1]], np.float32)).tolist() == [[0.5, -4]]


def test_the_nearest_mean_is_scikit_learns() -> None:
    x, labels = features(200, 30, 5, noise=5)
    taken = nearest_mean(x[:100], signs_of(labels[:100], 5)).decision(x[100:]).argmax(1)
    theirs = NearestCentroid().fit(x[:100], labels[:100]).predict(x[100:])
    assert (taken == theirs).all()
    assert 0 < (taken == labels[100:]).mean() < 1


def test_a_picture_of_several_classes_is_in_the_mean_of_each() -> None:
    x = np.array([[2, 0], [0, 2]], np.float32)
    found = nearest_mean(x, np.array([[1, 1], [0, 1]]))
    assert found.weights.tolist() == [[2, 0], [1, 1]]


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_logistic_regression_is_scikit_learns(c: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verydeep.descriptors.linear.BLOCK", 13 * 20)  # some rows at a time
    x, labels = features(120, 20, 4, noise=4)
    found = logistic(x, labels, c)
    theirs = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(x.astype(float), labels)
    posteriors = np.exp(found.decision(x))
    posteriors /= posteriors.sum(1, keepdims=True)
    np.testing.assert_allclose(posteriors, theirs.predict_proba(x), atol=1e-5)
    np.testing.assert_allclose(found.weights, theirs.coef_, atol=1e-4 * max(1, c))


def test_of_two_classes_logistic_regression_is_the_one_of_their_difference() -> None:
    """|w|^2 is shared between w / 2 and -w / 2, which is half of it: as scikit-learn's at 2 C."""
    x, labels = features(100, 20, 2, noise=4)
    found = logistic(x, labels, 1.0)
    theirs = LogisticRegression(C=2, tol=1e-10, max_iter=100_000).fit(x.astype(float), labels)
    np.testing.assert_allclose(found.weights[1:] - found.weights[:1], theirs.coef_, atol=1e-4)


def test_what_they_cannot_learn_from_is_refused_by_name() -> None:
    x, labels = features(8, 5, 2)
    with pytest.raises(UserError, match="class 'cow' has no picture; it has no mean"):
        nearest_mean(x, signs_of(labels, 3), ["cat", "dog", "cow"])
    with pytest.raises(UserError, match="8 pictures have features and 7 have signs"):
        nearest_mean(x, signs_of(labels, 2)[1:])
    with pytest.raises(UserError, match="class 'dog' has no picture to learn from"):
        logistic(x, 2 * labels, names=["cat", "dog", "cow"])
    with pytest.raises(UserError, match="all of one class"):
        logistic(x, 0 * labels)
    with pytest.raises(UserError, match="8 pictures have features and 7 have labels"):
        logistic(x, labels[1:])
    with pytest.raises(UserError, match="C is 0.0; expected"):
        logistic(x, labels, 0.0)
