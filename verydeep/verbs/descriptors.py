"""Descriptors as a transformer of scikit-learn's: pictures in, a row of numbers for each out.

It wants scikit-learn, which is an extra: `pip install 'verydeep[sklearn]'`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from verydeep.errors import UserError
from verydeep.runtime.progress import SILENT
from verydeep.verbs.features import Weights, features

try:
    from sklearn.base import BaseEstimator, TransformerMixin
except ImportError:
    raise UserError(
        "Descriptors is a transformer of scikit-learn's, which is not here; "
        "pip install 'verydeep[sklearn]'"
    ) from None


class Descriptors(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # has no types
    """Pictures as descriptors of length one, by a row of a network, as `verydeep.features` gives.

    Pictures are a list of whatever `verydeep.predict` takes: paths, bytes, arrays [H, W, 3].
    Nothing is learnt from them, so `fit` looks at none.

    >>> pipeline = make_pipeline(verydeep.Descriptors("vgg16"), verydeep.LinearSVMs("choose"))
    >>> pipeline.fit(paths, labels).predict(["cat.jpg"])
    """

    def __init__(
        self,
        weights: Weights = "vgg16",
        *,
        layer: str | None = None,
        scales: int | str | Sequence[int] | None = None,
        stacked: bool = False,
    ) -> None:
        self.weights = weights
        self.layer = layer
        self.scales = scales
        self.stacked = stacked

    def fit(self, X: Any, y: Any = None) -> Descriptors:  # noqa: N803 - scikit-learn's name
        """Itself; no picture is looked at."""
        return self

    def transform(self, X: Any) -> Float32[np.ndarray, "N D"]:  # noqa: N803
        """A descriptor of each picture; UserError names one that cannot be read."""
        pictures = [X] if isinstance(X, str | Path) else list(X)
        found = features(
            self.weights, pictures, layer=self.layer, scales=self.scales, stacked=self.stacked,
            progress=SILENT,
        )  # fmt: skip
        if found.left_out:
            raise UserError(found.left_out[0])
        return found.descriptors

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        tags.requires_fit = False
        tags.no_validation = True
        return tags
