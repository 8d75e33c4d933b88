"""Features drawn for tests: unit vectors around a mean for each class, as a network's are."""

from __future__ import annotations

import numpy as np


def features(
    count: int, length: int, classes: int, seed: int = 0, noise: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Features [N, D] of pictures and their labels, each class with as many, none negative."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    means = 1 + random.normal(size=(classes, length))
    x = np.maximum(0, means[labels] + noise * random.normal(size=(count, length)))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), labels
