"""The estimator: scikit-learn's own checks, and LinearSVC beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import verydeep
from tests.descriptors.problems import features
from verydeep import LinearSVMs

TYPES = {"check_do_not_raise_errors_in_init_or_set_params": "types are checked while tests run"}


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [LinearSVMs(), LinearSVMs("choose", cs=(0.1, 10.0), folds=2, class_weight="balanced")],
    expected_failed_checks=lambda _: TYPES,
)
def test_scikit_learns_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weight", [None, "balanced", {"a": 3.0, "b": 0.5}])
def test_it_is_linear_svc(classes: int, intercept: bool, weight: Any) -> None:
    x, labels = features(100, 40, classes, noise=3)
    names = np.array(["a", "b", "c", "d"])[np.where(np.arange(100) % 5 == 0, 0, labels)]
    ours = LinearSVMs(10.0, class_weight=weight, fit_intercept=intercept).fit(x, names)
    theirs = LinearSVC(
        C=10, class_weight=weight, fit_intercept=intercept, tol=1e-8, max_iter=100_000
    ).fit(x.astype(np.float64), names)
    assert (ours.classes_ == theirs.classes_).all()
    assert ours.coef_.shape == theirs.coef_.shape
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    intercepts = theirs.intercept_ * np.ones(len(ours.coef_))
    np.testing.assert_allclose(ours.intercept_, intercepts, atol=1e-4)
    np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), atol=1e-4)
    assert (ours.predict(x) == theirs.predict(x)).all()
    assert ours.score(x, names) == theirs.score(x, names)


@pytest.mark.parametrize("classes", [2, 3])
def test_c_is_chosen_and_what_each_gave_is_told_as_it_was_asked_for(classes: int) -> None:
    x, labels = features(90, 20, classes, noise=4)
    cs = (10.0, 0.01, 1.0)
    ours = LinearSVMs("choose", cs=cs, folds=3, class_weight="balanced").fit(x, labels)
    assert [trial.c for trial in ours.choice_.trials] == sorted(cs)
    assert ours.choice_.c == ours.C_
    again = LinearSVMs(ours.C_, class_weight="balanced").fit(x, labels)
    np.testing.assert_allclose(ours.coef_, again.coef_, atol=1e-9)
    assert not hasattr(again, "choice_")


def test_it_goes_into_pipelines_and_searches() -> None:
    x, labels = features(90, 20, 3, noise=4)
    pipeline = make_pipeline(StandardScaler(), LinearSVMs())
    search = GridSearchCV(pipeline, {"linearsvms__C": [0.01, 1.0]}, cv=3).fit(x, labels)
    assert search.best_score_ > 1 / 3
    assert clone(LinearSVMs(3.0, seed=2)).get_params()["seed"] == 2


def test_without_scikit_learn_a_line_says_what_to_install() -> None:
    program = (
        "import sys\n"
        "sys.modules['sklearn'] = None\n"
        "import verydeep\n"
        "try:\n"
        "    verydeep.LinearSVMs\n"
        "except verydeep.UserError as error:\n"
        "    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'verydeep[sklearn]'" in done.stdout, done.stderr
    assert "LinearSVMs" not in verydeep.__all__
