"""Errors in %, as the paper prints them, from posteriors and true labels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int64

from verydeep.datasets.dataset import Labels
from verydeep.evaluation.posteriors import Posteriors


def wrong(posteriors: Posteriors, labels: Labels, k: int = 1) -> Bool[np.ndarray, N]:
    """Pictures whose class is not among their k most probable ones.

    Of classes with the same posterior the first ones count as the more probable.
    """
    own = np.take_along_axis(posteriors, labels[:, None], 1)
    tied_before = (posteriors == own) & (np.arange(posteriors.shape[1]) < labels[:, None])
    ranks = ((posteriors > own) | tied_before).sum(1)
    return np.asarray(ranks >= k)


def top_error(posteriors: Posteriors, labels: Labels, k: int = 1) -> float:
    """Top-k error in %: the share of pictures whose class is not among the k most probable."""
    return 100 * float(wrong(posteriors, labels, k).mean())


def confusion(posteriors: Posteriors, labels: Labels) -> Int64[np.ndarray, "K K"]:
    """Number of pictures of class (row) that were taken for class (column)."""
    classes = posteriors.shape[1]
    taken_for = posteriors.argmax(1)
    return np.bincount(labels * classes + taken_for, minlength=classes**2).reshape(classes, classes)


def class_errors(posteriors: Posteriors, labels: Labels, k: int = 1) -> list[float | None]:
    """Top-k error of each class in %; None for a class without a picture."""
    missed = wrong(posteriors, labels, k)
    own = [missed[labels == c] for c in range(posteriors.shape[1])]
    return [100 * float(m.mean()) if len(m) else None for m in own]
