"""The choice of C against machines learnt without what is held out, and scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import PredefinedSplit, cross_val_score
from sklearn.svm import LinearSVC

from tests.descriptors.problems import features
from verydeep.descriptors import choice, svm
from verydeep.descriptors.linear import signs_of
from verydeep.errors import UserError
from verydeep.evaluation.average_precision import average_precisions

CS = (1.0, 0.01, 100.0)


def several(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features and signs of pictures with up to two of four classes; 0 here and there."""
    x, labels = features(count, 40, 4, seed, noise=3)
    random = np.random.default_rng(seed)
    signs = signs_of(labels, 4)
    signs[np.arange(count), random.integers(0, 4, count)] = 1
    signs[random.random((count, 4)) < 0.1] = 0
    return x, signs


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_of_each_class_every_fold_has_as_many(folds: int) -> None:
    labels = np.repeat([0, 1, 2], [30, 15, 60])
    dealt = choice.dealt_out(signs_of(labels, 3), folds, seed=0)
    for k, count in enumerate((30, 15, 60)):
        in_each = np.bincount(dealt[labels == k], minlength=folds)
        assert set(in_each) <= {count // folds, -(-count // folds)}


def test_what_is_held_out_is_a_function_of_the_seed() -> None:
    _, signs = several(100)
    a, b, c = (choice.dealt_out(signs, 5, seed) for seed in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()
    assert set(np.bincount(a)) == {20}


@pytest.mark.parametrize("count", [200, 201])
def test_the_held_out_give_what_machines_learnt_without_them_give(count: int) -> None:
    """Of one label accuracy; the held out are the first of five folds."""
    x, labels = features(count, 40, 4, noise=4)
    signs = signs_of(labels, 4)
    found, _ = choice.choose_and_fit(x, signs, CS, seed=3)
    out = choice.dealt_out(signs, 5, 3) == 0
    assert found.judged_by == "accuracy"
    assert [trial.c for trial in found.trials] == sorted(CS)
    for trial, machines in zip(found.trials, svm.fit(x[~out], signs[~out], CS), strict=True):
        right = machines.classifier.decision(x[out]).argmax(1) == labels[out]
        assert trial.figure == pytest.approx(100 * right.mean())


def test_several_labels_are_judged_by_mean_average_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "ENOUGH", 1e-14)  # a rank more would be another figure
    x, signs = several(150)
    found, _ = choice.choose_and_fit(x, signs, CS, folds=3)
    dealt = choice.dealt_out(signs, 3, 0)
    assert found.judged_by == "mean average precision"
    for fold in range(3):
        out = dealt == fold
        for trial, machines in zip(found.trials, svm.fit(x[~out], signs[~out], CS), strict=True):
            values = machines.classifier.decision(x[out])
            expected = average_precisions(values, signs[out]).mean
            assert trial.folds[fold] == pytest.approx(expected, abs=1e-6)
            assert trial.figure == pytest.approx(np.mean(trial.folds))


def test_folds_give_scikit_learns_cross_validation() -> None:
    x, labels = features(120, 40, 3, noise=4)
    found, _ = choice.choose_and_fit(x, signs_of(labels, 3), CS, folds=4)
    split = PredefinedSplit(choice.dealt_out(signs_of(labels, 3), 4, 0))
    for trial in found.trials:
        machine = LinearSVC(C=trial.c, tol=1e-8, max_iter=100_000)
        theirs = cross_val_score(machine, x.astype(np.float64), labels, cv=split)
        assert trial.folds == pytest.approx(100 * theirs)


def test_the_best_is_taken_and_learnt_from_all_pictures() -> None:
    x, labels = features(200, 40, 4, noise=6)
    signs = signs_of(labels, 4)
    found, machines = choice.choose_and_fit(x, signs)
    best = max(trial.figure for trial in found.trials)
    assert found.c == min(trial.c for trial in found.trials if trial.figure == best)
    assert len({trial.figure for trial in found.trials}) > 1
    assert machines.c == found.c
    (again,) = svm.fit(x, signs, [found.c])
    np.testing.assert_allclose(machines.classifier.weights, again.classifier.weights, atol=1e-9)


def test_of_several_that_are_best_the_smallest_c_is_taken() -> None:
    x, labels = features(60, 30, 3, noise=0.01)
    found, _ = choice.choose_and_fit(x, signs_of(labels, 3), (10.0, 0.1, 1.0))
    assert {trial.figure for trial in found.trials} == {100.0}
    assert found.c == 0.1


def test_one_machine_of_two_classes_is_judged_by_its_sign() -> None:
    x, labels = features(100, 20, 2, noise=4)
    signs = signs_of(labels, 2)[:, 1:]
    found, _ = choice.choose_and_fit(x, signs, CS)
    out = choice.dealt_out(signs, 5, 0) == 0
    assert 0 < signs[out].sum() + out.sum() < 2 * out.sum()  # both classes are held out
    (machines,) = svm.fit(x[~out], signs[~out], [1.0])
    right = (machines.classifier.decision(x[out]) > 0) == (signs[out] > 0)
    assert found.judged_by == "accuracy"
    assert found.trials[1].figure == pytest.approx(100 * right.mean())


def test_what_cannot_be_chosen_by_is_refused_in_a_line() -> None:
    x, labels = features(40, 20, 4)
    alone = labels.copy()
    alone[1:][labels[1:] == 0] = 1  # the first picture is the only one of its class
    with pytest.raises(UserError, match="class 'cat' has too few pictures for some to be held out"):
        choice.choose_and_fit(x, signs_of(alone, 4), folds=2, names=["cat", "dog", "cow", "ox"])
    with pytest.raises(UserError, match="1 folds of 40 pictures; expected 2 or more"):
        choice.choose_and_fit(x, signs_of(labels, 4), folds=1)
