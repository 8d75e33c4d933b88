"""Descriptors in a plane: by principal components, and by t-SNE where openTSNE is installed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from jaxtyping import Float32, Float64

FIRST = 50
"""Principal components that t-SNE is given."""
PERPLEXITY = 30
SEED = 0

Plane = Float64[np.ndarray, "N 2"]


@dataclass(frozen=True)
class Projection:
    """Where descriptors are in a plane, what the axes are, and what is to be said of them."""

    name: str
    points: Plane
    said: str


def principal(
    rows: Float32[np.ndarray, "N D"], count: int
) -> tuple[Float64[np.ndarray, "N k"], Float64[np.ndarray, " k"]]:
    """The first principal components of rows, and the share of the variance that each has.

    The sign is such that the largest of a component's D numbers is above zero. Components that
    there are not are zero.
    """
    centred = rows.astype(np.float64)
    centred -= centred.mean(0)
    wide = centred.shape[1] > centred.shape[0]
    variances, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    order = np.argsort(-variances, kind="stable")[:count]
    variances, vectors = variances[order].clip(0), vectors[:, order]
    axes = centred.T @ vectors if wide else vectors
    lengths = np.linalg.norm(axes, axis=0)
    axes /= np.where(lengths > 0, lengths, 1)
    largest = np.abs(axes).argmax(0)
    axes *= np.sign(axes[largest, np.arange(len(order))])
    found, shares = np.zeros((len(rows), count)), np.zeros(count)
    found[:, : len(order)] = centred @ axes
    shares[: len(order)] = variances / max((centred**2).sum(), np.finfo(np.float64).tiny)
    return found, shares


def by_principal_components(rows: Float32[np.ndarray, "N D"]) -> Projection:
    """The first two principal components."""
    points, shares = principal(rows, 2)
    first, second = (f"{100 * share:.0f} %" for share in shares)
    return Projection(
        "Principal components",
        points,
        f"The two directions of most variance, {first} of it to the right and {second} upwards; "
        f"what is apart in the others is not seen.",
    )


def by_tsne(rows: Float32[np.ndarray, "N D"], seed: int = SEED) -> Projection | None:
    """The plane of t-SNE; None where openTSNE is not installed, or there are too few rows."""
    if find_spec("openTSNE") is None or len(rows) < 3 * 4:
        return None
    from openTSNE import TSNE
    from openTSNE.initialization import rescale

    first, _ = principal(rows, min(FIRST, rows.shape[1]))
    perplexity = min(PERPLEXITY, (len(rows) - 1) // 3)
    made = TSNE(
        perplexity=perplexity,
        initialization=rescale(first[:, :2].copy()),
        neighbors="exact",
        n_jobs=1,
        random_state=seed,
    )
    return Projection(
        "t-SNE",
        np.array(made.fit(first), np.float64),
        f"t-SNE (van der Maaten & Hinton, 2008) of the first {first.shape[1]} principal "
        f"components, begun with the first two, perplexity {perplexity}, seed {seed}. Who is near "
        f"whom is kept; how far groups are apart, and how large they are, means little.",
    )
