"""Linear SVMs against a machine worked out by hand, scikit-learn's LinearSVC and liblinear itself.

Both of those were run to their own ends. The rest are properties: of orders, scales, signs of 0,
and of the two ways of multiplying with the Gram matrix.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from liblinear.liblinearutil import train
from sklearn.svm import LinearSVC

from tests.descriptors.problems import features
from verydeep.descriptors import gram, svm
from verydeep.descriptors.linear import signs_of
from verydeep.errors import UserError

CS = (0.01, 1.0, 100.0)


def theirs(
    x: np.ndarray, positive: np.ndarray, c: float, weight: float = 1, bias: bool = True
) -> LinearSVC:
    """scikit-learn's machine of one class; liblinear's warnings of how long it took are none."""
    machine = LinearSVC(
        C=c, tol=1e-8, max_iter=1_000_000, class_weight={True: weight}, fit_intercept=bias
    )
    return machine.fit(x.astype(np.float64), positive)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("held", [True, False])
def test_a_machine_of_two_points_is_worked_out_by_hand(
    intercept: bool, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P = w^2 / 2 + 2 (1 - w)^2 is least where w = 4 (1 - w)."""
    monkeypatch.setattr(gram, "MOST_HELD", 2 * held)
    x, signs = np.array([[1, 0], [-1, 0]], np.float32), np.array([[1], [-1]])
    (found,) = svm.fit(x, signs, [1.0], intercept=intercept)
    np.testing.assert_allclose(found.classifier.weights, [[0.8, 0]], atol=1e-12)
    np.testing.assert_allclose(found.classifier.intercepts, [0], atol=1e-12)
    np.testing.assert_allclose(found.gaps, [0], atol=1e-20)
    np.testing.assert_allclose(found.classifier.decision(x), [[0.8], [-0.8]])


@pytest.mark.parametrize("seed", range(20))
def test_decision_values_are_scikit_learns(seed: int) -> None:
    """Of pictures learnt from and of others; more of them than values, or less, or as many."""
    count, length = [(60, 20), (40, 80), (50, 50)][seed % 3]
    x, labels = features(count + 30, length, 3, seed, noise=[0.5, 2][seed % 2])
    learnt, cs = slice(0, count), [CS[seed % 3], 3000.0]
    for found in svm.fit(x[learnt], signs_of(labels[learnt], 3), cs):
        values = found.classifier.decision(x)
        for k in range(3):
            machine = theirs(x[learnt], labels[learnt] == k, found.c)
            np.testing.assert_allclose(values[:, k], machine.decision_function(x), atol=1e-4)
            np.testing.assert_allclose(found.classifier.weights[k], machine.coef_[0], atol=1e-4)
        assert found.gaps.max() <= svm.TOLERANCE


def test_machines_are_liblinears_own() -> None:
    x, labels = features(80, 40, 4, seed=5, noise=2)
    for found in svm.fit(x, signs_of(labels, 4), CS):
        for k in range(4):
            positive = np.where(labels == k, 1.0, -1.0)
            # -s 2 is the primal problem, -B 1 the feature of ones; the first picture's class is +1
            order = np.argsort(-positive, kind="stable")
            options = f"-s 2 -c {found.c} -e 1e-9 -B 1 -q"
            machine = train(positive[order], x[order].astype(np.float64), options)
            weights, intercept = machine.get_decfun()
            np.testing.assert_allclose(found.classifier.weights[k], weights, atol=1e-5)
            assert found.classifier.intercepts[k] == pytest.approx(intercept, abs=1e-5)


def test_the_path_by_conjugate_gradients_is_that_of_systems_solved_outright(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, labels = features(150, 100, 5, noise=2)
    signs = signs_of(labels, 5)
    outright = svm.fit(x, signs, CS)
    for products in (0, 10**6):  # none outright, and all of them
        monkeypatch.setattr(gram, "PRODUCTS", products)
        for found, expected in zip(svm.fit(x, signs, CS, tolerance=1e-13), outright, strict=True):
            np.testing.assert_allclose(
                found.classifier.decision(x), expected.classifier.decision(x), atol=1e-5
            )
            assert found.gaps.max() <= 1e-13


@pytest.mark.parametrize("intercept", [True, False])
def test_products_by_rows_give_what_the_matrix_gives(
    intercept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, labels = features(90, 60, 3, noise=2)
    held = gram.gram_of(x, intercept)
    assert isinstance(held, gram.HeldGram)
    expected = svm.fit(x, signs_of(labels, 3), CS, intercept=intercept, tolerance=1e-13)
    monkeypatch.setattr(gram, "MOST_HELD", 0)
    monkeypatch.setattr(gram, "KEPT", 0)
    monkeypatch.setattr("verydeep.descriptors.linear.BLOCK", 7 * 60)  # seven rows at a time
    by_rows = gram.gram_of(x, intercept)
    assert isinstance(by_rows, gram.GramByRows)
    vectors = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 90)))
    some = torch.tensor([3, 50, 89])
    np.testing.assert_allclose(by_rows.times(vectors), held.times(vectors), atol=1e-12)
    np.testing.assert_allclose(by_rows.among(some), held.among(some), atol=1e-12)
    found = svm.fit(x, signs_of(labels, 3), CS, intercept=intercept, tolerance=1e-13)
    for ours, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            ours.classifier.decision(x), other.classifier.decision(x), atol=1e-6
        )


def test_the_matrix_is_the_same_whatever_is_multiplied_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, _ = features(50, 30, 2)
    monkeypatch.setattr("verydeep.descriptors.linear.BLOCK", 14 * 30)
    monkeypatch.setattr(gram, "TILE", 4)
    found = gram.gram_of(x, intercept=True)
    assert isinstance(found, gram.HeldGram)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(found.matrix, wide @ wide.T + 1, atol=1e-14)


def test_the_order_of_pictures_and_classes_changes_nothing() -> None:
    x, labels = features(120, 80, 6, noise=2)
    signs = signs_of(labels, 6)
    random = np.random.default_rng(0)
    pictures, classes = random.permutation(120), random.permutation(6)
    found = svm.fit(x, signs, CS, tolerance=1e-20)
    other = svm.fit(x[pictures], signs[pictures][:, classes], CS, tolerance=1e-20)
    for a, b in zip(found, other, strict=True):
        np.testing.assert_allclose(
            b.classifier.decision(x), a.classifier.decision(x)[:, classes], atol=1e-9
        )


def test_classes_worked_on_apart_are_those_worked_on_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, labels = features(60, 40, 5)
    together = svm.fit(x, signs_of(labels, 5), CS, tolerance=1e-20)
    monkeypatch.setattr(svm, "TOGETHER", 2 * 60)
    for a, b in zip(together, svm.fit(x, signs_of(labels, 5), CS, tolerance=1e-20), strict=True):
        np.testing.assert_allclose(a.classifier.weights, b.classifier.weights, atol=1e-9)


def test_four_times_c_on_half_the_features_is_the_same_classifier() -> None:
    x, labels = features(60, 30, 3, noise=2)
    signs = signs_of(labels, 3)
    (whole,) = svm.fit(x, signs, [1.0], intercept=False, tolerance=1e-20)
    (half,) = svm.fit(x / 2, signs, [4.0], intercept=False, tolerance=1e-20)
    np.testing.assert_allclose(
        half.classifier.decision(x / 2), whole.classifier.decision(x), atol=1e-9
    )


@pytest.mark.parametrize("weights", [[5.0, 0.3, 1.0], "balanced"])
def test_class_weights_are_scikit_learns(weights: list[float] | str) -> None:
    x, labels = features(70, 30, 3, noise=2)
    labels = np.where(np.arange(70) % 4 < 2, 0, labels)  # more than half are of the first class
    signs = signs_of(labels, 3)
    for found in svm.fit(x, signs, CS, weights):  # type: ignore[arg-type]
        for k in range(3):
            count = (labels == k).sum()
            weight = (70 - count) / count if weights == "balanced" else float(weights[k])
            machine = theirs(x, labels == k, found.c, weight)
            np.testing.assert_allclose(
                found.classifier.decision(x)[:, k], machine.decision_function(x), atol=1e-4
            )


@pytest.mark.parametrize("weights", [None, "balanced"])
def test_a_sign_of_0_is_the_picture_left_out_for_that_class(weights: str | None) -> None:
    x, labels = features(60, 30, 3, noise=2)
    signs = signs_of(labels, 3)
    signs[np.random.default_rng(0).random((60, 3)) < 0.3] = 0
    for found in svm.fit(x, signs, CS, weights, tolerance=1e-20):  # type: ignore[arg-type]
        for k in range(3):
            some = signs[:, k] != 0
            own = svm.fit(x[some], signs[some, k : k + 1], [found.c], weights, tolerance=1e-20)  # type: ignore[arg-type]
            np.testing.assert_allclose(
                found.classifier.decision(x)[:, k],
                own[0].classifier.decision(x)[:, 0],
                atol=1e-9,
            )


@pytest.mark.parametrize("c", CS)
def test_the_gap_bounds_how_far_decision_values_are_off(c: float) -> None:
    """By sqrt(2 gap) |x, 1|; gaps are told as a share of P, which is worked out here."""
    x, labels = features(90, 60, 3, noise=2)
    signs = signs_of(labels, 3)
    (exact,) = svm.fit(x, signs, [c], tolerance=1e-20)
    (rough,) = svm.fit(x, signs, [c], tolerance=1e-3)
    weights = np.column_stack([rough.classifier.weights, rough.classifier.intercepts])
    values = rough.classifier.decision(x)
    loss = (weights**2).sum(1) / 2 + c * (np.maximum(0, 1 - signs * values) ** 2).sum(0)
    off = abs(values - exact.classifier.decision(x)).max(0)
    assert (off <= np.sqrt(2 * rough.gaps * loss) * 2**0.5 + 1e-12).all()


def test_features_of_any_size_and_c_come_to_an_end() -> None:
    """Of raw features 1 / 2C is small beside G: as near the end as rounding lets it be."""
    x, labels = features(100, 60, 3, noise=3)
    for found in svm.fit(100 * x, signs_of(labels, 3), [1e-4, 1.0, 1e4]):
        assert np.isfinite(found.classifier.weights).all()
        assert found.gaps.max() < 1e-8


def test_the_same_pictures_give_the_same_bits() -> None:
    x, labels = features(150, 90, 5, noise=2)
    a, b = (svm.fit(x, signs_of(labels, 5), CS) for _ in range(2))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.classifier.weights, other.classifier.weights)


def test_what_nothing_can_be_learnt_from_is_refused_by_name() -> None:
    x, labels = features(12, 5, 3)
    signs = signs_of(labels, 3)

    def refused(match: str, **changed: object) -> None:
        given = {"x": x, "signs": signs, "cs": [1.0], "names": ["cat", "dog", "cow"]} | changed
        with pytest.raises(UserError, match=match) as raised:
            svm.fit(**given)  # type: ignore[arg-type]
        assert "\n" not in str(raised.value)

    without = signs.copy()
    without[signs[:, 1] == 1, 1] = 0
    refused("class 'dog' has no picture of it that counts", signs=without)
    refused("class 1 has no picture of it", signs=without, names=None)
    refused("class 'cat' has no picture that is not of it", signs=np.abs(signs))
    refused("12 pictures have features and 11 have signs", signs=signs[1:])
    refused("the sign of picture 0 for class 'cat' is 2; expected 1, -1 or 0", signs=2 * signs)
    refused("C is -1.0; expected a number above 0", cs=[1.0, -1.0])
    refused("no C to try", cs=[])
    refused("class weights: expected a number above 0 for each of 3", class_weights=[1.0, 0, 1])
    refused("class weights: .* for each of 3 classes", class_weights=[1.0, 2.0])
    bad = x.copy()
    bad[7, 2] = np.nan
    refused("the features of picture 7 have values that are no finite numbers", x=bad)
    refused("features of shape .0, 5.; expected a row for each picture", x=x[:0], signs=signs[:0])
    (found,) = svm.fit(x, signs, [1.0])
    with pytest.raises(UserError, match="features of 4 values; this was learnt from 5"):
        found.classifier.decision(x[:, :4])


def test_a_c_that_rounding_cannot_follow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gram, "PRODUCTS", 10**6)  # all solved outright
    x, labels = features(60, 3, 2)
    with pytest.raises(UserError, match="C is so large for features of this size"):
        svm.fit(1e6 * x, signs_of(labels, 2), [1e15])
