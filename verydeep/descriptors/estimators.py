"""Linear SVMs as an estimator of scikit-learn's, for its pipelines, searches and scores.

It wants scikit-learn, which is an extra: `pip install 'verydeep[sklearn]'`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from verydeep.errors import UserError

try:  # before what imports PyTorch, so that it is told at once
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import compute_class_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise UserError(
        "LinearSVMs is an estimator of scikit-learn's, which is not here; "
        "pip install 'verydeep[sklearn]'"
    ) from None

from verydeep.descriptors.choice import GRID, choose_and_fit
from verydeep.descriptors.linear import Linear, signs_of
from verydeep.descriptors.svm import SVMs, fit


class LinearSVMs(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # has no types
    """A linear SVM for each class against the rest, all learnt at once: as LinearSVC, and faster.

    `C` is a number, or "choose": then `cs` are tried on a fifth of the pictures that is held out,
    or in so many `folds`, drawn from `seed`, and `choice_` says what each gave. `class_weight` is a
    dict, "balanced" or None, as LinearSVC has it: of more than two classes the others in a class's
    machine weigh 1. Without `fit_intercept` intercepts are 0.

    Fitted, it has `classes_`, `coef_` [K, D], `intercept_`, `n_features_in_`, `C_` and `gaps_`, the
    duality gap over the loss that each machine has reached; two classes have one machine, and their
    decision values one number for each picture.
    """

    def __init__(
        self,
        C: float | Literal["choose"] = 1.0,  # noqa: N803 - scikit-learn's name
        *,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        fit_intercept: bool = True,
        cs: tuple[float, ...] = GRID,
        folds: int | None = None,
        seed: int = 0,
    ) -> None:
        self.C = C
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.cs = cs
        self.folds = folds
        self.seed = seed

    def fit(self, X: Any, y: Any) -> LinearSVMs:  # noqa: N803
        """Itself, having learnt from features X [N, D] and a class for each."""
        x, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        classes = len(self.classes_)
        if classes < 2:
            raise UserError("the pictures are all of one class; linear SVMs want two")
        signs = signs_of(labels, classes)
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        if classes == 2:  # one machine, that of the second class
            signs = signs[:, 1:]
        found = self._fitted(x, signs, weights)
        self.gaps_ = found.gaps
        self.coef_, self.intercept_ = found.classifier.weights, found.classifier.intercepts
        return self

    def _fitted(self, x: Any, signs: Any, weights: Any) -> SVMs:
        scale = 1.0
        if len(weights) == 2:  # what the first class weighs goes into C
            scale, weights = float(weights[0]), weights[1:] / weights[0]
        names = [str(name) for name in self.classes_[-len(weights) :]]
        given = weights.tolist(), names, self.fit_intercept
        if self.C != "choose":
            self.C_ = self.C
            return fit(x, signs, [scale * self.C], *given)[0]
        cs = sorted(self.cs)
        scaled = [scale * c for c in cs]
        choice, found = choose_and_fit(x, signs, scaled, self.folds, self.seed, *given)
        trials = [replace(trial, c=c) for trial, c in zip(choice.trials, cs, strict=True)]
        self.C_ = cs[scaled.index(choice.c)]
        self.choice_ = replace(choice, c=self.C_, trials=tuple(trials))
        return found

    def decision_function(self, X: Any) -> Any:  # noqa: N803
        """Decision values [N, K], or [N] of two classes, above 0 for the second one."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        values = Linear(self.coef_, self.intercept_).decision(x)
        return values if len(self.classes_) > 2 else values[:, 0]

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The class of the largest decision value, for each picture."""
        values = self.decision_function(X)
        taken = values.argmax(1) if len(self.classes_) > 2 else (values > 0).astype(int)
        return self.classes_[taken]
